"""Parameters of views and query views."""

from __future__ import annotations

from dragoman.semantics.schema.shapes import (
    FIELD_PATTERN,
    Schema,
    anything,
    either,
    entry,
    field_ref,
    field_refs,
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

_FIELDS = either(
    "The fields, and the names of the columns that they become.",
    map_of("Field and column.", {"anyOf": [{"type": "string"}, {"type": "null"}]}, FIELD_PATTERN),
    field_refs("Fields."),
)
QUERY = record(
    {
        "fields": _FIELDS,
        "base_view": name("The view that it starts from."),
        "topic": name("The topic that it asks; its rules apply."),
        "filters": ref("filters"),
        "sorts": listing(
            "The order.",
            either(
                "A field.",
                {"type": "string"},
                record(
                    {"field": field_ref("The field."), "desc": flag("The greatest first.")},
                    required=["field"],
                ),
            ),
        ),
        "limit": whole("At most so many rows.", minimum=1),
        "pivots": field_refs("Fields whose values become columns."),
        "column_limit": whole("At most so many columns of a pivot.", minimum=1),
        "fill_fields": field_refs("Fields whose missing values get a row."),
        "calculations": listing("Calculations over the result.", anything("A calculation.")),
        "bind_all_filters": flag("Every filter from outside that can be joined applies inside."),
    },
    "A question in fields.",
    required=["fields"],
)
SHARED: dict[str, Schema] = {
    "label": text("The name that people see."),
    "description": text("What its rows are, for people."),
    "display_order": number("Its place in lists, from low to high."),
    "folder": text("The folder it is shown in."),
    "schema_label": text("The name of its schema that people see."),
    "tags": texts("Words about it."),
    "ai_context": text("What an assistant should know about it."),
    "hidden": flag("Not shown in lists; its fields can be asked for."),
    "ignored": flag("As if it were deleted, also from lower layers."),
    "shallow_ignored": flag("As if the layer right below did not have it; what lies lower holds."),
    "aliases": texts("Names it had before; what refers to them still works."),
    "extends": names("Views that it begins as a copy of; later ones win."),
    "template": flag("It is only there to be extended and needs no table."),
    "required_access_grants": texts("Grants that a user must have, all of them."),
    "default_drill_fields": texts("Fields that are shown for one value of a measure."),
    "default_drill_query": anything("The question that one value of a measure leads to."),
    "fill_fields": texts("Fields whose missing values get a row."),
    "custom_compound_primary_key_sql": texts(
        "Fields or expressions that identify a row together, where no dimension is the key."
    ),
    "materialized_query": ref("query"),
    "dimensions": map_of("Values of each row, by name.", entry(ref("dimension"))),
    "measures": map_of("Values of many rows, by name.", entry(ref("measure"))),
    "filters": map_of("Fields that can only be filtered, by name.", entry(ref("filter_field"))),
    "sets": map_of("Lists of fields to use again.", texts("Fields.")),
}
SOURCES: dict[str, Schema] = {
    "schema": text("The schema of the table, as the database has it."),
    "catalog": text("The catalog (database, project) of the table."),
    "table_name": text("The table; the file's own name where it is missing."),
    "semantic_table": text(
        "The logical table, where `table_name` is a semantic view of Snowflake."
    ),
    "uploaded_table_name": text("The uploaded table that it is over."),
    "sql": sql("A SELECT that gives the rows; `${view}` stands for another view's rows."),
    "query": ref("query"),
}
VIEW = record({**SOURCES, **SHARED}, "A view: rows, and the fields that are asked of them.")
# Inside a topic a view may be anything that a file can say of it.
DEFINITIONS: dict[str, Schema] = {"query": QUERY, "view": VIEW}
