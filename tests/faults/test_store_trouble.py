"""A store that is locked, or that cannot grow: 503 with Retry-After, reads go on, no damage."""

from __future__ import annotations

import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bodies import body
from tests.support.clients import assert_error, at_once
from tests.support.live import CONNECTIONS, live_server
from tests.support.patience import SLOW_MACHINE
from tests.support.stores import organization_key


def test_a_locked_store_is_503_and_recovers(home: Path) -> None:
    with live_server(home) as server:
        made = server.create()
        other = sqlite3.connect(home / "dragoman.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = server.root.post(CONNECTIONS, json=body("postgres"))
        assert_error(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - began < 12 + SLOW_MACHINE
        # Readers are not held up by a writer.
        began = time.monotonic()
        assert server.root.get(f"{CONNECTIONS}/{made}").status_code == 200
        assert server.anonymous.get("/readyz").status_code == 200
        assert time.monotonic() - began < 2 + SLOW_MACHINE
        other.execute("ROLLBACK")
        other.close()
        assert server.root.post(CONNECTIONS, json=body("postgres")).status_code == 201
        listed = server.root.get(CONNECTIONS).json()["connections"]
        assert len(listed) == 2


def test_a_lock_that_is_let_go_in_time_is_only_a_wait(home: Path) -> None:
    with live_server(home) as server:
        other = sqlite3.connect(home / "dragoman.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(1.0, lambda: other.execute("ROLLBACK")).start()
        assert server.root.post(CONNECTIONS, json=body("postgres")).status_code == 201
        other.close()


def _no_file_larger_than(size: int) -> Callable[[], None]:
    def limit() -> None:
        # Ignored, so that writing gives an error (EFBIG) in place of killing the process.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.timeout(180)
def test_a_disk_that_is_full_is_503_and_damages_nothing(home: Path) -> None:
    token = organization_key(home)
    with live_server(home, token, log_level="error") as server:
        first = server.create(name="before")
    size = max(each.stat().st_size for each in home.iterdir() if each.is_file())
    acknowledged = {first}
    long_body = body("postgres", includeSchemas="s" * 4000)
    with live_server(
        home, token, _no_file_larger_than(size + 300_000), log_level="error"
    ) as server:
        refused = 0
        for _ in range(60):
            for answer in at_once(8, lambda _: server.root.post(CONNECTIONS, json=long_body)):
                if answer.status_code == 201:
                    acknowledged.add(answer.json()["data"])
                    continue
                assert_error(answer, 503)
                assert "retry-after" in answer.headers
                refused += 1
            if refused >= 20:
                break
        assert refused >= 20
        # Reads still work, and so does what needs no room.
        listed = server.root.get(CONNECTIONS)
        assert listed.status_code == 200
        assert {row["id"] for row in listed.json()["connections"]} == acknowledged
        assert server.anonymous.get("/healthz").status_code == 200
        assert server.root.get(f"{CONNECTIONS}/{first}").status_code == 200
        assert server.terminate() == 0
    with live_server(home, token) as server:
        listed = server.root.get(CONNECTIONS).json()["connections"]
        assert {row["id"] for row in listed} == acknowledged
        assert server.root.post(CONNECTIONS, json=body("postgres")).status_code == 201
    with sqlite3.connect(home / "dragoman.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        secrets = store.execute("SELECT count(*) FROM connection_secrets").fetchone()[0]
        assert secrets == len(acknowledged) + 1
    store.close()
