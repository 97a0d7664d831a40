"""What changed from one reading of a table to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from dragoman.dialects.catalog import Table
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.ends import Target
from dragoman.semantics.inference.names import Identity
from dragoman.semantics.inference.types import data_type

TABLE_ADDED: Final = "table_added"
TABLE_REMOVED: Final = "table_removed"
COLUMN_ADDED: Final = "column_added"
COLUMN_REMOVED: Final = "column_removed"
COLUMN_RETYPED: Final = "column_retyped"
TAGS_CHANGED: Final = "tags_changed"
KINDS: Final = (
    *(TABLE_ADDED, TABLE_REMOVED, COLUMN_ADDED, COLUMN_REMOVED, COLUMN_RETYPED, TAGS_CHANGED),
)
COLUMNS: Final = (
    *("at", "change", "catalog", "schema", "table", "view", "column", "before", "after", "broken"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are types of columns, or tags of a column or table, with commas.
    `field`: what the model called the column."""

    change: str
    table: Identity
    column: str | None = None
    before: str | None = None
    after: str | None = None
    field: str | None = None

    @property
    def removes(self) -> bool:
        """Whether something is gone that a model could refer to."""
        return self.change in (TABLE_REMOVED, COLUMN_REMOVED)

    @property
    def ends_numbers(self) -> bool:
        """Whether a column of numbers is one of something else now, so that no sum takes it."""
        return self._ends(lambda kind: kind is DataType.NUMBER)

    @property
    def ends_times(self) -> bool:
        """Whether a column of times is one of something else now, so that it has no months."""
        return self._ends(lambda kind: kind.is_time)

    def _ends(self, of: Callable[[DataType], bool]) -> bool:
        if self.change != COLUMN_RETYPED or self.before is None or self.after is None:
            return False
        after = data_type(self.after)
        return of(data_type(self.before)) and not of(after) and after is not DataType.UNKNOWN

    def row(self, at: str, view: str, broken: Sequence[Mapping[str, str]]) -> tuple[Any, ...]:
        """The row of the store, in the order of `COLUMNS`."""
        told = msgspec.json.encode(broken).decode() if broken else None
        return (at, self.change, *self.table, view, self.column, self.before, self.after, told)


def changes(old: Table, new: Table, was: Target) -> Iterator[Change]:
    """What changed in a table that is still there; `was` is how others saw it."""
    who = (new.catalog, new.schema, new.name)
    if old.tags != new.tags:
        yield Change(TAGS_CHANGED, who, None, _words(old.tags), _words(new.tags))
    before = {column.name: column.type for column in old.columns}
    after = {column.name: column.type for column in new.columns}
    for name, kind in before.items():
        if name not in after:
            yield Change(COLUMN_REMOVED, who, name, before=kind, field=was.field(name))
        elif after[name] != kind:
            yield Change(COLUMN_RETYPED, who, name, kind, after[name], was.field(name))
    for name, kind in after.items():
        if name not in before:
            yield Change(COLUMN_ADDED, who, name, after=kind)
        elif (tags := new.column_tags.get(name)) != (had := old.column_tags.get(name)):
            yield Change(TAGS_CHANGED, who, name, _words(had), _words(tags))


def _words(tags: Sequence[str] | None) -> str | None:
    return ", ".join(tags) if tags else None
