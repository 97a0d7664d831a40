"""The suite's subjects of the tests: engines of ours, and what to do to them from outside."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dragoman.dialects import conformance, registry
from dragoman.dialects.base import Session, Target
from dragoman.dialects.conformance.subject import until
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.support.engines import Engine

__all__ = ["Subject", "rows", "until"]


@dataclass(frozen=True)
class Subject(conformance.Subject):
    """What the suite examines, with more that only tests of ours ask.

    `writes`: what no session runs. `victim`: the table they write to, as a statement names it.
    """

    writes: tuple[str, ...] = ()
    victim: str = "victim"

    def connect(self, **options: Any) -> Session:
        """In this process, where tests can look inside."""
        return self.dialect.connect(self.target, self.network, self.options(**options))

    @property
    def sleep(self) -> str:
        """A statement that works for more than a minute."""
        return self.spelling.work("asleep")

    def numbers(self, count: int) -> str:
        """A table `t` with a column `n` of that many numbers."""
        return self.spelling.sequence(count)

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


REFUSED = ("INSERT INTO victim VALUES (2)", "DELETE FROM victim", "DROP TABLE victim")


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
        schema="main",
        refused=REFUSED,
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
        schema="public",
        refused=REFUSED,
        sever=lambda: (
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
        sever=kill_sessions,
        schema=engine.database,
        refused=REFUSED,
    )
