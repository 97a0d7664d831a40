"""From a database to a schema model: 10,000 tables in PostgreSQL read, inferred, stored."""

from __future__ import annotations

import gc
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from support import catalog_readers as readers
from support import postgres, report, servers
from support.children import memory
from support.report import Figure, Finding, Options, Remark, Target

from dragoman.access.principal import OPERATOR
from dragoman.app import open_house
from dragoman.catalog import refresh
from dragoman.catalog import service as catalog
from dragoman.catalog.layer import SchemaLayer
from dragoman.connections import drafts, service
from dragoman.house import House
from dragoman.jobs import Context, Job
from dragoman.settings import load
from tests.support.engines import Engine

SCHEMAS = 20
ROUNDS = 3
SLACK = 10.0  # seconds that a first reading may take beside its three times


class Direct(Context):
    """A job that runs where it is called, and keeps no notes of its progress."""

    def __init__(self, house: House, subject: str) -> None:
        job = Job(
            "bench", catalog.KIND, subject, subject, {}, "running", *[None] * 6, "", None, None
        )
        super().__init__(house, job, "", lambda _, work: work())

    def write(self, work: Callable[..., Any]) -> Any:
        with self.house.store.begin() as unit:
            return work(unit)

    def progress(self, stage: str, done: int | None = None, total: int | None = None) -> None: ...


def measure(options: Options) -> Iterator[Finding]:
    """First reading, one that finds nothing new, one changed table; the floor is two statements."""
    if "huge" in options.only:
        yield from _huge(options)
        return
    tables = options.pick(10_000, 400)
    rounds = options.pick(ROUNDS, 1)
    with postgres.server() as engine, servers.temporary_home() as home:
        postgres.make_catalog(engine, tables, SCHEMAS)
        yield Remark(f"{tables:,} tables x {postgres.COLUMNS} columns in {SCHEMAS} schemas")
        yield from _measured(engine, home, rounds)


def _measured(engine: Engine, home: Path, rounds: int) -> Iterator[Finding]:
    bare: list[float] = []
    first: list[float] = []
    same: list[float] = []
    one: list[float] = []
    house = open_house(load({}, home=home, egress_allow=("127.0.0.1",), log_level="error"))
    with postgres.connect(engine) as floor:
        readers.bulk(floor)
        for number in range(rounds):
            connection = _connection(house, engine, f"bench {number}")
            bare.append(_timed(lambda: readers.bulk(floor)))
            first.append(_timed(lambda c=connection: _refresh(house, c)))
            for turn in range(rounds):
                bare.append(_timed(lambda: readers.bulk(floor)))
                same.append(_timed(lambda c=connection: _refresh(house, c)))
                floor.execute(f"ALTER TABLE s00.t0004 ADD extra_{number}_{turn} integer")
                one.append(_timed(lambda c=connection: _refresh(house, c)))
    whole = _created(engine, home, rounds)
    middle = statistics.median(bare)
    yield Figure("bare SQL", bare, "s")
    over = [(seconds - SLACK) / middle for seconds in whole]
    yield Figure("create to schema model, less 10 s / bare SQL", over, target=Target("<=", 3))
    yield Figure("create to schema model over HTTP", whole, "s")
    yield Figure("first reading / bare SQL", [seconds / middle for seconds in first])
    ratio = [seconds / middle for seconds in same]
    yield Figure("nothing new / bare SQL", ratio, target=Target("<=", 1.5))
    more = [above - below for above, below in zip(one, same, strict=True)]
    yield Figure("one table changed, less nothing new", more, "s")
    yield Figure("one view", _views(house, connection), "ms")
    yield Figure("peak memory", [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024], "MiB")
    house.close()


def _huge(options: Options) -> Iterator[Finding]:
    """Only by `--only huge`, since it takes a quarter of an hour: a database ten times as large,
    read once by a server of its own, and once more with nothing new."""
    tables = options.pick(100_000, 400)
    schemas = tables // 400
    with postgres.server() as engine, servers.temporary_home() as home:
        postgres.make_catalog(engine, tables, schemas)
        with postgres.connect(engine) as floor:
            readers.bulk(floor)
            bare = _timed(lambda: readers.bulk(floor))
        token = servers.make_token(home)
        with servers.dragoman(home, token, DRAGOMAN_BUILD_SCHEMA_ON_CREATE="on") as server:
            began = time.perf_counter()
            made = json.loads(
                server.call("POST", "/api/v1/connections", postgres.body(engine, "huge"))
            )
            state = _ended(server, path := f"/api/v1/connections/{made['data']}")
            whole = time.perf_counter() - began
            peak = memory(server.pid, "VmHWM")
            began = time.perf_counter()
            server.call("POST", f"/api/v1/models/{made['data']}/refresh", {})
            _ended(server, path)
            again = time.perf_counter() - began
            then = memory(server.pid, "VmHWM")
        stored = sum(file.stat().st_size for file in home.glob("dragoman.db*")) / 2**20
    yield Remark(f"{state['tables']:,} tables, {state['columns']:,} columns in {schemas} schemas")
    yield Figure("bare SQL", [bare], "s")
    ratio = (whole - SLACK) / bare
    yield Figure("create to schema model, less 10 s / bare SQL", [ratio], target=Target("<=", 3))
    yield Figure("create to schema model over HTTP", [whole], "s")
    yield Figure("nothing new / bare SQL", [again / bare], target=Target("<=", 1.5))
    yield Figure("peak memory of the server", [peak], "MiB", Target("<", 1536))
    yield Figure("peak memory after the second reading", [then], "MiB", Target("<", 1536))
    yield Figure("the store", [stored], "MiB")


def _ended(server: servers.Server, path: str) -> Mapping[str, Any]:
    while (state := json.loads(server.call("GET", f"{path}/refresh")))["status"] == "running":
        time.sleep(0.05)
    if state["status"] != "completed":
        raise RuntimeError(str(state["failure"]))
    return state


def _created(engine: Engine, home: Path, rounds: int) -> list[float]:
    """Seconds from the POST of a connection until its schema model is there, the start of the
    engine of jobs included; each in a fresh server."""
    token, found = servers.make_token(home), list[float]()
    for number in range(rounds):
        with servers.dragoman(home, token, DRAGOMAN_BUILD_SCHEMA_ON_CREATE="on") as server:
            began = time.perf_counter()
            body = postgres.body(engine, f"whole {number}")
            made = json.loads(server.call("POST", "/api/v1/connections", body))["data"]
            _ended(server, f"/api/v1/connections/{made}")
            found.append(time.perf_counter() - began)
    return found


def _connection(house: House, engine: Engine, name: str) -> str:
    draft = drafts.check(house, postgres.body(engine, name))
    with house.store.begin() as unit:
        return service.create(unit, house.vault, OPERATOR, draft)


def _refresh(house: House, connection: str) -> Mapping[str, Any]:
    return refresh.refresh(Direct(house, connection), {})


def _timed(work: Callable[[], Any]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _views(house: House, connection: str) -> list[float]:
    found: list[float] = []
    for number in range(20):
        with house.store.look() as unit:
            began = time.perf_counter()
            assert SchemaLayer(unit, connection).view(f"s01__t{number:04}") is not None
            found.append((time.perf_counter() - began) * 1000)
    return found


if __name__ == "__main__":
    report.main(measure)
