"""keys, doctor, migrate, config, dialects, openapi, and how a broken store or setting ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.vault import KeyRing, read_keyring, render_keyring, update_keyring
from tests.cli.conftest import Run

Answer = Callable[..., Any]
SECRET = (
    "connect", "--dialect", "postgres", "--set", "name=W", "--set", "host=db.example.com",
    "--set", "database=app", "--set", "username=u", "--secret", "passwordUnencrypted=-",
    "--no-test",
)  # fmt: skip


def test_rotate_seals_with_a_new_key_and_retired_ones_can_go(run: Run, answer: Answer) -> None:
    run(*SECRET, typed="first")
    run(*SECRET, typed="second")
    (old,) = answer("keys", "list")
    assert (old["state"], old["secrets"]) == ("primary", 2)
    assert answer("keys", "rotate")["changed"] == 2
    new, retired = answer("keys", "list")
    assert (new["state"], new["secrets"]) == ("primary", 2)
    assert (retired["id"], retired["state"], retired["secrets"]) == (old["id"], "retired", 0)
    assert answer("keys", "drop-retired")["dropped"] == [old["id"]]
    assert len(answer("keys", "list")) == 1


def test_an_interrupted_rotation_is_finished_without_another_key(
    run: Run, answer: Answer, home: Path
) -> None:
    run(*SECRET, typed="first")
    update_keyring(home / "keys.json", KeyRing.rotated)
    assert "keys rotate" in run("keys", "drop-retired", code=6).stderr
    told = answer("keys", "rotate")
    assert (told["newKey"], told["changed"]) == (False, 1)
    assert len(read_keyring(home / "keys.json").ids) == 2


def test_a_ring_from_the_environment_is_not_rotated_in_a_file(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = KeyRing.generate().primary.to_base64().reveal()
    monkeypatch.setenv("DRAGOMAN_KEYS", key)
    refused = run("keys", "rotate", code=6)
    assert "DRAGOMAN_KEYS" in refused.stderr
    assert key not in refused.output
    assert not (home / "keys.json").exists()


def test_a_ring_from_the_environment_is_rotated_there(
    run: Run, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (KeyRing.generate().primary.to_base64().reveal() for _ in range(2))
    monkeypatch.setenv("DRAGOMAN_KEYS", old)
    run(*SECRET, typed="first")
    monkeypatch.setenv("DRAGOMAN_KEYS", f"{new},{old}")
    assert answer("keys", "rotate")["changed"] == 1
    assert [key["secrets"] for key in answer("keys", "list")] == [1, 0]


@pytest.mark.usefixtures("nothing_yet")
def test_doctor_changes_nothing(run: Run, answer: Answer, home: Path) -> None:
    checks = answer("doctor")
    assert {check["status"] for check in checks} <= {"ok", "note"}
    assert not home.exists()
    assert {f"driver {name}" for name in registry.names()} <= {c["check"] for c in checks}


def test_doctor_finds_a_key_file_that_others_can_read(run: Run, answer: Answer, home: Path) -> None:
    run(*SECRET, typed="first")
    assert "Nothing failed" in run("doctor").stderr
    (home / "keys.json").chmod(0o644)
    failed = [c for c in answer("doctor", code=1) if c["status"] == "failed"]
    assert [check["check"] for check in failed] == ["keys"]
    assert "chmod 600" in failed[0]["fix"]
    run(*SECRET, typed="second", code=6)


def test_doctor_finds_lost_keys(run: Run, answer: Answer, home: Path) -> None:
    run(*SECRET, typed="first")
    (home / "keys.json").unlink()
    assert "missing" in next(c["message"] for c in answer("doctor", code=1) if c["check"] == "keys")
    run("migrate")
    (home / "keys.json").touch(mode=0o600)
    (home / "keys.json").write_text(render_keyring(KeyRing.generate()).reveal())
    assert "ring lacks" in run("doctor", code=1).stdout


def test_doctor_finds_what_the_settings_get_wrong(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_EGRESS_ALLOW", "10.0.0.0/99")
    monkeypatch.setenv("DRAGOMAN_DUCKDB_ROOT", "/nowhere")
    monkeypatch.setenv("DRAGOMAN_DATABASE_URL", "postgresql://u:pw-mark@127.0.0.1:1/x")
    told = answer("doctor", code=1)
    failed = {check["check"] for check in told if check["status"] == "failed"}
    assert {"egress", "duckdb", "store"} <= failed
    assert "pw-mark" not in json.dumps(told)


@pytest.mark.usefixtures("nothing_yet")
def test_migrate(run: Run, answer: Answer, home: Path) -> None:
    assert answer("migrate")["before"] is None
    told = answer("migrate")
    assert told["before"] == told["revision"]
    with closing(sqlite3.connect(home / "dragoman.db")) as store:
        assert store.execute("SELECT version_num FROM alembic_version").fetchone() == (
            told["revision"],
        )


def test_a_newer_store_is_refused(run: Run, home: Path) -> None:
    run("migrate")
    with closing(sqlite3.connect(home / "dragoman.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
        store.commit()
    for command in (("migrate",), ("token", "list"), ("serve", "--port", "0")):
        assert "9999" in run(*command, code=6).stderr
    run("doctor", code=1)


def test_a_store_that_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_DATABASE_URL", "postgresql://u:pw-mark@127.0.0.1:1/x")
    failed = run("token", "list", code=6)
    assert "pw-mark" not in failed.output


def test_a_setting_with_a_wrong_value(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_EGRESS", "everything")
    assert "DRAGOMAN_EGRESS" in run("token", "list", code=2).stderr
    monkeypatch.delenv("DRAGOMAN_EGRESS")
    Path("dragoman.toml").write_text("port = ")
    run("config", code=2)


def test_config_shows_every_setting_and_no_secret(
    answer: Answer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_DATABASE_URL", "postgresql://u:pw-mark@h/x")
    monkeypatch.setenv("DRAGOMAN_PORT", "9001")
    told = {each["name"]: each for each in answer("config")}
    assert (told["port"]["value"], told["port"]["default"]) == ("9001", "8000")
    assert told["home"]["value"] == str(home)
    assert "pw-mark" not in json.dumps(told)
    assert all(each["help"] and each["variable"].startswith("DRAGOMAN_") for each in told.values())


def test_dialects(run: Run, answer: Answer) -> None:
    told = {each["dialect"]: each for each in answer("dialects")}
    assert set(told) == set(registry.names())
    assert (told["duckdb"]["installed"], told["duckdb"]["live"]) == (True, True)
    assert told["postgres"]["port"] == 5432
    assert "postgres" in run("dialects").stdout


def test_openapi(run: Run) -> None:
    document = json.loads(run("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/connections" in document["paths"]
