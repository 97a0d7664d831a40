"""What the one suite needs to know of each live dialect: where to dial, how its SQL is spelt."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Dialect, Session, SessionOptions, Target
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.support.engines import Engine

SLOW_MACHINE = 3.0  # seconds on top of a limit before a test calls it late


@dataclass(frozen=True)
class Subject:
    """One dialect with a running engine. `numbers(n)` is a table of n rows with a column `n`.

    `writes`: what no session runs; `refused`: what the database itself refuses, the guard aside.
    """

    dialect: Dialect
    target: Target
    policy: EgressPolicy
    sleep: str
    numbers: Callable[[int], str]
    writes: tuple[str, ...]
    server_running: Callable[[str], bool] | None = None
    kill_sessions: Callable[[], None] | None = None
    files: Path | None = None
    fields: dict[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = (
        "INSERT INTO victim VALUES (2)",
        "DELETE FROM victim",
        "DROP TABLE victim",
    )

    def options(self, **given: Any) -> SessionOptions:
        return SessionOptions(**{"files": self.files, "timeout_seconds": 60.0, **given})

    def connect(self, **options: Any) -> Session:
        return self.dialect.connect(self.target, self.policy, self.options(**options))

    @contextlib.contextmanager
    def session(self, **options: Any) -> Iterator[Session]:
        session = self.connect(**options)
        try:
            yield session
        finally:
            session.close()

    def with_settings(self, password: str | None = None, **settings: Any) -> Subject:
        target = replace(self.target, settings={**self.target.settings, **settings})
        if password is not None:
            target = replace(target, secrets={"passwordUnencrypted": SecretStr(password)})
        return replace(self, target=target)


def rows(session: Session, sql: str) -> list[dict[str, Any]]:
    return [row for batch in session.run(sql).batches for row in batch.to_pylist()]


def policy(engine: Engine) -> EgressPolicy:
    return EgressPolicy.build(loopback=True, tls=TlsPolicy(ca_file=engine.ca_file))


def target(dialect: str, engine: Engine) -> Target:
    settings = {
        "host": "localhost",
        "port": engine.port,
        "database": engine.database,
        "username": engine.username,
    }
    return Target(dialect, settings, {"passwordUnencrypted": SecretStr(engine.password)})


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


PLAIN_WRITES = (
    "INSERT INTO victim VALUES (2)",
    "UPDATE victim SET a = 2",
    "DELETE FROM victim",
    "DROP TABLE victim",
    "CREATE TABLE other (a int)",
    "SELECT 1; DELETE FROM victim",
    "EXPLAIN ANALYZE DELETE FROM victim",
    "SELECT * INTO other FROM victim",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "BEGIN",
    "COMMIT",
    "",
)


def duckdb_subject(directory: Path) -> Subject:
    import duckdb

    path = directory / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE victim (a int); INSERT INTO victim VALUES (1)")
    dialect = registry.get("duckdb")
    return Subject(
        dialect,
        Target("duckdb", {"database": "shop.duckdb"}, {}),
        EgressPolicy.build(),
        sleep="SELECT count(*) FROM range(100000000) a, range(1000000) b",
        numbers=lambda n: f"range({n}) AS t(n)",
        writes=(
            *PLAIN_WRITES,
            "COPY victim TO '/tmp/dragoman-out.csv'",
            "SELECT * FROM read_text('/etc/hostname')",
            "FROM '/etc/hostname'",
            "SELECT * FROM read_csv('/etc/hostname')",
            "SELECT * FROM glob('/etc/*')",
            "ATTACH '/tmp/other.duckdb'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET threads = 1",
            "SET enable_external_access = true",
            "PRAGMA database_list",
            "CALL pragma_version()",
            "EXPORT DATABASE '/tmp/dragoman-export'",
            "SELECT * FROM read_parquet('http://169.254.169.254/x.parquet')",
            "USE memory",
            "CREATE TEMP TABLE t AS SELECT 1",
        ),
        files=directory,
    )


def postgres_subject(engine: Engine, dialect: str = "postgres") -> Subject:
    import psycopg

    def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
            cursor = connection.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    ask("DROP TABLE IF EXISTS victim")
    ask("CREATE TABLE victim (a int)")
    ask("INSERT INTO victim VALUES (1)")
    ask("CREATE SEQUENCE IF NOT EXISTS counter")
    ask(
        "CREATE OR REPLACE FUNCTION meddle() RETURNS int LANGUAGE sql"
        " AS 'DELETE FROM victim; SELECT 1'"
    )
    ours = "application_name = 'dragoman' AND pid <> pg_backend_pid()"
    return Subject(
        registry.get(dialect),
        target(dialect, engine),
        policy(engine),
        sleep="SELECT pg_sleep(60)",
        numbers=lambda n: f"generate_series(1, {n}) AS t(n)",
        writes=(
            *PLAIN_WRITES,
            "WITH gone AS (DELETE FROM victim RETURNING *) SELECT * FROM gone",
            "WITH new AS (INSERT INTO victim VALUES (3) RETURNING a) TABLE new",
            "SELECT nextval('counter')",
            "SELECT setval('counter', 100)",
            "SELECT meddle()",
            "SELECT set_config('transaction_read_only', 'off', false)",
            "COPY victim TO '/tmp/dragoman-out.csv'",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT 1) TO PROGRAM 'touch /tmp/dragoman-out' --",
            "SELECT * FROM victim FOR UPDATE",
            "DO $$ BEGIN DELETE FROM victim; END $$",
            "VACUUM",
            "PREPARE p AS SELECT 1",
            "NOTIFY c",
        ),
        server_running=lambda text: (
            ask(
                f"SELECT count(*) FROM pg_stat_activity WHERE {ours}"
                " AND state = 'active' AND query LIKE %s",
                f"%{text}%",
            )[0][0]
            > 0
        ),
        kill_sessions=lambda: (
            ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}") and None
        ),
    )


def mariadb_subject(engine: Engine, dialect: str = "mariadb") -> Subject:
    import pymysql

    def ask(sql: str) -> list[Any]:
        tls = {"ca": str(engine.ca_file)} if engine.ca_file else None
        connection = pymysql.connect(
            host=engine.host,
            port=engine.port,
            user=engine.username,
            password=engine.password,
            database=engine.database,
            autocommit=True,
            ssl=tls,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    ask("DROP TABLE IF EXISTS victim")
    ask("CREATE TABLE victim (a int) ENGINE = InnoDB")
    ask("INSERT INTO victim VALUES (1)")
    ask("DROP FUNCTION IF EXISTS meddle")
    ask(
        "CREATE FUNCTION meddle() RETURNS int MODIFIES SQL DATA"
        " BEGIN DELETE FROM victim; RETURN 1; END"
    )

    def kill_sessions() -> None:
        for row in ask("SHOW PROCESSLIST"):
            if row[7] != "SHOW PROCESSLIST" and row[1] == engine.username:
                with contextlib.suppress(pymysql.MySQLError):
                    ask(f"KILL {row[0]}")

    return Subject(
        registry.get(dialect),
        target(dialect, engine),
        policy(engine),
        sleep="SELECT SLEEP(60)",
        numbers=lambda n: f"(SELECT seq AS n FROM seq_1_to_{n}) AS t",
        writes=(
            *PLAIN_WRITES,
            "SELECT meddle()",
            "SELECT 1 INTO OUTFILE '/tmp/dragoman-out'",
            "SELECT 1 INTO DUMPFILE '/tmp/dragoman-out'",
            "SELECT 1 INTO @x",
            "SELECT /*!50000 1 INTO OUTFILE '/tmp/dragoman-out' */",
            "/*M! DELETE FROM victim */",
            "REPLACE INTO victim VALUES (2)",
            "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE victim",
            "TRUNCATE TABLE victim",
            "SELECT * FROM victim FOR UPDATE",
            "CALL nothing()",
        ),
        server_running=lambda text: any(
            text in (row[7] or "")
            for row in ask("SHOW FULL PROCESSLIST")
            if "PROCESSLIST" not in (row[7] or "")
        ),
        kill_sessions=kill_sessions,
    )
