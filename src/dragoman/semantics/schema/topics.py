"""Parameters of topics and composite topics."""

from __future__ import annotations

from dragoman.semantics.model.grains import WeekDay
from dragoman.semantics.model.references import NAME
from dragoman.semantics.model.topics import UnrelatedDimensions
from dragoman.semantics.schema.shapes import (
    Schema,
    anything,
    choice,
    entry,
    field_ref,
    flag,
    listing,
    map_of,
    name,
    names,
    number,
    record,
    ref,
    sql,
    text,
    texts,
    whole,
)

_SELECTOR = rf"^-?({NAME}\.(\*|{NAME})|tag:.+)$"
ACCESS_FILTER = record(
    {
        "field": field_ref("The field whose values decide."),
        "user_attribute": text("The attribute of the user that it is compared with."),
        "values_for_unfiltered": texts("Values of the attribute with which a user sees all rows."),
        "enable_sql_like_wildcards": flag("`%` and `_` in the attribute's values are wildcards."),
    },
    "Rows that a user sees: those where the field has a value of the user's attribute.",
    required=["field", "user_attribute"],
)
_SHOWN: dict[str, Schema] = {
    "label": text("The name that people see."),
    "description": text("What can be asked, for people."),
    "group_label": text("The group it is shown in."),
    "display_order": number("Its place in lists, from low to high."),
    "hidden": flag("Not shown in lists; can be asked."),
    "ignored": flag("As if it were deleted, also from lower layers."),
    "owners": anything("Who looks after it."),
    "ai_context": text("What an assistant should know about it."),
    "sample_queries": anything("Questions to begin with."),
}
TOPIC = record(
    {
        **_SHOWN,
        "base_view": name("The view that every question starts from; the file's name if missing."),
        "base_view_label": text("The label of the base view in this topic."),
        "extends": names("Topics that it begins as a copy of; later ones win."),
        "template": flag("It is only there to be extended."),
        "joins": ref("joins"),
        "relationships": listing(
            "Joins of this topic alone; they stand in place of the model's between the same views.",
            ref("relationship"),
        ),
        "views": map_of(
            "What holds of views inside this topic only: properties and fields of theirs.",
            entry(ref("view")),
        ),
        "fields": listing(
            "The fields on offer: `all_views.*`, `view.*`, `view.field`, `tag:word`; `-` takes "
            "away. Later ones win.",
            {"type": "string", "pattern": _SELECTOR},
            default=["all_views.*"],
        ),
        "access_filters": listing("Which rows a user sees.", ref("access_filter")),
        "always_where_sql": sql("A condition on rows that always holds."),
        "always_where_filters": ref("filters"),
        "always_having_sql": sql("A condition on measures that always holds."),
        "always_having_filters": ref("filters"),
        "default_filters": ref("filters"),
        "required_access_grants": texts("Grants without which a user does not see the topic."),
        "cache_policy": text("How long results may be used again; a name of `cache_policies`."),
        "default_row_limit": whole("Rows of a question that names no limit.", minimum=1),
        "week_start_day": choice("The day that weeks start on.", WeekDay),
        "auto_run": flag("Run questions as they are made.", default=True),
        "warehouse_override": text("The Snowflake warehouse that answers."),
        "ai_fields": anything("The fields that an assistant sees."),
    },
    "A topic: what can be asked together.",
)
JOINS = map_of(
    "The views that can be asked, each below the one it is joined to; `{}` ends a branch.",
    entry(ref("joins")),
)
COMPOSITE = record(
    {
        **_SHOWN,
        "topics": names("The topics that are asked together."),
        "shared_views": names("Views that mean the same in all of them."),
        "shared_dimensions": map_of(
            "Dimensions that they share: the field of each topic.",
            record(
                {
                    "label": text("The name that people see."),
                    "mappings": map_of(
                        "Topic and field.",
                        record({"field": field_ref("The field.")}, required=["field"]),
                    ),
                },
                required=["mappings"],
            ),
        ),
        "shared_measures": map_of(
            "Measures over those of several topics.",
            record(
                {
                    "label": text("The name that people see."),
                    "format": text("How values are shown."),
                    "sql": sql("Arithmetic over `${topic.view.measure}`."),
                },
                required=["sql"],
            ),
        ),
        "unrelated_dimension_handling": choice(
            "What a topic does with a dimension that it does not have.",
            UnrelatedDimensions,
            default=UnrelatedDimensions.FILTER_ONLY.value,
        ),
        "always_join_all_topics": flag("Ask every topic, also those that no field comes from."),
    },
    "A composite topic: several topics asked together.",
    required=["topics"],
)
DEFINITIONS: dict[str, Schema] = {"joins": JOINS, "access_filter": ACCESS_FILTER}
