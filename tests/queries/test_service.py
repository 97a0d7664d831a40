"""A question through a session: limit, cancel, what goes back to the pool, what is counted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.api.errors import Unavailable
from dragoman.connections import sessions
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.observability import metrics
from dragoman.queries import service
from dragoman.queries.service import Query
from tests.queries.fakes import (
    CONNECTION,
    FakeDialect,
    FakeSession,
    batch,
    destination,
    endless,
    eventually,
    failing,
    finite,
    silent,
    small_house,
)


@pytest.fixture
def house() -> Iterator[Any]:
    with small_house() as made:
        yield made


def ended(outcome: str) -> float:
    return metrics.QUERIES.labels("fake", outcome)._value.get()


def test_all_rows_come_and_the_session_is_kept(house: Any) -> None:
    dialect = FakeDialect(finite(3))
    before = ended("complete")
    for _ in range(2):
        with service.run(house, destination(dialect), "SELECT 1", zone="Asia/Tokyo") as rows:
            assert sum(part.num_rows for part in rows.batches) == 30
    assert len(dialect.sessions) == 1
    assert dialect.options[0].timezone == "Asia/Tokyo"
    assert (dialect.session.resets, dialect.session.closes) == (2, 0)
    assert ended("complete") == before + 2
    assert metrics.QUERIES_RUNNING.labels("fake")._value.get() == 0


@pytest.mark.parametrize(
    ("limit", "sizes"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (99, [10, 10, 10])]
)
def test_the_limit_ends_the_rows_and_stops_the_statement(
    house: Any, limit: int, sizes: list[int]
) -> None:
    dialect = FakeDialect(finite(3))
    with service.run(house, destination(dialect), "SELECT 1", limit) as rows:
        assert [part.num_rows for part in rows.batches] == sizes
        assert bool(dialect.session.rows_closed) is (limit < 99)
        assert list(rows.batches) == []
    assert dialect.session.resets == 1


def test_a_failure_leaves_a_session_that_is_not_broken_in_the_pool(house: Any) -> None:
    dialect = FakeDialect(failing(1))
    before = ended("failed")
    with (
        pytest.raises(DatabaseFailure),
        service.run(house, destination(dialect), "SELECT 1") as rows,
    ):
        list(rows.batches)
    assert (dialect.session.resets, dialect.session.closes) == (1, 0)
    assert ended("failed") == before + 1


def test_a_broken_session_and_one_left_in_the_middle_are_not_kept(house: Any) -> None:
    dialect = FakeDialect(finite())
    with service.run(house, destination(dialect), "SELECT 1") as rows:
        list(rows.batches)
        dialect.session.broken = True
    assert dialect.session.closes == 1
    with (
        contextlib.suppress(ZeroDivisionError),
        service.run(house, destination(dialect), "SELECT 1") as rows,
    ):
        next(rows.batches)
        raise ZeroDivisionError
    assert dialect.session.rows_closed == 1
    assert dialect.session.closes == 1
    assert len(dialect.sessions) == 2


@pytest.mark.parametrize("script", [endless, silent])
def test_cancel_from_another_thread_stops_the_statement(house: Any, script: Any) -> None:
    dialect = FakeDialect(script)
    query = Query(house, destination(dialect), "SELECT 1", None, "UTC")
    before = ended("cancelled")
    threading.Timer(0.1, query.cancel).start()
    with pytest.raises(DatabaseFailure) as failure, query.rows() as rows:
        sum(part.num_rows for part in rows.batches)
    assert failure.value.cause is Cause.CANCELLED
    assert dialect.session.stopped.is_set()
    assert (dialect.session.resets, dialect.session.closes) == (0, 1)
    assert ended("cancelled") == before + 1


def test_a_cancel_that_the_session_missed_is_repeated(house: Any) -> None:
    """It may come just before the statement begins, and `Session.cancel` is no promise then."""
    dialect = FakeDialect(silent)

    def deaf(session: FakeSession) -> Iterator[Any]:
        query.cancel()
        eventually(lambda: session.cancels)
        session.stopped.clear()
        yield from silent(session)

    dialect.script = deaf
    query = Query(house, destination(dialect), "SELECT 1", None, "UTC")
    with pytest.raises(DatabaseFailure), query.rows() as rows:
        list(rows.batches)
    assert dialect.session.cancels >= 2


def test_a_cancelled_query_does_not_begin(house: Any) -> None:
    dialect = FakeDialect(finite())
    query = Query(house, destination(dialect), "SELECT 1", None, "UTC")
    query.cancel()
    query.cancel()
    with pytest.raises(DatabaseFailure), query.rows():
        pass
    assert dialect.sessions == []


def test_a_cancel_after_the_end_does_nothing(house: Any) -> None:
    dialect = FakeDialect(finite())
    query = Query(house, destination(dialect), "SELECT 1", None, "UTC")
    with query.rows() as rows:
        list(rows.batches)
    query.cancel()
    assert not query.cancelled
    assert dialect.session.cancels == 0


def test_a_full_pool_is_unavailable(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "QUEUE_SECONDS", 0.05)
    where = destination(FakeDialect(finite()))
    with (
        service.run(house, where, "SELECT 1"),
        service.run(house, where, "SELECT 2"),
        pytest.raises(Unavailable) as refused,
        service.run(house, where, "SELECT 3"),
    ):
        pass
    assert refused.value.headers["Retry-After"]
    house.sessions.close()
    with pytest.raises(Unavailable), service.run(house, where, "SELECT 1"):
        pass


def test_a_time_out_has_its_own_outcome(house: Any) -> None:
    before = ended("timeout")
    dialect = FakeDialect(failing(0, Cause.QUERY_TIMEOUT))
    with (
        pytest.raises(DatabaseFailure),
        service.run(house, destination(dialect), "SELECT 1") as rows,
    ):
        list(rows.batches)
    assert ended("timeout") == before + 1


def test_the_log_line_has_no_statement(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(
        service, "log", type("Log", (), {"info": lambda _, event, **more: lines.append(more)})()
    )
    with service.run(house, destination(FakeDialect(finite())), "SELECT 'Ada'", 7) as rows:
        list(rows.batches)
    assert lines[0]["rows"] == 7
    assert lines[0]["outcome"] == "complete"
    assert lines[0]["connection_id"] == CONNECTION
    assert "Ada" not in str(lines)


def test_notices_of_session_and_rows(house: Any) -> None:
    dialect = FakeDialect(lambda _: iter([batch()]))
    dialect.session_notices, dialect.row_notices = ["zone"], ["rounded"]
    query = Query(house, destination(dialect), "SELECT 1", None, "UTC")
    assert query.notices == []
    with query.rows():
        assert query.notices == ["zone", "rounded"]
