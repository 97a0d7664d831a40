"""The store's engine, and how work reaches it.

SQLite: short reads run where they are called, on the event loop, since a thread hop costs more
than the read itself; writes go to the one writer (`writer.py`), so that writers never fight over
SQLite's lock (see docs/decisions/0004). Postgres: both run on threads.

A reading unit of work sees one moment of the store on both engines, so that what it reads first
fits what it reads last (a connection and its secrets, for instance).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from dragoman import clock
from dragoman.secret import SecretStr
from dragoman.store.busy import StoreBusy, told
from dragoman.store.work import Origin, Signer, UnitOfWork, finish
from dragoman.store.writer import QUEUE_SECONDS, Writer

T = TypeVar("T")
Work = Callable[[UnitOfWork], T]

NOWHERE = Origin()
POSTGRES_POOL = 10
ATTEMPTS = 4
PAUSE_SECONDS = 0.05
# More than the pool's wait for a connection and a collision or two.
ANSWER_SECONDS = 15.0


class Store:
    """The application database. `read` and `write` are for the server, `begin` for the rest."""

    def __init__(self, url: SecretStr, signer: Signer | None = None) -> None:
        """`signer`: with whose keys the audit is chained; without one it is hashed only."""
        self._signer = signer
        parsed = make_url(url.reveal())
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_file(Path(parsed.database or ""))
        self.engine = _engine(url)
        reading = (
            {"isolation_level": "AUTOCOMMIT"}  # BEGIN is ours: SQLAlchemy's takes the write lock
            if self.is_sqlite
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        self._snapshots = self.engine.execution_options(**reading)
        self._writer = Writer(self.engine, signer) if self.is_sqlite else None
        self._threads = ThreadPoolExecutor(POSTGRES_POOL, thread_name_prefix="store")
        self._reader: Connection | None = None
        self._reader_lock = threading.Lock()

    async def read(self, work: Work[T], origin: Origin = NOWHERE) -> T:
        """Run a short reading unit of work. Raises `StoreBusy`."""
        if self.is_sqlite:
            return self._read_here(work, origin, one=False)
        return await self._on_thread(self._read_snapshot, work, origin)

    async def look_up(self, work: Work[T], origin: Origin = NOWHERE) -> T:
        """As `read`, for work whose statements need not see the same moment: one, as a rule."""
        if self.is_sqlite:
            return self._read_here(work, origin, one=True)
        return await self._on_thread(self._read_snapshot, work, origin)

    async def write(self, work: Work[T], origin: Origin = NOWHERE) -> T:
        """Run a unit of work and commit it. Raises `StoreBusy`.

        Postgres may end one of two transactions that wait for each other: that one runs again,
        so work changes nothing but the store.
        """
        if self._writer is not None:
            return await self._writer.submit(work, origin)
        return await self._on_thread(self._run, work, origin)

    @contextmanager
    def begin(self, origin: Origin = NOWHERE) -> Generator[UnitOfWork]:
        """A unit of work on the calling thread (command line, background threads)."""
        with told(), self.engine.begin() as connection:
            unit = UnitOfWork(connection, clock.now(), origin, self._signer)
            yield unit
            finish([unit])

    @contextmanager
    def look(self, origin: Origin = NOWHERE) -> Generator[UnitOfWork]:
        """A reading unit of work on the calling thread: it waits for no writer, and no reader of
        the server waits for it."""
        with told(), self._snapshots.connect() as connection:
            if not self.is_sqlite:
                yield UnitOfWork(connection, clock.now(), origin, self._signer)
                return
            driver: Any = connection.connection.dbapi_connection
            driver.execute("BEGIN")
            try:
                yield UnitOfWork(connection, clock.now(), origin, self._signer)
            finally:
                if driver.in_transaction:
                    driver.execute("COMMIT")

    def close(self) -> None:
        """Finish what is running and close all connections."""
        if self._writer is not None:
            self._writer.close()
        self._threads.shutdown(wait=True)
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self.engine.dispose()

    async def _on_thread(self, call: Callable[..., T], *arguments: Any) -> T:
        asked = time.monotonic()

        def timely() -> T:
            if time.monotonic() - asked > QUEUE_SECONDS:
                raise StoreBusy("too much work waits for the store")
            return call(*arguments)

        running = asyncio.get_running_loop().run_in_executor(self._threads, timely)
        try:
            return await asyncio.wait_for(asyncio.shield(running), ANSWER_SECONDS)
        except TimeoutError:
            # A store that took the question and says nothing: its thread waits, nobody else does.
            running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise StoreBusy("the store does not answer") from None

    def _run(self, work: Work[T], origin: Origin) -> T:
        for attempt in range(1, ATTEMPTS):
            try:
                return self._run_once(work, origin)
            except StoreBusy as busy:
                if not busy.at_once:
                    raise
            # The winner takes the lock meanwhile; without a pause both may collide again.
            time.sleep(PAUSE_SECONDS * attempt)
        return self._run_once(work, origin)

    def _run_once(self, work: Work[T], origin: Origin) -> T:
        with self.begin(origin) as unit:
            return work(unit)

    def _read_snapshot(self, work: Work[T], origin: Origin) -> T:
        with told(), self._snapshots.begin() as connection:
            return work(UnitOfWork(connection, clock.now(), origin, self._signer))

    def _read_here(self, work: Work[T], origin: Origin, *, one: bool) -> T:
        """Read on a connection that stays open: no check-out, no thread. `one`: in no transaction,
        since each statement is one by itself."""
        with self._reader_lock, told():
            if self._reader is None:
                self._reader = self._open_reader()
            unit = UnitOfWork(self._reader, clock.now(), origin, self._signer)
            if one:
                return work(unit)
            unit.driver.execute("BEGIN")
            try:
                return work(unit)
            finally:
                if unit.driver.in_transaction:
                    unit.driver.execute("COMMIT")

    def _open_reader(self) -> Connection:
        reader = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # A reader in WAL mode waits only for recovery; it must never hold up the loop.
        reader.exec_driver_sql("PRAGMA busy_timeout=200")
        reader.exec_driver_sql("PRAGMA query_only=ON")
        return reader


def _make_file(file: Path) -> None:
    """An empty file for its owner only; SQLite gives its side files the same rights."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # SQLite says better what is wrong
        file.touch(mode=0o600)


def _engine(url: SecretStr) -> Engine:
    if url.reveal().startswith("sqlite"):
        engine = create_engine(
            url.reveal(), connect_args={"check_same_thread": False}, hide_parameters=True
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    return create_engine(
        url.reveal(),
        hide_parameters=True,
        pool_size=POSTGRES_POOL,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5},
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # SQLAlchemy emits BEGIN itself (below); the driver must not add its own.
    connection.isolation_level = None
    # synchronous=FULL: what was acknowledged survives a power cut, not only a killed process.
    # The timeout comes first: going over to WAL needs the lock as well.
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later could not wait for the lock: take it now.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
