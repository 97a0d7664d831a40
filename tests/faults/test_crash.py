"""kill -9 under load: what was acknowledged is there and opens, and nothing is there by half."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman import audit
from dragoman.settings import load
from dragoman.store import Store
from dragoman.vault import KeyRingSource, Signer
from tests.jobs.waiting import until
from tests.support.bodies import body
from tests.support.live import CONNECTIONS, LiveServer, live_server
from tests.support.stores import organization_key

CLIENTS = 6
# Nothing listens there: a test of the connection gets as far as TCP, so its secret was opened.
NOWHERE = {"host": "127.0.0.1", "port": 1}


@dataclass
class Ledger:
    """What clients sent, and what they heard."""

    acknowledged: dict[str, str] = field(default_factory=dict)  # key to id
    unanswered: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, key: str, connection_id: str | None) -> None:
        with self.lock:
            if connection_id is None:
                self.unanswered.add(key)
            else:
                self.acknowledged[key] = connection_id


def sent(key: str) -> dict[str, Any]:
    return body("postgres", name=key, passwordUnencrypted=f"secret of {key}", **NOWHERE)


def _create_until_dead(
    server: LiveServer, ledger: Ledger, stem: str, dead: threading.Event
) -> None:
    with httpx.Client(base_url=server.address, timeout=10, trust_env=False) as http:
        for number in range(100_000):
            if dead.is_set():
                return
            key = f"{stem}-{number}"
            headers = {"Authorization": f"Bearer {server.token}", "Idempotency-Key": key}
            try:
                answer = http.post(CONNECTIONS, json=sent(key), headers=headers)
            except httpx.TransportError:
                ledger.note(key, None)
                return
            assert answer.status_code == 201, answer.text
            ledger.note(key, answer.json()["data"])


def _crash(server: LiveServer, ledger: Ledger, round_: int, answers: int, after: float) -> None:
    """Kill the server some seconds after so many answers."""
    enough = len(ledger.acknowledged) + answers
    dead = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [
            threads.submit(_create_until_dead, server, ledger, f"r{round_}c{client}", dead)
            for client in range(CLIENTS)
        ]
        try:
            until(lambda: len(ledger.acknowledged) >= enough, 60)
            time.sleep(after)
        finally:
            server.kill()
            dead.set()
        for each in running:
            each.result()


def _whole(home: Path) -> set[str]:
    """The ids in the store, once it is shown that each has all of its parts."""
    with sqlite3.connect(home / "dragoman.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = {r[0] for r in store.execute("SELECT id FROM connections")}
        secrets = [r[0] for r in store.execute("SELECT connection_id FROM connection_secrets")]
        audited = [
            r[0]
            for r in store.execute(
                "SELECT resource_id FROM audit_log WHERE action = 'connection.create'"
            )
        ]
        replies = [r[0] for r in store.execute("SELECT answer FROM idempotency_keys")]
    store.close()
    _chained(home)
    assert sorted(secrets) == sorted(rows)
    assert sorted(audited) == sorted(rows)
    assert len(replies) == len(rows)
    assert all(any(row in reply for reply in replies) for row in list(rows)[:20])
    return rows


def _chained(home: Path) -> None:
    """The chain of the audit has every row, with the key of this home."""
    keys = KeyRingSource(home=home)
    store = Store(load({}, home=home).store_url, Signer(lambda: keys, audit.PURPOSE))
    with store.look() as unit:
        verdict = audit.verify(unit)
    store.close()
    assert verdict.whole, verdict.problems
    assert verdict.rows == verdict.number


def _opens(server: LiveServer, connection_id: str) -> bool:
    answer = server.root.post(f"{CONNECTIONS}/{connection_id}/test")
    assert answer.status_code == 200, answer.text
    stages = {stage["stage"]: stage["status"] for stage in answer.json()["stages"]}
    assert stages["tcp"] == "failed"
    return stages["settings"] == "passed"


def _rounds(home: Path, rounds: int, sample: int) -> None:
    token, ledger, dice = organization_key(home), Ledger(), random.Random()
    for number in range(rounds):
        with live_server(home, token) as server:
            # What the round before left behind: a retry gives exactly one.
            for key in sorted(ledger.unanswered):
                again = {"Idempotency-Key": key}
                answers = [
                    server.root.post(CONNECTIONS, json=sent(key), headers=again) for _ in range(2)
                ]
                assert [a.status_code for a in answers] == [201, 201]
                assert answers[0].content == answers[1].content
                ledger.note(key, answers[0].json()["data"])
            ledger.unanswered.clear()
            answers = dice.randint(CLIENTS + 1, 80)
            _crash(server, ledger, number, answers, after=dice.uniform(0, 0.1))
        assert ledger.acknowledged.keys().isdisjoint(ledger.unanswered)
        rows = _whole(home)
        assert set(ledger.acknowledged.values()) <= rows
        # A row nobody heard of can only be one whose answer was lost on the way.
        assert len(rows) - len(ledger.acknowledged) <= len(ledger.unanswered)
    with live_server(home, token) as server:
        names = {
            row["id"]: row["name"] for row in server.root.get(CONNECTIONS).json()["connections"]
        }
        assert all(names[made] == key for key, made in ledger.acknowledged.items())
        chosen = dice.sample(sorted(ledger.acknowledged.values()), sample)
        assert all(_opens(server, each) for each in chosen)
    assert len(ledger.acknowledged) > rounds * CLIENTS


def test_a_killed_server_keeps_what_it_acknowledged(home: Path) -> None:
    _rounds(home, rounds=4, sample=15)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_killed_many_times_keeps_what_it_acknowledged(home: Path) -> None:
    _rounds(home, rounds=40, sample=200)
