"""What is PostgreSQL's own: types, settings, and an environment that must not leak in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address
from dragoman.dialects.postgres_connect import _where, conninfo
from dragoman.dialects.postgres_numeric import declared_type
from dragoman.dialects.sql.postgres import FUNCTIONS
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, policy, postgres_subject, rows, target
from tests.support.engines import Engine


@pytest.fixture
def postgres(postgres_server: Engine) -> Subject:
    return postgres_subject(postgres_server)


CASES: list[tuple[str, pa.DataType, Any]] = [
    ("1::int2", pa.int16(), 1),
    ("1", pa.int32(), 1),
    ("9223372036854775807", pa.int64(), 2**63 - 1),
    ("4294967295::oid", pa.int64(), 4294967295),
    ("1.5::float4", pa.float32(), 1.5),
    ("1.5::float8", pa.float64(), 1.5),
    ("1.5::numeric(10,2)", pa.decimal128(10, 2), Decimal("1.50")),
    ("1.5::numeric(50,2)", pa.decimal256(50, 2), Decimal("1.50")),
    ("1.50::numeric", pa.decimal128(3, 2), Decimal("1.50")),
    ("12.34::money", pa.decimal128(21, 3), Decimal("12.340")),
    ("true", pa.bool_(), True),
    ("'é'::varchar(3)", pa.string(), "é"),
    ("'ab'::char(3)", pa.string(), "ab "),
    ("'\\xdead'::bytea", pa.binary(), b"\xde\xad"),
    ("date '2024-02-29'", pa.date32(), date(2024, 2, 29)),
    ("time '10:11:12.5'", pa.time64("us"), time(10, 11, 12, 500000)),
    ("timestamp '2024-02-29 10:00'", pa.timestamp("us"), datetime(2024, 2, 29, 10)),  # noqa: DTZ001
    (
        "timestamptz '2024-02-29 10:00+02'",
        pa.timestamp("us", "UTC"),
        datetime(2024, 2, 29, 8, tzinfo=UTC),
    ),
    ("""'{"a": 1}'::json""", pa.string(), '{"a": 1}'),
    ("""'{"a":1}'::jsonb""", pa.string(), '{"a": 1}'),
    (
        "'c9a4b1a0-0000-4000-8000-000000000000'::uuid",
        pa.string(),
        "c9a4b1a0-0000-4000-8000-000000000000",
    ),
    ("inet '10.0.0.1'", pa.string(), "10.0.0.1/32"),
    ("point(1,2)", pa.string(), "(1,2)"),
    ("int4range(1,3)", pa.string(), "[1,3)"),
    ("b'101'", pa.string(), "101"),
    ("timetz '10:00+02'", pa.string(), "10:00:00+02"),
    ("row(1,'x')", pa.string(), '{"f1":1,"f2":"x"}'),
    ("array[1,null,3]", pa.list_(pa.int32()), [1, None, 3]),
    ("'{1.50,2}'::numeric(5,2)[]", pa.list_(pa.string()), ["1.50", "2.00"]),
    ("'{}'::text[]", pa.list_(pa.string()), []),
    ("null", pa.string(), None),
]


@pytest.mark.parametrize(("sql", "kind", "value"), CASES, ids=[case[0] for case in CASES])
def test_types(postgres: Subject, sql: str, kind: pa.DataType, value: Any) -> None:
    with postgres.session() as session:
        answer = session.run(f"SELECT {sql} AS v")
        found = [row["v"] for batch in answer.batches for row in batch.to_pylist()]
    assert answer.schema.field("v").type == kind
    assert found == [value]


def test_texts_that_stand_for_another_type_say_so(postgres: Subject) -> None:
    with postgres.session() as session:
        schema = session.run("SELECT '{}'::json AS j").schema
    assert schema.field("j").metadata == {b"dragoman:type": b"json"}


def test_what_arrow_cannot_hold_is_null_with_a_notice_and_never_another_value(
    postgres: Subject,
) -> None:
    values = ["'NaN'::numeric(5,2)", "'infinity'::timestamp", "'-infinity'::timestamptz"]
    values += ["'infinity'::date", "'-infinity'::date", "'24:00'::time"]
    with postgres.session() as session:
        for sql in values:
            answer = session.run(f"SELECT {sql} AS v")
            assert [r["v"] for b in answer.batches for r in b.to_pylist()] == [None]
            assert len(answer.notices) == 1, sql
        clean = session.run("SELECT date '2024-01-01' AS v")
        list(clean.batches)
        assert clean.notices == []


def test_arrays_of_several_dimensions_are_refused(postgres: Subject) -> None:
    with postgres.session() as session, pytest.raises(DatabaseFailure, match="several dimensions"):
        rows(session, "SELECT array[[1,2],[3,4]] AS v")


def test_columns_of_one_name_keep_their_places(postgres: Subject) -> None:
    with postgres.session() as session:
        answer = session.run("SELECT 1 AS a, inet '10.0.0.1' AS a, 3 AS \"A b\"")
        batch = next(answer.batches)
    assert answer.schema.names == ["a", "a", "A b"]
    assert [column[0].as_py() for column in batch.columns] == [1, "10.0.0.1/32", 3]


def test_statements_that_cannot_be_copied(postgres: Subject) -> None:
    with postgres.session() as session:
        assert rows(session, "SHOW server_encoding;") == [{"server_encoding": "UTF8"}]
        assert "Result" in rows(session, "EXPLAIN SELECT 1 -- why")[0]["QUERY PLAN"]
        assert rows(session, "VALUES (1), (2)") == [{"column1": 1}, {"column1": 2}]
        assert rows(session, "TABLE victim") == [{"a": 1}]


def test_the_time_zone_and_the_default_schema_hold_in_each_statement(postgres: Subject) -> None:
    subject = postgres.with_settings(defaultSchema='odd "name"')
    with subject.session(timezone="Asia/Kolkata") as session:
        for _ in range(2):
            assert rows(session, "SHOW timezone") == [{"TimeZone": "Asia/Kolkata"}]
            path = rows(session, "SHOW search_path")[0]["search_path"]
            assert path.startswith('"odd ""name"""')
            session.reset()


def test_a_text_ends_where_it_was_checked_to_end_whatever_the_databases_settings(
    postgres_server: Engine, postgres: Subject
) -> None:
    """A value that a person filters by reaches the database inside such a text."""
    value = r"\' OR true --"
    subject = postgres.with_settings(defaultSchema=r"back\slash's")
    setting = "ALTER DATABASE app {} standard_conforming_strings"
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as connection:
        connection.execute(setting.format("SET").encode() + b" = off")
        try:
            with subject.session() as session:
                for _ in range(2):
                    sql = f"SELECT {FUNCTIONS.string(value)} AS v FROM victim"
                    assert rows(session, sql) == [{"v": value}]
                    session.reset()
        finally:
            connection.execute(setting.format("RESET").encode())


def test_reset_gives_up_locks_and_settings(postgres: Subject) -> None:
    with postgres.session() as one, postgres.session() as other:
        rows(one, "SELECT pg_advisory_lock(42)::text")
        rows(one, "SELECT set_config('work_mem', '7MB', false)")
        taken = "SELECT pg_try_advisory_lock(42) AS free"
        assert rows(other, taken) == [{"free": False}]
        one.reset()
        assert rows(other, taken) == [{"free": True}]
        assert rows(one, "SHOW work_mem") != [{"work_mem": "7MB"}]


def test_the_environment_has_no_say(
    postgres: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.write_text("*:*:*:*:stolen\n")
    trap.chmod(0o600)
    for name, value in {
        "PGHOST": "other.invalid",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "other",
        "PGDATABASE": "other",
        "PGPASSWORD": "wrong",
        "PGPASSFILE": str(trap),
        "PGSSLMODE": "require",
        "PGSSLROOTCERT": str(trap),
        "PGSSLCERT": str(trap),
        "PGOPTIONS": "-c statement_timeout=1 -c search_path=pg_catalog",
        "PGTZ": "Asia/Tokyo",
        "PGTARGETSESSIONATTRS": "standby",
        "PGREQUIREAUTH": "none",
        "PGSSLNEGOTIATION": "direct",
        "PGAPPNAME": "other",
    }.items():
        monkeypatch.setenv(name, value)
    with postgres.session() as session:
        session.ping()
        assert rows(session, "SHOW timezone") == [{"TimeZone": "UTC"}]
        assert rows(session, "SHOW statement_timeout") == [{"statement_timeout": "1min"}]
        assert rows(session, "SHOW application_name") == [{"application_name": "dragoman"}]
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


@given(
    st.dictionaries(
        st.sampled_from(["dbname", "user", "password"]),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    )
)
def test_no_value_becomes_another_parameter(values: dict[str, str]) -> None:
    """Whatever a field has in it, libpq reads that field and no other."""
    settings = {"database": values.get("dbname", "d"), "username": values.get("user", "u")}
    secrets = {"passwordUnencrypted": SecretStr(values.get("password", "p"))}
    target = Target("postgres", settings, secrets)
    where = _where(target, Address("h.example", "192.0.2.1", 5432))
    read = psycopg.conninfo.conninfo_to_dict(conninfo(where, target))
    whom = {"user": target.username, "password": target.password.reveal()}
    assert read == {name: str(value) for name, value in where.items()} | whom


def test_an_address_that_needs_quoting_reaches_the_server_as_it_is(
    postgres_server: Engine, postgres: Subject
) -> None:
    name = "odd ' \\ = name?sslmode=disable&x"
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as admin:
        admin.execute(f'DROP ROLE IF EXISTS "{name}"')
        admin.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'p''w \\ %20 = ü'")
    login = postgres.with_settings(username=name, password="p'w \\ %20 = ü")
    with login.session() as session:
        assert rows(session, "SELECT current_user::text AS u") == [{"u": name}]


def test_a_session_keeps_one_connection_to_the_server(postgres: Subject) -> None:
    with postgres.session() as session:
        rows(session, "SELECT 1 AS a")
        mine = rows(
            session,
            "SELECT count(*) AS n FROM pg_stat_activity"
            " WHERE application_name = 'dragoman' AND backend_type = 'client backend'",
        )
    assert mine == [{"n": 1}]


def test_lakebase_takes_its_token_as_a_password_and_never_plain_text(
    postgres_server: Engine, postgres_tls_server: Engine
) -> None:
    lakebase = registry.get("databricks_lakebase")
    options = SessionOptions()
    session = lakebase.connect(
        target("databricks_lakebase", postgres_tls_server), policy(postgres_tls_server), options
    )
    session.ping()
    session.close()
    with pytest.raises(DatabaseFailure) as caught:
        lakebase.connect(
            target("databricks_lakebase", postgres_server), policy(postgres_server), options
        )
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


def test_a_certificate_for_another_name_is_refused(postgres_tls_server: Engine) -> None:
    subject = postgres_subject(postgres_tls_server).with_settings(host="db.example")
    resolving = replace(subject.network, resolver=lambda _: ["127.0.0.1"])
    subject = replace(subject, network=resolving)
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect()
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_HOSTNAME)


@pytest.mark.parametrize(
    ("precision", "scale", "expected"),
    [
        (10, 2, pa.decimal128(10, 2)),
        (38, 0, pa.decimal128(38, 0)),
        (39, 5, pa.decimal256(39, 5)),
        (3, -2, pa.decimal128(5, 0)),
        (2, 5, pa.decimal128(5, 5)),
        (100, 2, None),
    ],
)
def test_the_type_modifier_of_numeric(
    precision: int, scale: int, expected: pa.DataType | None
) -> None:
    assert declared_type(((precision << 16) | (scale & 0x7FF)) + 4) == expected
    assert declared_type(-1) is None


def test_a_service_file_has_no_say(
    postgres: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[trap]\nhost=other.invalid\noptions=-c search_path=pg_catalog\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("PGSERVICE", "trap")
    with postgres.session() as session:
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    monkeypatch.setenv("PGSERVICE", "missing")
    with pytest.raises(DatabaseFailure, match="missing"):
        postgres.connect()  # libpq insists on reading it: an error, never another server
