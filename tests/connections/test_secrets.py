"""Secrets at rest: bound to their place, named by reference, wrapped anew beside the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.app import SEALED
from dragoman.connections import dialling, secrets
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.secret import SecretReference, SecretStr
from dragoman.vault import KEY_FILE_NAME, KeyRing, Vault, rotation, update_keyring
from tests.support.bodies import body, pem
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

MARK = "MARK-4711-geheim"


def stage_one(server: Server, connection_id: str) -> dict[str, Any]:
    """The first stage of the diagnosis; nothing is dialled when it fails."""
    answer = server.root.post(f"{CONNECTIONS}/{connection_id}/test")
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is False
    return answer.json()["stages"][0]


def assert_does_not_open(server: Server, connection_id: str) -> None:
    stage = stage_one(server, connection_id)
    assert (stage["stage"], stage["status"]) == ("settings", "failed")
    assert "does not open" in stage["message"]
    assert stage["fix"]


def sealed(server: Server, connection_id: str, name: str = "passwordUnencrypted") -> str:
    [(value,)] = server.sql(
        "SELECT value FROM connection_secrets WHERE connection_id = :id AND property = :p",
        id=connection_id, p=name,
    )  # fmt: skip
    return value


def put(server: Server, connection_id: str, value: str, name: str = "passwordUnencrypted") -> None:
    server.sql(
        "UPDATE connection_secrets SET value = :v WHERE connection_id = :id AND property = :p",
        v=value, id=connection_id, p=name,
    )  # fmt: skip


def test_nothing_of_a_secret_is_in_the_store(server: Server) -> None:
    server.create(passwordUnencrypted=MARK)
    for table in ("connections", "connection_secrets", "audit_log", "idempotency_keys"):
        assert MARK not in repr(server.sql(f"SELECT * FROM {table}"))


def test_sealed_text_does_not_open_in_another_row(server: Server) -> None:
    mine, other = server.create(), server.create(passwordUnencrypted=MARK)
    put(server, mine, sealed(server, other))
    assert_does_not_open(server, mine)


def test_sealed_text_does_not_open_as_another_property(server: Server) -> None:
    made = server.create("snowflake", oauthClientSecretUnencrypted=MARK)
    put(server, made, sealed(server, made, "oauthClientSecretUnencrypted"))
    assert_does_not_open(server, made)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"host":"db.example.com"', '"host":"evil.example.com"'),
        ('"port":5432', '"port":5433'),
        ('"database":"shop"', '"database":"other"'),
        ('"username":"reader"', '"username":"root"'),
        ('"dialect":"postgres"', '"dialect":"redshift"'),
    ],
)
def test_sealed_text_does_not_open_for_another_address(server: Server, old: str, new: str) -> None:
    made = server.create()
    [(before,)] = server.sql("SELECT settings FROM connections")
    assert old in before
    server.sql("UPDATE connections SET settings = :s", s=before.replace(old, new))
    assert_does_not_open(server, made)


def test_damaged_and_foreign_texts_do_not_open(server: Server) -> None:
    made = server.create()
    good = sealed(server, made)
    for bad in (
        "",
        "plain text",
        good[:-4],
        good.replace("v1.", "v2."),
        good[:3] + "0" * 8 + good[11:],
    ):
        put(server, made, bad)
        assert_does_not_open(server, made)
    put(server, made, good)
    assert stage_one(server, made)["status"] == "passed"


def test_changing_something_else_leaves_the_secret_good(server: Server) -> None:
    made = server.create(passwordUnencrypted=MARK)
    changes = {"name": "x", "baseRole": "QUERIER", "queryTimeoutSeconds": 5, "includeSchemas": "a"}
    path = f"{CONNECTIONS}/{made}"
    assert server.root.patch(path, json=changes).status_code == 200
    assert opened(server, made)["passwordUnencrypted"].reveal() == MARK


def opened(server: Server, connection_id: str) -> dict[str, SecretStr]:
    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR

    with server.unit() as unit:
        located = dialling.locate_itself(unit, OPERATOR, connection_id, Permission.CONNECTIONS_TEST)
    return dict(dialling.opened(server.house, located).target.secrets)


# References


@pytest.fixture
def referring(tmp_path: Path, store_url: str) -> Iterator[Server]:
    (tmp_path / "allowed" / "deep").mkdir(parents=True)
    settings = settings_for(
        tmp_path / "home", store_url, secret_directories=(str(tmp_path / "allowed"),)
    )
    with running_server(settings) as server:
        yield server


def refused(server: Server, reference: str) -> DatabaseFailure:
    scheme, _, name = reference.partition(":")
    with pytest.raises(DatabaseFailure) as caught:
        secrets.resolve(SecretReference(scheme, name), server.settings)  # type: ignore[arg-type]
    assert caught.value.stage is Stage.SETTINGS
    assert caught.value.cause is Cause.SECRET_UNRESOLVED
    return caught.value


def test_reference_is_resolved_when_it_is_needed(
    referring: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = referring.create(passwordUnencrypted={"$secret": "env:DRAGOMAN_SECRET_PG"})
    assert stage_one(referring, made)["status"] == "failed"
    for value in ("first", "second"):  # rotated outside, no call
        monkeypatch.setenv("DRAGOMAN_SECRET_PG", value)
        assert opened(referring, made)["passwordUnencrypted"].reveal() == value
    file = tmp_path / "allowed" / "deep" / "password"
    made = referring.create(passwordUnencrypted={"$secret": "file:deep/password"})
    for text, value in (("first", "first"), ("second\n", "second"), (" s \n\n", " s \n")):
        file.write_text(text)
        assert opened(referring, made)["passwordUnencrypted"].reveal() == value
    assert referring.show(made)["secrets"] == {"passwordUnencrypted": "file:deep/password"}


def test_only_variables_with_an_allowed_prefix(
    referring: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDDEN", MARK)
    monkeypatch.setenv("XDRAGOMAN_SECRET_A", MARK)
    monkeypatch.setenv("dragoman_secret_a", MARK)
    for name in ("HIDDEN", "PATH", "XDRAGOMAN_SECRET_A", "dragoman_secret_a", "DRAGOMAN_KEYS"):
        failure = refused(referring, f"env:{name}")
        assert "may not be used" in failure.message
    assert "is not set" in refused(referring, "env:DRAGOMAN_SECRET_NONE").message


def test_reference_that_can_never_resolve_is_not_saved(sqlite_server: Server) -> None:
    """The settings of this server allow no directory."""
    made = sqlite_server.create()
    for reference in ("env:PATH", "env:DRAGOMAN_KEYS", "file:password"):
        sent = body("postgres", passwordUnencrypted={"$secret": reference})
        for method, path in (
            ("POST", CONNECTIONS),
            ("POST", f"{CONNECTIONS}/test"),
            ("PATCH", f"{CONNECTIONS}/{made}"),
        ):
            refused = sqlite_server.root.request(method, path, json=sent)
            [error] = assert_error(refused, 400)["errors"]
            assert error["field"] == "passwordUnencrypted"
            assert "may be used" in error["message"] or "may not be used" in error["message"]
            assert error["fix"]
    assert sqlite_server.sql("SELECT count(*) FROM connections") == [(1,)]


def test_only_files_under_an_allowed_directory(referring: Server, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    (tmp_path / "outside").write_text(MARK)
    (tmp_path / "allowed-too").mkdir()
    (tmp_path / "allowed-too" / "x").write_text(MARK)
    (allowed / "link").symlink_to(tmp_path / "outside")
    (allowed / "linked").symlink_to(tmp_path, target_is_directory=True)
    (allowed / "loop").symlink_to(allowed / "loop")
    for name in ("../outside", str(tmp_path / "outside"), "link", "linked/outside", "deep", ".",
                 "../allowed-too/x", "deep/../../outside", "loop", "x" * 5000):  # fmt: skip
        assert MARK not in refused(referring, f"file:{name}").message


def test_link_within_the_directory_is_followed(referring: Server, tmp_path: Path) -> None:
    """Kubernetes mounts secrets as links to a directory that is swapped as a whole."""
    allowed = tmp_path / "allowed"
    (allowed / "deep" / "password").write_text("p")
    (allowed / "password").symlink_to("deep/password")
    assert secrets.resolve(SecretReference("file", "password"), referring.settings).reveal() == "p"


def test_files_that_are_no_secret(referring: Server, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    (allowed / "large").write_bytes(b"x" * 70_000)
    (allowed / "binary").write_bytes(b"\xff\xfe\x00")
    assert "larger than" in refused(referring, "file:large").message
    assert "UTF-8" in refused(referring, "file:binary").message


@pytest.mark.parametrize(
    "reference",
    [{"$secret": "vault:x"}, {"$secret": "env:"}, {"$secret": "file:../x"},
     {"$secret": "env:A", "b": 1}, {"$secret": 1}, {}, {"secret": "env:A"},
     {"$secret": "file:/etc/passwd"}, ["env:A"], 7, True],
)  # fmt: skip
def test_what_is_no_reference(sqlite_server: Server, reference: Any) -> None:
    sent = body("postgres", passwordUnencrypted=reference)
    assert sqlite_server.root.post(CONNECTIONS, json=sent).status_code == 400


# Rotation


def rotate_ring(server: Server) -> str:
    """A new primary key in the server's key file; its id."""
    update_keyring(server.home / KEY_FILE_NAME, KeyRing.rotated)
    return server.house.keys.current().primary.id


def keys_in_use(server: Server) -> set[str]:
    found = server.sql("SELECT key_id, value FROM connection_secrets WHERE key_id IS NOT NULL")
    assert all(value.split(".")[1] == key for key, value in found)
    return {key for key, _ in found}


def test_rotation_wraps_every_secret_anew(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    made = [server.create(passwordUnencrypted=f"{MARK}-{number}") for number in range(5)]
    server.create("snowflake", privateKey=pem(), authenticationType="snowflake-keypair")
    referring = server.create(passwordUnencrypted={"$secret": "env:DRAGOMAN_SECRET_X"})
    ciphertexts = {each: sealed(server, each).split(".")[4] for each in made}
    primary = rotate_ring(server)
    vault = server.house.vault
    assert rotation.rotate(server.house.store, vault, SEALED) == 7
    assert keys_in_use(server) == {primary}
    for number, each in enumerate(made):
        assert opened(server, each)["passwordUnencrypted"].reveal() == f"{MARK}-{number}"
        assert sealed(server, each).split(".")[4] == ciphertexts[each]  # only the key was wrapped
    assert sealed(server, referring) == "env:DRAGOMAN_SECRET_X"
    assert rotation.rotate(server.house.store, vault, SEALED) == 0


class Stopped(Exception):
    pass


def test_rotation_that_was_stopped_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    for _ in range(6):
        server.create()
    primary = rotate_ring(server)
    rewrap, done = Vault.rewrap, []

    def stopping(self: Vault, text: str) -> str | None:
        done.append(text)
        if len(done) == 4:  # in the middle of the second batch
            raise Stopped
        return rewrap(self, text)

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "rewrap", stopping)
        with pytest.raises(Stopped):
            rotation.rotate(server.house.store, server.house.vault, SEALED)
    wrapped = "SELECT count(*) FROM connection_secrets WHERE key_id = :k"
    assert server.sql(wrapped, k=primary) == [(2,)]
    assert rotation.rotate(server.house.store, server.house.vault, SEALED) == 4
    assert keys_in_use(server) == {primary}


def test_one_damaged_secret_does_not_stop_the_others(server: Server) -> None:
    made = [server.create() for _ in range(4)]
    damaged = sorted(made)[1]
    put(server, damaged, "v1.damaged")
    primary = rotate_ring(server)
    with pytest.raises(rotation.NotRotated) as caught:
        rotation.rotate(server.house.store, server.house.vault, SEALED)
    assert caught.value.left == [(damaged, "passwordUnencrypted")]
    assert damaged in str(caught.value)
    for each in set(made) - {damaged}:
        assert sealed(server, each).split(".")[1] == primary


def test_rotation_beside_changes_loses_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    made = [server.create(passwordUnencrypted="old") for _ in range(12)]
    stop, accepted = threading.Event(), dict.fromkeys(made, "old")
    client = server.root

    def change() -> None:
        turn = 0
        while not stop.is_set():
            each = made[turn % len(made)]
            turn += 1
            sent = {"passwordUnencrypted": f"new {turn}"}
            if client.patch(f"{CONNECTIONS}/{each}", json=sent).status_code == 200:
                accepted[each] = sent["passwordUnencrypted"]

    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(3):
            primary = rotate_ring(server)
            rotation.rotate(server.house.store, server.house.vault, SEALED)
    finally:
        stop.set()
        writer.join()
    rotation.rotate(server.house.store, server.house.vault, SEALED)
    assert keys_in_use(server) == {primary}
    for each, password in accepted.items():
        assert opened(server, each)["passwordUnencrypted"].reveal() == password
