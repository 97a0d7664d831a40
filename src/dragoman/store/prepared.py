"""Statements of the hot paths: compiled once for each engine, run on the driver's own cursor.

For the reads that nearly every request makes and for the rows of a create, SQLAlchemy's execution
costs as much as the statement itself (docs/decisions/0004). Everything else runs through SQLAlchemy
as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter, methodcaller
from typing import Any, TypeVar

from sqlalchemy import CompoundSelect, Dialect, Insert, Select, Table, Update, insert
from sqlalchemy.exc import DBAPIError

from dragoman.store.work import UnitOfWork

T = TypeVar("T")
Reading = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]
Statement = Reading | Insert | Update
# SQL, and the order of its parameters where the driver takes them by position.
Compiled = tuple[str, tuple[str, ...] | None]

_ROWS: Callable[[Any], list[tuple[Any, ...]]] = methodcaller("fetchall")
_COUNT: Callable[[Any], int] = attrgetter("rowcount")


class _Compiled:
    """A statement in the text of each engine it was asked for."""

    def __init__(
        self, statement: Statement, columns: tuple[str, ...] | None = None, ending: str = ""
    ) -> None:
        self._statement = statement
        self._columns = columns
        self._ending = ending
        self._texts: dict[str, Compiled] = {}

    def execute(self, unit: UnitOfWork, values: dict[str, Any], outcome: Callable[[Any], T]) -> T:
        """Run the statement; what `outcome` takes from the cursor. Raises SQLAlchemy's
        `DBAPIError`, as others do."""
        dialect = unit.dialect
        sql, order = self._texts.get(dialect.name) or self._compile(dialect)
        cursor: Any = unit.driver.cursor()
        try:
            cursor.execute(sql, values if order is None else [values[name] for name in order])
            return outcome(cursor)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(sql, None, error, type(error)) from error
        finally:
            cursor.close()

    def execute_many(self, unit: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
        """Run the statement for each row. Raises as `execute`."""
        dialect = unit.dialect
        sql, order = self._texts.get(dialect.name) or self._compile(dialect)
        cursor: Any = unit.driver.cursor()
        try:
            values = rows if order is None else [[row[name] for name in order] for row in rows]
            cursor.executemany(sql, values)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(sql, None, error, type(error)) from error
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> Compiled:
        columns = None if self._columns is None else list(self._columns)
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=columns)
        order = tuple(compiled.positiontup) if compiled.positional else None
        self._texts[dialect.name] = f"{compiled} {self._ending}".rstrip(), order
        return self._texts[dialect.name]


class Prepared:
    """A SELECT with named parameters (no expanding ones). Values come as the driver gives them:
    booleans of SQLite are 0 and 1."""

    def __init__(self, statement: Reading) -> None:
        self._compiled = _Compiled(statement)

    def all(self, unit: UnitOfWork, **values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._compiled.execute(unit, values, _ROWS)

    def first(self, unit: UnitOfWork, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.all(unit, **values)), None)


class PreparedInsert:
    """An INSERT of one row into the named columns. `conflict`: its ON CONFLICT clause, in words
    that both engines know."""

    def __init__(self, table: Table, *columns: str, conflict: str = "") -> None:
        self._table = table
        self._compiled = _Compiled(insert(table), columns, conflict)

    @property
    def rank(self) -> int:
        """The table's place among all: after those that it refers to."""
        return _rank(self._table)

    def leave(self, unit: UnitOfWork, **row: Any) -> None:
        """Insert the row before anybody can look for it, with those of other units that share the
        commit. What the database has against it is raised at the end of the unit."""
        unit.leave_row(self, row)

    def write(self, unit: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
        """Insert many rows; every column has a value in each."""
        self._compiled.execute_many(unit, rows)

    def run(self, unit: UnitOfWork, **row: Any) -> bool:
        """Insert the row; every column has a value. Whether a row was written."""
        return self._compiled.execute(unit, row, _COUNT) > 0


@cache
def _rank(table: Table) -> int:
    return table.metadata.sorted_tables.index(table)


class PreparedUpdate:
    """An UPDATE with named parameters."""

    def __init__(self, statement: Update) -> None:
        self._compiled = _Compiled(statement)

    def run(self, unit: UnitOfWork, **values: Any) -> None:
        """Run it."""
        self._compiled.execute(unit, values, _COUNT)
