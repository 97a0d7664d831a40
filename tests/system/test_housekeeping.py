"""What a server does beside the requests, and how it stops when its store is away."""

from __future__ import annotations

import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest

from dragoman import app, clock
from dragoman.store import engine
from tests.support.server import CONNECTIONS, running_server, settings_for


def until(true: object, seconds: float = 60) -> bool:
    """Wait until the call is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_last_use_is_written_and_old_rows_go(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "FLUSH_SECONDS", 0.05)
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start - timedelta(days=9))
    with running_server(settings_for(tmp_path / "home", store_url, audit_days=7)) as server:
        client = server.root
        assert client.get(CONNECTIONS).status_code == 200
        # The key of the client, and the egress policy that is new to this store.
        rows = "SELECT count(*) FROM audit_log WHERE action <> 'token.first_use'"
        assert server.sql(rows) == [(2,)]
        monkeypatch.setattr(clock, "now", lambda: start)
        assert until(lambda: server.sql("SELECT last_used_at FROM tokens") != [(None,)])
        assert until(lambda: server.sql(rows) == [(0,)])


def test_duty_that_fails_is_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FLUSH_SECONDS", 0.05)
    with running_server(settings_for(tmp_path)) as server:
        flush, fails = server.house.authenticator.flush, [True, True]

        def failing(store: engine.Store) -> int:
            if fails:
                fails.pop()
                raise engine.StoreBusy("away")
            return flush(store)

        monkeypatch.setattr(server.house.authenticator, "flush", failing)
        assert server.root.get(CONNECTIONS).status_code == 200
        assert until(lambda: server.sql("SELECT last_used_at FROM tokens") != [(None,)])


def test_last_use_is_written_at_the_end(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with running_server(settings) as server:
        assert server.root.get(CONNECTIONS).status_code == 200
    with running_server(settings) as server:
        assert server.sql("SELECT last_used_at FROM tokens") != [(None,)]


def test_server_stops_in_order_though_its_store_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = engine._prepare_sqlite

    def impatient(connection: sqlite3.Connection, record: object) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA busy_timeout=100")

    monkeypatch.setattr(engine, "_prepare_sqlite", impatient)
    with running_server(settings_for(tmp_path)) as server:
        assert server.root.get(CONNECTIONS).status_code == 200
        other = sqlite3.connect(tmp_path / "dragoman.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()
