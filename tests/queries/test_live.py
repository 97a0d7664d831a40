"""The endpoint on a socket: streams, back-pressure, clients that leave, a server that stops."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.connections import dialling, sessions
from dragoman.dialects.failures import Cause
from dragoman.identity import service as identity
from dragoman.identity import tokens
from dragoman.queries import by_hand, delivery, running
from dragoman.queries.running import RUNNING
from tests.queries.fakes import (
    FakeDialect,
    Live,
    Script,
    destination,
    endless,
    eventually,
    failing,
    finite,
    live_server,
    silent,
    trickle,
)
from tests.support.clients import assert_error

FORMS = ["application/vnd.apache.arrow.stream", "text/csv", "application/json", "text/ndjson"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("live"), max_queries_per_connection=2) as made:
        yield made


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeDialect]:
    """Puts a fake database with this script behind every connection."""

    def install(script: Script, **settings: Any) -> FakeDialect:
        dialect = FakeDialect(script)
        where = destination(dialect, **settings)

        async def opened(*_: Any) -> dialling.Destination:
            return where

        monkeypatch.setattr(by_hand, "locate", lambda *_: None)
        monkeypatch.setattr(dialling, "opened_aside", opened)
        monkeypatch.setattr(sessions, "QUEUE_SECONDS", 0.2)
        return dialect

    return install


@pytest.fixture(autouse=True)
def fresh_pool(live: Live) -> Iterator[None]:
    """The pool knows connections by id, and all fakes have the same."""
    yield
    eventually(lambda: RUNNING.count(live.server.house) == 0)
    live.server.house.sessions.drop(())


Play = Callable[..., FakeDialect]


def test_arrow_is_the_default(live: Live, play: Play) -> None:
    play(finite(3))
    answer = live.post()
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMS[0]
    assert "content-length" not in answer.headers
    assert "x-dragoman-warnings" not in answer.headers
    assert pa.ipc.open_stream(answer.content).read_all().num_rows == 30


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("application/json", "application/json"),
        ("text/ndjson", "application/x-ndjson"),
    ],
)
def test_the_other_forms(live: Live, play: Play, accept: str, kind: str) -> None:
    play(finite(2))
    answer = live.post({"sql": "SELECT 1", "limit": 15}, accept)
    assert answer.headers["content-type"] == kind
    if accept == "application/json":
        assert [row["n"] for row in answer.json()] == list(range(15))
    else:
        assert len(answer.text.splitlines()) == (16 if accept == "text/csv" else 15)


def test_many_megabytes_arrive_whole(live: Live, play: Play) -> None:
    def script(_: Any) -> Iterator[pa.RecordBatch]:
        from tests.queries.fakes import batch

        for number in range(40):
            yield batch(1_000, number * 1_000, width=1_000)

    dialect = play(script)
    table = pa.ipc.open_stream(live.post().content).read_all()
    assert table.column("n").to_pylist() == list(range(40_000))
    eventually(lambda: dialect.session.resets == 1)  # the session went back


@pytest.mark.parametrize("accept", FORMS)
def test_an_error_before_the_first_rows_has_a_body(live: Live, play: Play, accept: str) -> None:
    dialect = play(failing(0))
    body = assert_error(live.post(accept=accept), 400)
    assert body["stage"] == "query"
    eventually(lambda: dialect.session.resets == 1)


def test_a_time_out_before_the_first_rows_is_a_408(live: Live, play: Play) -> None:
    play(failing(0, Cause.QUERY_TIMEOUT))
    assert_error(live.post(), 408)


@pytest.mark.parametrize("accept", FORMS)
def test_an_error_after_the_first_rows_breaks_the_connection(
    live: Live, play: Play, accept: str
) -> None:
    def late(session: Any) -> Iterator[pa.RecordBatch]:
        parts = failing(1)(session)
        yield next(parts)
        time.sleep(0.1)  # so that the head is out
        yield from parts

    play(late)
    with pytest.raises(httpx.RemoteProtocolError):
        live.post(accept=accept)
    assert live.post(path="/healthz").status_code in (200, 405)


def test_not_acceptable(live: Live, play: Play) -> None:
    dialect = play(finite())
    body = assert_error(live.post(accept="image/png"), 406)
    assert "text/csv" in body["available"]
    assert dialect.sessions == []


def test_a_bad_body_and_an_unknown_query_key(live: Live, play: Play) -> None:
    play(finite())
    body = assert_error(live.post({"limit": -1, "rows": 2}), 400)
    assert [error["field"] for error in body["errors"]] == ["rows", "sql", "limit"]
    assert_error(live.post(path=live.path + "?dry=1"), 400)


def test_warnings_are_a_json_array_in_a_header(live: Live, play: Play) -> None:
    dialect = play(finite())
    dialect.session_notices = ["naïve\nline"]
    answer = live.post({"sql": "SELECT 1", "timezone": "Europe/Berlin"})
    told = json.loads(answer.headers["x-dragoman-warnings"])
    assert "user-specific" in told[0]
    assert told[1] == "naïve\nline"
    assert dialect.options[0].timezone == "UTC"


def test_the_zone_that_was_asked_for(live: Live, play: Play) -> None:
    dialect = play(finite(), allowsUserSpecificTimezones=True)
    answer = live.post({"sql": "SELECT 1", "timezone": "Europe/Berlin"})
    assert "x-dragoman-warnings" not in answer.headers
    assert dialect.options[0].timezone == "Europe/Berlin"


def test_a_client_that_leaves_before_the_first_rows_cancels(live: Live, play: Play) -> None:
    dialect = play(silent)
    client = live.raw()
    eventually(lambda: dialect.statements)
    client.close()
    eventually(dialect.session.stopped.is_set)
    eventually(lambda: dialect.session.closes == 1)
    assert dialect.session.resets == 0


@pytest.mark.parametrize("script", [trickle, endless])
def test_a_client_that_leaves_while_rows_come_cancels(
    live: Live, play: Play, script: Script
) -> None:
    dialect = play(script)
    client = live.raw()
    assert client.recv(10).startswith(b"HTTP/1.1 2")
    client.close()
    eventually(dialect.session.stopped.is_set)
    eventually(lambda: dialect.session.closes == 1)


@pytest.mark.parametrize("script", [silent, trickle, endless])
def test_who_is_suspended_gets_no_more_of_an_answer(
    live: Live, play: Play, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = f"{script.__name__}@example.com"
    user = live.server.user(email)
    with live.server.unit() as unit:
        key = tokens.issue(unit, OPERATOR, "organization", user, "made by who is suspended")[1]
    dialect = play(script)
    monkeypatch.setattr(live, "token", live.server.personal(email))
    with live.raw() as client:
        eventually(lambda: dialect.statements)
        monkeypatch.setattr(live, "token", key.reveal())
        with live.raw():
            eventually(lambda: len(dialect.statements) == 2)
            with live.server.unit() as unit:
                identity.set_disabled(unit, OPERATOR, user, disabled=True)
            eventually(dialect.sessions[0].stopped.is_set)
            eventually(lambda: dialect.sessions[0].closes == 1)
            told = b"".join(iter(lambda: client.recv(1 << 16), b""))
            assert not told.endswith(b"0\r\n\r\n")  # it does not look whole
            # The organization's keys go on, also of those who made them.
            assert not dialect.sessions[1].stopped.is_set()


def test_a_slow_client_stops_the_reading(live: Live, play: Play) -> None:
    dialect = play(endless)
    with live.raw() as client:
        client.recv(10)
        time.sleep(0.5)
        given = dialect.session.given
        time.sleep(0.5)
        # About a megabyte a batch: a few wait here and in the kernel, and no more are read.
        assert dialect.session.given == given < 30
        read = 0
        while read < 20_000_000:
            read += len(client.recv(1 << 20))
        assert dialect.session.given > given
    eventually(dialect.session.stopped.is_set)


def test_a_client_that_takes_nothing_at_all_is_given_up(
    live: Live, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "STALL_SECONDS", 0.3)
    dialect = play(endless)
    with live.raw():
        eventually(lambda: dialect.session.stopped.is_set() if dialect.sessions else False)


def test_a_full_pool_answers_503(live: Live, play: Play) -> None:
    dialect = play(silent)
    with live.raw(), live.raw():
        eventually(lambda: len(dialect.statements) == 2)
        answer = live.post()
        assert_error(answer, 503)
        assert answer.headers["retry-after"]


def test_too_many_queries_at_once_answer_503(
    live: Live, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RUNNING, "_limit", 1)
    dialect = play(silent)
    with live.raw():
        eventually(lambda: dialect.statements)
        assert_error(live.post(), 503)


def test_a_hidden_connection_is_not_found(live: Live) -> None:
    assert_error(live.post(), 404)


def test_a_stopping_server_cancels_what_runs_too_long(
    tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CANCEL_SECONDS", 2.0)
    dialect = play(trickle)
    with live_server(tmp_path) as stopping:
        client = stopping.raw()
        client.recv(10)
    # `live_server` has stopped by now, its second of grace used up.
    assert dialect.session.stopped.is_set()
    rest = b""
    while part := client.recv(65536):
        rest += part
    assert not rest.endswith(b"0\r\n\r\n")
    client.close()
