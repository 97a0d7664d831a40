"""SQLite's one writer: a thread with a connection of its own, several units of work to a commit.

A commit waits for the disk, whatever it holds; units that arrive meanwhile share the next one. Each
that runs statements does so under a savepoint, so that one that fails takes nothing of the others
with it; rows that units left are written together, and where one is refused, each unit is done
again alone. None is answered before the commit that holds it is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from dragoman import clock
from dragoman.store.busy import StoreBusy, told
from dragoman.store.work import Before, Origin, Signer, UnitOfWork, finish, write_rows

MOST_PER_COMMIT = 32
# Work that waited longer is given up: its client should try again, not queue on.
QUEUE_SECONDS = 5.0


@dataclass(slots=True)
class _Job:
    work: Callable[[UnitOfWork], Any]
    origin: Origin
    future: asyncio.Future[Any]
    asked: float = field(default_factory=time.monotonic)
    result: Any = None
    error: BaseException | None = None
    unit: UnitOfWork | None = None

    def run(self, unit: UnitOfWork) -> None:
        """Do the work; keeps what it returned or raised until the commit is known."""
        self.unit, self.error = unit, None
        try:
            if time.monotonic() - self.asked > QUEUE_SECONDS:
                raise StoreBusy("too much work waits for the store")
            with told():
                self.result = self.work(unit)
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            self.error = error

    def answer(self, failed: BaseException | None) -> None:
        """Tell the asker, on its loop; `failed` is why the commit did not come about."""
        if self.future.done():  # given up meanwhile
            return
        error = self.error or failed
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Takes units of work from event loops and runs them in order."""

    def __init__(self, engine: Engine, signer: Signer | None = None) -> None:
        self._engine = engine
        self._signer = signer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()
        self._connection: Connection | None = None

    def submit(self, work: Callable[[UnitOfWork], Any], origin: Origin) -> asyncio.Future[Any]:
        """The work's outcome, known once it is on the disk. Its errors come as they were raised,
        those of the store as `StoreBusy`."""
        job = _Job(work, origin, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was submitted and end."""
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        ending = False
        while not ending:
            jobs, ending = self._next_jobs()
            live = [job for job in jobs if not job.future.cancelled()]
            if live:
                self._serve_some(live)
        if self._connection is not None:
            self._connection.close()

    def _serve_some(self, jobs: list[_Job]) -> None:
        failed = self._commit(jobs)
        if len(jobs) > 1 and isinstance(failed, DBAPIError):
            # A row that one of them left is refused. Alone, each shows whether it was its own.
            for job in jobs:
                _answer([job], self._commit([job]))
        else:
            _answer(jobs, failed)

    def _next_jobs(self) -> tuple[list[_Job], bool]:
        """Wait for a job and take those that came meanwhile; whether the end was asked for."""
        job = self._jobs.get()
        jobs: list[_Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == MOST_PER_COMMIT:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _commit(self, jobs: list[_Job]) -> BaseException | None:
        """Run the jobs in one transaction; returns why it did not come about, if it did not."""
        try:
            with told():
                connection = self._open()
                driver: Any = connection.connection.dbapi_connection
                driver.execute("BEGIN IMMEDIATE")
                try:
                    self._run(jobs, connection, driver)
                    done = [job.unit for job in jobs if job.error is None and job.unit]
                    if done:
                        finish(done)
                        driver.execute("COMMIT")
                finally:
                    if driver.in_transaction:
                        driver.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001 - the askers are told
            return error
        return None

    def _run(self, jobs: list[_Job], connection: Connection, driver: Any) -> None:
        if len(jobs) == 1:
            jobs[0].run(self._unit(jobs[0], connection))
            return
        shared = _Shared(driver)
        for job in jobs:
            job.run(self._unit(job, connection, shared.open))
            # A full disk makes SQLite roll the whole transaction back by itself.
            if not driver.in_transaction:
                raise StoreBusy("the store gave up the transaction")
            shared.close(job)

    def _unit(self, job: _Job, connection: Connection, before: Before | None = None) -> UnitOfWork:
        return UnitOfWork(connection, clock.now(), job.origin, self._signer, before)

    def _open(self) -> Connection:
        if self._connection is None or self._connection.invalidated:
            # BEGIN and COMMIT are ours; SQLAlchemy must add none.
            options = {"isolation_level": "AUTOCOMMIT"}
            self._connection = self._engine.connect().execution_options(**options)
        return self._connection


class _Shared:
    """A transaction that several units share. A unit that only leaves rows needs no savepoint:
    nothing of it is written before it is known to succeed."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._done: list[UnitOfWork] = []
        self._is_open = False
        self._failed: BaseException | None = None

    def open(self, _unit: UnitOfWork) -> None:
        """Before a unit's first statement: it sees what the units before it left."""
        if self._done:
            try:
                write_rows(self._done)
            except BaseException as error:
                self._failed = error
                raise
        self._driver.execute("SAVEPOINT unit")
        self._is_open = True

    def close(self, job: _Job) -> None:
        """After a unit. Raises when what another left could not be written."""
        if self._failed is not None:
            raise self._failed
        if self._is_open:
            self._driver.execute("RELEASE unit" if job.error is None else "ROLLBACK TO unit")
            self._is_open = False
        if job.error is None and job.unit is not None:
            job.unit.close()
            self._done.append(job.unit)


def _answer(jobs: list[_Job], failed: BaseException | None) -> None:
    """Tell all askers of a commit at once: waking a loop costs a system call."""
    for loop in {job.future.get_loop() for job in jobs}:
        mine = [job for job in jobs if job.future.get_loop() is loop]
        with contextlib.suppress(RuntimeError):  # a loop that is closed waits for nothing
            loop.call_soon_threadsafe(_tell, mine, failed)


def _tell(jobs: list[_Job], failed: BaseException | None) -> None:
    for job in jobs:
        job.answer(failed)
