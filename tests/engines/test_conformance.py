"""The suite of `dragoman conformance`, on the engines and stand-ins of the tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from dragoman.dialects import conformance
from dragoman.dialects.conformance import answers
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from tests.engines.conformance import (
    Subject,
    duckdb_subject,
    mariadb_subject,
    postgres_subject,
    rows,
)
from tests.engines.support.bigquery import bigquery_subject
from tests.engines.support.clickhouse import clickhouse_subject
from tests.engines.support.databricks import databricks_subject
from tests.engines.support.exasol import exasol_subject
from tests.engines.support.mssql import mssql_subject
from tests.engines.support.redshift import redshift_subject
from tests.engines.support.starrocks import starrocks_subject
from tests.engines.support.trino import trino_subject
from tests.support.certificates import Certificates
from tests.support.servers import refusing, saying, serving

SUBJECTS = [
    *("duckdb", "postgres", "postgres_tls", "mariadb", "mariadb_tls", "mysql_on_mariadb"),
    "redshift_on_postgres",
    *("clickhouse", "starrocks_stub", "trino_tls", "exasol_stub"),
    *("mssql_emulator", "bigquery_emulator", "snowflake_emulator", "lakebase_on_postgres"),
    "athena_stub_on_trino",
]
# Its driver is in an environment of its own, where test_databricks.py runs this suite too.
if importlib.util.find_spec("databricks"):
    SUBJECTS.append("databricks_stub")
NETWORKED = [name for name in SUBJECTS if name != "duckdb"]
WITH_TLS = [
    *("redshift_on_postgres", "postgres_tls", "mariadb_tls", "clickhouse_tls", "trino_tls"),
    *("exasol_stub", "mssql_emulator"),
]
# What a stand-in cannot show, by subject and check; what then works all the same is a failure.
GAPS: dict[str, dict[str, str]] = {
    "mysql_on_mariadb": {"type_json": "MariaDB casts nothing to JSON"},
    "starrocks_stub": {
        "type_decimal": "the stub sends decimals as text",
        "type_binary": "the stub cannot send bytes",
        "time_zone": "the stub keeps no time zone",
    },
    "exasol_stub": {"type_json": "the stub's engine knows JSON"},
    "databricks_stub": {
        "type_time": "the stub's engine has a time of day",
        "type_json": "the stub's engine knows JSON",
    },
    "bigquery_emulator": {"time_zone": "the emulator formats in UTC"},
    "snowflake_emulator": {
        "type_timestamp": "the emulator sends a null as the first of January 1970",
        "type_timestamp_tz": "the emulator sends a null as the first of January 1970",
        "time_zone": "the emulator keeps no time zone",
    },
    "mssql_emulator": {
        "catalog": "the emulator does not know COLLATE",
        "text": "the emulator miscounts characters of two UTF-16 units",
        "type_decimal": "the emulator sends a double",
        "type_timestamp": "the emulator rounds as datetime does",
        "type_timestamp_tz": "the emulator has no datetimeoffset",
        "type_date": "the emulator sends a datetime",
        "type_time": "the emulator has no time",
        "type_binary": "the emulator takes it for a number",
        "memory": "the emulator has 200,000 rows at most",
        "time_limit": "the emulator answers before it reads a cancel",
        "cancel": "the emulator answers before it reads a cancel",
        "read_only": "the emulator writes nothing",
    },
}
# Where a wrong database or port cannot be named.
NO_WRONG_PLACE = {
    "bigquery_emulator": "the port is always 443: the tests of the adapter have the rest",
    "databricks_stub": "the port is always 443: the tests of the adapter have the rest",
    "snowflake_emulator": "the port is always 443: the tests of the adapter have the rest",
    "athena_stub_on_trino": "the port is always 443: the tests of the adapter have the rest",
    "exasol_stub": "a cluster holds one database, so none can be unknown",
    "mssql_emulator": "the emulator has every database",
}
# Where a million rows pass through memory each time: fakesnow's pieces are too large for fewer. The
# other adapters are examined with fewer, but for those where rows come by the thousand.
MEMORY = {"duckdb", "postgres_tls", "mariadb_tls", "clickhouse", "snowflake_emulator"}
SLOW = {(name, "memory") for name in SUBJECTS if name not in MEMORY}
SLOW |= {("athena_stub_on_trino", "streaming")}
WITH_FEWER = [
    *(("redshift_on_postgres", "memory"), ("starrocks_stub", "memory"), ("trino_tls", "memory")),
    *(("exasol_stub", "memory"), ("bigquery_emulator", "memory")),
    ("athena_stub_on_trino", "streaming"),
]
if "databricks_stub" in SUBJECTS:
    WITH_FEWER.append(("databricks_stub", "memory"))


def suite() -> Iterator[ParameterSet]:
    """Every check on every subject, those that take long as slow tests."""
    for name in SUBJECTS:
        for check in conformance.CHECKS:
            marks = [pytest.mark.slow] if (name, check.name) in SLOW else []
            yield pytest.param(name, check, id=f"{name}-{check.name}", marks=marks)


def check_of(name: str) -> conformance.Check:
    return next(check for check in conformance.CHECKS if check.name == name)


def build(  # noqa: C901, PLR0911, PLR0912 - one line for each subject
    name: str, request: pytest.FixtureRequest, directory: Path
) -> Subject:
    if name == "duckdb":
        return duckdb_subject(directory)
    if name.startswith("postgres"):
        return postgres_subject(request.getfixturevalue(f"{name}_server"))
    if name == "athena_stub_on_trino":
        return request.getfixturevalue(name)
    if name == "snowflake_emulator":
        return request.getfixturevalue(name).subject()
    if name == "lakebase_on_postgres":
        server = request.getfixturevalue("postgres_tls_server")
        return postgres_subject(server, "databricks_lakebase")
    if name == "redshift_on_postgres":
        return redshift_subject(request.getfixturevalue("postgres_tls_server"))
    if name == "mysql_on_mariadb":
        return mariadb_subject(request.getfixturevalue("mariadb_server"), "mysql")
    if name == "starrocks_stub":
        return starrocks_subject(request.getfixturevalue("starrocks_server"))
    if name.startswith("clickhouse"):
        return clickhouse_subject(request.getfixturevalue(f"{name}_server"))
    if name == "mssql_emulator":
        server = request.getfixturevalue("mssql_server")
        return mssql_subject(server, request.getfixturevalue("relay")(server))
    if name == "bigquery_emulator":
        return bigquery_subject(request.getfixturevalue(name))
    if name == "databricks_stub":
        return databricks_subject(request.getfixturevalue(f"{name}_server"))
    if name == "exasol_stub":
        return exasol_subject(request.getfixturevalue(f"{name}_server"))
    if name.startswith("trino"):
        server = request.getfixturevalue("trino_server")
        asked = server if name == "trino_tls" else server.plain
        return trino_subject(asked, server.plain)
    return mariadb_subject(request.getfixturevalue(f"{name}_server"))


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    built = build(request.param, request, tmp_path)
    return replace(built, gaps=GAPS.get(request.param, {}))


every = pytest.mark.parametrize("subject", SUBJECTS, indirect=True)
networked = pytest.mark.parametrize("subject", NETWORKED, indirect=True)
with_tls = pytest.mark.parametrize("subject", WITH_TLS, indirect=True)


def failure_of(subject: Subject, **options: float) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect(**options).close()
    return caught.value


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("subject", "check"), list(suite()), indirect=["subject"])
def test_the_suite(
    subject: Subject,
    check: conformance.Check,
    record: Callable[[str, conformance.Result], None],
    request: pytest.FixtureRequest,
) -> None:
    result = conformance.run(check, subject)
    record(request.node.callspec.params["subject"], result)
    assert result.status is not conformance.Status.FAILED, result.found


@pytest.mark.parametrize(("subject", "name"), WITH_FEWER, indirect=["subject"])
def test_the_suite_with_fewer_rows(
    subject: Subject, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held together, the rows would be twice the memory that is allowed."""
    monkeypatch.setattr(answers, "ROWS", 20_000)
    monkeypatch.setattr(answers, "MANY_ROWS", 500_000)
    monkeypatch.setattr(answers, "MEMORY_BYTES", 25_000_000)
    result = conformance.run(check_of(name), subject)
    assert result.status is not conformance.Status.FAILED, result.found


@pytest.mark.parametrize("name", ["cancel", "dropped_while_running", "dropped_between"])
@pytest.mark.parametrize(
    "subject", ["postgres_tls", "mariadb_tls", "clickhouse", "trino_tls"], indirect=True
)
def test_the_suite_sees_and_cuts_by_its_own_means(subject: Subject, name: str) -> None:
    """As at a user's: no other way into the server, and a relay to cut."""
    result = conformance.run(check_of(name), replace(subject, server_running=None, sever=None))
    assert result.status is not conformance.Status.FAILED, result.found
    if name == "cancel":
        assert "showed it before and not after" in result.found


@every
def test_nothing_that_writes_gets_through(subject: Subject) -> None:
    with subject.session() as session:
        for sql in subject.writes:
            with pytest.raises(DatabaseFailure) as caught:
                rows(session, sql)
            assert caught.value.stage is Stage.QUERY, sql
            assert not session.broken, sql
        found = rows(session, f"SELECT a FROM {subject.victim} -- with a comment")
        assert [list(row.values()) for row in found] == [[1]]
    assert not Path("/tmp/dragoman-out").exists()
    assert not Path("/tmp/dragoman-out.csv").exists()


@pytest.mark.parametrize(
    "subject", [name for name in NETWORKED if name not in NO_WRONG_PLACE], indirect=True
)
def test_wrong_password_unknown_database_and_port_name_their_stage(subject: Subject) -> None:
    failure = failure_of(subject.with_settings(password="not-the-password"))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert "not-the-password" not in repr(failure)
    failure = failure_of(subject.with_settings(database="no_such_database"))
    assert failure.stage is Stage.DATABASE
    with refusing() as port:
        failure = failure_of(subject.with_settings(port=port))
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.REFUSED)
    failure = failure_of(subject.with_settings(host="no-such-host.invalid"))
    assert (failure.stage, failure.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)


@with_tls
def test_an_untrusted_server_gets_no_password(subject: Subject, certificates: Certificates) -> None:
    tls = replace(subject.network.tls, ca_file=certificates.other_ca_file)
    failure = failure_of(replace(subject, network=replace(subject.network, tls=tls)))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)


@pytest.mark.parametrize("subject", ["postgres", "mariadb", "clickhouse", "trino"], indirect=True)
def test_plain_text_only_where_it_is_allowed(subject: Subject) -> None:
    tls = replace(subject.network.tls, plaintext="never")
    failure = failure_of(replace(subject, network=replace(subject.network, tls=tls)))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


@pytest.mark.parametrize("subject", ["postgres", "mariadb", "clickhouse", "trino"], indirect=True)
@pytest.mark.parametrize(
    "noise", [b"", b"\x00" * 64, bytes(range(256)) * 40, b"HTTP/1.1 400\r\n\r\n"]
)
def test_a_stranger_is_a_failure_and_not_a_hang(subject: Subject, noise: bytes) -> None:
    with serving(saying(noise)) as port:
        stranger = subject.with_settings(port=port)
        failure = failure_of(stranger, connect_seconds=0.5)
        found = diagnose(
            stranger.dialect,
            stranger.target,
            stranger.network,
            stranger.options(connect_seconds=0.5),
            deadline=15.0,
        )
    assert failure.stage in {Stage.TCP, Stage.TLS, Stage.AUTHENTICATION}
    assert found.failed
    assert found.failed.stage in {Stage.TCP, Stage.TLS, Stage.AUTHENTICATION}


@every
def test_the_diagnosis_names_a_missing_schema(subject: Subject) -> None:
    for setting in ("defaultSchema", "includeSchemas"):
        poor = subject.with_settings(**{setting: "no_such_schema"})
        found = diagnose(poor.dialect, poor.target, poor.network, poor.options())
        assert found.failed
        assert found.failed.stage is Stage.SCHEMA
        assert "no_such_schema" in found.failed.message
