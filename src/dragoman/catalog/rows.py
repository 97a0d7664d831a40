"""A table of a catalog as it is stored: columns and keys in JSON, and a digest of all of it."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any, Final

import msgspec

from dragoman.dialects.catalog import Column, ForeignKey, Table, TableKind
from dragoman.semantics.inference.names import Identity

# Estimates of rows change all the time and positions have gaps: neither is kept.
_COLUMN: Final = attrgetter("name", "type", "nullable", "default", "comment")
_KEY: Final = attrgetter("name", "columns", "schema", "table", "referenced_columns", "catalog")
_ENCODER: Final = msgspec.json.Encoder()


class _Content(msgspec.Struct, array_like=True):
    """What `content` writes. Tags stand at the end, and only where there are any."""

    comment: str | None
    schema_comment: str | None
    primary_key: list[str]
    unique_keys: list[list[str]]
    foreign_keys: list[tuple[str, list[str], str, str, list[str], str | None]]
    columns: list[tuple[str, str, bool, str | None, str | None]]
    tags: list[str] = []
    column_tags: dict[str, list[str]] = {}


_DECODER: Final = msgspec.json.Decoder(_Content)


def identity(table: Table) -> Identity:
    """What tells a table from all others of its connection."""
    return table.catalog, table.schema, table.name


def content(table: Table) -> bytes:
    """The table's columns, keys, comments and tags as JSON."""
    said = (
        table.comment,
        table.schema_comment,
        table.primary_key,
        table.unique_keys,
        list(map(_KEY, table.foreign_keys)),
        list(map(_COLUMN, table.columns)),
    )
    tagged = table.tags or table.column_tags
    return _ENCODER.encode((*said, table.tags, table.column_tags) if tagged else said)


def digest(table: Table, encoded: bytes) -> bytes:
    """16 bytes that differ when anything does that a model could show."""
    found = hashlib.blake2b(encoded, digest_size=16)
    found.update(table.kind.encode())
    return found.digest()


def table_of(who: Identity, kind: str, encoded: str) -> Table:
    """The table of a row. Positions count from 1 without gaps."""
    found = _DECODER.decode(encoded)
    places = {name: place for place, name in enumerate(found.primary_key, 1)}
    return Table(
        *who,
        TableKind(kind),
        found.comment,
        [
            Column(name, position, of, nullable, default, said, places.get(name))
            for position, (name, of, nullable, default, said) in enumerate(found.columns, 1)
        ],
        found.primary_key,
        [ForeignKey(*each) for each in found.foreign_keys],
        None,
        found.schema_comment,
        found.unique_keys,
        found.tags,
        found.column_tags,
    )


def shown(table: Table) -> dict[str, Any]:
    """The columns, keys and tags of a table as the API shows them."""
    return {
        "tags": table.tags,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "default": column.default,
                "comment": column.comment,
                "tags": table.column_tags.get(column.name, []),
            }
            for column in table.columns
        ],
        "primaryKey": table.primary_key,
        "foreignKeys": [
            {
                "name": key.name,
                "columns": key.columns,
                "catalog": key.catalog,
                "schema": key.schema,
                "table": key.table,
                "referencedColumns": key.referenced_columns,
            }
            for key in table.foreign_keys
        ],
    }
