"""The number of statements for a catalog does not depend on its tables, counted where they leave.

`test_catalog.py` counts for DuckDB, PostgreSQL and MariaDB; here are the rest that have an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import urllib3.connectionpool

from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.names import compile_patterns
from tests.engines.conformance import Subject
from tests.engines.support import clickhouse, trino
from tests.engines.support.redshift import redshift_subject
from tests.support.engines import Engine

FEW, MANY = 2, 60


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of drivers that speak HTTP: each is a POST, its pages are none."""
    seen: list[str] = []
    real = urllib3.connectionpool.HTTPConnectionPool.urlopen

    def urlopen(pool: Any, method: str, url: str, *given: Any, **named: Any) -> Any:
        if method == "POST":
            seen.append(url)
        return real(pool, method, url, *given, **named)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "urlopen", urlopen)
    return seen


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of psycopg, but for the pages of a cursor."""
    seen: list[str] = []
    real = psycopg.Cursor.execute

    def execute(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if not text.startswith("FETCH"):
            seen.append(text)
        return real(cursor, query, *given, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    return seen


def count(subject: Subject, seen: list[str], schema: str) -> tuple[int, int]:
    """Tables of the schema, and statements that it took to read them."""
    wanted = CatalogFilter(include=compile_patterns(schema))
    with subject.session() as session:
        list(session.catalog(wanted))  # what is asked once for each session
        seen.clear()
        tables = list(session.catalog(wanted))
        return len(tables), len(seen)


def check(
    make: Callable[[range], None], counting: Callable[[], tuple[int, int]], many: int = MANY
) -> None:
    make(range(FEW))
    at_first = counting()
    make(range(FEW, many))
    at_last = counting()
    assert (at_first[0], at_last[0]) == (FEW, many)
    assert 0 < at_first[1] == at_last[1] <= 10


def test_clickhouse(clickhouse_server: Engine, posts: list[str]) -> None:
    subject = clickhouse.clickhouse_subject(clickhouse_server)
    clickhouse.ask(clickhouse_server, "CREATE DATABASE many")

    def make(numbers: range) -> None:
        for number in numbers:
            sql = f"CREATE TABLE many.t{number} (a Int8) ENGINE = Memory"
            clickhouse.ask(clickhouse_server, sql)

    check(make, lambda: count(subject, posts, "many"))
    clickhouse.ask(clickhouse_server, "DROP DATABASE many")


# Each statement is a fifth of a second of a processor for Trino.
@pytest.mark.parametrize("many", [12, pytest.param(MANY, marks=pytest.mark.slow)])
def test_trino(trino_server: Any, posts: list[str], many: int) -> None:
    subject = trino.trino_subject(trino_server.plain, trino_server.plain)
    trino.ask(trino_server, "CREATE SCHEMA memory.many")

    def make(numbers: range) -> None:
        for number in numbers:
            trino.ask(trino_server, f"CREATE TABLE memory.many.t{number} (a int)")

    check(make, lambda: count(subject, posts, "many"), many)
    for number in range(many):
        trino.ask(trino_server, f"DROP TABLE memory.many.t{number}")
    trino.ask(trino_server, "DROP SCHEMA memory.many")


def test_redshift(postgres_tls_server: Engine, executed: list[str]) -> None:
    subject = redshift_subject(postgres_tls_server)
    named = subject.target.settings
    with psycopg.connect(
        host=named["host"], port=named["port"], dbname=named["database"], user=named["username"],
        password=subject.target.password.reveal(), autocommit=True,
    ) as owner:  # fmt: skip
        owner.execute("CREATE SCHEMA many")

        def make(numbers: range) -> None:
            for number in numbers:
                owner.execute(f"CREATE TABLE many.t{number} (a int)".encode())

        check(make, lambda: count(subject, executed, "many"))
        owner.execute("DROP SCHEMA many CASCADE")
