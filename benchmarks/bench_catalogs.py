"""The catalog of 2,000 tables x 10 columns on each engine: our reader, and its bare statements."""

from __future__ import annotations

import contextlib
import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from support import dialects, report
from support.report import Figure, Finding, Options, Remark, Target

from dragoman.dialects import duckdb_catalog, mysql_catalog, postgres_catalog
from dragoman.dialects.adapters.clickhouse import catalog as clickhouse_catalog
from dragoman.dialects.adapters.redshift import catalog as redshift_catalog
from dragoman.dialects.adapters.trino import catalog as trino_catalog
from dragoman.dialects.catalog import EVERYTHING
from tests.engines.conformance import Subject
from tests.engines.support import clickhouse as clickhouse_engine
from tests.engines.support import trino as trino_engine
from tests.support.engines import Unavailable

Make = Callable[[Subject, list[str]], None]
COLUMNS = ", ".join(f"column_{number} int" for number in range(9))
NULLABLE = COLUMNS.replace("int", "Nullable(Int32)")


def measure(options: Options) -> Iterator[Finding]:
    """Ours / bare: the same statements, their rows thrown away as the driver gives them."""
    tables, rounds = options.pick((2_000, 5), (50, 1))
    with dialects.certificates() as (home, made):
        for name, (start, make, bare) in ENGINES.items():
            if not options.wants(name):
                continue
            try:
                with start(home, made) as case:
                    make(case.subject, _statements(name, tables))
                    yield from _compare(name, case.subject, bare, tables, rounds)
            except Unavailable as reason:
                yield Remark(f"{name}: not measured: {reason}")


def _statements(name: str, tables: int) -> list[str]:
    forms = {
        "clickhouse": "CREATE TABLE t{} (id Int32, {}) ENGINE = Memory COMMENT 'a table'",
        "trino": "CREATE TABLE memory.default.t{} (id int COMMENT 'a column', {})",
    }
    form = forms.get(name, "CREATE TABLE t{} (id int PRIMARY KEY, {})")
    columns = NULLABLE if name == "clickhouse" else COLUMNS
    return [form.format(f"{number:04}", columns) for number in range(tables)]


def _compare(name: str, subject: Subject, bare: Any, tables: int, rounds: int) -> Iterator[Finding]:
    ours: list[float] = []
    floor: list[float] = []
    with subject.session() as session:
        for number in range(rounds + 1):
            mine = _timed(session, tables)
            with bare():
                own = _timed(session, 0)
            if number:  # the first round fills the server's caches
                ours.append(mine)
                floor.append(own)
    ratio = report.ratios(ours, floor)
    note = f"{sorted(floor)[len(floor) // 2]:.2f} s"
    yield Figure(f"{name}: catalog / bare statements", ratio, target=Target("<=", 1.3), note=note)


def _timed(session: Any, least: int) -> float:
    gc.collect()
    session.reset()
    began = time.perf_counter()
    count = sum(1 for _ in session.catalog(EVERYTHING))
    if count < least:
        raise RuntimeError(f"{count} tables came of {least}")
    return time.perf_counter() - began


def _drain(rows: Iterable[Any], *_: Any) -> Iterator[Any]:
    deque(rows, 0)
    return iter(())


def _drain_redshift(rows: Callable[[str], Iterable[Any]], database: str, wanted: Any) -> Any:
    condition = redshift_catalog._condition(database, wanted)
    named = {"database": redshift_catalog.FUNCTIONS.string(database), "condition": condition}
    for form in (redshift_catalog._TABLES, redshift_catalog._COLUMNS):
        deque(rows(form.format(**named)), 0)
    for sql in (redshift_catalog._LATE_BINDING, redshift_catalog._KEYS):
        deque(rows(sql), 0)
    return iter(())


def _bare(module: Any, **given: Any) -> Any:
    return lambda: patch.multiple(module, **(given or {"tables": _drain}))


class _Unread:
    """In place of a batch of ClickHouse: nothing of it becomes Python values."""

    @staticmethod
    def apply(session: Any, wanted: Any, attempt: Any) -> Iterator[Any]:
        return _drain(session._start(attempt, *clickhouse_catalog.statement(wanted)))


@contextlib.contextmanager
def _bare_clickhouse() -> Iterator[None]:
    from dragoman.dialects.adapters.clickhouse.session import ClickHouseSession

    with patch.object(ClickHouseSession, "_tables", _Unread.apply):
        yield


def _by_duckdb(subject: Subject, statements: list[str]) -> None:
    import duckdb

    assert subject.files is not None
    with duckdb.connect(str(subject.files / "shop.duckdb")) as connection:
        for sql in statements:
            connection.execute(sql)


def _by_psycopg(subject: Subject, statements: list[str]) -> None:
    import psycopg

    settings = subject.target.settings
    with psycopg.connect(
        host=settings["host"], port=settings["port"], dbname=settings["database"],
        user=settings["username"], password=subject.target.password.reveal(), autocommit=True,
    ) as connection:  # fmt: skip
        for at in range(0, len(statements), 200):
            connection.execute("; ".join(statements[at : at + 200]).encode())


def _by_pymysql(subject: Subject, statements: list[str]) -> None:
    import pymysql

    settings = subject.target.settings
    connection = pymysql.connect(
        host=settings["host"], port=settings["port"], database=settings["database"],
        user=settings["username"], password=subject.target.password.reveal(),
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(f"{sql} ENGINE = MyISAM")


def _by_http(ask: Callable[..., Any], threads: int) -> Make:
    def make(subject: Subject, statements: list[str]) -> None:
        from tests.support.engines import HOST, Engine

        settings = subject.target.settings
        engine = Engine(
            HOST, settings["port"], settings["database"], settings["username"],
            subject.target.password.reveal(), subject.network.tls.ca_file,
        )  # fmt: skip
        with ThreadPoolExecutor(threads) as pool:
            deque(pool.map(lambda sql: ask(engine, sql), statements), 0)

    return make


ENGINES: dict[str, tuple[dialects.Start, Make, Any]] = {
    "duckdb": (dialects.duckdb, _by_duckdb, _bare(duckdb_catalog)),
    "postgres": (
        dialects.postgres,
        _by_psycopg,
        _bare(postgres_catalog, _table=lambda row: row),
    ),
    "redshift": (
        dialects.redshift,
        _by_psycopg,
        _bare(redshift_catalog, tables=_drain_redshift),
    ),
    "mariadb": (dialects.mariadb, _by_pymysql, _bare(mysql_catalog)),
    "clickhouse": (dialects.clickhouse, _by_http(clickhouse_engine.ask, 1), _bare_clickhouse),
    "trino": (dialects.trino, _by_http(trino_engine.ask, 8), _bare(trino_catalog)),
}


if __name__ == "__main__":
    report.main(measure)
