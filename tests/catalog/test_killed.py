"""A server that is killed in the middle of a refresh: the next one ends it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import engines
from tests.support.engines import Engine
from tests.support.live import LiveServer, live_server

pytestmark = pytest.mark.slow
TABLES = 2_000


def state(server: LiveServer, connection: str) -> Any:
    return server.root.get(f"/api/v1/connections/{connection}/refresh").json()


def total(server: LiveServer, connection: str, what: str) -> int:
    answer = server.root.get(f"/api/v1/connections/{connection}/{what}?pageSize=1")
    return answer.json()["pageInfo"]["totalRecords"]


def ended(server: LiveServer, connection: str) -> Any:
    deadline = time.monotonic() + 90
    while (found := state(server, connection))["status"] == "running":
        assert time.monotonic() < deadline, "the refresh does not end"
        time.sleep(0.1)
    return found


def killed_in_between(server: LiveServer, connection: str, seconds: float) -> None:
    """Kill the server so long after a refresh began, or sooner after the next when it is quick."""
    time.sleep(seconds)
    while state(server, connection)["status"] != "running":
        seconds /= 2
        answer = server.root.post(f"/api/v1/models/{connection}/refresh")
        assert answer.status_code == 200, answer.text
        time.sleep(seconds)
    server.kill()


@pytest.mark.parametrize("seconds", [0.2, 1.5, 2.5])
def test_the_refresh_goes_on_where_the_next_server_starts(
    tmp_path: Path, postgres_server: Engine, seconds: float
) -> None:
    database = f"killed_{int(seconds * 10)}"
    engines.create_database(postgres_server, database)
    url = postgres_server.url("postgresql", database)
    with psycopg.connect(url, autocommit=True) as db:
        for start in range(0, TABLES, 200):
            names = range(start, start + 200)
            db.execute(";".join(f"CREATE TABLE t{n} (id int, u_id int)" for n in names).encode())
    settings = {"build_schema_on_create": "on"}
    try:
        with live_server(tmp_path, **settings) as server:
            connection = server.create(
                "postgres",
                host=postgres_server.host,
                port=postgres_server.port,
                database=database,
                username=postgres_server.username,
                passwordUnencrypted=postgres_server.password,
            )
            token = server.token
            killed_in_between(server, connection, seconds)
        with live_server(tmp_path, token, **settings) as server:
            assert total(server, connection, "catalog") in (0, TABLES)
            found = ended(server, connection)
            assert (found["status"], found["tables"]) == ("completed", TABLES)
            assert total(server, connection, "catalog") == TABLES
            with psycopg.connect(url, autocommit=True) as db:
                db.execute(b"CREATE TABLE more (id int)")
                db.execute(b"ALTER TABLE t1 ADD c int")
            assert server.root.post(f"/api/v1/models/{connection}/refresh").status_code == 200
            killed_in_between(server, connection, min(seconds, 0.3))
        with live_server(tmp_path, token, **settings) as server:
            assert ended(server, connection)["tables"] == TABLES + 1
            assert total(server, connection, "catalog") == TABLES + 1
            assert total(server, connection, "changes") == 2
    finally:
        engines.drop_database(postgres_server, database)
