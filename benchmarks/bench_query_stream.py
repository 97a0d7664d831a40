"""Rows from PostgreSQL through HTTP as an Arrow stream, against ADBC in-process with no HTTP."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support import postgres, report, servers
from support.children import cpu_seconds, memory
from support.report import Figure, Finding, Options, Target

ARROW = "application/vnd.apache.arrow.stream"
STATEMENT = f"SELECT * FROM {postgres.FACTS}"
# A server whose memory grows with the rows would take more than this from 100k rows to 3M:
# 2.9M rows are about 190 MiB of Arrow.
FLAT_MIB = 32.0


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
            floor = _in_process(pooled, sql, rows)
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

    headers = server.headers(**{"Accept": ARROW, "Content-Type": "application/json"})
    gc.collect()
    with contextlib.closing(server.connect()) as connection:
        began = time.perf_counter()
        connection.request("POST", path, json.dumps({"sql": sql}), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"query: {answer.status} {answer.read()[:500]!r}")
        with pa.ipc.open_stream(answer) as reader:
            return _drain(reader, rows, began)


def _in_process(pooled: Any, sql: str, rows: int) -> float:
    gc.collect()
    began = time.perf_counter()
    with pooled.cursor() as cursor:
        cursor.execute(sql)
        with cursor.fetch_record_batch() as reader:
            return _drain(reader, rows, began)[0]


def _drain(reader: Any, rows: int, began: float) -> tuple[float, float]:
    first, count = 0.0, 0
    for batch in reader:
        first = first or time.perf_counter() - began
        count += batch.num_rows
    if count != rows:
        raise RuntimeError(f"{count} rows came of {rows}")
    return time.perf_counter() - began, first


def _memory(home: Path, token: str, path: str, sizes: tuple[int, ...]) -> Iterator[Finding]:
    grown: dict[int, float] = {}
    for rows in sizes:
        # A server of its own for each size: a peak stays what it was. The small query first has
        # it load the driver and Arrow.
        with servers.dragoman(home, token) as server:
            _through_http(server, path, f"{STATEMENT} LIMIT 1000", 1000)
            before = memory(server.pid, "VmRSS")
            _through_http(server, path, f"{STATEMENT} LIMIT {rows}", rows)
            grown[rows] = memory(server.pid, "VmHWM") - before
            note = f"{before:.0f} MiB before"
        yield Figure(
            f"server's peak memory over before, {rows:,} rows", [grown[rows]], "MiB", note=note
        )
    growth = grown[sizes[-1]] - grown[sizes[0]]
    yield Figure(
        f"server's peak memory, {sizes[-1]:,} rows over {sizes[0]:,}",
        [growth],
        "MiB",
        Target("<", FLAT_MIB),
    )


if __name__ == "__main__":
    report.main(measure)
