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
from dragoman.semantics.inference.structures import parts
from dragoman.semantics.inference.types import data_type
from dragoman.semantics.layers import ViewSource

# Says in the file that the key is our guess; keys that begin so mean nothing to the language.
GUESSED_KEY: Final = "x-guessed-primary-key"


def view_source(table: Table, name: str, conventions: Conventions) -> ViewSource:
    """The view of a table. `name`: the view's name, settled among all tables."""
    dimensions, types = _dimensions(table, conventions)
    fields = list(dimensions)[: len(table.columns)]
    stem = table_stem(clean(table.name, "table"))
    for field in keys.primary_key(table, fields, stem, conventions.dialect):
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
    if table.tags:
        definition["tags"] = table.tags
    definition |= {"dimensions": dimensions, "measures": {COUNT: count(title(table.name))}}
    folder = conventions.folder(table.catalog, table.schema)
    path = f"{folder}/{file_name(name, table, conventions)}.view"
    return ViewSource(name, path, definition, types)


def count(label: str) -> dict[str, Any]:
    """The measure that every view of a table has."""
    return {"aggregate_type": "count", "label": f"{label} Count", "format": "NUMBER_0"}


def file_name(name: str, table: Table, conventions: Conventions) -> str:
    """The view's name without its scope, which the folder says."""
    scope = conventions.scope(table.catalog, table.schema)
    usual = conventions.view_name(table.catalog, table.schema, table.name)
    return clean(table.name, "table") if scope and name == usual else name


def _dimensions(
    table: Table, conventions: Conventions
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The columns in their order, then the fields inside them; and the type of each."""
    dialect, columns = conventions.dialect, table.columns
    inside = [(column.name, part) for column in columns for part in parts(column.type, dialect)]
    names = iter(
        field_names(
            [column.name for column in columns], [(name, *part.path) for name, part in inside]
        )
    )
    structures = {name for name, part in inside if not part.nested}
    parents: dict[str, str] = {}
    dimensions: dict[str, dict[str, Any]] = {}
    types: dict[str, str] = {}
    for column, field in zip(columns, names, strict=False):
        kind = data_type(column.type, dialect)
        dimensions[field], types[field] = _dimension(column, field, kind, conventions), str(kind)
        if tags := table.column_tags.get(column.name):
            dimensions[field]["tags"] = tags
        parents[column.name] = field
        if column.name in structures:
            # Its fields are shown, and few databases group by a structure.
            dimensions[field]["hidden"] = True
    for (column, part), field in zip(inside, names, strict=True):
        kind, path = data_type(part.type, dialect), (column, *part.path)
        dimensions[field], types[field] = _field(path, field, kind, conventions), str(kind)
        dimensions[field]["parent_field"] = parents[column]
        if part.nested:
            sql = ".".join(map(conventions.quote, part.path))
            dimensions[field] |= {"sql": sql, "nested_on_field": parents[column]}
    return dimensions, types


def _dimension(
    column: Column, field: str, kind: DataType, conventions: Conventions
) -> dict[str, Any]:
    found = _field((column.name,), field, kind, conventions)
    if column.comment:
        found["description"] = column.comment
    return found


def _field(
    path: tuple[str, ...], field: str, kind: DataType, conventions: Conventions
) -> dict[str, Any]:
    sql = ".".join(map(conventions.quote, path))
    found: dict[str, Any] = {"sql": sql, "label": " ".join(map(title, path))}
    if kind is DataType.NUMBER and (field == "id" or field.endswith("_id")):
        found["format"] = "ID"
    if kind is DataType.OTHER_UNGROUPABLE:
        found["hidden"] = True
    return found
