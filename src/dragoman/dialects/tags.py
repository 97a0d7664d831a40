"""Tags that administrators put on tables and columns, as words: `name:value`, or the bare name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from dragoman.dialects.catalog import Table

Place = tuple[str, str]
# schema, table, column (None or empty: the table itself), name, value
TagRow = tuple[str, str, str | None, str, str | None]
# A word of a model; longer ones are cut.
_LONGEST: Final = 500


def word(name: str, value: str | None) -> str:
    """The tag as one word."""
    return (f"{name}:{value}" if value else name)[:_LONGEST]


class Tags:
    """The tags of one database, to be put on its tables as they come."""

    def __init__(self, rows: Iterable[TagRow] = ()) -> None:
        """`rows` in any order; what is said twice counts once."""
        self._found: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for schema, table, column, name, value in rows:
            self._found[schema, table][column or ""].add(word(name, value))

    def put_on(self, table: Table) -> Table:
        """Give the table its tags, in the order of the alphabet; returns it."""
        found = self._found.get((table.schema, table.name))
        if found:
            names = ("", *(column.name for column in table.columns))
            there = {name: sorted(found[name]) for name in names if name in found}
            table.tags = there.pop("", [])
            table.column_tags = there
        return table
