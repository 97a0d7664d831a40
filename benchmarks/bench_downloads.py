"""A small GET beside four downloads of each format, against the same GET of an idle server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import ROOT, facts, load, postgres, report, servers, streams
from support.children import cpu_seconds, running
from support.report import Figure, Finding, Options, Target

CLIENT = ROOT / "benchmarks" / "support" / "downloads.py"
AT_ONCE = 4
PATH = "/api/v1/connections"
PACE = 100.0
IDLE, BUSY = "idle", "four busy processes"
# What is asked for by its name, by `Accept`, or as the clients' lines.
FORMATS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "Arrow": ({}, {"Accept": streams.ARROW}),
    "lines": ({}, {}),
    "CSV": ({"resultType": "csv"}, {}),
    "JSON": ({"resultType": "json"}, {}),
    "XLSX": ({"resultType": "xlsx"}, {}),
}
QUIET_SECONDS = 120.0


@dataclass(frozen=True)
class Case:
    """A download: four clients ask for it again and again."""

    name: str
    request: bytes


def measure(options: Options) -> Iterator[Finding]:
    """p99 of GET /api/v1/connections beside four downloads of 1,000,000 rows (XLSX: 100,000), on
    PostgreSQL and DuckDB; beside four processes that only compute; a kept answer of 1,000 rows."""
    rows, sheet = options.pick((1_000_000, 100_000), (20_000, 1_000))
    rounds, seconds = options.pick((3, 8.0), (1, 0.7))
    with ExitStack() as stack:
        home = stack.enter_context(servers.temporary_home())
        engine = stack.enter_context(postgres.server())
        postgres.make_rows(engine, rows)
        file = facts.make_duckdb(home, rows)
        token = servers.make_token(home)
        settings = {"DRAGOMAN_DUCKDB_ROOT": str(home)}
        server = stack.enter_context(servers.dragoman(home, token, **settings))
        models = {
            "PostgreSQL": facts.model(server, postgres.body(engine, "Facts"), "public"),
            "DuckDB": facts.model(server, file, "main"),
        }
        if options.wants("kept"):
            yield from _kept(server, models["DuckDB"], options.pick(40, 3))
        cases = [
            Case(f"{form} from {name}", _request(server, model, form, rows, sheet))
            for name, model in models.items()
            for form in options.pick(tuple(FORMATS), ("JSON", "XLSX"))
        ]
        wanted = [case for case in cases if options.wants(case.name)]
        yield from _beside(server, home, wanted, rounds, seconds)


def _kept(server: servers.Server, model: str, calls: int) -> Iterator[Finding]:
    """The lines of an answer that was asked for before."""
    body = json.dumps(facts.question(model, 1000, cache="normal")).encode()
    request = server.headers(**{"Content-Type": "application/json"})
    taken: list[float] = []
    with contextlib.closing(server.connect()) as connection:
        for number in range(calls + 2):
            began = time.perf_counter()
            connection.request("POST", facts.RUN, body, request)
            content = connection.getresponse().read()
            seconds = time.perf_counter() - began
            if number and b'"from_cache":true' not in content:
                raise RuntimeError(f"not of the cache: {content[:500]!r}")
            if number > 1:
                taken.append(seconds * 1000)
    yield Figure("kept answer of 1,000 rows", taken, "ms", Target("<", 15.0))


def _request(server: servers.Server, model: str, form: str, rows: int, sheet: int) -> bytes:
    body, headers = FORMATS[form]
    asked = facts.question(model, sheet if form == "XLSX" else rows, **body)
    content = json.dumps(asked).encode()
    return server.request("POST", facts.RUN, content, **headers, Connection="close")


def _beside(
    server: servers.Server, home: Path, cases: list[Case], rounds: int, seconds: float
) -> Iterator[Finding]:
    """Each load in turn, every round."""
    get = server.request("GET", PATH)
    seen: dict[str, list[load.Seen]] = {}
    whole: dict[str, list[float]] = {case.name: [] for case in cases}

    def paced() -> load.Seen:
        return load.run(server, get, seconds=seconds, connections=64, rate=PACE)

    for case in cases:  # what is imported late
        _finish(_started(server, case, min(seconds, 2.0)))
        _wait_until_quiet(server)
    for _ in range(rounds):
        seen.setdefault(IDLE, []).append(paced())
        with _busy(home):
            seen.setdefault(BUSY, []).append(paced())
        for case in cases:
            clients = _started(server, case, seconds + 1.5)
            seen.setdefault(case.name, []).append(paced())
            got = _finish(clients)
            whole[case.name].append(sum(each["bytes"] for each in got) / 1e6 / (seconds + 1.5))
            _wait_until_quiet(server)
    idle = [each.p99 for each in seen[IDLE]]
    for name, runs in seen.items():
        yield Figure(f"{name}: p99 of a GET", [each.p99 for each in runs], "ms")
        yield Figure(f"{name}: p50 of a GET", [each.p50 for each in runs], "ms")
        if name in whole:
            yield Figure(f"{name}: four together", whole[name], "MB/s")
        if name != IDLE:
            ratio = report.ratios([each.p99 for each in runs], idle)
            target = None if name == BUSY else Target("<", 10.0)
            yield Figure(f"{name} / idle, p99", ratio, target=target)


def _started(server: servers.Server, case: Case, seconds: float) -> list[subprocess.Popen[str]]:
    plan = {"port": server.port, "request": case.request.decode(), "seconds": seconds}
    clients = [
        subprocess.Popen(
            [sys.executable, str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(AT_ONCE)
    ]
    for client in clients:
        assert client.stdin
        client.stdin.write(json.dumps(plan))
        client.stdin.close()
        client.stdin = None
    return clients


def _finish(clients: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for client in clients:
        told, wrong = client.communicate(timeout=120)
        if client.returncode != 0:
            raise RuntimeError(f"download: {wrong[-2000:]}")
        found.append(json.loads(told))
    return found


@contextlib.contextmanager
def _busy(home: Path) -> Generator[None]:
    """Four processes that compute for nobody."""
    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            command = [sys.executable, "-c", "while True: pass"]
            stack.enter_context(running(command, log=home / "busy.log"))
        yield


def _wait_until_quiet(server: servers.Server) -> None:
    """Until the server has ended what nobody waits for any more."""
    over = time.monotonic() + QUIET_SECONDS
    used = cpu_seconds(server.pid)
    while time.monotonic() < over:
        time.sleep(0.5)
        before, used = used, cpu_seconds(server.pid)
        if used - before < 0.05:
            return


if __name__ == "__main__":
    report.main(measure)
