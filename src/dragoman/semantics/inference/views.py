"""One table of a catalog as a view of the schema layer."""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.catalog import Column, Table
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference import keys
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.labels import title
from dragoman.semantics.inference.names import COUNT, clean, field_names
from dragoman.semantics.inference.stems import table_stem
from dragoman.semantics.inference.types import data_type
from dragoman.semantics.layers import ViewSource

# Says in the file that the key is our guess; keys that begin so mean nothing to the language.
GUESSED_KEY: Final = "x-guessed-primary-key"


def view_source(table: Table, name: str, conventions: Conventions) -> ViewSource:
    """The view of a table. `name`: the view's name, settled among all tables."""
    fields = field_names([column.name for column in table.columns])
    types = [data_type(column.type, conventions.dialect) for column in table.columns]
    stem = table_stem(clean(table.name, "table"))
    key = keys.primary_key(table, fields, stem, conventions.dialect)
    dimensions = {
        field: _dimension(column, field, kind, conventions)
        for column, field, kind in zip(table.columns, fields, types, strict=True)
    }
    for field in key:
        dimensions[field]["primary_key"] = True
        if not keys.declared(table):
            dimensions[field][GUESSED_KEY] = True
    definition: dict[str, Any] = {}
    if table.catalog is not None and conventions.multi_catalog:
        definition["catalog"] = table.catalog
    definition |= {"schema": table.schema, "table_name": table.name, "label": title(table.name)}
    definition |= {"schema_label": title(table.schema)}
    if table.comment:
        definition["description"] = table.comment
    definition |= {"dimensions": dimensions, "measures": {COUNT: count(title(table.name))}}
    folder = conventions.folder(table.catalog, table.schema)
    path = f"{folder}/{file_name(name, table, conventions)}.view"
    return ViewSource(name, path, definition, dict(zip(fields, map(str, types), strict=True)))


def count(label: str) -> dict[str, Any]:
    """The measure that every view of a table has."""
    return {"aggregate_type": "count", "label": f"{label} Count", "format": "NUMBER_0"}


def file_name(name: str, table: Table, conventions: Conventions) -> str:
    """The view's name without its scope, which the folder says."""
    scope = conventions.scope(table.catalog, table.schema)
    usual = conventions.view_name(table.catalog, table.schema, table.name)
    return clean(table.name, "table") if scope and name == usual else name


def _dimension(
    column: Column, field: str, kind: DataType, conventions: Conventions
) -> dict[str, Any]:
    found: dict[str, Any] = {"sql": conventions.quote(column.name), "label": title(column.name)}
    if column.comment:
        found["description"] = column.comment
    if kind is DataType.NUMBER and (field == "id" or field.endswith("_id")):
        found["format"] = "ID"
    if kind is DataType.OTHER_UNGROUPABLE:
        found["hidden"] = True
    return found
