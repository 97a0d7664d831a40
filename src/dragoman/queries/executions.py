"""Questions under way and just answered: equal ones share one execution, clients wait for theirs.

More than may run at once wait in a fair queue, each process its own. A job is one client's wait for
an execution. When the last job of an execution is given up, the statement is cancelled in the
database.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dragoman import clock
from dragoman.access.principal import Principal
from dragoman.api.errors import TooManyRequests, Unavailable
from dragoman.connections.dialling import Destination
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.house import House
from dragoman.queries.fair import FairQueue, Limits, Turn
from dragoman.queries.fields_query import FieldsQuery
from dragoman.queries.planning import Planned
from dragoman.queries.reusing import MEGABYTE, kept_results, prepare_sharing
from dragoman.queries.running import MAX_AT_ONCE, RUNNING
from dragoman.queries.service import Query
from dragoman.queries.spool import Spooled, spool

RESULT_SECONDS = 900.0
RETRY_SECONDS = "5"
# Statements by hand find room beside them.
QUESTIONS_AT_ONCE = MAX_AT_ONCE - 4
STOPPING = "The server is stopping."


class Execution:
    """One statement on its way, or its answer. `done` ends with a `Spooled` or the failure."""

    def __init__(self, key: str, query: Query | None) -> None:
        self.key = key
        self.query = query
        self.done: Future[Spooled] = Future()
        self.began = time.perf_counter()
        self.seconds = 0.0
        self.ended_at: float | None = None
        self.jobs: set[str] = set()
        self.from_cache = False
        self.turn: Turn | None = None

    def cancel(self) -> None:
        """Stop the statement in the database; see `Query.cancel`."""
        if self.query is not None:
            self.query.cancel()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A statement that is asked for. `key`: what its answer depends on. `body`: the question as it
    was sent. `keep`: its answer may be used again; `share`: an equal one under way will do."""

    planned: Planned
    key: str
    body: Mapping[str, Any]
    keep: bool
    share: bool


@dataclass(slots=True)
class Job:
    """One client's wait. `owner`: who may ask for it; `person`: by the id of a user."""

    id: str
    owner: str
    execution: Execution
    planned: Planned
    body: Mapping[str, Any]
    person: bool = False
    result_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Executions:
    """All executions of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Execution] = {}
        self._jobs: dict[str, Job] = {}
        self._queue = FairQueue()

    def start(
        self, house: House, principal: Principal, destination: Destination, wanted: Wanted
    ) -> Job:
        """A job for the statement: of an equal one under way, or of one that begins when it is its
        turn. Raises `TooManyRequests`."""
        owner = owner_of(principal)
        with self._lock:
            self._forget_old()
            execution = self._running.get(wanted.key) if wanted.share else None
            if execution is None:
                self._check(house, owner)
                execution = self._queue_up(house, owner, destination, wanted)
            job = self._job(execution, principal, wanted)
            self._begin_ready()
            return job

    def answered(self, principal: Principal, wanted: Wanted, kept: Spooled) -> Job:
        """A job whose answer is there already."""
        execution = Execution(wanted.key, None)
        execution.from_cache = True
        execution.done.set_result(kept)
        execution.ended_at = time.monotonic()
        with self._lock:
            self._forget_old()
            return self._job(execution, principal, wanted)

    def find(self, principal: Principal, job_id: str) -> Job | None:
        """A job of the principal's own; None for others' and for one that was forgotten."""
        with self._lock:
            job = self._jobs.get(job_id)
        return job if job is not None and job.owner == owner_of(principal) else None

    def leave(self, job: Job) -> None:
        """The client waits no more; harmless when it left already."""
        with self._lock:
            self._jobs.pop(job.id, None)
            job.execution.jobs.discard(job.id)
            alone = not job.execution.jobs and not job.execution.done.done()
            if alone and self._running.get(job.execution.key) is job.execution:
                del self._running[job.execution.key]
            turn = job.execution.turn
            if alone and turn is not None and self._queue.remove(turn):
                self._fail(job.execution, Cause.CANCELLED, "The query was given up.")
                alone = False
        if alone:
            job.execution.cancel()

    def people(self) -> set[str]:
        """The ids of whoever has questions here."""
        with self._lock:
            return {job.owner for job in self._jobs.values() if job.person}

    def give_up(self, user_ids: set[str]) -> None:
        """Leave all jobs of these people."""
        with self._lock:
            theirs = [job for job in self._jobs.values() if job.person and job.owner in user_ids]
        for job in theirs:
            self.leave(job)

    def close(self) -> None:
        """Cancel everything and delete the results."""
        with self._lock:
            jobs, self._jobs, self._running = list(self._jobs.values()), {}, {}
            for execution in {job.execution for job in jobs}:
                if execution.turn is not None and self._queue.remove(execution.turn):
                    self._fail(execution, Cause.CANCELLED, STOPPING)
        for job in jobs:
            job.execution.cancel()
            self._remove(job.execution)

    def _check(self, house: House, owner: str) -> None:
        """A bounded number that waits for everybody."""
        most = house.settings.max_waiting_per_user
        if most and self._queue.waits(id(house), owner) >= most:
            raise TooManyRequests(
                f"Too Many Requests - {most} of your queries wait already; wait for one to end",
                headers={"Retry-After": RETRY_SECONDS},
            )

    def _queue_up(
        self, house: House, owner: str, destination: Destination, wanted: Wanted
    ) -> Execution:
        execution = Execution(wanted.key, FieldsQuery(house, destination, wanted.planned))
        settings = house.settings
        limits = Limits(
            QUESTIONS_AT_ONCE, settings.max_queries_per_user, settings.max_queries_per_connection
        )
        connection = destination.connection_id
        begin = partial(self._begin, house, execution, wanted)
        execution.turn = Turn(id(house), owner, connection, limits, begin)
        self._queue.add(execution.turn)
        self._running[wanted.key] = execution
        return execution

    def _begin_ready(self) -> None:
        """Begin whatever there is room for; the lock is held."""
        for turn in self._queue.ready():
            turn.start()

    def _begin(self, house: House, execution: Execution, wanted: Wanted) -> None:
        try:
            RUNNING.enter(execution, house)
        except Unavailable as full:  # of statements by hand
            self._fail(execution, Cause.TOO_MANY_CONNECTIONS, full.message)
            return
        try:
            house.reading.submit(self._run, house, execution, wanted)
        except RuntimeError:
            RUNNING.leave(execution)
            self._fail(execution, Cause.CANCELLED, STOPPING)

    def _fail(self, execution: Execution, cause: Cause, message: str) -> None:
        """End what did not begin; the lock is held."""
        if execution.turn is not None:
            self._queue.end(execution.turn)
        if self._running.get(execution.key) is execution:
            del self._running[execution.key]
        execution.ended_at = time.monotonic()
        execution.done.set_exception(DatabaseFailure(Stage.QUERY, cause, message))

    def _run(self, house: House, execution: Execution, wanted: Wanted) -> None:
        """Run the statement and write its answer to disk; in a thread."""
        query = execution.query
        if query is None:
            return
        settings = house.settings
        made = clock.now()
        share = contextlib.ExitStack()
        try:
            with query.rows() as rows:
                directory = settings.home / "results"
                result = spool(rows, directory, settings.max_result_mb * MEGABYTE)
            execution.seconds = time.perf_counter() - execution.began
            if wanted.keep:
                kept_results(house).keep(execution.key, result, made)
                prepare_sharing(share, house, execution.key, result, made)
            self._end(execution, lambda: execution.done.set_result(result))
        except BaseException as error:  # noqa: BLE001 - whoever waits meets it
            failure = error
            self._end(execution, lambda: execution.done.set_exception(failure))
        finally:
            RUNNING.leave(execution)
            with self._lock:
                if execution.turn is not None:
                    self._queue.end(execution.turn)
                self._begin_ready()
            share.close()  # nobody waits for it

    def _end(self, execution: Execution, tell: Callable[[], None]) -> None:
        with self._lock:
            if self._running.get(execution.key) is execution:
                del self._running[execution.key]
            execution.ended_at = time.monotonic()
            unwanted = not execution.jobs
        tell()
        if unwanted:
            self._remove(execution)

    def _job(self, execution: Execution, principal: Principal, wanted: Wanted) -> Job:
        job = Job(
            str(uuid.uuid4()),
            owner_of(principal),
            execution,
            wanted.planned,
            wanted.body,
            person=principal.is_person,
        )
        self._jobs[job.id] = job
        execution.jobs.add(job.id)
        return job

    def _forget_old(self) -> None:
        """Answers that nobody came for in time."""
        now = time.monotonic()
        for job in list(self._jobs.values()):
            ended = job.execution.ended_at
            if ended is not None and now - ended > RESULT_SECONDS:
                del self._jobs[job.id]
                job.execution.jobs.discard(job.id)
                if not job.execution.jobs:
                    self._remove(job.execution)

    def _remove(self, execution: Execution) -> None:
        if execution.from_cache or not execution.done.done() or execution.done.exception():
            return
        execution.done.result().remove()


def owner_of(principal: Principal) -> str:
    """Whose queries count together, and who may ask for their answers."""
    return principal.user_id or principal.token_id or principal.name


async def outcome(job: Job, seconds: float) -> Spooled | DatabaseFailure | None:
    """The answer or the failure; None when it takes longer."""
    waiting = asyncio.wrap_future(job.execution.done)
    # It may fail when nobody waits any more, which is no news for a log.
    waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    try:
        return await asyncio.wait_for(asyncio.shield(waiting), seconds)
    except TimeoutError:
        return None
    except DatabaseFailure as failure:
        return failure


EXECUTIONS = Executions()
