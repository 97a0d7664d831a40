"""Rows of a question in fields, as raw Arrow and as lines, against ADBC in-process."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from support import facts, postgres, report, servers, streams
from support.children import cpu_seconds
from support.report import Figure, Finding, Options, Target

from tests.support.engines import Engine


def measure(options: Options) -> Iterator[Finding]:
    """1,000,000 rows x 10 fields of a model: HTTP against ADBC alone; and the server's memory."""
    rounds = options.pick(5, 1)
    sizes = options.pick((100_000, 1_000_000, 3_000_000), (10_000, 50_000, 100_000))
    with servers.temporary_home() as home, postgres.server() as engine:
        postgres.make_rows(engine, sizes[-1])
        token = servers.make_token(home)
        with servers.dragoman(home, token) as server:
            model = facts.model(server, postgres.body(engine, "Facts"), "public")
            yield from _compare(server, model, engine, sizes[1], rounds)
        # 2.9M rows are about 190 MiB of Arrow, 0.9M about 60 MiB, and 80 MiB of base64.
        # The line of the larger answer would fill this process with half a gigabyte of base64.
        for name, ask, most in (("Arrow", _arrow, sizes[2]), ("lines", _lines, sizes[1])):
            yield from _memory(home, token, partial(ask, model=model), (sizes[0], most), name)


def _compare(
    server: servers.Server, model: str, engine: Engine, rows: int, rounds: int
) -> Iterator[Finding]:
    from adbc_driver_postgresql import dbapi

    sql = f"SELECT {facts.LISTED} FROM {postgres.FACTS} LIMIT {rows}"
    taken: dict[str, list[float]] = {"Arrow": [], "lines": [], "ADBC": []}
    spent: dict[str, list[float]] = {"Arrow": [], "lines": []}
    with dbapi.connect(engine.url("postgresql"), autocommit=True) as pooled:
        for number in range(rounds + 1):
            seconds = {"ADBC": streams.in_process(pooled, sql, rows)}
            used: dict[str, float] = {}
            for name, ask in (("Arrow", _arrow), ("lines", _lines)):
                before = cpu_seconds(server.pid)
                seconds[name] = ask(server, rows, model=model)
                used[name] = cpu_seconds(server.pid) - before
            if number:  # the first round warms all up
                for name, value in seconds.items():
                    taken[name].append(value)
                for name, value in used.items():
                    spent[name].append(value)
    for name, most in (("Arrow", 1.3), ("lines", 2.0)):
        ratio = report.ratios(taken[name], taken["ADBC"])
        yield Figure(f"{name} / ADBC in-process, {rows:,} rows", ratio, target=Target("<=", most))
        yield Figure(f"{name}: all rows", taken[name], "s")
        yield Figure(f"{name}: processor time of the server", spent[name], "s")
    yield Figure("ADBC in-process: all rows", taken["ADBC"], "s")


@contextlib.contextmanager
def _answer(
    server: servers.Server, model: str, rows: int, **headers: str
) -> Iterator[tuple[Any, float]]:
    """The open answer, and when the question was sent."""
    given = server.headers(**{"Content-Type": "application/json", **headers})
    gc.collect()
    with contextlib.closing(server.connect()) as connection:
        began = time.perf_counter()
        connection.request("POST", facts.RUN, json.dumps(facts.question(model, rows)), given)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"query: {answer.status} {answer.read()[:500]!r}")
        yield answer, began


def _arrow(server: servers.Server, rows: int, *, model: str) -> float:
    """Seconds to the last batch of the raw stream, the batches thrown away."""
    import pyarrow as pa

    with (
        _answer(server, model, rows, Accept=streams.ARROW) as (answer, began),
        pa.ipc.open_stream(answer) as reader,
    ):
        return streams.drain(reader, rows, began)[0]


def _lines(server: servers.Server, rows: int, *, model: str) -> float:
    """Seconds to the last batch out of the line that holds the answer in base64."""
    import pyarrow as pa

    with _answer(server, model, rows) as (answer, began):
        found = [json.loads(line) for line in answer if b'"result"' in line]
        content = base64.b64decode(found[0]["result"])
        with pa.ipc.open_stream(content) as reader:
            return streams.drain(reader, rows, began)[0]


def _memory(
    home: Path, token: str, ask: Callable[[servers.Server, int], float], sizes: Any, name: str
) -> Iterator[Finding]:
    grown = {rows: streams.peak(home, token, ask, rows)[1] for rows in sizes}
    yield streams.growth(f"{name}: server's peak memory", grown)


if __name__ == "__main__":
    report.main(measure)
