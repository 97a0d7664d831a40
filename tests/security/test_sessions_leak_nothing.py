"""A session is read-only and forgets: nothing that one question does reaches the next one
(CVE-2026-23984). That the session alone refuses writes, with the parser taken away, is in
`tests/engines/test_conformance.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.support.engines import Engine
from tests.support.server import CONNECTIONS, Server, running_server, settings_for


@pytest.fixture
def one_session(tmp_path: Path) -> Iterator[Server]:
    """A server with one session for each connection, so that the next question gets the same."""
    settings = settings_for(tmp_path / "home", max_queries_per_connection=1)
    with running_server(settings) as server:
        yield server


def connect(server: Server, dialect: str, engine: Engine) -> str:
    return server.create(
        dialect, host=engine.host, port=engine.port, database=engine.database,
        username=engine.username, passwordUnencrypted=engine.password,
    )  # fmt: skip


def ask(server: Server, made: str, sql: str) -> Any:
    headers = {"Accept": "application/json"}
    return server.root.post(f"{CONNECTIONS}/{made}/query", json={"sql": sql}, headers=headers)


POSTGRES_TRICKS = [
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('statement_timeout', '0', false)",
    "SELECT set_config('search_path', 'pg_catalog', false)",
    "SELECT set_config('role', 'pg_read_all_data', false)",
    "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
    "SELECT set_config('my.secret', 'left behind', false)",
    "SELECT pg_advisory_lock(4711)",
    "SELECT pg_notify('x', 'y')",
    "SELECT 1 AS one) TO PROGRAM 'touch /tmp/x'; --",
    "SELECT 1); COMMIT; CREATE TABLE escaped (a int); SELECT (1",
    "SELECT * FROM (SELECT 1) x /* ) TO STDOUT */",
    "SELECT $$; COMMIT; CREATE TABLE escaped (a int); $$",
    "SELECT E'\\'; COMMIT; CREATE TABLE escaped (a int); --'",
    "SELECT lo_create(0)",
    "SELECT nextval('trick_sequence')",
    "SELECT query_to_xml('CREATE TABLE escaped (a int)', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT dblink('x', 'y')",
    "EXPLAIN ANALYZE SELECT query_to_xml('CREATE TABLE escaped (a int)', true, true, '')",
    "SHOW default_transaction_read_only",
    "TABLE pg_settings",
]


@pytest.mark.engine("postgres")
def test_postgres_tricks_change_nothing_for_the_next_question(
    one_session: Server, postgres_server: Engine
) -> None:
    import psycopg

    made = connect(one_session, "postgres", postgres_server)
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as admin:
        admin.execute("CREATE SEQUENCE IF NOT EXISTS trick_sequence")
        count = "SELECT count(*) FROM pg_largeobject_metadata"
        objects = admin.execute(count).fetchone()
        state = (
            "SELECT concat_ws('|', current_setting('transaction_read_only'),"
            " current_setting('statement_timeout'), current_setting('search_path'), current_user,"
            " current_setting('TimeZone'), coalesce(current_setting('my.secret', true), ''),"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')) AS v"
        )
        clean = ask(one_session, made, state).text
        assert "on|15min" in clean
        for trick in POSTGRES_TRICKS:
            assert ask(one_session, made, trick).status_code in (200, 400, 502), trick
            after = ask(one_session, made, state)
            assert after.status_code == 200, trick
            assert after.text == clean, trick
            assert ask(one_session, made, "CREATE TABLE escaped (a int)").status_code == 400
        assert admin.execute("SELECT to_regclass('escaped')").fetchone() == (None,)
        called = admin.execute("SELECT is_called FROM trick_sequence").fetchone()
        assert called == (False,)
        assert admin.execute(count).fetchone() == objects


MARIADB_TRICKS = [
    "SELECT @left := 'behind'",
    "SELECT GET_LOCK('trick', 0)",
    "SELECT * FROM victim_of_tricks FOR UPDATE",
    "SELECT 1 INTO OUTFILE '/tmp/dragoman-trick'",
    "SELECT 1 INTO @left",
    "SELECT 1; DELETE FROM victim_of_tricks",
    "SELECT /*!50000 1 INTO @left */",
    "SELECT /*M! 1 INTO @left */",
    "SELECT 1 -- \n; DELETE FROM victim_of_tricks",
    "SELECT '\\'; DELETE FROM victim_of_tricks; -- '",
    "WITH x AS (SELECT 1) DELETE FROM victim_of_tricks",
    "EXPLAIN DELETE FROM victim_of_tricks",
    "ANALYZE DELETE FROM victim_of_tricks",
    "SHOW VARIABLES LIKE 'local_infile'",
    "SELECT LOAD_FILE('/etc/passwd')",
]


@pytest.mark.engine("mariadb")
def test_mariadb_tricks_change_nothing_for_the_next_question(
    one_session: Server, mariadb_server: Engine
) -> None:
    admin = pymysql.connect(
        host=mariadb_server.host, port=mariadb_server.port, user=mariadb_server.username,
        password=mariadb_server.password, database=mariadb_server.database, autocommit=True,
    )  # fmt: skip
    with admin, admin.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE TABLE victim_of_tricks (a int)")
        cursor.execute("INSERT INTO victim_of_tricks VALUES (1)")
        made = connect(one_session, "mariadb", mariadb_server)
        state = (
            "SELECT CONVERT(concat_ws('|', @@tx_read_only, @@max_statement_time, @@time_zone,"
            " coalesce(@left, ''), coalesce(IS_USED_LOCK('trick'), 'free')) USING utf8mb4) AS v"
        )
        clean = ask(one_session, made, state).text
        assert "|free" in clean
        for trick in MARIADB_TRICKS:
            assert ask(one_session, made, trick).status_code in (200, 400, 502), trick
            after = ask(one_session, made, state)
            assert after.status_code == 200, trick
            assert after.text == clean, trick
        cursor.execute("SELECT a FROM victim_of_tricks")
        assert cursor.fetchall() == ((1,),)
