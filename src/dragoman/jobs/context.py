"""What the function of a job works with: steps that are kept, progress, fenced writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.jobs import records
from dragoman.jobs.records import Job
from dragoman.store import StoreBusy, UnitOfWork

if TYPE_CHECKING:
    from dragoman.house import House

T = TypeVar("T")
# What a job returns and what its steps return is kept as JSON.
Function = Callable[["Context", Mapping[str, Any]], Any]
Keep = Callable[[str, Callable[[], Any]], Any]

# Progress of one stage is written no more often than this.
PROGRESS_SECONDS = 0.5
# A store that is away so long makes a job fail; until then its work waits.
PATIENCE_SECONDS = 300.0
_LONGEST_PAUSE = 5.0


class JobFailed(Exception):
    """The job cannot be done; the text is a sentence for people and holds no secret."""


class Stopped(BaseException):
    """The run is over: the server stops, the job was cancelled, or another run has taken it.

    Not an `Exception`, so that no function takes it for a failure of its own.
    """


class Context:
    """One run of a job, on a thread of its own.

    A job that is joined while it runs has its function called once more, with the arguments that
    it has then. A run may end at any moment and the job start again, in another process perhaps.
    Steps that ended are not done again; one that was under way is, so a step done twice must come
    out as done once. `write` is how a step changes the store: all of it or nothing, and never once
    another run has taken over.
    """

    def __init__(self, house: House, job: Job, runner: str, keep: Keep) -> None:
        self.house = house
        self.job = job
        self._runner = runner
        self._keep = keep
        self._stopped = Event()
        self._noted: tuple[str, float] = ("", 0.0)

    def step(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns, or returned the last time this step of the job ended.

        The result is JSON; a step that raised raises again. The steps of a job come in the same
        order each time it runs. A store that is away is waited for. After a kill, steps that had
        ended stand for those who joined before it too: what they changed is not looked at.
        """
        self.check()
        return self._keep(name, partial(self._patiently, partial(function, *arguments)))

    def progress(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        """Say how far the job is, for those who ask for its status."""
        self.check()
        last, moment = self._noted
        now = time.monotonic()
        if stage == last and done != total and now - moment < PROGRESS_SECONDS:
            return
        self._noted = (stage, now)
        self.write(lambda unit: records.progress(unit, self.job.id, stage, done, total))

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run a unit of work and commit it, if the job is still this run's own.

        A store that is away is waited for: the work may be tried again, so it changes nothing
        but the store.
        """

        def fenced() -> T:
            self.check()
            with self.house.store.begin() as unit:
                if not records.owns(unit, self.job.id, self._runner):
                    self.stop()
                    raise Stopped
                return work(unit)

        return self._patiently(fenced)

    def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run a reading unit of work: it sees one moment of the store and waits for no writer."""

        def looked() -> T:
            with self.house.store.look() as unit:
                return work(unit)

        return self._patiently(looked)

    @property
    def cancelled(self) -> bool:
        """Whether the run is over, for loops that do long work without a word to the context."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Raise `Stopped` when the run is over."""
        if self._stopped.is_set():
            raise Stopped

    def stop(self) -> None:
        """End the run at its next word to the context."""
        self._stopped.set()

    def _patiently(self, work: Callable[[], T]) -> T:
        """The work's result; while the store is away it is tried again, ever less often."""
        until, pause = time.monotonic() + PATIENCE_SECONDS, 0.1
        while True:
            try:
                return work()
            except StoreBusy:
                if time.monotonic() > until:
                    raise
            if self._stopped.wait(pause):
                raise Stopped
            pause = min(pause * 2, _LONGEST_PAUSE)
