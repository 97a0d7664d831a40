"""Background jobs: how soon one starts, how many end in a second, what a step and idling cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support import postgres, report, servers
from support.report import Figure, Finding, Options

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from dragoman.app import open_house
from dragoman.house import House
from dragoman.jobs import records
from dragoman.observability import logs
from dragoman.secret import SecretStr
from dragoman.settings import load
from tests.support.engines import Unavailable

POLL_SECONDS = 0.002
MOST_SECONDS = 120.0


def measure(options: Options) -> Iterator[Finding]:
    """The whole room in this process, on SQLite and on PostgreSQL."""
    for name in ("SQLite", "PostgreSQL"):
        with ExitStack() as stack:
            home = stack.enter_context(servers.temporary_home())
            url = None
            if name == "PostgreSQL":
                try:
                    url = stack.enter_context(postgres.server()).url("postgresql")
                except Unavailable:
                    return
            idle = options.pick(20.0, 2.0)
            house = stack.enter_context(_house(home, url))
            yield Figure(f"{name}: idle, no job yet", [_idle(idle)], "% of a core")
            yield Figure(f"{name}: first job, engine and all", [_latency(house)], "s")
            rounds = options.pick(20, 3)
            direct = [_latency(house) * 1000 for _ in range(rounds)]
            yield Figure(f"{name}: commit to the function's start", direct, "ms")
            unasked = [_latency(house, wake=False) * 1000 for _ in range(options.pick(10, 2))]
            yield Figure(f"{name}: the same from another process", unasked, "ms")
            count = options.pick(100, 6)
            yield Figure(f"{name}: jobs submitted at once", [_throughput(house, count)], "per s")
            steps = options.pick(300, 20)
            yield Figure(f"{name}: one step that is kept", [_step(house, steps)], "ms")
            yield Figure(f"{name}: idle, engine running", [_idle(idle)], "% of a core")


@contextmanager
def _house(home: Path, url: str | None) -> Generator[House]:
    logs.configure("error", "text")
    given: dict[str, Any] = {} if url is None else {"database_url": SecretStr(url)}
    house = open_house(load({}, home=home, **given))
    house.jobs.register("NOW", lambda *_: time.time())
    house.jobs.register("STEPS", _steps)
    house.jobs.start(house)
    try:
        yield house
    finally:
        house.jobs.stop()
        house.close()


def _steps(context: jobs.Context, arguments: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    for number in range(arguments["steps"]):
        context.step("nothing", lambda number=number: number)
    return (time.perf_counter() - began) / arguments["steps"] * 1000


def _submit(house: House, kind: str, subject: str = "s", **arguments: Any) -> jobs.Job:
    with house.store.begin() as unit:
        return jobs.submit(unit, kind, subject, arguments, OPERATOR)


def _result(house: House, job: jobs.Job) -> Any:
    until = time.monotonic() + MOST_SECONDS
    while time.monotonic() < until:
        with house.store.look() as unit:
            found = jobs.find(unit, job.id)
        if found is not None and not found.is_active:
            if found.error is not None:
                raise RuntimeError(found.error)
            return found.result
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"job {job.kind} did not end")


def _latency(house: House, *, wake: bool = True) -> float:
    """Seconds from the commit to the first line of the job's function."""
    job = _submit(house, "NOW")
    committed = time.time()
    if wake:
        house.jobs.wake()
    return _result(house, job) - committed


def _throughput(house: House, count: int) -> float:
    began = time.perf_counter()
    for number in range(count):
        _submit(house, "NOW", f"subject {number}")
    house.jobs.wake()
    while True:
        with house.store.look() as unit:
            if not (records.running(unit) or records.waiting(unit, 1)):
                return count / (time.perf_counter() - began)
        time.sleep(POLL_SECONDS)


def _step(house: House, steps: int) -> float:
    job = _submit(house, "STEPS", steps=steps)
    house.jobs.wake()
    return _result(house, job)


def _idle(seconds: float) -> float:
    """Processor time of this process while it waits, in percent of a core."""
    time.sleep(1)
    before = _spent()
    time.sleep(seconds)
    return (_spent() - before) / seconds * 100


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    report.main(measure)
