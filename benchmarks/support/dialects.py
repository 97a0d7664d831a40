"""The dialects that have an engine, an emulator or a stub here, each with ten columns to read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support import drivers
from tests.engines.conformance import (
    Subject,
    duckdb_subject,
    mariadb_subject,
    postgres_subject,
)
from tests.support.certificates import Certificates, make_certificates
from tests.support.engines import (
    Unavailable,
    run_embedded_postgres,
    run_mariadb,
    run_postgres,
    system_postgres_binaries,
)


@dataclass(frozen=True)
class Words:
    """How a dialect spells the types of the ten columns."""

    double: str = "DOUBLE"
    text: str = "VARCHAR"
    joined: str = "CONCAT({}, {})"
    date: str = "DATE '2024-02-29'"
    timestamp: str = "TIMESTAMP '2024-02-29 12:34:56'"

    def columns(self) -> str:
        """Ten columns of a table with a number `n`."""
        text = f"CAST(n AS {self.text})"
        product = self.joined.format("'product '", text)
        note = self.joined.format("'note of order '", text)
        number = f"CAST(n AS {self.double})"
        return (
            f"n AS id, n * 7 AS customer_id, n + 100000 AS quantity, {number} * 0.37 AS price,"
            f" {number} / 3 AS share, {product} AS product, 'north' AS region, {note} AS note,"
            f" {self.date} AS shipped_on, {self.timestamp} AS ordered_at"
        )


@dataclass(frozen=True)
class Case:
    """A dialect with its engine running. `raw(session, rows)`: the driver's own fetch.

    `session`: an open session of ours in this process, whose driver the raw fetch may use.
    """

    subject: Subject
    words: Words
    raw: Callable[[Any, int], drivers.Raw]
    table: Callable[[int], str]

    def statement(self, rows: int) -> str:
        """So many rows of ten columns."""
        return f"SELECT {self.words.columns()} FROM {self.table(rows)}"


Start = Callable[[Path, Certificates], "contextlib.AbstractContextManager[Case]"]


@contextlib.contextmanager
def certificates() -> Generator[tuple[Path, Certificates]]:
    """A directory for the engines' files, and certificates."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as home:
        yield Path(home), make_certificates(Path(home))


@contextlib.contextmanager
def duckdb(home: Path, _: Certificates) -> Generator[Case]:
    """The engine itself."""
    (home / "duckdb").mkdir()
    subject = duckdb_subject(home / "duckdb")
    yield Case(subject, Words(), drivers.duckdb, subject.numbers)


@contextlib.contextmanager
def postgres(home: Path, _: Certificates) -> Generator[Case]:
    """The real server, without TLS."""
    with run_embedded_postgres() as engine:
        subject = postgres_subject(engine)
        yield Case(
            subject,
            Words("double precision"),
            lambda _, rows: drivers.postgres(engine, rows),
            subject.numbers,
        )


@contextlib.contextmanager
def redshift(home: Path, made: Certificates) -> Generator[Case]:
    """PostgreSQL in Redshift's place, with TLS."""
    from tests.engines.support.redshift import redshift_subject

    with run_postgres(system_postgres_binaries(), made.good, made.ca_file) as engine:
        subject = redshift_subject(engine)
        yield Case(
            subject,
            Words("double precision"),
            lambda _, rows: drivers.psycopg(engine, rows),
            subject.numbers,
        )


@contextlib.contextmanager
def mariadb(home: Path, _: Certificates) -> Generator[Case]:
    """The real server, without TLS; MySQL has the same adapter."""
    with run_mariadb() as engine:
        subject = mariadb_subject(engine)
        yield Case(
            subject,
            Words(text="CHAR(20)"),
            lambda _, rows: drivers.pymysql(engine, rows),
            subject.numbers,
        )


@contextlib.contextmanager
def starrocks(home: Path, _: Certificates) -> Generator[Case]:
    """A stub of the protocol."""
    from tests.engines.support.starrocks import run_starrocks, starrocks_subject

    with run_starrocks() as engine:
        subject = starrocks_subject(engine)
        yield Case(
            subject,
            Words(timestamp="CAST('2024-02-29 12:34:56' AS DATETIME)"),
            lambda _, rows: drivers.pymysql(engine, rows),
            subject.numbers,
        )


@contextlib.contextmanager
def clickhouse(home: Path, _: Certificates) -> Generator[Case]:
    """The engine (chdb) behind a front of ours."""
    from tests.engines.support.clickhouse import clickhouse_subject, run_clickhouse

    words = Words(
        "Float64", "String", date="toDate('2024-02-29')",
        timestamp="toDateTime('2024-02-29 12:34:56')",
    )  # fmt: skip
    with run_clickhouse() as engine:
        subject = clickhouse_subject(engine)
        yield Case(
            subject, words, lambda _, rows: drivers.clickhouse(engine, rows), subject.numbers
        )


@contextlib.contextmanager
def trino(home: Path, made: Certificates) -> Generator[Case]:
    """The real server, without TLS."""
    from tests.engines.support.trino import run_trino, trino_subject

    with run_trino(made) as engine:
        plain: Any = engine.plain
        subject = trino_subject(plain, plain)
        yield Case(
            subject,
            Words(),
            lambda _, rows: drivers.trino(plain.port, plain.username, rows),
            subject.numbers,
        )


@contextlib.contextmanager
def exasol(home: Path, made: Certificates) -> Generator[Case]:
    """A stub of the protocol (DuckDB behind), with TLS."""
    from tests.engines.support.exasol import exasol_subject, run_exasol_stub

    with run_exasol_stub(made) as engine:
        subject = exasol_subject(engine)
        yield Case(subject, Words(), drivers.exasol, subject.numbers)


@contextlib.contextmanager
def mssql(home: Path, made: Certificates) -> Generator[Case]:
    """An emulator, with TLS."""
    from tests.engines.support.mssql import mssql_subject, run_mssql
    from tests.engines.support.relay import Relay

    words = Words("FLOAT", "VARCHAR(20)", date="CAST('2024-02-29' AS DATE)",
                  timestamp="CAST('2024-02-29 12:34:56' AS DATETIME2)")  # fmt: skip
    with run_mssql(made) as engine:
        relay = Relay(engine.port)
        subject = mssql_subject(engine, relay)
        yield Case(subject, words, drivers.mssql, subject.numbers)
        relay.cut()


@contextlib.contextmanager
def snowflake(home: Path, _: Certificates) -> Generator[Case]:
    """An emulator (fakesnow), with TLS."""
    from tests.engines.support.snowflake import run_snowflake

    with run_snowflake() as front:
        subject = front.subject()
        yield Case(subject, Words(), drivers.snowflake, subject.numbers)


@contextlib.contextmanager
def bigquery(home: Path, _: Certificates) -> Generator[Case]:
    """An emulator (local-bigquery), with TLS."""
    from tests.engines.support.bigquery import bigquery_subject, run_bigquery

    words = Words("FLOAT64", "STRING")
    with run_bigquery() as emulator:
        subject = bigquery_subject(emulator)
        yield Case(subject, words, drivers.bigquery, subject.numbers)


@contextlib.contextmanager
def databricks(home: Path, made: Certificates) -> Generator[Case]:
    """A stub of the protocol (DuckDB behind), with TLS."""
    from tests.engines.support.databricks import (
        WAREHOUSE,
        databricks_subject,
        run_databricks_stub,
    )

    if find_spec("databricks") is None:
        raise Unavailable("run it with .engines/databricks/bin/python, which has the driver")
    with run_databricks_stub(made) as engine:
        subject = databricks_subject(engine)
        yield Case(
            subject,
            Words(text="STRING"),
            lambda _, rows: drivers.databricks(engine, WAREHOUSE, rows),
            subject.numbers,
        )


CASES: dict[str, Start] = {
    "duckdb": duckdb,
    "postgres": postgres,
    "mariadb, mysql": mariadb,
    "clickhouse (chdb behind a front)": clickhouse,
    "trino": trino,
    "redshift (on PostgreSQL)": redshift,
    "snowflake (emulator)": snowflake,
    "bigquery (emulator)": bigquery,
    "mssql (emulator)": mssql,
    "databricks (stub)": databricks,
    "exasol (stub)": exasol,
    "starrocks (stub)": starrocks,
}
