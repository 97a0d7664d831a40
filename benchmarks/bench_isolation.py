"""What native drivers do to the other threads, and what a process of its own costs a session."""

from __future__ import annotations

import contextlib
import gc
import importlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from support import report
from support.report import Figure, Finding, Options, Remark

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.egress import EgressPolicy
from tests.engines.support.drivers import with_driver
from tests.support.engines import Unavailable

TICK = 0.002
SILENT_SECONDS = 2.0


def measure(options: Options) -> Iterator[Finding]:
    """The longest time that a driver kept the interpreter, and sessions in and out of process."""
    for name, (engine, module, wait) in WAITS.items():
        try:
            if engine:
                with_driver(engine, module)
            importlib.import_module(module)
        except (ImportError, Unavailable) as reason:
            yield Remark(f"{name}: not measured: {reason}")
            continue
        held = [_longest_hold(wait, options) for _ in range(options.pick(3, 1))]
        yield Figure(f"{name}: longest hold of the interpreter", held, "ms")
    yield from _processes(options)


def _longest_hold(wait: Callable[[Options], None], options: Options) -> float:
    """Milliseconds that another thread, which wants to run every two, did not run at the most."""
    gaps: list[float] = []
    over = threading.Event()

    def tick() -> None:
        last = time.monotonic()
        while not over.is_set():
            time.sleep(TICK)
            now = time.monotonic()
            gaps.append(now - last - TICK)
            last = now

    ticking = threading.Thread(target=tick)
    ticking.start()
    with contextlib.suppress(Exception):  # they all fail: nobody answers
        wait(options)
    over.set()
    ticking.join()
    return max(gaps) * 1000


def _silent() -> int:
    """The port of a server that says nothing for a while, then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with listener, client:
            time.sleep(SILENT_SECONDS)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def _hdbcli(_: Options) -> None:
    dbapi: Any = importlib.import_module("hdbcli.dbapi")
    dbapi.connect(address="127.0.0.1", port=_silent(), user="u", password="p")


def _mssql(_: Options) -> None:
    driver: Any = importlib.import_module("mssql_python")
    driver.pooling(enabled=False)
    place = f"Server=tcp:127.0.0.1,{_silent()};ConnectRetryCount=0"
    driver.connect(f"{place};Database=d;UID=u;PWD=p;Encrypt=no")


def _adbc(_: Options) -> None:
    from adbc_driver_postgresql import dbapi

    dbapi.connect(f"postgresql://u:p@127.0.0.1:{_silent()}/d?sslmode=disable")


def _psycopg(_: Options) -> None:
    import psycopg

    psycopg.connect(f"postgresql://u:p@127.0.0.1:{_silent()}/d?sslmode=disable")


def _duckdb(options: Options) -> None:
    import duckdb

    rows = options.pick(100_000_000, 1_000_000)
    duckdb.connect().sql(f"SELECT sum(sin(i)) FROM range({rows}) t(i)").fetchall()


def _duckdb_stream(options: Options) -> None:
    import duckdb

    rows = options.pick(20_000_000, 1_000_000)
    for _ in duckdb.connect().sql(f"SELECT i, i::text FROM range({rows}) t(i)").to_arrow_reader():
        pass


WAITS: dict[str, tuple[str, str, Callable[[Options], None]]] = {
    "hdbcli, signing in": ("sap_hana", "hdbcli.dbapi", _hdbcli),
    "mssql-python, signing in": ("mssql", "mssql_python", _mssql),
    "ADBC PostgreSQL, signing in": ("", "adbc_driver_postgresql.dbapi", _adbc),
    "psycopg, signing in": ("", "psycopg", _psycopg),
    "DuckDB, aggregation": ("", "duckdb", _duckdb),
    "DuckDB, streaming": ("", "duckdb", _duckdb_stream),
}


def _processes(options: Options) -> Iterator[Finding]:
    """The same DuckDB session in this process and in one of its own."""
    rows, rounds = options.pick((1_000_000, 5), (10_000, 1))
    inside, outside = SessionOptions(), SessionOptions(isolate=("duckdb",))
    seen: dict[str, list[list[float]]] = {"open a session": [[], []], "SELECT 1": [[], []]}
    seen[f"{rows:,} rows x 10 columns"] = [[], []]
    for _ in range(rounds):
        for place, given in enumerate((inside, outside)):
            for name, seconds in zip(seen, _session(given, rows), strict=True):
                seen[name][place].append(seconds)
    for name, (mine, worker) in seen.items():
        ratio = report.ratios(worker, mine)
        note = f"{sorted(worker)[len(worker) // 2] * 1000:.0f} ms"
        yield Figure(f"DuckDB in a process / in the server: {name}", ratio, note=note)


def _session(options: SessionOptions, rows: int) -> tuple[float, float, float]:
    numbers = ", ".join(f"i * {n} AS c{n}" for n in range(1, 6))
    texts = ", ".join(f"'text {n} of ' || i AS t{n}" for n in range(5))
    sql = f"SELECT {numbers}, {texts} FROM range({rows}) t(i)"
    gc.collect()
    began = time.perf_counter()
    target = Target("duckdb", {"database": ":memory:"}, {})
    session = registry.get("duckdb").open_session(target, EgressPolicy.build(), options)
    opened = time.perf_counter() - began
    try:
        list(session.run("SELECT 1").batches)  # loads what the first statement loads
        return opened, _run(session, "SELECT 1"), _run(session, sql)
    finally:
        session.close()


def _run(session: Any, sql: str) -> float:
    began = time.perf_counter()
    for _ in session.run(sql).batches:
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    report.main(measure)
