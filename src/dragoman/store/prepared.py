"""Statements of the hot paths: compiled once for each engine, run on the driver's own cursor.

For the reads that nearly every request makes and for the rows of a create, SQLAlchemy's execution
costs as much as the statement itself (docs/decisions/0004). Everything else runs through SQLAlchemy
as usual.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Dialect, Insert, Select, Table, insert
from sqlalchemy.exc import DBAPIError

from dragoman.store.work import UnitOfWork

Statement = Select[*tuple[Any, ...]] | Insert
# SQL, and the order of its parameters where the driver takes them by position.
Compiled = tuple[str, tuple[str, ...] | None]


class _Compiled:
    """A statement in the text of each engine it was asked for."""

    def __init__(self, statement: Statement, columns: tuple[str, ...] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[str, Compiled] = {}

    @contextmanager
    def execute(self, unit: UnitOfWork, values: dict[str, Any]) -> Generator[Any]:
        """A cursor that ran the statement. Raises SQLAlchemy's `DBAPIError`, as others do."""
        dialect = unit.db.dialect
        sql, order = self._texts.get(dialect.name) or self._compile(dialect)
        cursor = unit.db.connection.cursor()
        try:
            cursor.execute(sql, values if order is None else [values[name] for name in order])
            yield cursor
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(sql, None, error, type(error)) from error
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> Compiled:
        columns = None if self._columns is None else list(self._columns)
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=columns)
        order = tuple(compiled.positiontup) if compiled.positional else None
        self._texts[dialect.name] = str(compiled), order
        return self._texts[dialect.name]


class Prepared:
    """A SELECT with named parameters (no expanding ones). Values come as the driver gives them:
    booleans of SQLite are 0 and 1."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._compiled = _Compiled(statement)

    def all(self, unit: UnitOfWork, **values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        with self._compiled.execute(unit, values) as cursor:
            return list(cursor.fetchall())

    def first(self, unit: UnitOfWork, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.all(unit, **values)), None)


class PreparedInsert:
    """An INSERT of one row into the named columns."""

    def __init__(self, table: Table, *columns: str) -> None:
        self._compiled = _Compiled(insert(table), columns)

    def run(self, unit: UnitOfWork, **row: Any) -> None:
        """Insert the row; every column has a value."""
        with self._compiled.execute(unit, row):
            pass
