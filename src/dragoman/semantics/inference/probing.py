"""How many rows of one side fit one row of the other, counted in the database.

Nothing is concluded from what was not read: a key that occurs twice among the rows that were read
is not unique, but one that does not is unique only where all rows were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.model.relationships import ASSUMED, Cardinality


@dataclass(frozen=True, slots=True)
class End:
    """One side of a join. `table`: catalog, schema and name, those that there are, as the database
    keeps them; `columns`: the key's, as SQL in the database's own quotes, from its catalog."""

    view: str
    table: tuple[str, ...]
    fields: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was read of a side. `rows`: how many, with NULL in the key for `null_keys` of them;
    `keys`: different keys without NULL; `most`: rows of the key that has most of them. `capped`:
    there may be more rows."""

    rows: int
    null_keys: int
    keys: int
    most: int
    capped: bool

    @property
    def unique(self) -> bool | None:
        """Whether no key occurs twice; None where that cannot be told."""
        if self.most > 1:
            return False
        return None if self.capped or not self.keys else True


def counting(sql: SqlFunctions, end: End, most_rows: int) -> str:
    """A statement that gives rows, rows without a key, keys, and rows of the most frequent key."""
    keys, n = _keys(sql, "k", end), sql.name("n")
    absent = " OR ".join(f"{key} IS NULL" for key in keys)
    inner, outer = sql.name("s"), sql.name("g")
    return _whole(
        sql,
        f"SELECT SUM({n}) AS {sql.name('c0')},"  # noqa: S608 - names are quoted
        f" SUM(CASE WHEN {absent} THEN {n} ELSE 0 END) AS {sql.name('c1')},"
        f" SUM(CASE WHEN {absent} THEN 0 ELSE 1 END) AS {sql.name('c2')},"
        f" MAX(CASE WHEN {absent} THEN 0 ELSE {n} END) AS {sql.name('c3')}"
        f" FROM (SELECT {', '.join(keys)}, COUNT(*) AS {n}"
        f" FROM ({_rows(sql, end, keys, most_rows)}) {inner}"
        f" GROUP BY {', '.join(keys)}) {outer}",
    )


def orphans(sql: SqlFunctions, one: End, other: End, most_rows: int) -> str:
    """A statement that counts the rows of `one` whose key no row of `other` has. It reads all of
    `other`."""
    keys, theirs = _keys(sql, "k", one), _keys(sql, "j", other)
    left, right, found = sql.name("f"), sql.name("t"), sql.name("found")
    known = ", ".join(
        f"{column} AS {key}" for column, key in zip(other.columns, theirs, strict=True)
    )
    on = " AND ".join(f"{left}.{a} = {right}.{b}" for a, b in zip(keys, theirs, strict=True))
    there = " AND ".join(f"{left}.{key} IS NOT NULL" for key in keys)
    return _whole(
        sql,
        f"SELECT COUNT(*) AS {sql.name('c0')}"  # noqa: S608 - names are quoted
        f" FROM ({_rows(sql, one, keys, most_rows)}) {left}"
        f" LEFT JOIN (SELECT DISTINCT {known}, 1 AS {found} FROM {_table(sql, other)}) {right}"
        f" ON {on} WHERE {there} AND {right}.{found} IS NULL",
    )


def verdict(one: Counted, other: Counted) -> tuple[str | None, list[str]]:
    """The relationship type that the counts allow, the weakest where they allow several, and why.
    None where a side has no keys."""
    reasons = [*_reasons("join_from_view", one), *_reasons("join_to_view", other)]
    if not one.keys or not other.keys:
        return None, reasons
    if other.unique is None:
        return ASSUMED, reasons
    if other.unique:
        return (Cardinality.ONE_TO_ONE if one.unique else Cardinality.MANY_TO_ONE), reasons
    return (Cardinality.ONE_TO_MANY if one.unique else Cardinality.MANY_TO_MANY), reasons


def _reasons(side: str, found: Counted) -> list[str]:
    read = f"the {found.rows:,} rows that were read" if found.capped else f"{found.rows:,} rows"
    if not found.keys:
        return [f"{side}: {read} have no key that is not NULL"]
    if found.most > 1:
        return [f"{side}: a key occurs {found.most:,} times in {read}"]
    more = "; there may be more" if found.capped else ""
    return [f"{side}: no key occurs twice in {read}{more}"]


def _rows(sql: SqlFunctions, end: End, keys: Sequence[str], most_rows: int) -> str:
    chosen = ", ".join(f"{column} AS {key}" for column, key in zip(end.columns, keys, strict=True))
    order = " ORDER BY (SELECT NULL)" if sql.order_to_limit else ""
    return f"SELECT {chosen} FROM {_table(sql, end)}{order} {sql.limit(most_rows, 0)}"  # noqa: S608


def _keys(sql: SqlFunctions, letter: str, end: End) -> list[str]:
    return [sql.name(f"{letter}{number}") for number in range(len(end.columns))]


def _table(sql: SqlFunctions, end: End) -> str:
    return ".".join(map(sql.name, end.table))


def _whole(sql: SqlFunctions, statement: str) -> str:
    return f"{statement} {sql.settings}" if sql.settings else statement
