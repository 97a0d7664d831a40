"""Results that several servers use: pieces of bytes in a store that they share, bounded in size.

Each server keeps what it made or fetched on its own disk as well (`kept_results`); the store is
asked for what is not there. A store that does not answer costs the result, never the question.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import structlog
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from dragoman import clock
from dragoman.queries.kept_results import KeptResult
from dragoman.queries.spool import Spooled
from dragoman.queries.tables import shared_pieces, shared_results
from dragoman.store import Store, StoreBusy, UnitOfWork

log = structlog.get_logger()
PIECE_BYTES = 1_000_000
# Of the room for all, so that one answer does not take the place of many.
LARGEST_PART = 8


class SharedResults:
    """The results in the store. `most_bytes`: the room that they may take."""

    def __init__(self, store: Store, most_bytes: int) -> None:
        self.store = store
        self.most_bytes = most_bytes

    def fits(self, result: Spooled) -> bool:
        """Whether it is small enough to be shared."""
        return result.bytes * LARGEST_PART <= self.most_bytes

    def find(
        self, key: str, max_age: float, reset_at: str | None, directory: Path
    ) -> KeptResult | None:
        """A result not older than so many seconds, and newer than the reset, as a new file of the
        directory, which is the caller's."""
        with _harmless("read"), self.store.look() as unit:
            row = unit.db.execute(
                select(shared_results).where(shared_results.c.key == key)
            ).one_or_none()
            if row is None or (reset_at is not None and row.made_at <= reset_at):
                return None
            made = clock.parse(row.made_at)
            if (clock.now() - made).total_seconds() > max_age:
                return None
            return KeptResult(_fetched(unit, row, directory), made)
        return None

    def keep(self, key: str, file: BinaryIO, result: Spooled, made: datetime) -> None:
        """Put a result into the store, in place of an older one. `file`: its bytes."""
        with _harmless("write"), self.store.begin() as unit:
            unit.db.execute(delete(shared_results).where(shared_results.c.key == key))
            count = -(-result.bytes // PIECE_BYTES)
            facts = {"made_at": clock.wire(made.astimezone(UTC)), "row_count": result.rows}
            unit.db.execute(
                insert(shared_results).values(key=key, bytes=result.bytes, pieces=count, **facts)
            )
            for number in range(count):
                data = file.read(PIECE_BYTES)
                unit.db.execute(insert(shared_pieces).values(key=key, number=number, data=data))
            self._evict(unit)

    def _evict(self, unit: UnitOfWork) -> None:
        """Delete the oldest until the rest fits."""
        size = func.sum(shared_results.c.bytes).over(
            order_by=(shared_results.c.made_at.desc(), shared_results.c.key)
        )
        sized = select(shared_results.c.key, size.label("size")).subquery()
        beyond = select(sized.c.key).where(sized.c.size > self.most_bytes)
        unit.db.execute(delete(shared_results).where(shared_results.c.key.in_(beyond)))


def _fetched(unit: UnitOfWork, row: Row[tuple[object, ...]], directory: Path) -> Spooled:
    """The pieces as a file, one after the other: memory does not grow with them."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="result-", suffix=".arrow", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            for number in range(row.pieces):
                piece = (shared_pieces.c.key == row.key) & (shared_pieces.c.number == number)
                file.write(unit.db.execute(select(shared_pieces.c.data).where(piece)).scalar_one())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Spooled(Path(name), row.row_count, row.bytes)


@contextmanager
def _harmless(doing: str) -> Generator[None]:
    try:
        yield
    except (StoreBusy, SQLAlchemyError, OSError) as problem:
        log.warning("shared_result_lost", doing=doing, problem=type(problem).__name__)
