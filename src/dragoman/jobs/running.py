"""One run of a job: its function on a thread of its own, and what becomes of it.

The thread is a daemon, so that a database that does not answer holds up no stop of the server:
the run is left where it is, and resumed at the next start.
"""

from __future__ import annotations

import contextvars
import threading
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from dragoman.jobs import failures, records
from dragoman.jobs.context import Context, Function, Keep, Stopped
from dragoman.jobs.records import Job
from dragoman.observability import metrics
from dragoman.store import StoreBusy, UnitOfWork

if TYPE_CHECKING:
    from dragoman.house import House

log = structlog.get_logger()
# A run that is asked to end gets so long to come to its next word to the context.
GRACE_SECONDS = 5.0
# A job that is joined over and over ends all the same.
MOST_TURNS = 5


class Unfinished(BaseException):
    """The run ended, the job did not: the engine keeps it as under way."""


class Run:
    """A run of a job that this process was given."""

    def __init__(self, house: House, job: Job, runner: str, function: Function, keep: Keep) -> None:
        self._house = house
        self._job = job
        self._runner = runner
        self._function = function
        self._context = Context(house, job, runner, keep)
        self._finished = False
        self._interrupted = False
        self._over = threading.Event()
        self.left = threading.Event()

    def go(self) -> None:
        """Do the work, on the engine's thread. Raises `Unfinished`."""
        # The engine knows a job's steps by the thread's context.
        inside = contextvars.copy_context()
        thread = threading.Thread(
            target=inside.run, args=(self._work,), name=f"job-{self._job.kind}", daemon=True
        )
        thread.start()
        try:
            self._over.wait()
            thread.join(GRACE_SECONDS)
            if not self._finished and self._is_to_be_resumed():
                raise Unfinished
        finally:
            self.left.set()

    def stop(self) -> None:
        """End the run: the job is no longer its own."""
        self._context.stop()

    def interrupt(self) -> None:
        """End the run: the server stops, and the job is resumed later."""
        self._interrupted = True
        self._context.stop()
        self._over.set()

    def _work(self) -> None:
        try:
            self._attempt()
        except Stopped:
            log.info("job stopped", job_id=self._job.id, kind=self._job.kind)
        except StoreBusy:
            # Left as it is: the check of what runs nowhere starts it again.
            log.warning("job left: the store is away", job_id=self._job.id, kind=self._job.kind)
        finally:
            self._over.set()

    def _attempt(self) -> None:
        """Call the function, and again for those who joined meanwhile: it may have looked at what
        they changed before they did."""
        turn = 1
        error, result = self._called()
        while again := self._context.write(partial(self._end, error, result, turn)):
            self._job = self._context.job = again
            turn += 1
            error, result = self._called()
        self._finished = True
        outcome = "completed" if error is None else "failed"
        metrics.JOBS.labels(self._job.kind, outcome).inc()
        log.info(
            "job ended", job_id=self._job.id, kind=self._job.kind, outcome=outcome, error=error
        )

    def _called(self) -> tuple[str | None, str | None]:
        """The error and the result (JSON) of the function."""
        try:
            returned = self._function(self._context, self._job.arguments)
            return None, msgspec.json.encode(returned).decode()
        except Exception as raised:  # noqa: BLE001 - every failure of a job is told by the job
            return self._told(raised), None

    def _end(
        self, error: str | None, result: str | None, turn: int, unit: UnitOfWork
    ) -> Job | None:
        """End the job, unless it is to be done again: it is given back then. After the last turn
        those who joined get a job that follows."""
        again = records.begin_again(unit, self._job)
        if again is not None and turn < MOST_TURNS:
            return again
        records.finish(unit, self._job.id, error, result)
        if again is not None:
            records.follow(unit, again)
        return None

    def _told(self, raised: Exception) -> str:
        sentence = failures.stated(raised)
        if sentence is not None:
            return sentence
        log.error("unexpected error in a job", job_id=self._job.id, exc_info=raised)
        return f"Unexpected error; the server's log has it under the job's id {self._job.id}."

    def _is_to_be_resumed(self) -> bool:
        """Whether the job goes on elsewhere or later: not when it was cancelled."""
        try:
            with self._house.store.begin() as unit:
                if self._interrupted:
                    records.give_back(unit, self._job.id, self._runner)
                found = records.find(unit, self._job.id)
        except StoreBusy:
            return True
        return found is not None and found.is_active
