"""Engines and stand-ins that only the tests of dialects ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects.conformance import Result, limits
from tests.engines.conformance import Subject
from tests.engines.recording import Answers, Recording
from tests.engines.support.athena_on_trino import athena_on_trino
from tests.engines.support.bigquery import BigQuery, run_bigquery
from tests.engines.support.clickhouse import run_clickhouse
from tests.engines.support.databricks import run_databricks_stub
from tests.engines.support.exasol import run_exasol_stub
from tests.engines.support.mssql import run_mssql
from tests.engines.support.relay import Relay
from tests.engines.support.snowflake import Snowflake, run_snowflake
from tests.engines.support.starrocks import run_starrocks
from tests.engines.support.trino import Trino, run_trino
from tests.support.certificates import Certificates
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE


@pytest.fixture(scope="session")
def clickhouse_server(start_engine: Callable[..., Engine]) -> Engine:
    """ClickHouse's engine (chdb) behind our HTTP front; no TLS."""
    return start_engine("clickhouse", run_clickhouse)


@pytest.fixture(scope="session")
def clickhouse_tls_server(
    start_engine: Callable[..., Engine], certificates: Certificates
) -> Engine:
    """The same with a certificate for localhost, 127.0.0.1 and ::1."""
    return start_engine(
        "clickhouse with TLS", lambda: run_clickhouse(certificates.good, certificates.ca_file)
    )


@pytest.fixture(scope="session")
def trino_server(start_engine: Callable[..., Engine], certificates: Certificates) -> Engine:
    """A real Trino by its port with TLS and passwords; its `plain` port has neither."""
    return start_engine("trino", lambda: run_trino(certificates))


@pytest.fixture
def relay() -> Iterator[Callable[[Engine], Relay]]:
    """Puts a relay in front of an engine, for the time of the test."""
    made: list[Relay] = []

    def before(engine: Engine) -> Relay:
        made.append(Relay(engine.port))
        return made[-1]

    yield before
    for each in made:
        each.cut()


@pytest.fixture(scope="session")
def exasol_stub_server(start_engine: Callable[..., Engine], certificates: Certificates) -> Engine:
    """A stub of Exasol's protocol, always with TLS."""
    return start_engine("exasol (protocol stub)", lambda: run_exasol_stub(certificates))


@pytest.fixture(scope="session")
def starrocks_server(start_engine: Callable[..., Engine]) -> Engine:
    """A stub of StarRocks' protocol (mysql-mimic); no TLS."""
    return start_engine("starrocks (stub)", run_starrocks)


@pytest.fixture(scope="session")
def mssql_server(start_engine: Callable[..., Engine], certificates: Certificates) -> Engine:
    """An emulator of SQL Server (pysqlbridge), with TLS."""
    return start_engine("mssql (emulator)", lambda: run_mssql(certificates))


@pytest.fixture(scope="session")
def databricks_stub_server(
    start_engine: Callable[..., Engine], certificates: Certificates
) -> Engine:
    """A stub of Databricks' service, always with TLS."""
    return start_engine("databricks (protocol stub)", lambda: run_databricks_stub(certificates))


@pytest.fixture
def athena_stub_on_trino(trino_server: Trino, tmp_path: Path) -> Iterator[Subject]:
    """A stub of Athena's API over a real Trino."""
    with athena_on_trino(trino_server, tmp_path) as subject:
        yield subject


@pytest.fixture(scope="session")
def snowflake_emulator(start_engine: Callable[..., Any]) -> Snowflake:
    """fakesnow behind our front: TLS, sign-in, aborts and stages are the front's."""
    return start_engine("snowflake (emulator)", run_snowflake)


@pytest.fixture(scope="session")
def bigquery_emulator(start_engine: Callable[..., Any]) -> BigQuery:
    """local-bigquery behind TLS and Google's names, and a stub of the token endpoint."""
    return start_engine("bigquery (emulator)", run_bigquery)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="Write what the suite found into this file.")
    parser.addoption("--record-questions", type=Path, help="Write which questions were answered.")


@pytest.fixture(scope="session")
def recording(request: pytest.FixtureRequest) -> Iterator[Recording | None]:
    """What the suite found, written at the end when a file is asked for."""
    # The option is only there when this folder was named.
    file = request.config.getoption("--record", None)
    made = Recording() if file else None
    yield made
    if made is not None:
        made.write(file)


@pytest.fixture(autouse=True)
def patience(
    recording: Recording | None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The suite holds an engine to a second; only a record needs a machine of its own for that."""
    if recording is None:
        late = limits.LATE_SECONDS + SLOW_MACHINE
        monkeypatch.setattr(limits, "LATE_SECONDS", late)
        monkeypatch.setattr(limits, "UNDER_WAY_SECONDS", 0.1)
        if "bigquery_emulator" in request.node.name:
            # It goes on with what was stopped, beside the next statement.
            monkeypatch.setattr(limits, "LIMIT_SECONDS", 3.0)


@pytest.fixture
def record(recording: Recording | None) -> Callable[[str, Result], None]:
    """Notes a result of the suite under the name of its subject."""
    return recording.note if recording else lambda subject, result: None


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers | None]:
    """Which questions were answered, written at the end when a file is asked for."""
    file = request.config.getoption("--record-questions", None)
    made = Answers() if file else None
    yield made
    if made is not None:
        made.write(file)


@pytest.fixture
def note_answer(answers: Answers | None) -> Callable[[str, str, str], None]:
    """Notes that a dialect answers a question, or why what stands in for it does not."""
    return answers.note if answers else lambda dialect, question, gap: None
