"""Parameters of dimensions, measures and filter-only fields."""

from __future__ import annotations

from dragoman.semantics.model.fields import Aggregate, FilterType
from dragoman.semantics.model.grains import Grain, Interval
from dragoman.semantics.schema.shapes import (
    Schema,
    anything,
    choice,
    either,
    field_ref,
    field_refs,
    flag,
    listing,
    number,
    record,
    ref,
    sql,
    text,
    texts,
    whole,
)

_SUGGESTION = either(
    "A value, with the words to show for it.",
    text("The value."),
    record({"value": text("The value."), "label": text("What is shown.")}, required=["value"]),
)
BASE: dict[str, Schema] = {
    "label": text("The name that people see; made of the field's name where it is missing."),
    "description": text("What it means, for people."),
    "group_label": text("The group it is shown in."),
    "view_label": text("The view it is shown under, in place of its own."),
    "skip_parent_label": flag("Leave the parent's label out of this one's."),
    "hidden": flag("Not shown in lists; can be asked for and referred to."),
    "ignored": flag("As if it were deleted, also from lower layers."),
    "aliases": texts("Names it had before; what refers to them still works."),
    "extends": texts("Fields (`view.field`) that it begins as a copy of."),
    "ignore_from_extended": flag("Do not inherit the field of this name from `extends`."),
    "tags": texts("Words that topics choose fields by (`tag:finance`)."),
    "synonyms": texts("Other words that people use for it."),
    "format": text("How values are shown: a named format, an Excel mask, or a D3 time format."),
    "display_order": number("Its place in lists, from low to high."),
    "required_access_grants": texts("Grants that a user must have, all of them."),
    "mask_unless_access_grants": texts("Grants without which a user sees a mask for the value."),
    "ai_context": text("What an assistant should know about it."),
    "all_values": anything("All values that it can have."),
    "sample_values": anything("Some of its values."),
    "suggest_from_field": field_ref("The field whose values a filter suggests."),
    "suggest_from_topic": text("The topic in which suggestions are looked for."),
    "suggestion_list": listing("The values that a filter suggests.", _SUGGESTION),
    "filter_single_select_only": flag("A filter takes one value only."),
    "drill_fields": texts("Fields (or sets of them) that are shown for one value of it."),
    "drill_queries": anything("Questions that lead from one value of it to others."),
    "links": anything("Links on a value: `label` and a `url` template."),
    "colors": anything("Colours of its values in charts."),
}
LEVEL_OF_DETAIL = record(
    {
        "aggregate_type": choice("How values of the inner grain are made.", Aggregate),
        "fixed": field_refs("The grain, whatever the query asks."),
        "always_include": field_refs("Fields that are added to the query's own grain."),
        "always_exclude": field_refs("Fields that are taken out of the query's own grain."),
        "cancel_query_filters": flag("No filter of the query holds inside; those of its topic do."),
    },
    "An aggregate at a grain of its own; one of `fixed`, `always_include`, `always_exclude`.",
    required=["aggregate_type"],
)
DIMENSION = record(
    {
        **BASE,
        "sql": sql(
            "The expression; the column of the same name where it is missing. `${field}`, "
            "`${view.field}` and `${view.field[month]}` refer to other fields."
        ),
        "type": choice(
            "A hint, for an expression whose type cannot be known: string, number, boolean, "
            "timestamp, date, interval, array or json.",
            ("string", "number", "boolean", "timestamp", "date", "interval", "array", "json"),
        ),
        "primary_key": flag("It identifies a row; several together do so as one key."),
        "timeframes": listing(
            "The grains of a time dimension; the model's where it is missing, `[]` for none.",
            choice("A grain.", Grain),
        ),
        "convert_tz": flag("Convert to the time zone of whoever asks.", default=True),
        "groups": listing(
            "Names for rows that filters on the own value let through; the first that fits.",
            record(
                {"filter": ref("filter"), "name": text("The name of the group.")},
                required=["filter", "name"],
            ),
        ),
        "else": text("The name for rows that no group has."),
        "bin_boundaries": listing("Boundaries of ranges of numbers, ascending.", number("")),
        "duration": record(
            {
                "sql_start": sql("When it begins."),
                "sql_end": sql("When it ends."),
                "intervals": listing("What it is counted in.", choice("A unit.", Interval)),
            },
            "The time between two moments; one field for each interval (`f[days]`).",
            required=["sql_start", "sql_end"],
        ),
        "level_of_detail": LEVEL_OF_DETAIL,
        "dynamic_top_n": record(
            {
                "n": whole("How many; `field[25]` asks for another number.", minimum=1),
                "by": field_ref("The measure that ranks them."),
                "desc": flag("The greatest first.", default=True),
                "else": text(
                    "The name for all others; ` (all others)` follows where a "
                    "value of that name is told apart."
                ),
            },
            "The values that a measure ranks first; the others are one group.",
            required=["n", "by"],
        ),
        "order_by_field": field_ref("Sorting by this dimension sorts by that field."),
        "parent_field": field_ref("The nested column that it is part of."),
        "nested_on_field": field_ref("The repeated column that it comes out of."),
        "custom_primary_key_sql_for_quick_aggs": sql("The key for aggregates over nested rows."),
    },
    "A value of each row.",
)
MEASURE = record(
    {
        **BASE,
        "sql": sql(
            "What is aggregated. Without `aggregate_type`: an aggregate itself, or "
            "arithmetic over measures (`${revenue} / ${orders.count}`)."
        ),
        "aggregate_type": choice("How many values become one.", Aggregate),
        "filters": ref("filters"),
        "percentile": number("Which percentile.", minimum=0, maximum=100),
        "custom_primary_key_sql": sql(
            "The key of `…_distinct_on`; the view's where it is missing."
        ),
        "level_of_detail": LEVEL_OF_DETAIL,
    },
    "A value of many rows.",
)
FILTER_FIELD = record(
    {
        **BASE,
        "type": choice("The kind of value it takes; `column` picks a field.", FilterType),
        "default_filter": ref("filter"),
        "bind_to": field_refs("Fields that its condition applies to."),
    },
    "A field that can only be filtered.",
)
DEFINITIONS: dict[str, Schema] = {
    "dimension": DIMENSION,
    "measure": MEASURE,
    "filter_field": FILTER_FIELD,
}
