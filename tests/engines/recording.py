"""The record of the last run of the suite: docs/dialects/conformance.json, by `make conformance`.

The documentation is made of it, so it says what was run against what, and nothing more.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Proof
from dragoman.dialects.conformance import CHECKS, Result, Status, fingerprint, report_for


@dataclass(frozen=True)
class Stand:
    """What a subject of the tests is: a dialect, what plays it, and how far that proves it."""

    dialect: str
    against: str
    proof: Proof


STANDS = {
    "duckdb": Stand("duckdb", "DuckDB itself", Proof.ENGINE),
    "postgres": Stand("postgres", "PostgreSQL without TLS", Proof.ENGINE),
    "postgres_tls": Stand("postgres", "PostgreSQL with TLS", Proof.ENGINE),
    "lakebase_on_postgres": Stand(
        "databricks_lakebase", "PostgreSQL with TLS, a role's password for a token", Proof.RELATIVE
    ),
    "redshift_on_postgres": Stand(
        "redshift", "PostgreSQL with TLS, stand-ins for Redshift's views", Proof.RELATIVE
    ),
    "mariadb": Stand("mariadb", "MariaDB without TLS", Proof.ENGINE),
    "mariadb_tls": Stand("mariadb", "MariaDB with TLS", Proof.ENGINE),
    "mysql_on_mariadb": Stand("mysql", "MariaDB", Proof.RELATIVE),
    "clickhouse": Stand(
        "clickhouse", "ClickHouse's engine (chdb) behind an HTTP front of the tests", Proof.ENGINE
    ),
    "starrocks_stub": Stand("starrocks", "a stub of the protocol over DuckDB", Proof.STUB),
    "trino_tls": Stand("trino", "Trino with TLS and passwords", Proof.ENGINE),
    "exasol_stub": Stand("exasol", "a stub of the protocol over DuckDB", Proof.STUB),
    "athena_stub_on_trino": Stand(
        "athena", "a stub of the API over Trino, whose SQL Athena speaks", Proof.EMULATOR
    ),
    "mssql_emulator": Stand("mssql", "the emulator pysqlbridge", Proof.EMULATOR),
    "bigquery_emulator": Stand("bigquery", "the emulator local-bigquery", Proof.EMULATOR),
    "snowflake_emulator": Stand(
        "snowflake", "the emulator fakesnow behind a front of the tests", Proof.EMULATOR
    ),
    "databricks_stub": Stand("databricks", "a stub of the Thrift service over DuckDB", Proof.STUB),
}


@dataclass
class Recording:
    """Results by subject and check."""

    found: dict[str, dict[str, Result]] = field(default_factory=dict)

    def note(self, subject: str, result: Result) -> None:
        """Keep one result."""
        self.found.setdefault(subject, {})[result.check] = result

    def write(self, file: Path) -> None:
        """Put every subject whose checks were all made into the file; others stay as they are."""
        kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
        names = [check.name for check in CHECKS]
        for subject, results in self.found.items():
            bad = [r.check for r in results.values() if r.status is Status.FAILED]
            if set(results) == set(names) and not bad:
                kept[subject] = _entry(STANDS[subject], [results[name] for name in names])
        text = json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False)
        file.write_text(text + "\n", "utf-8")


def _entry(stand: Stand, results: list[Result]) -> dict[str, Any]:
    dialect = registry.get(stand.dialect)
    report = report_for(dialect)
    return {
        "dialect": stand.dialect,
        "against": stand.against,
        "proof": stand.proof.value,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "dragoman": report.dragoman,
        "driver": report.driver,
        "fingerprint": fingerprint(dialect.declaration),
        "results": {result.check: _told(result) for result in results},
    }


def _told(result: Result) -> list[str]:
    """The status, and the words that do not change from run to run."""
    stable = result.status is not Status.PASSED
    return [result.status.value, result.found] if stable else [result.status.value]


@dataclass
class Answers:
    """Questions by dialect, each with why it cannot be answered, or nothing."""

    found: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, dialect: str, question: str, gap: str) -> None:
        """Keep one."""
        self.found.setdefault(dialect, {})[question] = gap

    def write(self, file: Path) -> None:
        """Put every dialect that was asked into the file; others stay as they are."""
        kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
        for dialect, questions in self.found.items():
            kept[dialect] = {
                "date": dt.datetime.now(dt.UTC).date().isoformat(),
                "questions": list(questions),
                "gaps": {name: gap for name, gap in questions.items() if gap},
            }
        text = json.dumps(dict(sorted(kept.items())), indent=1, ensure_ascii=False)
        file.write_text(text + "\n", "utf-8")
