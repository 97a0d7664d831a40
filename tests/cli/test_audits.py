"""`dragoman audit`: the head, what it finds, and the rows as NDJSON."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from dragoman.vault import KeyRing, update_keyring
from tests.cli.conftest import Run


def change(home: Path, sql: str) -> None:
    with closing(sqlite3.connect(home / "dragoman.db")) as store:
        store.execute(sql)
        store.commit()


def test_verify_prints_the_head_and_tells_what_is_wrong(
    run: Run, answer: Callable[..., Any], home: Path
) -> None:
    for name in ("a@example.com", "b@example.com", "c@example.com"):
        run("user", "add", name)
    head = run("audit", "verify").stdout.strip()
    assert re.fullmatch("3:[0-9a-f]{64}", head)
    run("audit", "verify", "--head", head)
    run("user", "suspend", "a@example.com")
    told = answer("audit", "verify", "--head", head)
    assert (told["whole"], told["rows"], told["number"], told["problems"]) == (True, 4, 4, [])
    change(home, "DELETE FROM audit_log WHERE seq = 2")
    assert "Row 2 is missing" in run("audit", "verify", code=1).stderr
    assert answer("audit", "verify", code=1)["whole"] is False
    assert "--head" in run("audit", "verify", "--head", "3:x", code=2).stderr


def test_a_row_of_a_key_that_is_gone_cannot_be_checked(run: Run, home: Path) -> None:
    run("user", "add", "a@example.com")
    update_keyring(home / "keys.json", KeyRing.rotated)
    run("user", "add", "b@example.com")
    run("audit", "verify")
    update_keyring(home / "keys.json", lambda ring: ring.without([ring.retired[0].id]))
    assert "1 of key" in run("audit", "verify", code=1).stderr


def test_export(run: Run) -> None:
    for name in ("a@example.com", "b@example.com"):
        run("user", "add", name)
    rows = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert [(row["number"], row["action"]) for row in rows] == [
        (1, "user.create"),
        (2, "user.create"),
    ]
    assert rows[0]["after"]["email"] == "a@example.com"
    assert len(run("audit", "export", "--after", "1").stdout.splitlines()) == 1
