"""What changed from one reading of a table to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dragoman.dialects.catalog import Table
from dragoman.semantics.inference.names import Identity

TABLE_ADDED: Final = "table_added"
TABLE_REMOVED: Final = "table_removed"
COLUMN_ADDED: Final = "column_added"
COLUMN_REMOVED: Final = "column_removed"
COLUMN_RETYPED: Final = "column_retyped"
KINDS: Final = (TABLE_ADDED, TABLE_REMOVED, COLUMN_ADDED, COLUMN_REMOVED, COLUMN_RETYPED)
COLUMNS: Final = (
    *("at", "change", "catalog", "schema", "table", "view", "column", "before", "after"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are types of columns."""

    change: str
    table: Identity
    column: str | None = None
    before: str | None = None
    after: str | None = None

    def row(self, at: str, view: str) -> tuple[Any, ...]:
        """The row of the store, in the order of `COLUMNS`."""
        return (at, self.change, *self.table, view, self.column, self.before, self.after)


def changes(old: Table, new: Table) -> Iterator[Change]:
    """What changed in the columns of a table that is still there."""
    who = (new.catalog, new.schema, new.name)
    before = {column.name: column.type for column in old.columns}
    after = {column.name: column.type for column in new.columns}
    for name, kind in before.items():
        if name not in after:
            yield Change(COLUMN_REMOVED, who, name, before=kind)
        elif after[name] != kind:
            yield Change(COLUMN_RETYPED, who, name, kind, after[name])
    for name, kind in after.items():
        if name not in before:
            yield Change(COLUMN_ADDED, who, name, after=kind)
