"""A driver that waits for ever: the call is given up in time, and the rest goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects import watched
from dragoman.dialects.base import Rows, SessionOptions
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.watched import WatchedSession
from tests.dialects.fakes import FakeSession
from tests.support.patience import SLOW_MACHINE

SCHEMA = pa.schema([("n", pa.int64())])


class Batches:
    """Three batches; before each one, `wait` is called with its number."""

    def __init__(self, wait: Callable[[int], Any]) -> None:
        self.given, self.closed, self.wait = 0, 0, wait

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        self.wait(self.given)
        self.given += 1
        if self.given > 3:
            raise StopIteration
        return pa.record_batch([pa.array([self.given])], schema=SCHEMA)

    def close(self) -> None:
        self.closed += 1


class Scripted(FakeSession):
    """Runs `on_run`, then gives `batches`."""

    on_run: Callable[[], Any] = staticmethod(lambda: None)
    batches: Batches
    cancels = 0

    def run(self, sql: str) -> Rows:
        self.on_run()
        return Rows(SCHEMA, self.batches, ["a notice"])

    def cancel(self) -> None:
        self.cancels += 1


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What a driver waits for that hangs; set at the end."""
    monkeypatch.setattr(watched, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(watched, "SHORT_SECONDS", 0.2)
    over = threading.Event()
    yield over
    over.set()


def made(wait: Callable[[int], Any] = lambda number: None) -> tuple[Scripted, WatchedSession]:
    inner = Scripted()
    inner.batches = Batches(wait)
    return inner, WatchedSession(inner, SessionOptions(timeout_seconds=0.2))


def failure(work: Callable[[], Any]) -> tuple[DatabaseFailure, float]:
    began = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        work()
    return caught.value, time.monotonic() - began


def test_rows_and_the_rest_pass_through() -> None:
    inner, session = made()
    rows = session.run("SELECT 1")
    assert rows.notices == ["a notice"]
    assert [batch.to_pylist() for batch in rows.batches] == [[{"n": n}] for n in (1, 2, 3)]
    assert list(rows.batches) == []
    assert session.schemas() == ["public", "sales"]
    assert session.readable_tables(["public"]) == 3
    session.ping()
    session.reset()
    session.close()
    assert (inner.resets, inner.closed, inner.batches.closed) == (1, True, 1)


def test_a_failure_passes_through_and_breaks_what_it_breaks() -> None:
    inner, session = made()

    def fail() -> None:
        inner.broken = True
        raise DatabaseFailure(Stage.QUERY, Cause.OTHER, "no")

    inner.on_run = fail
    assert failure(lambda: session.run("SELECT 1"))[0].message == "no"
    assert session.broken
    session.close()


@pytest.mark.parametrize("where", ["run", "first", "later"])
def test_a_statement_that_hangs_is_given_up_at_its_limit(
    where: str, stuck: threading.Event
) -> None:
    at = {"first": 0, "later": 2}.get(where, -1)
    inner, session = made(lambda number: number == at and stuck.wait(60))
    if where == "run":
        inner.on_run = lambda: stuck.wait(60)
    found, seconds = failure(lambda: list(session.run("SELECT 1").batches))
    assert found.cause is Cause.QUERY_TIMEOUT
    assert seconds < 2 + SLOW_MACHINE
    assert session.broken
    session.close()
    assert not inner.closed
    stuck.set()  # it comes loose, and is closed then
    for _ in range(2000):
        if inner.closed:
            break
        time.sleep(0.01)
    assert inner.closed


def test_a_cancel_that_does_nothing_ends_the_waiting(stuck: threading.Event) -> None:
    inner = Scripted()
    inner.batches = Batches(lambda number: stuck.wait(60))
    session = WatchedSession(inner, SessionOptions(timeout_seconds=60))
    rows = session.run("SELECT 1")
    threading.Timer(0.1, session.cancel).start()
    found, seconds = failure(lambda: list(rows.batches))
    assert found.cause is Cause.CANCELLED
    assert seconds < 3 + SLOW_MACHINE
    assert inner.cancels == 1


def test_a_sign_of_life_that_does_not_come(stuck: threading.Event) -> None:
    inner, session = made()
    inner.on_ping = lambda: stuck.wait(60) and None
    found, seconds = failure(session.ping)
    assert found.cause is Cause.CONNECTION_LOST
    assert seconds < 2 + SLOW_MACHINE
    assert session.broken


def test_a_statement_given_up_ends_for_the_driver_too() -> None:
    inner, session = made()
    first = session.run("SELECT 1")
    next(first.batches)
    first.close()
    assert inner.batches.closed == 1
    second = session.run("SELECT 2")
    session.run("SELECT 3")
    assert list(second.batches) == []
    session.close()
