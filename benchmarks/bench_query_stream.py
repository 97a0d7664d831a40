"""Rows from PostgreSQL through HTTP as an Arrow stream, against ADBC in-process with no HTTP."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support import postgres, report, servers, streams
from support.children import cpu_seconds
from support.report import Figure, Finding, Options, Target

STATEMENT = f"SELECT * FROM {postgres.FACTS}"


def measure(options: Options) -> Iterator[Finding]:
    """1,000,000 rows x 10 columns: HTTP and Arrow against ADBC alone; and the server's memory."""
    rounds = options.pick(7, 2)
    sizes = options.pick((100_000, 1_000_000, 3_000_000), (10_000, 50_000, 100_000))
    with servers.temporary_home() as home, postgres.server() as engine:
        postgres.make_rows(engine, sizes[-1])
        token = servers.make_token(home)
        with servers.dragoman(home, token) as server:
            made = server.call("POST", "/api/v1/connections", postgres.body(engine, "Facts"))
            path = f"/api/v1/connections/{json.loads(made)['data']}/query"
            yield from _compare(server, path, engine, sizes[1], rounds)
        # 2.9M rows are about 190 MiB of Arrow: so much would a server take that holds them.
        yield from _memory(home, token, path, sizes)


def _compare(
    server: servers.Server, path: str, engine: Any, rows: int, rounds: int
) -> Iterator[Finding]:
    from adbc_driver_postgresql import dbapi

    sql = f"{STATEMENT} LIMIT {rows}"
    through: list[float] = []
    within: list[float] = []
    first: list[float] = []
    spent: list[float] = []
    with dbapi.connect(engine.url("postgresql"), autocommit=True) as pooled:
        for number in range(rounds + 1):
            used = cpu_seconds(server.pid)
            seconds, first_seconds = _through_http(server, path, sql, rows)
            used = cpu_seconds(server.pid) - used
            floor = streams.in_process(pooled, sql, rows)
            if number:  # the first round warms both up: it opens the pooled connections
                through.append(seconds)
                within.append(floor)
                first.append(first_seconds * 1000)
                spent.append(used)
    ratio = report.ratios(through, within)
    yield Figure(f"HTTP / ADBC in-process, {rows:,} rows", ratio, target=Target("<=", 1.25))
    yield Figure("HTTP: all rows", through, "s")
    yield Figure("HTTP: first batch", first, "ms")
    yield Figure("HTTP: processor time of the server", spent, "s")
    yield Figure("ADBC in-process: all rows", within, "s")


def _through_http(server: servers.Server, path: str, sql: str, rows: int) -> tuple[float, float]:
    """Seconds to the last and to the first batch, the batches thrown away."""
    import pyarrow as pa

    headers = server.headers(**{"Accept": streams.ARROW, "Content-Type": "application/json"})
    gc.collect()
    with contextlib.closing(server.connect()) as connection:
        began = time.perf_counter()
        connection.request("POST", path, json.dumps({"sql": sql}), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"query: {answer.status} {answer.read()[:500]!r}")
        with pa.ipc.open_stream(answer) as reader:
            return streams.drain(reader, rows, began)


def _memory(home: Path, token: str, path: str, sizes: tuple[int, ...]) -> Iterator[Finding]:
    def ask(server: servers.Server, rows: int) -> None:
        _through_http(server, path, f"{STATEMENT} LIMIT {rows}", rows)

    grown: dict[int, float] = {}
    for rows in sizes:
        before, grown[rows] = streams.peak(home, token, ask, rows)
        note = f"{before:.0f} MiB before"
        yield Figure(
            f"server's peak memory over before, {rows:,} rows", [grown[rows]], "MiB", note=note
        )
    yield streams.growth("server's peak memory", grown)


if __name__ == "__main__":
    report.main(measure)
