"""A database that falls silent in the middle: connections stay, and nothing comes any more.

That is a stalled proxy, a server that is stopped, a firewall that forgot. No packet says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.base import Session
from dragoman.dialects.bounded import within
from dragoman.dialects.failures import DatabaseFailure
from tests.engines.conformance import Subject
from tests.engines.support.relay import Relay
from tests.engines.test_conformance import build

SUBJECTS = [
    *("postgres", "postgres_tls", "redshift_on_postgres", "mariadb", "mariadb_tls"),
    *("clickhouse", "starrocks_stub", "trino_plain", "exasol_stub", "mssql_emulator"),
]
LIMIT = 4.0
# The longest grace that an adapter gives its server after the limit, and a slow machine.
MOST = LIMIT + 15.0 + 5.0


@pytest.fixture
def silent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Subject, Relay]]:
    """The subject behind a relay."""
    subject = build(request.param, request, tmp_path)
    relay = Relay(subject.target.port)
    settings = {**subject.target.settings, "port": relay.port}
    yield replace(subject, target=replace(subject.target, settings=settings)), relay
    relay.cut()


every = pytest.mark.parametrize("silent", SUBJECTS, indirect=True)


def opened(subject: Subject) -> Session:
    """As the server opens it."""
    options = subject.options(timeout_seconds=LIMIT)
    return subject.dialect.open_session(subject.target, subject.network, options)


def failure(work: Callable[[], Any]) -> float:
    """Seconds until the work fails as a database does."""
    began = time.monotonic()
    with pytest.raises(DatabaseFailure):
        within(MOST + 30, work)
    return time.monotonic() - began


def drain(session: Session, sql: str) -> None:
    for _ in session.run(sql).batches:
        pass


@pytest.mark.slow
@every
def test_before_a_statement(silent: tuple[Subject, Relay]) -> None:
    subject, relay = silent
    session = opened(subject)
    drain(session, f"SELECT n FROM {subject.numbers(10)}")
    relay.freeze()
    assert failure(lambda: drain(session, "SELECT 1 AS a")) < MOST
    closing(session)


@pytest.mark.slow
@every
def test_before_the_catalog(silent: tuple[Subject, Relay]) -> None:
    subject, relay = silent
    session = opened(subject)
    relay.freeze()
    assert failure(lambda: list(session.catalog())) < MOST
    closing(session)


@pytest.mark.slow
@every
def test_in_the_middle_of_the_rows(silent: tuple[Subject, Relay]) -> None:
    subject, relay = silent
    session = opened(subject)
    rows = session.run(
        f"SELECT n, 'some text to fill the buffers' AS t FROM {subject.numbers(200000)}"
    )
    next(iter(rows.batches))
    relay.freeze()

    def rest() -> None:
        for _ in rows.batches:
            pass

    try:
        seconds = failure(rest)
    except pytest.fail.Exception:
        pytest.skip("all rows had come before the silence")
    assert seconds < MOST
    closing(session)


def closing(session: Session) -> None:
    """It does not hang either; the pool gives it five seconds and then leaves it."""
    thread = threading.Thread(target=session.close, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
