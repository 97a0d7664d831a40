"""Idempotency-Key: the same request sent twice does its work once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dragoman import clock
from tests.support.bodies import body
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


def count(server: Server) -> int:
    return server.sql("SELECT count(*) FROM connections")[0][0]


def test_same_key_and_body_give_the_same_answer(server: Server) -> None:
    first = server.root.post(CONNECTIONS, json=body("postgres"), headers=KEY)
    again = server.root.post(CONNECTIONS, json=body("postgres"), headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(server) == 1


def test_same_key_and_another_request_is_refused(server: Server) -> None:
    server.root.post(CONNECTIONS, json=body("postgres"), headers=KEY)
    other = body("postgres", passwordUnencrypted="other")
    assert_error(server.root.post(CONNECTIONS, json=other, headers=KEY), 422)
    same = body("postgres")
    assert_error(server.root.post(f"{CONNECTIONS}?test=false", json=same, headers=KEY), 422)
    assert count(server) == 1


def test_many_at_once_make_one_connection(server: Server) -> None:
    client = server.root
    answers = at_once(50, lambda _: client.post(CONNECTIONS, json=body("postgres"), headers=KEY))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"] for answer in answers}) == 1
    assert count(server) == 1
    assert server.sql("SELECT count(*) FROM connection_secrets") == [(1,)]
    created = "SELECT count(*) FROM audit_log WHERE action = 'connection.create'"
    assert server.sql(created) == [(1,)]


def test_another_token_has_keys_of_its_own(server: Server) -> None:
    server.root.post(CONNECTIONS, json=body("postgres"), headers=KEY)
    other = server.client(server.key("other"))
    answer = other.post(CONNECTIONS, json=body("mysql"), headers=KEY)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers
    assert count(server) == 2


def test_refused_request_leaves_the_key_free(server: Server) -> None:
    assert_error(server.root.post(CONNECTIONS, json={"name": "x"}, headers=KEY), 400)
    assert server.root.post(CONNECTIONS, json=body("mysql"), headers=KEY).status_code == 201


def test_key_is_free_again_after_a_day(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client, start = server.root, clock.now()
    first = client.post(CONNECTIONS, json=body("postgres"), headers=KEY).json()["data"]
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=23, minutes=59))
    assert client.post(CONNECTIONS, json=body("postgres"), headers=KEY).json()["data"] == first
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=24, minutes=1))
    later = client.post(CONNECTIONS, json=body("mysql"), headers=KEY)
    assert later.status_code == 201
    assert later.json()["data"] != first
    assert server.sql("SELECT count(*) FROM idempotency_keys") == [(1,)]


def test_nothing_of_the_password_is_kept_with_the_key(server: Server) -> None:
    secret = "MARK-4711-password"
    sent = body("postgres", passwordUnencrypted=secret, name="MARK-name")
    server.root.post(CONNECTIONS, json=sent, headers=KEY)
    [row] = server.sql("SELECT * FROM idempotency_keys")
    assert "MARK" not in repr(row)


def test_replay_does_not_test_the_connection_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{CONNECTIONS}?test=true"
    first = server.root.post(path, json=body("duckdb"), headers=KEY)
    assert first.status_code == 201

    def fail(*_: object) -> None:
        raise AssertionError("the connection was tested again")

    monkeypatch.setattr("dragoman.connections.dialling.diagnose_draft", fail)
    again = server.root.post(path, json=body("duckdb"), headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize("key", ["", "   ", "x" * 256, "a\tb"])
def test_key_that_is_no_key(sqlite_server: Server, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = sqlite_server.root.post(CONNECTIONS, json=body("postgres"), headers=headers)
    assert_error(answer, 400)
    assert count(sqlite_server) == 0
