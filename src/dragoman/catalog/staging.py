"""Writing the next generation of a connection's catalog, in batches that hold up nobody.

Nothing that is written here is seen until `flip`, one update of one row. What a refresh that was
killed left behind is put right by `recover` before the next one writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Select, Table, and_, delete, or_, select, update

from dragoman.catalog import states
from dragoman.catalog.tables import (
    OPEN,
    catalog_changes,
    catalog_objects,
    catalog_relationships,
    catalog_tables,
    catalog_words,
)
from dragoman.jobs import Context
from dragoman.store import UnitOfWork
from dragoman.store.bulk import insert_rows
from dragoman.store.metadata import AnyRow

T = TypeVar("T")
# At some 10 microseconds a row a batch holds SQLite's writer for less than 20 ms.
BATCH: Final = 500
_SPANNED: Final = (catalog_tables, catalog_words, catalog_relationships, catalog_objects)


def live(table: Table, connection_id: str, generation: int) -> Any:
    """The condition for a connection's rows of a generation."""
    return and_(
        table.c.connection_id == connection_id,
        table.c.since <= generation,
        table.c.until > generation,
    )


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def ask(work: Context, statement: Select[*tuple[Any, ...]]) -> list[AnyRow]:
    """The rows of a question to the store."""

    def asked(unit: UnitOfWork) -> list[AnyRow]:
        return list(unit.db.execute(statement))

    return work.read(asked)


class Staging:
    """The next generation while it is being written."""

    def __init__(self, work: Context, connection_id: str, generation: int) -> None:
        self._work = work
        self.connection_id = connection_id
        self.next = generation + 1
        self._begun = False
        self._ended: dict[Table, list[int]] = {table: [] for table in _SPANNED}

    def insert(self, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to the generation; `columns` leave out connection and span."""
        named = ("connection_id", "since", "until", *columns)
        span = (self.connection_id, self.next, OPEN)
        for batch in batches(rows):
            full = [(*span, *row) for row in batch]
            self._write(lambda unit, full=full: insert_rows(unit, table, named, full))

    def end(self, table: Table, ids: Iterable[int]) -> None:
        """Let rows end with the present generation."""
        for batch in batches(ids):
            self._ended[table] += batch
            statement = update(table).where(table.c.id.in_(batch)).values(until=self.next)
            self._write(lambda unit, statement=statement: unit.db.execute(statement).rowcount)

    def rename(self, names: Mapping[tuple[str | None, str, str], str]) -> None:
        """Give tables that were added to the generation another view name."""
        table = catalog_tables
        for (catalog, schema, name), view in names.items():
            mine = and_(
                table.c.connection_id == self.connection_id,
                table.c.schema == schema,
                table.c.name == name,
                table.c.catalog.is_(None) if catalog is None else table.c.catalog == catalog,
                table.c.since == self.next,
            )
            statement = update(table).where(mine).values(view=view)
            self._write(lambda unit, statement=statement: unit.db.execute(statement).rowcount)

    def note(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to the changes."""
        named = ("connection_id", "generation", *columns)
        for batch in batches(rows):
            full = [(self.connection_id, self.next, *row) for row in batch]
            self._write(lambda unit, full=full: insert_rows(unit, catalog_changes, named, full))

    def flip(self, **values: Any) -> None:
        """Make the generation the present one, with these columns of the state."""
        self._write(
            lambda unit: states.put(
                unit,
                self.connection_id,
                generation=self.next,
                refreshed_at=unit.now,
                changed_at=unit.now,
                **values,
            )
        )

    def tidy(self) -> None:
        """Delete what the generation has ended."""
        for table, ids in self._ended.items():
            for batch in batches(ids):
                statement = delete(table).where(table.c.id.in_(batch))
                self._write(lambda unit, statement=statement: unit.db.execute(statement).rowcount)
        self._work.write(lambda unit: states.put(unit, self.connection_id, pending=None))

    def _write(self, work: Callable[[UnitOfWork], Any]) -> None:
        first, self._begun = not self._begun, True

        def noted(unit: UnitOfWork) -> None:
            if first:
                states.put(unit, self.connection_id, pending=self.next)
            work(unit)

        self._work.write(noted)


def recover(work: Context, connection_id: str, state: states.State) -> None:
    """Undo what a refresh that did not end left, and delete what one that did left to delete."""
    if state.pending is None:
        return
    now = state.generation
    for table in _SPANNED:
        mine = table.c.connection_id == connection_id
        dead = and_(mine, or_(table.c.since > now, table.c.until <= now))
        ending = and_(mine, table.c.until > now, table.c.until < OPEN)
        _each(work, table, dead, lambda ids, t=table: delete(t).where(t.c.id.in_(ids)))
        _each(
            work,
            table,
            ending,
            lambda ids, t=table: update(t).where(t.c.id.in_(ids)).values(until=OPEN),
        )
    unseen = and_(
        catalog_changes.c.connection_id == connection_id, catalog_changes.c.generation > now
    )
    work.write(lambda unit: unit.db.execute(delete(catalog_changes).where(unseen)).rowcount)
    work.write(lambda unit: states.put(unit, connection_id, pending=None))


def _each(work: Context, table: Table, which: Any, statement: Callable[[list[int]], Any]) -> None:
    ids = ask(work, select(table.c.id).where(which))
    for batch in batches(row[0] for row in ids):
        work.write(lambda unit, batch=batch: unit.db.execute(statement(batch)).rowcount)
