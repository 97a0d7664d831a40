"""One suite for every live dialect, each against a real engine."""

from __future__ import annotations

import importlib.util
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.dialects.diagnosis import Status, diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from tests.engines.conformance import (
    SLOW_MACHINE,
    Subject,
    duckdb_subject,
    mariadb_subject,
    postgres_subject,
    rows,
    until,
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
    *("mssql_emulator", "bigquery_emulator"),
]
# Its driver is in an environment of its own, where test_databricks.py runs this suite too.
if importlib.util.find_spec("databricks"):
    SUBJECTS.append("databricks_stub")
NETWORKED = [name for name in SUBJECTS if name != "duckdb"]
WITH_TLS = [
    *("redshift_on_postgres", "postgres_tls", "mariadb_tls", "clickhouse_tls", "trino_tls"),
    *("exasol_stub", "mssql_emulator"),
]
# What a dialect is known not to do, by subject and test; a gap that is none fails.
GAPS = {
    ("bigquery_emulator", "test_wrong_password_unknown_database_and_port_name_their_stage"): (
        "the port is always 443: the tests of the adapter have the rest"
    ),
    ("bigquery_emulator", "test_text_of_all_alphabets_and_nulls_arrive"): (
        "two quotes are none in its literals: its own test writes them with a backslash"
    ),
    ("bigquery_emulator", "test_a_dropped_connection_is_an_error_and_not_a_hang"): (
        "HTTP dials anew"
    ),
    ("databricks_stub", "test_wrong_password_unknown_database_and_port_name_their_stage"): (
        "the port is always 443: the tests of the adapter have the rest"
    ),
    ("databricks_stub", "test_text_of_all_alphabets_and_nulls_arrive"): (
        "two quotes are none in its literals: its own test writes them with a backslash"
    ),
    ("databricks_stub", "test_the_session_alone_refuses_writes"): "no read-only session there",
    ("starrocks_stub", "test_the_session_alone_refuses_writes"): "no read-only session there",
    ("exasol_stub", "test_wrong_password_unknown_database_and_port_name_their_stage"): (
        "a cluster holds one database, so none can be unknown"
    ),
    ("exasol_stub", "test_the_session_alone_refuses_writes"): (
        "Exasol has no read-only transaction: writes are rolled back"
    ),
    ("clickhouse", "test_a_dropped_connection_is_an_error_and_not_a_hang"): "HTTP dials anew",
    **{
        ("mssql_emulator", test): "the emulator answers before it reads a cancel"
        for test in (
            "test_the_time_limit_stops_a_statement",
            "test_cancel_from_another_thread_stops_the_statement_in_the_server",
        )
    },
    ("mssql_emulator", "test_memory_does_not_grow_with_the_rows"): "it has 200,000 rows at most",
    ("mssql_emulator", "test_text_of_all_alphabets_and_nulls_arrive"): (
        "the emulator miscounts characters of two UTF-16 units"
    ),
    ("mssql_emulator", "test_the_session_alone_refuses_writes"): (
        "SQL Server has no read-only transaction: writes are rolled back"
    ),
    ("mssql_emulator", "test_wrong_password_unknown_database_and_port_name_their_stage"): (
        "the emulator has every database"
    ),
}


def build(  # noqa: C901, PLR0911 - one line for each subject
    name: str, request: pytest.FixtureRequest, directory: Path
) -> Subject:
    if name == "duckdb":
        return duckdb_subject(directory)
    if name.startswith("postgres"):
        return postgres_subject(request.getfixturevalue(f"{name}_server"))
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
        return trino_subject(asked, request.getfixturevalue("relay")(asked), server.plain)
    return mariadb_subject(request.getfixturevalue(f"{name}_server"))


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    if reason := GAPS.get((request.param, request.function.__name__)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    return build(request.param, request, tmp_path)


every = pytest.mark.parametrize("subject", SUBJECTS, indirect=True)
networked = pytest.mark.parametrize("subject", NETWORKED, indirect=True)
with_tls = pytest.mark.parametrize("subject", WITH_TLS, indirect=True)


def failure_of(subject: Subject, **options: float) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect(**options).close()
    return caught.value


@every
def test_a_session_answers_and_finds_schemas_and_tables(subject: Subject) -> None:
    with subject.session() as session:
        session.ping()
        schemas = session.schemas()
        assert schemas
        assert session.readable_tables([]) >= 1
        assert session.readable_tables(schemas) >= 1
        assert session.readable_tables(["no such schema"]) == 0
        assert rows(session, "SELECT a FROM victim -- with a comment") == [{"a": 1}]
        session.ping()


@every
def test_text_of_all_alphabets_and_nulls_arrive(subject: Subject) -> None:
    with subject.session() as session:
        assert rows(session, "SELECT 'aü€😀''\"' AS t, NULL AS n;") == [
            {"t": "aü€😀'\"", "n": None}
        ]
        assert list(session.run("SELECT a FROM victim WHERE a > 5").batches) == []


@every
def test_many_rows_stream_in_batches(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run(f"SELECT n, 'some text of a row' AS t FROM {subject.numbers(200_000)}")
        sizes = [batch.num_rows for batch in answer.batches]
    assert sum(sizes) == 200_000
    assert len(sizes) > 2
    assert answer.schema.names == ["n", "t"]


@every
def test_closing_early_leaves_the_session_usable(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run(f"SELECT n FROM {subject.numbers(3_000_000)}")
        next(answer.batches)
        started = time.monotonic()
        answer.close()
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
        assert time.monotonic() - started < SLOW_MACHINE
        assert list(answer.batches) == []
        # An answer that nobody read to its end does not block the next one either.
        next(session.run(f"SELECT n FROM {subject.numbers(1_000_000)}").batches)
        session.reset()
        session.ping()


@every
def test_the_time_limit_stops_a_statement(subject: Subject) -> None:
    with subject.session(timeout_seconds=1.0) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert caught.value.stage is Stage.QUERY
        assert 0.9 < time.monotonic() - started < 2.0
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


@every
def test_cancel_from_another_thread_stops_the_statement_in_the_server(subject: Subject) -> None:
    with subject.session() as session:
        running = subject.server_running

        def cancel_soon() -> None:
            if running is None:
                time.sleep(0.5)
            else:
                assert until(lambda: running(subject.sleep))
            session.cancel()

        canceller = threading.Thread(target=cancel_soon)
        canceller.start()
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        canceller.join()
        assert caught.value.cause is Cause.CANCELLED
        assert time.monotonic() - started < 10
        if running is not None:
            assert until(lambda: not running(subject.sleep))
        session.cancel()  # nothing runs: harmless
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


@every
def test_cancel_between_batches_ends_the_answer(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run(f"SELECT n FROM {subject.numbers(5_000_000)}")
        next(answer.batches)
        session.cancel()
        with pytest.raises(DatabaseFailure) as caught:
            list(answer.batches)
        assert caught.value.cause is Cause.CANCELLED
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


@networked
def test_a_dropped_connection_is_an_error_and_not_a_hang(subject: Subject) -> None:
    assert subject.kill_sessions
    with subject.session() as session:
        rows(session, "SELECT 1 AS a")
        subject.kill_sessions()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, "SELECT 1 AS a")
        assert caught.value.cause is Cause.CONNECTION_LOST
        assert session.broken


@networked
def test_a_connection_dropped_while_a_statement_runs(subject: Subject) -> None:
    assert subject.kill_sessions
    with subject.session() as session:
        threading.Timer(0.5, subject.kill_sessions).start()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        assert caught.value.cause is Cause.CONNECTION_LOST
        assert session.broken


@every
def test_nothing_that_writes_gets_through(subject: Subject) -> None:
    with subject.session() as session:
        for sql in subject.writes:
            with pytest.raises(DatabaseFailure) as caught:
                rows(session, sql)
            assert caught.value.stage is Stage.QUERY, sql
            assert not session.broken, sql
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    assert not Path("/tmp/dragoman-out").exists()
    assert not Path("/tmp/dragoman-out.csv").exists()


@every
def test_the_session_alone_refuses_writes(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the second line of defence the first one holds."""
    monkeypatch.setattr(
        "dragoman.dialects.streaming.single_reading_statement", lambda sql, _: sql.strip()
    )
    monkeypatch.setattr(
        "dragoman.dialects.postgres_session.first_keyword", lambda sql: "SHOW", raising=False
    )
    monkeypatch.setattr(
        "dragoman.dialects.adapters.redshift.session.single_reading_statement", lambda sql, _: sql
    )
    with subject.session() as session:
        for sql in subject.refused:
            with pytest.raises(DatabaseFailure) as caught:
                rows(session, sql)
            assert caught.value.cause is Cause.READ_ONLY, (sql, caught.value)
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


@every
def test_errors_of_statements_have_causes(subject: Subject) -> None:
    expected = {
        "SELECT FROM WHERE": {Cause.SYNTAX_ERROR},
        "SELECT nothing FROM victim": {Cause.OBJECT_NOT_FOUND},
        "SELECT a FROM no_such_table": {Cause.OBJECT_NOT_FOUND},
    }
    with subject.session() as session:
        for sql, causes in expected.items():
            with pytest.raises(DatabaseFailure) as caught:
                rows(session, sql)
            assert caught.value.cause in causes, (sql, caught.value)
            assert caught.value.stage is Stage.QUERY


@networked
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
    tls = replace(subject.policy.tls, ca_file=certificates.other_ca_file)
    failure = failure_of(replace(subject, policy=replace(subject.policy, tls=tls)))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)


@pytest.mark.parametrize("subject", ["postgres", "mariadb", "clickhouse", "trino"], indirect=True)
def test_plain_text_only_where_it_is_allowed(subject: Subject) -> None:
    tls = replace(subject.policy.tls, plaintext="never")
    failure = failure_of(replace(subject, policy=replace(subject.policy, tls=tls)))
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


@pytest.mark.parametrize("subject", ["postgres", "mariadb", "clickhouse", "trino"], indirect=True)
@pytest.mark.parametrize(
    "noise", [b"", b"\x00" * 64, bytes(range(256)) * 40, b"HTTP/1.1 400\r\n\r\n"]
)
def test_a_stranger_is_a_failure_and_not_a_hang(subject: Subject, noise: bytes) -> None:
    with serving(saying(noise)) as port:
        stranger = subject.with_settings(port=port)
        failure = failure_of(stranger, connect_seconds=1.0)
        found = diagnose(
            stranger.dialect,
            stranger.target,
            stranger.policy,
            stranger.options(connect_seconds=1.0),
            deadline=15.0,
        )
    assert failure.stage in {Stage.TCP, Stage.TLS, Stage.AUTHENTICATION}
    assert found.failed
    assert found.failed.stage in {Stage.TCP, Stage.TLS, Stage.AUTHENTICATION}


@every
def test_the_diagnosis_of_a_good_connection_passes_every_stage(subject: Subject) -> None:
    found = diagnose(subject.dialect, subject.target, subject.policy, subject.options())
    assert found.success
    assert [s.stage for s in found.stages] == list(Stage)
    skipped = [s.stage for s in found.stages if s.status is Status.SKIPPED]
    nothing_dialled = subject.dialect.network_address(subject.target) is None
    assert skipped == ([Stage.DNS, Stage.TCP, Stage.TLS] if nothing_dialled else [])


@every
def test_the_diagnosis_names_a_missing_schema(subject: Subject) -> None:
    for setting in ("defaultSchema", "includeSchemas"):
        poor = subject.with_settings(**{setting: "no_such_schema"})
        found = diagnose(poor.dialect, poor.target, poor.policy, poor.options())
        assert found.failed
        assert found.failed.stage is Stage.SCHEMA
        assert "no_such_schema" in found.failed.message


@every
def test_memory_does_not_grow_with_the_rows(subject: Subject) -> None:
    """A million rows of 100 bytes; the resident set may grow by a third of them at most."""
    import psutil

    me = psutil.Process()
    with subject.session() as session:
        rows(session, "SELECT 1 AS a")
        text = "0123456789" * 10
        answer = session.run(f"SELECT n, '{text}' AS t FROM {subject.numbers(1_000_000)}")
        next(answer.batches)
        before = highest = me.memory_info().rss
        count = 0
        for batch in answer.batches:
            count += batch.num_rows
            highest = max(highest, me.memory_info().rss)
    assert count > 900_000
    assert highest - before < 40e6
