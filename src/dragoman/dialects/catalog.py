"""What a database's catalog says: schemas' tables and views with columns, keys and comments.

The readers (`postgres_catalog`, `mysql_catalog`, `duckdb_catalog`) give these by one statement for
the whole database, table after table in the order of schema and name (by code point). A catalog has
millions of columns where databases are large, so they are plain lists and slots, held one table
at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from dragoman.dialects.names import LikePattern, SchemaFilter, compile_patterns, exact_name


class TableKind(StrEnum):
    """What holds the rows."""

    TABLE = "table"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FOREIGN_TABLE = "foreign table"
    PARTITIONED_TABLE = "partitioned table"


@dataclass(slots=True)
class Column:
    """A column that the user may read.

    `position`: the database's own number, ascending from 1; dropped columns leave gaps.
    `type`, `default`: in the database's own words; a generated column has no default.
    `comment`: None where there is none. `primary_key_position`: from 1, in the key's order.
    """

    name: str
    position: int
    type: str
    nullable: bool
    default: str | None
    comment: str | None
    primary_key_position: int | None


@dataclass(slots=True)
class ForeignKey:
    """`columns[i]` refers to `referenced_columns[i]`. `catalog` None: the table's own."""

    name: str
    columns: list[str]
    schema: str
    table: str
    referenced_columns: list[str]
    catalog: str | None = None


@dataclass(slots=True)
class Table:
    """A table or view. `primary_key` and the keys name their columns in the key's order.

    `catalog`: None where the database has none above its schemas (MySQL).
    `estimated_rows`: the database's own estimate; None where it has none.
    `unique_keys`: columns of the other unique constraints, where the reader can tell them.
    `tags`, `column_tags` (by column): what the database's administrators called it, `name:value`
    or the bare name (see `tags`).
    """

    catalog: str | None
    schema: str
    name: str
    kind: TableKind
    comment: str | None
    columns: list[Column]
    primary_key: list[str]
    foreign_keys: list[ForeignKey]
    estimated_rows: int | None
    schema_comment: str | None = None
    unique_keys: list[list[str]] = field(default_factory=list[list[str]])
    tags: list[str] = field(default_factory=list[str])
    column_tags: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


_NO_NAMES = SchemaFilter(())


@dataclass(frozen=True, slots=True)
class CatalogFilter:
    """Which schemas are read: all of `include` (empty: every one) but those of `leave_out`."""

    include: SchemaFilter = _NO_NAMES
    leave_out: SchemaFilter = _NO_NAMES

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, offloaded: bool = False) -> CatalogFilter:
        """The filter that a connection's settings ask for.

        The schema of uploads is never read (contract §2.2 row 16). `offloaded`: read the offloaded
        schemas too. Raises `BadNames` for a list that cannot be
        read.
        """
        left_out = [] if offloaded else [str(settings.get("offloadedSchemas") or "")]
        if scratch := str(settings.get("scratchSchema") or ""):
            left_out.append(exact_name(scratch))  # uploads have views of their own
        return cls(
            compile_patterns(str(settings.get("includeSchemas") or "")),
            compile_patterns(",".join(filter(None, left_out))),
        )

    def wants(self, schema: str, catalog: str | None = None) -> bool:
        """Whether the schema is read."""
        if not self.include.matches(schema, catalog):
            return False
        return not (self.leave_out.patterns and self.leave_out.matches(schema, catalog))

    def memo(self) -> Callable[[str, str | None], bool]:
        """`wants`, asked once for each schema."""
        return cache(self.wants)

    def include_like(self, escape: str) -> list[LikePattern]:
        """Patterns of which one must fit, for the server; empty: no condition."""
        return _patterns(self.include, escape)

    def leave_out_like(self, escape: str) -> list[LikePattern]:
        """Patterns of which none may fit, for the server.

        A filter that folds case is left to `wants`: its patterns are too broad to leave out by.
        """
        return [] if self.leave_out.fold else _patterns(self.leave_out, escape)


EVERYTHING = CatalogFilter()


def _patterns(names: SchemaFilter, escape: str) -> list[LikePattern]:
    patterns = names.like_patterns(escape)
    if not names.fold:
        return patterns
    return [
        LikePattern(None if p.catalog is None else _broad(p.catalog), _broad(p.schema))
        for p in patterns
    ]


def _broad(pattern: str) -> str:
    """Not every server's LOWER knows letters beyond ASCII: there, anything fits."""
    return "".join(character if character.isascii() else "%" for character in pattern)
