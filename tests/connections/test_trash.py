"""DELETE and restore: secrets are wiped at once and must come anew."""

from __future__ import annotations

import pytest

from tests.support.bodies import body
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server


@pytest.fixture
def gone(server: Server) -> str:
    made = server.create(name="Old", warehouse="kept")
    answer = server.root.delete(f"{CONNECTIONS}/{made}")
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    return made


def secrets_left(server: Server) -> int:
    return server.sql("SELECT count(*) FROM connection_secrets")[0][0]


def test_deleted_connection_has_no_secrets_and_cannot_be_used(server: Server, gone: str) -> None:
    path = f"{CONNECTIONS}/{gone}"
    assert secrets_left(server) == 0
    assert_error(server.root.delete(path), 410)
    assert_error(server.root.get(path), 404)
    assert_error(server.root.patch(path, json={"name": "x"}), 404)
    assert_error(server.root.post(f"{path}/test"), 404)
    assert_error(server.root.post(f"{path}/query", json={"sql": "SELECT 1"}), 404)


def test_restore_needs_the_secrets_again(server: Server, gone: str) -> None:
    path = f"{CONNECTIONS}/{gone}/restore"
    for nothing in ({"json": {}}, {"content": b""}, {"json": {"name": "New"}}):
        told = assert_error(server.root.post(path, **nothing), 400)
        assert [error["field"] for error in told["errors"]] == ["passwordUnencrypted"]
    assert_error(server.root.get(f"{CONNECTIONS}/{gone}"), 404)
    answer = server.root.post(path, json={"passwordUnencrypted": "new", "name": "New"})
    assert answer.status_code == 200, answer.text
    shown = server.show(gone)
    assert (shown["name"], shown["warehouse"], shown["deletedAt"]) == ("New", "kept", None)
    assert shown["secrets"] == {"passwordUnencrypted": "stored"}
    assert_error(server.root.post(path, json={"passwordUnencrypted": "new"}), 409)


def test_restore_checks_what_it_is_given(server: Server, gone: str) -> None:
    path = f"{CONNECTIONS}/{gone}/restore"
    for wrong in ({"dialect": "mysql"}, {"hots": "x"}, {"host": "169.254.169.254"}):
        assert_error(server.root.post(path, json={"passwordUnencrypted": "n", **wrong}), 400)
    moved = {"passwordUnencrypted": "new", "host": "other.example.com"}
    assert server.root.post(path, json=moved).status_code == 200
    assert server.show(gone)["host"] == "other.example.com"


def test_roles_are_there_again_after_restore(server: Server) -> None:
    made = server.create()
    admin = server.member("a@example.com", **{made: "CONNECTION_ADMIN"})
    assert admin.delete(f"{CONNECTIONS}/{made}").status_code == 200
    assert_error(admin.delete(f"{CONNECTIONS}/{made}"), 410)
    # Nothing is left that would permit another one.
    assert_error(admin.post(CONNECTIONS, json=body("postgres")), 403)
    path = f"{CONNECTIONS}/{made}/restore"
    assert admin.post(path, json={"passwordUnencrypted": "n"}).status_code == 200
    assert admin.get(f"{CONNECTIONS}/{made}").status_code == 200
    assert admin.post(CONNECTIONS, json=body("postgres")).status_code == 201


def test_of_deletes_at_once_one_succeeds(server: Server) -> None:
    made = server.create()
    client = server.root
    statuses = at_once(10, lambda _: client.delete(f"{CONNECTIONS}/{made}").status_code)
    assert sorted(statuses) == [200] + [410] * 9
    deleted = "SELECT count(*) FROM audit_log WHERE action = 'connection.delete'"
    assert server.sql(deleted) == [(1,)]


def test_of_restores_at_once_one_succeeds(server: Server, gone: str) -> None:
    client, sent = server.root, {"passwordUnencrypted": "new"}
    statuses = at_once(
        10, lambda _: client.post(f"{CONNECTIONS}/{gone}/restore", json=sent).status_code
    )
    assert sorted(statuses) == [200] + [409] * 9
    assert secrets_left(server) == 1


def test_delete_beside_a_change_leaves_no_secret(server: Server) -> None:
    client = server.root
    for _ in range(5):
        made = server.create()
        path = f"{CONNECTIONS}/{made}"

        def turn(number: int, path: str = path) -> int:
            if number == 0:
                return client.delete(path).status_code
            return client.patch(path, json={"passwordUnencrypted": f"{number}"}).status_code

        statuses = at_once(6, turn)
        assert statuses[0] == 200
        assert set(statuses[1:]) <= {200, 404, 409}
        assert secrets_left(server) == 0


def test_deleted_one_can_be_made_again_under_its_name(server: Server, gone: str) -> None:
    assert server.create(name="Old") != gone
    assert server.root.post(CONNECTIONS, json=body("postgres", name="Old")).status_code == 201
