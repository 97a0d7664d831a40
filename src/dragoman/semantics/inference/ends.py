"""The two ends of a relationship: what a table offers to others, and what it refers to.

Both are small and found by words, so that a table that changes makes work only for those tables
that its words concern, whatever the size of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dragoman.dialects.catalog import Table, TableKind
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.names import Identity, clean, field_names
from dragoman.semantics.inference.stems import (
    TableStem,
    abbreviates,
    common_prefix,
    key_stem,
    table_stem,
)
from dragoman.semantics.inference.types import data_type

_VIEWS = (TableKind.VIEW, TableKind.MATERIALIZED_VIEW)


@dataclass(frozen=True, slots=True)
class Key:
    """A column that rows may be found by. `name`: without the prefix of all its columns."""

    name: str
    field: str
    type: DataType


@dataclass(frozen=True, slots=True)
class Target:
    """A table as others refer to it.

    `primary`: the key that the database declares, where it is one column. `keys`: columns that
    look like the table's own key. `odd`: columns whose field has not just the cleaned name.
    """

    identity: Identity
    view: str
    is_table: bool
    primary: Key | None
    keys: tuple[Key, ...]
    odd: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def stem(self) -> TableStem:
        """The table's name in the singular."""
        return table_stem(clean(self.identity[2], "table"))

    def field(self, column: str) -> str:
        """The field of a column."""
        return self.odd.get(column) or clean(column)

    def key(self, name: str) -> Key | None:
        """The column to join: the declared key, else the one called so, else `id`."""
        by_name = {key.name: key for key in self.keys}
        return self.primary or by_name.get(name) or by_name.get("id")

    def words(self) -> Iterator[str]:
        """What others find the table by."""
        yield table_word(self.identity)
        yield view_word(self.view)
        stem = self.stem
        yield from map(stem_word, stem.words)
        for key in self.keys:
            own = key_stem(key.name)
            if own is not None and abbreviates(own, stem.short):
                yield key_word(key.name)


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that by its name refers to another table."""

    field: str
    name: str
    stem: str
    type: DataType


@dataclass(frozen=True, slots=True)
class Foreign:
    """A declared foreign key. `unique`: no two rows have the same value, so it is one to one."""

    name: str
    fields: tuple[str, ...]
    target: Identity
    columns: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A table as it refers to others; `target` is the same table as they see it."""

    target: Target
    references: tuple[Reference, ...]
    foreign: tuple[Foreign, ...]

    def words(self) -> Iterator[str]:
        """What its relationships depend on, besides the aliases they get."""
        for key in self.foreign:
            yield table_word(key.target)
        for reference in self.references:
            yield stem_word(reference.stem)
            yield key_word(reference.name)


def source(table: Table, view: str, conventions: Conventions) -> Source:
    """Both ends of a table whose view has that name."""
    names = [column.name for column in table.columns]
    fields = field_names(names)
    prefix = common_prefix(fields)
    columns = [
        Key(name.removeprefix(prefix), name, data_type(column.type, conventions.dialect))
        for name, column in zip(fields, table.columns, strict=True)
    ]
    by_name = dict(zip(names, fields, strict=True))
    target = _target(table, view, columns, by_name)
    foreign = _foreign(table, by_name) if conventions.foreign_keys else ()
    declared = {name for key in foreign for name in key.fields}
    references = _references(columns, target.stem, declared) if conventions.column_names else ()
    return Source(target, references, foreign)


def table_word(identity: Identity) -> str:
    """The word of a table itself."""
    catalog, schema, name = identity
    return "\x1f".join(("t", catalog or "", schema, name))


def view_word(view: str) -> str:
    """The word of a view's name, or an alias."""
    return f"v\x1f{view}"


def stem_word(stem: str) -> str:
    """The word of a table's name in the singular."""
    return f"s\x1f{stem}"


def key_word(name: str) -> str:
    """The word of a key column's name."""
    return f"k\x1f{name}"


def _target(table: Table, view: str, columns: list[Key], by_name: dict[str, str]) -> Target:
    identity = (table.catalog, table.schema, table.name)
    stem = table_stem(clean(table.name, "table"))
    primary = None
    if len(table.primary_key) == 1:
        field_ = by_name.get(table.primary_key[0])
        primary = next((key for key in columns if key.field == field_), None)
    keys = tuple(
        key for place, key in enumerate(columns) if _is_own(key.name, stem, first=place == 0)
    )
    odd = {name: field for name, field in by_name.items() if clean(name) != field}
    return Target(identity, view, table.kind not in _VIEWS, primary, keys, odd)


def _is_own(name: str, stem: TableStem, *, first: bool) -> bool:
    """Whether a column looks like the table's own key: `id`, `<table>_id`, or the first column
    where it abbreviates the table's name."""
    if name == "id":
        return True
    own = key_stem(name)
    return own is not None and (own in stem.words or (first and abbreviates(own, stem.short)))


def _references(
    columns: Sequence[Key], stem: TableStem, declared: set[str]
) -> tuple[Reference, ...]:
    """Columns that refer elsewhere: neither the table's own key nor part of a declared one."""
    found: list[Reference] = []
    for key in columns:
        own = key_stem(key.name)
        if own is not None and own not in stem.words and key.field not in declared:
            found.append(Reference(key.field, key.name, own, key.type))
    return tuple(found)


def _foreign(table: Table, by_name: dict[str, str]) -> tuple[Foreign, ...]:
    unique = [set(columns) for columns in (table.primary_key, *table.unique_keys) if columns]
    return tuple(
        Foreign(
            key.name,
            tuple(by_name[column] for column in key.columns),
            (key.catalog or table.catalog, key.schema, key.table),
            tuple(key.referenced_columns),
            any(columns <= set(key.columns) for columns in unique),
        )
        for key in table.foreign_keys
        if all(column in by_name for column in key.columns)
    )
