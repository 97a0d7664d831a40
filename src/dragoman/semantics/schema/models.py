"""Parameters of the model file."""

from __future__ import annotations

from dragoman.semantics.model.grains import DEFAULT_TIMEFRAMES, Grain, WeekDay
from dragoman.semantics.model.settings import DEFAULT_ROW_LIMIT
from dragoman.semantics.schema.shapes import (
    anything,
    choice,
    either,
    flag,
    listing,
    map_of,
    record,
    ref,
    sql,
    text,
    texts,
    whole,
)

_GRANT = record(
    {
        "user_attribute": text("The attribute that decides."),
        "allowed_values": texts("A user with one of these values holds the grant."),
        "access_boostable": flag("A document may lend it to its readers."),
    },
    required=["user_attribute", "allowed_values"],
)
_POLICY = record(
    {
        "max_cache_age": text("From `0 seconds` (never) to `30 days`."),
        "filter_suggestions_must_obey_policy": flag("Suggested values too."),
    },
    required=["max_cache_age"],
)
MODEL = record(
    {
        "label": text("The name that people see."),
        "description": text("What the model is about."),
        "access_grants": map_of("Rights that fields, views and topics ask for.", _GRANT),
        "default_topic_required_access_grants": texts("Grants that every topic asks for."),
        "default_topic_access_filters": listing(
            "Rows that a user sees in every topic that does not say otherwise.",
            ref("access_filter"),
        ),
        "cache_policies": map_of("How long results may be used again, by name.", _POLICY),
        "default_cache_policy": text("The policy that holds where none is named; else 6 hours."),
        "default_row_limit": whole(
            "Rows of a question that names no limit.", minimum=1, default=DEFAULT_ROW_LIMIT
        ),
        "default_timeframes": listing(
            "The grains of time dimensions that name none.",
            choice("A grain.", Grain),
            default=[grain.value for grain in DEFAULT_TIMEFRAMES],
        ),
        "week_start_day": choice(
            "The day that weeks start on.", WeekDay, default=WeekDay.MONDAY.value
        ),
        "fiscal_month_offset": either(
            "The months by which the fiscal year is shifted. 11: it starts in February and "
            "is named for the later of its two years; -1: it starts in February and is named for "
            "the earlier. Without it there are no fiscal grains.",
            whole("Months.", minimum=-11, maximum=11),
            record({"user_attribute": text("The attribute that has the number.")}),
        ),
        "default_numeric_locale": text("How numbers are shown.", default="en_US"),
        "constants": map_of("Text to put into SQL as `@{name}`.", text("The text.")),
        "custom_formats": map_of(
            "Formats by name.",
            either("A format.", text("An Excel mask."), anything("A format with its parts.")),
        ),
        "sets": map_of("Lists of fields to use again.", texts("Fields.")),
        "included_schemas": texts("The schemas that are used; all where it is missing."),
        "ignored_schemas": texts("Schemas that are left out. `*` stands for any text."),
        "included_views": texts("The views that are used: `view`, `schema.view`."),
        "ignored_views": texts("Views that are left out: `view`, `schema.view`."),
        "dynamic_schemas": map_of(
            "Schemas whose name is the value of an attribute of the user.",
            record(
                {
                    "from_schema": text("The schema that the model was made from."),
                    "user_attribute": text("The attribute that has the name."),
                },
                required=["from_schema", "user_attribute"],
            ),
        ),
        "sql_preamble": sql("Statements that run before each question (`SET …`)."),
        "warehouse_override": text("The Snowflake warehouse that answers."),
        "slot_reservation": text("The BigQuery reservation that answers."),
        "extends": texts("Models that it begins as a copy of."),
        "template": flag("It is only there to be extended."),
        "auto_run": flag("Run questions as they are made.", default=True),
        "facet_workbook_filters": flag("Filters suggest only values that the others leave."),
        "topic_group_descriptions": anything("Descriptions of groups of topics."),
        "topics": anything("Topics inside the model file, as old models have them."),
        "ai_context": text("What an assistant should know."),
        "ai_settings": anything("Settings of assistants."),
        "ai_chat_topics": anything("The topics that an assistant may ask."),
        "sample_queries": anything("Questions to begin with."),
        "skills": anything("What an assistant can do."),
    },
    "The model file: what holds for the model as a whole.",
)
