"""Tokens, users and roles on a real SQLite store."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

TOKEN = re.compile(r"omni_(osk|pat)_[0-9A-Za-z]{36}")


def rows(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "dragoman.db")) as store:
        return store.execute(sql).fetchall()


def test_the_secret_is_all_that_is_printed_and_is_printed_once(run: Run, home: Path) -> None:
    made = run("token", "create", "--kind", "organization", "--name", "ci", "--expires", "90d")
    secret = made.stdout.removesuffix("\n")
    assert TOKEN.fullmatch(secret)
    assert secret not in made.stderr
    assert secret not in run("token", "list").output
    assert rows(home, "SELECT digest FROM tokens") == [(hashlib.sha256(secret.encode()).digest(),)]
    for file in home.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_a_personal_token_makes_its_user_and_says_so(run: Run, answer: Callable[..., Any]) -> None:
    made = run("token", "create", "--kind", "personal", "--user", "Ann@Example.com")
    assert made.stdout.startswith("omni_pat_")
    assert "ann@example.com made, a plain member" in made.stderr
    (user,) = answer("user", "list")
    assert (user["email"], user["organizationAdmin"]) == ("ann@example.com", False)
    again = run("token", "create", "--kind", "personal", "--user", "ann@example.com")
    assert "a plain member" not in again.stderr


def test_an_organization_key_takes_the_attributes_of_its_user(
    answer: Callable[..., Any], home: Path
) -> None:
    made = answer("token", "create", "--kind", "organization", "--user", "a@b.example")
    (listed,) = answer("token", "list")
    assert (listed["id"], listed["user"]) == (made["id"], "a@b.example")
    assert rows(home, "SELECT user_id IS NULL, maker_id IS NOT NULL FROM tokens") == [(1, 1)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--kind", "personal"), 2),
        (("--kind", "robot"), 2),
        (("--kind", "organization", "--expires", "soon"), 2),
        (("--kind", "organization", "--expires", "0d"), 2),
        (("--kind", "personal", "--user", "nobody"), 5),
    ],
)
def test_a_token_that_cannot_be_made(run: Run, options: tuple[str, ...], code: int) -> None:
    refused = run("token", "create", *options, code=code)
    assert not refused.stdout


def test_expiry(answer: Callable[..., Any]) -> None:
    answer("token", "create", "--kind", "organization", "--expires", "12h")
    (listed,) = answer("token", "list")
    assert listed["expiresAt"][:10] >= listed["createdAt"][:10]
    assert listed["expiresAt"] != listed["createdAt"]


def test_revoke(run: Run, answer: Callable[..., Any]) -> None:
    made = answer("token", "create", "--kind", "organization")
    run("token", "revoke", made["id"])
    assert answer("token", "list")[0]["revokedAt"] is not None
    assert "No token" in run("token", "revoke", made["id"], code=4).stderr


def test_a_narrowed_token(run: Run, answer: Callable[..., Any], connected: str) -> None:
    made = answer(
        "token", "create", "--kind", "organization", "--scope", "Shop", "--scope", "queries:ask"
    )
    (listed,) = [each for each in answer("token", "list") if each["id"] == made["id"]]
    assert listed["scope"] == {"permissions": ["queries:ask"], "connectionIds": [connected]}
    refused = run("token", "create", "--kind", "organization", "--scope", "queries:fly", code=4)
    assert "queries:fly" in refused.stderr


def test_rotate(run: Run, answer: Callable[..., Any], home: Path) -> None:
    made = answer("token", "create", "--kind", "organization")
    rotated = run("token", "rotate", made["id"], "--overlap", "2h")
    secret = rotated.stdout.removesuffix("\n")
    assert TOKEN.fullmatch(secret)
    assert secret != made["token"]
    assert "2 hours" in rotated.stderr
    digests = tuple(hashlib.sha256(text.encode()).digest() for text in (secret, made["token"]))
    assert rows(home, "SELECT digest, previous_digest FROM tokens") == [digests]
    run("token", "rotate", made["id"], "--overlap", "0h")
    assert rows(home, "SELECT previous_digest FROM tokens") == [(None,)]
    assert "--overlap" in run("token", "rotate", made["id"], "--overlap", "soon", code=2).stderr
    run("token", "rotate", made["id"], "--overlap", "8d", code=5)
    run("token", "rotate", "x", code=4)


def test_users(run: Run, answer: Callable[..., Any]) -> None:
    run("user", "add", "ann@example.com", "--name", "Ann", "--admin")
    run("user", "add", "bob@example.com")
    assert "is there already" in run("user", "add", "bob@example.com", code=5).stderr
    run("user", "suspend", "bob@example.com")
    ann, bob = answer("user", "list")
    assert (ann["name"], ann["organizationAdmin"], ann["disabledAt"]) == ("Ann", True, None)
    assert bob["disabledAt"] is not None
    run("user", "resume", "bob@example.com")
    assert answer("user", "list")[1]["disabledAt"] is None
    run("user", "suspend", "carl@example.com", code=4)


def test_attributes(run: Run, home: Path) -> None:
    run("user", "add", "ann@example.com")
    run("user", "attribute", "ann@example.com", "region", "north", "south")
    stored = 'SELECT attribute, "values" FROM user_attribute_values'
    assert rows(home, stored) == [("region", '["north","south"]')]
    run("user", "attribute", "ann@example.com", "region")
    assert rows(home, stored) == []


def test_roles_and_grants(run: Run, connected: str, home: Path) -> None:
    run("user", "add", "ann@example.com")
    run("role", "add", "Analyst", "--base", "QUERIER")
    run("user", "grant", "ann@example.com", "Shop", "Analyst")
    assert rows(home, "SELECT connection_id, role FROM connection_roles") == [
        (connected, "Analyst")
    ]
    run("role", "add", "Analyst", "--base", "QUERIER", code=5)
    run("role", "add", "Other", "--base", "KING", code=5)
    run("user", "grant", "ann@example.com", "Shop", "KING", code=5)
    run("user", "grant", "ann@example.com", "Nothing", "VIEWER", code=4)


def test_every_change_is_audited_as_the_operators(run: Run, home: Path) -> None:
    run("user", "add", "ann@example.com")
    run("token", "create", "--kind", "personal", "--user", "ann@example.com")
    found = rows(home, "SELECT action, actor_kind, request_id FROM audit_log ORDER BY seq")
    assert [row[:2] for row in found] == [("user.create", "operator"), ("token.create", "operator")]
    assert all(row[2].startswith("cli-") for row in found)
