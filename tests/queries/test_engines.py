"""The endpoint on real databases: DuckDB's sample data, and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from dragoman.access.roles import Role
from dragoman.queries.running import RUNNING
from tests.queries.fakes import Live, eventually, live_server
from tests.support.clients import assert_error
from tests.support.engines import Engine
from tests.support.server import CONNECTIONS, Server

# In the select list, where the rows stream: in FROM the server would write them to its disk first.
MANY = "SELECT generate_series(1, 100000000000) AS i"
SLOW = f"SELECT count(*) AS n FROM ({MANY}) AS many"


@pytest.fixture
def duck(sqlite_server: Server) -> str:
    """The query path of a connection to the sample data."""
    made = sqlite_server.create("duckdb", allowsUserSpecificTimezones=True)
    return f"{CONNECTIONS}/{made}/query"


def test_rows_of_the_sample_data(sqlite_server: Server, duck: str) -> None:
    body = {"sql": "SELECT order_id, status FROM orders ORDER BY 1", "limit": 3}
    answer = sqlite_server.root.post(duck, json=body)
    assert answer.status_code == 200, answer.text
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column("order_id").to_pylist() == [1, 2, 3]
    text = sqlite_server.root.post(duck, json=body, headers={"Accept": "text/csv"}).text
    assert text.splitlines()[0] == '"order_id","status"'
    assert len(text.splitlines()) == 4


def test_all_of_a_table_in_json(sqlite_server: Server, duck: str) -> None:
    body = {"sql": "SELECT product_id, price, [1, NULL] AS l, DATE '2024-05-17' AS d FROM products"}
    answer = sqlite_server.root.post(duck, json=body, headers={"Accept": "application/json"})
    rows = answer.json()
    assert len(rows) == 60
    assert list(rows[0]) == ["product_id", "price", "l", "d"]
    assert (rows[0]["l"], rows[0]["d"]) == ([1, None], "2024-05-17")
    assert isinstance(rows[0]["price"], float)


def test_the_zone_reaches_the_session(sqlite_server: Server, duck: str) -> None:
    sql = "SELECT current_setting('TimeZone') AS zone"
    for zone, expected in (("Asia/Tokyo", "Asia/Tokyo"), (None, "UTC")):
        answer = sqlite_server.root.post(
            duck, json={"sql": sql, "timezone": zone}, headers={"Accept": "application/json"}
        )
        assert answer.json() == [{"zone": expected}]


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT * FROM nowhere", "DROP TABLE orders", "SELECT 1; SELECT 2"]
)
def test_mistakes_in_the_question_are_400(sqlite_server: Server, duck: str, sql: str) -> None:
    assert assert_error(sqlite_server.root.post(duck, json={"sql": sql}), 400)["stage"] == "query"


def test_who_may_ask(sqlite_server: Server, duck: str) -> None:
    made = duck.split("/")[-2]
    weak = sqlite_server.member("weak@example.com", **{made: Role.QUERY_TOPICS.value})
    strong = sqlite_server.member("strong@example.com", **{made: Role.QUERIER.value})
    body = {"sql": "SELECT 1"}
    assert_error(weak.post(duck, json=body), 403)
    assert strong.post(duck, json=body).status_code == 200
    assert_error(sqlite_server.member("none@example.com").post(duck, json=body), 404)
    assert_error(sqlite_server.anonymous.post(duck, json=body), 401)


@pytest.fixture
def postgres(tmp_path: Path, postgres_server: Engine) -> Iterator[Live]:
    """A live server whose path is a connection to the test PostgreSQL."""
    with live_server(tmp_path) as live:
        body = {
            "dialect": "postgres",
            "name": "p",
            "host": postgres_server.host,
            "port": postgres_server.port,
            "database": postgres_server.database,
            "username": postgres_server.username,
            "passwordUnencrypted": postgres_server.password,
        }
        made = live.post(body, path=CONNECTIONS)
        assert made.status_code == 201, made.text
        live.path = f"{CONNECTIONS}/{made.json()['data']}/query"
        yield live


def active(engine: Engine) -> int:
    """Statements of ours that the server works on."""
    with psycopg.connect(engine.url("postgresql")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND query LIKE '%generate_series%' AND pid <> pg_backend_pid()"
        ).fetchone()
        assert found is not None
        return int(found[0])


def test_postgres_streams_and_limits(postgres: Live) -> None:
    sql = "SELECT i, i::numeric(12, 2) AS d, now() AS t FROM generate_series(1, 100000) AS g(i)"
    table = pa.ipc.open_stream(postgres.post({"sql": sql}).content).read_all()
    assert table.num_rows == 100_000
    answer = postgres.post({"sql": sql, "limit": 10}, "application/json")
    rows = json.loads(answer.content)
    assert [row["i"] for row in rows] == list(range(1, 11))
    assert rows[0]["t"].endswith("Z")


def test_postgres_stops_when_the_client_leaves_before_rows(
    postgres: Live, postgres_server: Engine
) -> None:
    client = postgres.raw(sql=SLOW)
    eventually(lambda: active(postgres_server) > 0)
    client.close()
    eventually(lambda: active(postgres_server) == 0)
    eventually(lambda: RUNNING.count(postgres.server.house) == 0)


def test_postgres_stops_when_the_client_leaves_in_the_middle(
    postgres: Live, postgres_server: Engine
) -> None:
    client = postgres.raw(sql=MANY)
    assert len(client.recv(100_000)) > 0
    eventually(lambda: active(postgres_server) > 0)
    client.close()
    eventually(lambda: active(postgres_server) == 0)


def test_postgres_stops_at_the_limit(postgres: Live, postgres_server: Engine) -> None:
    answer = postgres.post({"sql": MANY, "limit": 5}, "text/csv")
    assert answer.text == '"i"\n1\n2\n3\n4\n5\n'
    eventually(lambda: active(postgres_server) == 0)
