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
_DECODER: Final = msgspec.json.Decoder(
    tuple[
        str | None,
        str | None,
        list[str],
        list[list[str]],
        list[tuple[str, list[str], str, str, list[str], str | None]],
        list[tuple[str, str, bool, str | None, str | None]],
    ]
)


def identity(table: Table) -> Identity:
    """What tells a table from all others of its connection."""
    return table.catalog, table.schema, table.name


def content(table: Table) -> bytes:
    """The table's columns, keys and comments as JSON."""
    return _ENCODER.encode(
        (
            table.comment,
            table.schema_comment,
            table.primary_key,
            table.unique_keys,
            list(map(_KEY, table.foreign_keys)),
            list(map(_COLUMN, table.columns)),
        )
    )


def digest(table: Table, encoded: bytes) -> bytes:
    """16 bytes that differ when anything does that a model could show."""
    found = hashlib.blake2b(encoded, digest_size=16)
    found.update(table.kind.encode())
    return found.digest()


def table_of(who: Identity, kind: str, encoded: str) -> Table:
    """The table of a row. Positions count from 1 without gaps."""
    comment, schema_comment, key, unique, foreign, columns = _DECODER.decode(encoded)
    places = {name: place for place, name in enumerate(key, 1)}
    return Table(
        *who,
        TableKind(kind),
        comment,
        [
            Column(name, position, of, nullable, default, said, places.get(name))
            for position, (name, of, nullable, default, said) in enumerate(columns, 1)
        ],
        key,
        [ForeignKey(*each) for each in foreign],
        None,
        schema_comment,
        unique,
    )


def shown(table: Table) -> dict[str, Any]:
    """The columns and keys of a table as the API shows them."""
    return {
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nullable": column.nullable,
                "default": column.default,
                "comment": column.comment,
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
