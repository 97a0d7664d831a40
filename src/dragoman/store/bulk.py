"""Many rows at once: COPY on PostgreSQL, the driver's own executemany on SQLite.

SQLAlchemy's insert of many rows takes ten times as long (docs/decisions/0008).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table

from dragoman.store.work import UnitOfWork


def insert_rows(
    unit: UnitOfWork, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows whose values come in the order of the columns, as the driver takes them."""
    names = ", ".join(f'"{table.c[column].name}"' for column in columns)
    cursor: Any = unit.db.connection.cursor()
    try:
        if unit.db.dialect.name == "sqlite":
            marks = ", ".join("?" * len(columns))
            cursor.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)  # noqa: S608 - names of ours
            return
        with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(row)
    finally:
        cursor.close()
