"""Running the jobs of the store in this process: one thread that keeps watch, and the engine.

The engine starts with the first job that waits: a server without work pays for none of it.
On SQLite one process of the machine runs jobs, the holder of a file lock; another takes over when
it ends. On Postgres every process does, and takes over what dead ones left.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from dragoman.jobs import peers, records
from dragoman.jobs.context import Context, Function, JobFailed, Keep
from dragoman.jobs.files import FileLock, beside
from dragoman.jobs.records import QUEUED, Job
from dragoman.jobs.running import Run, Unfinished
from dragoman.store import StoreBusy, UnitOfWork

if TYPE_CHECKING:
    from dragoman.house import House
    from dragoman.jobs.engine import Engine

log = structlog.get_logger()
Duty = Callable[["House"], None]

WATCH_SECONDS = 1.0
# A thousand jobs asked for within a second are no reason to look a thousand times; while more wait
# than can be started, the answers to requests come before the pace of short jobs: the more so
# where the process is short of processor time already.
PAUSE_SECONDS = 0.05
CROWD_SECONDS = 0.25
PRESSED_SECONDS = 1.0
PRESSED_SHARE = 0.6  # of one core: Python uses no more than one at a time
CHECK_SECONDS = 30.0
SWEEP_SECONDS = 600.0
RETRY_SECONDS = 5.0
# Jobs that are started where they were asked for; more wait in the shared queue.
AT_ONCE = 2
# The engine gets the oldest of what waits, so many at most: what it has costs it processor time.
AHEAD = 32


class Jobs:
    """The jobs of one server process. `register` first, then `start`."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}
        self._duties: list[Duty] = []
        self._house: House | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._executor = str(uuid.uuid4())
        self._lock: FileLock | None = None
        self._runs: dict[str, Run] = {}
        # What the engine was given: all of it, and what was to be started at once, here.
        self._given: set[str] = set()
        self._started: set[str] = set()
        self._suspects: set[str] = set()
        self._due: dict[str, float] = {}
        self._pause = PAUSE_SECONDS
        self._seen = _clocks()

    def register(self, kind: str, function: Function) -> None:
        """Say which function does the work of a kind. It is called with a `Context` and the
        arguments of the job, on a thread of its own."""
        self._functions[kind] = function

    def every_second(self, duty: Duty) -> None:
        """Have a short duty done about every second, in each process that runs jobs."""
        self._duties.append(duty)

    def start(self, house: House) -> None:
        """Begin to run jobs."""
        self._house = house
        if house.store.is_sqlite:
            self._lock = FileLock(beside(house.settings.store_url, ".lock"))
            # All processes are one to the engine, which resumes what it finds by itself.
            self._executor = "sqlite"
        self._thread = threading.Thread(target=self._watch, args=(house,), name="jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for new jobs now. To be called once the unit that submitted one is committed."""
        self._wake.set()

    def stop(self) -> None:
        """End in order. What still runs is resumed later, here or elsewhere, from its last step."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        runs = list(self._runs.values())
        for run in runs:
            run.interrupt()
        for run in runs:
            run.left.wait()
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._leave()

    def _leave(self) -> None:
        if self._lock is not None:
            self._lock.release()
        elif self._house is not None:
            # A store that is away costs the peers the time to take this process for dead.
            with contextlib.suppress(StoreBusy), self._house.store.begin() as unit:
                peers.leave(unit, self._executor)

    def _watch(self, house: House) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if self._lock is None or self._lock.take():
                    self._turn(house)
            except StoreBusy as busy:
                log.warning("jobs: the store is away", reason=str(busy))
            except Exception:
                # The watch outlives whatever went wrong in one turn of it.
                log.exception("jobs: a turn of the watch failed")
                self._stopping.wait(RETRY_SECONDS)
            self._wake.wait(WATCH_SECONDS)
            self._stopping.wait(began + self._pause - time.monotonic())
            self._wake.clear()

    def _turn(self, house: House) -> None:
        if self._lock is None and self._is_due("beat", peers.BEAT_SECONDS):
            with house.store.begin() as unit:
                peers.beat(unit, self._executor)
        if self._is_due("duties", WATCH_SECONDS):
            for duty in self._duties:
                duty(house)
        # Taken first: a run that begins meanwhile is not missed among what is active.
        runs = dict(self._runs)
        with house.store.look() as unit:
            active = self._active(unit, {*self._given, *runs})
        if active or runs:
            self._hand_over(house, active, runs)
        self._set_pace(active)
        if self._is_due("sweep", SWEEP_SECONDS):
            self._sweep(house)

    def _set_pace(self, active: Iterable[Job]) -> None:
        """How soon to look for work again, and how often the engine looks into its queue."""
        crowd = any(job.state == QUEUED and job.id not in self._started for job in active)
        pressed = self._is_pressed()
        if crowd:
            self._pause = PRESSED_SECONDS if pressed else CROWD_SECONDS
        else:
            self._pause = PAUSE_SECONDS
        if self._engine is not None:
            self._engine.hurry(crowd and not pressed)

    def _is_pressed(self) -> bool:
        """Whether the process was busy since this was asked before."""
        before, self._seen = self._seen, _clocks()
        passed, spent = self._seen[0] - before[0], self._seen[1] - before[1]
        return spent > PRESSED_SHARE * passed

    def _is_due(self, duty: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(duty, 0.0):
            return False
        self._due[duty] = now + seconds
        return True

    def _active(self, unit: UnitOfWork, known: set[str]) -> list[Job]:
        """The jobs that the engine has, and those that it may have next, oldest first."""
        found = records.active_of(unit, known)
        if sum(job.state == QUEUED for job in found) >= AHEAD // 2:
            return found
        more = [*records.running(unit), *records.waiting(unit, AHEAD)]
        return list({job.id: job for job in (*found, *more)}.values())

    def _hand_over(self, house: House, active: list[Job], runs: Mapping[str, Run]) -> None:
        """Give the engine what it does not have yet, and end runs whose job has ended."""
        engine = self._engine or self._launch(house)
        ids = {job.id for job in active}
        self._given &= ids
        self._started &= ids
        for job_id, run in runs.items():
            if job_id not in ids:
                run.stop()
        for job in active:
            if job.state != QUEUED or job.id in self._given:
                continue
            if len(self._started) < AT_ONCE:
                engine.start(job.id)
                self._started.add(job.id)
            else:
                engine.enqueue(job.id)
            self._given.add(job.id)
        if self._lock is None and self._is_due("peers", peers.BEAT_SECONDS):
            self._take_over(house, engine)
        if self._is_due("check", CHECK_SECONDS):
            self._check(house, engine, ids)

    def _launch(self, house: House) -> Engine:
        from dragoman.jobs.engine import Engine  # costs more than a second

        began = time.monotonic()
        body = partial(self._run, house)
        self._engine = Engine(house.settings.store_url, self._executor, body)
        log.info("jobs: engine started", seconds=round(time.monotonic() - began, 2))
        return self._engine

    def _run(self, house: House, job_id: str, keep: Keep) -> None:
        """Run a job, on a thread of the engine's. Raises `Unfinished`."""
        runner = str(uuid.uuid4())
        job = self._begin(house, job_id, runner)
        if job is None:
            return
        function = self._functions.get(job.kind, _unknown)
        run = Run(house, job, runner, function, keep)
        self._runs[job_id] = run
        if self._stopping.is_set():
            run.interrupt()
        try:
            run.go()
        finally:
            if self._runs.get(job_id) is run:
                del self._runs[job_id]
            self._wake.set()

    def _begin(self, house: House, job_id: str, runner: str) -> Job | None:
        while not self._stopping.is_set():
            try:
                with house.store.begin() as unit:
                    return records.start(unit, job_id, runner)
            except StoreBusy:
                self._stopping.wait(WATCH_SECONDS)
        raise Unfinished

    def _take_over(self, house: House, engine: Engine) -> None:
        """Put what dead peers have under way into the queue."""
        working = engine.executors() - {self._executor}
        with house.store.begin() as unit:
            dead = peers.claim(unit, working - peers.alive(unit))
        for executor in dead:
            jobs = engine.take_over(executor)
            log.warning("jobs: a process died, its jobs go on", executor=executor, jobs=jobs)

    def _check(self, house: House, engine: Engine, active: set[str]) -> None:
        """Put right what the store and the engine disagree about.

        The store may have been restored from a backup, or been away for so long that a run gave
        up. Only what was so at the check before is touched: the rest may be on its way.
        """
        unknown, ended = engine.missing(active)
        idle = engine.under_way(self._executor) - self._runs.keys()
        suspects = unknown | ended | idle
        again = suspects & self._suspects
        self._suspects = suspects - again
        for job_id in again & unknown:
            engine.enqueue(job_id)
        for job_id in again & idle:
            engine.resume(job_id)
        for job_id in again & ended:
            with house.store.begin() as unit:
                records.finish(unit, job_id, "The server lost track of this job.")

    def _sweep(self, house: House) -> None:
        """Forget what ended: in the engine at once, in the store after `job_days`."""
        if self._engine is not None:
            self._engine.sweep()
            working = self._engine.executors()
            if self._lock is None:
                with house.store.begin() as unit:
                    peers.forget(unit, working)
        if house.settings.job_days:
            with house.store.begin() as unit:
                records.forget(unit, house.settings.job_days)


def _clocks() -> tuple[float, float]:
    """Seconds that pass, and seconds of processor time of this process."""
    return time.monotonic(), time.process_time()


def _unknown(context: Context, _arguments: Mapping[str, Any]) -> None:
    raise JobFailed(f"This version of the server knows no work named {context.job.kind}.")
