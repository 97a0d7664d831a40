"""Snowflake against an emulator: fakesnow's SQL behind a front that stands in for the service.

What the front plays (sign-in, key-pair tokens, chunks of a stage, aborts, keys) is a stub of ours,
written from the documentation; those tests have `stub` in their names.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, ForeignKey, TableKind
from dragoman.dialects.diagnosis import Status, diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.dialects.user_grants import ACCESS_TOKEN
from dragoman.secret import SecretStr
from tests.engines.conformance import rows, until
from tests.engines.support.snowflake import ACCOUNT_HOST, STAGE_HOST, TAGS, Snowflake
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import refusing, saying, serving

pytest.importorskip("snowflake.connector", reason="the Snowflake connector is not installed")
SLEEP = (
    "SELECT count(*) FROM TABLE(GENERATOR(ROWCOUNT => 10000000)) a,"
    " TABLE(GENERATOR(ROWCOUNT => 10000000)) b"
)
TABLES = (
    "CREATE OR REPLACE TABLE PUBLIC.customers (id int NOT NULL, name varchar(20))",
    "CREATE OR REPLACE TABLE PUBLIC.orders (id int NOT NULL, customer_id int, total number(12,2))"
    " COMMENT = 'what was sold'",
    "CREATE SCHEMA IF NOT EXISTS archive",
    "CREATE OR REPLACE TABLE archive.old (a int)",
)


@pytest.fixture(scope="module")
def front(snowflake_emulator: Snowflake) -> Snowflake:
    snowflake_emulator.execute(*TABLES)
    return snowflake_emulator


def failure_of(front: Snowflake, target: Target | None = None, **given: Any) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught, front.session(target, **given):
        pass
    return caught.value


def answer(front: Snowflake, sql: str, **options: Any) -> list[dict[str, Any]]:
    with front.session(**options) as session:
        return rows(session, sql)


def test_a_session_answers_and_finds_schemas_and_tables(front: Snowflake) -> None:
    with front.session() as session:
        session.ping()
        assert session.schemas() == ["ARCHIVE", "PUBLIC"]
        assert session.readable_tables([]) == 4
        assert session.readable_tables(["ARCHIVE"]) == 1
        assert session.readable_tables(["no such schema"]) == 0
        assert rows(session, "SELECT a FROM PUBLIC.victim -- why") == [{"A": 1}]
        session.reset()
        session.ping()


def test_values_arrive_with_exact_types(front: Snowflake) -> None:
    with front.session() as session:
        found = session.run(
            "SELECT 12.5::number(10,2) AS amount, 7::number(9,0) AS small, 1.5::float AS f,"
            " 'aü€😀''\"' AS t, true AS b, date '2024-02-29' AS d, '12:34:56.789'::time AS tm,"
            " '2024-02-29 12:34:56.123456'::timestamp_ntz AS ts,"
            " '2024-02-29 12:34:56'::timestamp_tz AS tz,"
            " parse_json('{\"a\":1}') AS j,"
            " x'ABCD'::binary AS bin, null AS n"
        )
        row = next(found.batches).to_pylist()[0]
    types = {field.name: str(field.type) for field in found.schema}
    assert types == {
        "AMOUNT": "decimal128(10, 2)",
        "SMALL": "int64",
        "F": "double",
        "T": "string",
        "B": "bool",
        "D": "date32[day]",
        "TM": "time64[us]",
        "TS": "timestamp[us]",
        "TZ": "timestamp[us, tz=UTC]",
        "J": "string",
        "BIN": "binary",
        "N": "string",
    }
    assert found.schema.field("J").metadata == {b"dragoman:type": b"json"}
    assert (row["AMOUNT"], row["SMALL"], row["F"]) == (Decimal("12.50"), 7, 1.5)
    assert (row["T"], row["B"], row["N"]) == ("aü€😀'\"", True, None)
    assert row["D"] == datetime.date(2024, 2, 29)
    assert row["TM"] == datetime.time(12, 34, 56, 789000)
    assert row["TS"] == datetime.datetime(2024, 2, 29, 12, 34, 56, 123456)  # noqa: DTZ001
    assert row["TZ"] == datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.UTC)
    assert row["BIN"] == b"\xab\xcd"


def test_answers_without_rows_and_of_show(front: Snowflake) -> None:
    with front.session() as session:
        found = session.run("SELECT a FROM PUBLIC.victim WHERE a > 5")
        assert (sum(b.num_rows for b in found.batches), found.schema.names) == (0, ["A"])
        assert "ORDERS" in [row["name"] for row in rows(session, "SHOW TABLES")]


def test_large_answers_come_in_chunks_from_the_stage_stub(front: Snowflake) -> None:
    network = front.network()
    with front.session(network=network) as session:
        found = session.run(
            "SELECT seq4() AS n, 'some text' AS t FROM TABLE(GENERATOR(ROWCOUNT => 200000))"
        )
        sizes = [batch.num_rows for batch in found.batches]
    assert sum(sizes) == 200_000
    assert len(sizes) >= 10
    assert {host for host, _ in network.dialled} == {ACCOUNT_HOST, STAGE_HOST}
    assert {port for _, port in network.dialled} == {443}


def test_a_stage_that_may_not_be_dialled_is_an_error_stub(front: Snowflake) -> None:
    network = front.network()
    del network.ports[STAGE_HOST]
    with front.session(network=network) as session:
        found = session.run("SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 100000))")
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            list(found.batches)
    assert (caught.value.stage, caught.value.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)
    assert time.monotonic() - started < 3 + SLOW_MACHINE


def test_a_stage_without_tls_gets_no_request_stub(front: Snowflake) -> None:
    front.change(stage="http://stage.example.test")
    try:
        with front.session() as session:
            found = session.run("SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 100000))")
            with pytest.raises(DatabaseFailure):
                list(found.batches)
    finally:
        front.change(stage="https://stage.example.test")


def test_closing_early_leaves_the_session_usable(front: Snowflake) -> None:
    with front.session() as session:
        found = session.run("SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 500000))")
        next(found.batches)
        started = time.monotonic()
        found.close()
        assert rows(session, "SELECT a FROM PUBLIC.victim") == [{"A": 1}]
        assert time.monotonic() - started < 3 + SLOW_MACHINE


def test_the_time_limit_stops_a_statement_by_an_abort_stub(front: Snowflake) -> None:
    with front.session(timeout_seconds=1.0) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, SLEEP)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert 0.9 < time.monotonic() - started < 2.5 + SLOW_MACHINE
        assert until(lambda: SLEEP not in front.state()["running"])
        assert rows(session, "SELECT a FROM PUBLIC.victim") == [{"A": 1}]
    given = front.state()["logins"][-1]["SESSION_PARAMETERS"]
    assert given["STATEMENT_TIMEOUT_IN_SECONDS"] == 1
    assert given["ROWS_PER_RESULTSET"] == 0


def test_cancel_from_another_thread_aborts_the_statement_stub(front: Snowflake) -> None:
    with front.session() as session:

        def cancel_soon() -> None:
            assert until(lambda: SLEEP in front.state()["running"])
            session.cancel()

        canceller = threading.Thread(target=cancel_soon)
        canceller.start()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, SLEEP)
        canceller.join()
        assert caught.value.cause is Cause.CANCELLED
        assert until(lambda: SLEEP not in front.state()["running"])
        assert SLEEP in front.state()["aborted"]
        session.cancel()  # nothing runs: harmless
        assert rows(session, "SELECT a FROM PUBLIC.victim") == [{"A": 1}]


def test_cancel_between_batches_ends_the_answer(front: Snowflake) -> None:
    with front.session() as session:
        found = session.run("SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => 500000))")
        next(found.batches)
        session.cancel()
        with pytest.raises(DatabaseFailure) as caught:
            list(found.batches)
        assert caught.value.cause is Cause.CANCELLED
        assert rows(session, "SELECT a FROM PUBLIC.victim") == [{"A": 1}]


def test_a_service_that_answers_with_errors_is_not_asked_for_ever(front: Snowflake) -> None:
    """fakesnow answers with status 500 where it cannot translate."""
    with front.session() as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, "SELECT array_construct(1, 2) AS a")
        assert caught.value.cause is Cause.OTHER
        assert time.monotonic() - started < 5 + SLOW_MACHINE
        session.ping()


def test_a_session_that_the_server_ended_is_lost_stub(front: Snowflake) -> None:
    with front.session() as session:
        session.ping()
        front.change(drop=True)
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, "SELECT 1 AS a")
        assert caught.value.cause is Cause.CONNECTION_LOST
        assert session.broken


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("SELECT 1 +", Cause.SYNTAX_ERROR),
        ("SELECT * FROM PUBLIC.nothing", Cause.OBJECT_NOT_FOUND),
        ("SELECT nope FROM PUBLIC.victim", Cause.OBJECT_NOT_FOUND),
    ],
)
def test_errors_of_statements(front: Snowflake, sql: str, cause: Cause) -> None:
    with front.session() as session:
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, cause)
        session.ping()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO PUBLIC.victim VALUES (2)",
        "DELETE FROM PUBLIC.victim",
        "SELECT 1; DELETE FROM PUBLIC.victim",
        "SHOW TABLES ->> DELETE FROM PUBLIC.victim",
        "SELECT 1 ->> INSERT INTO PUBLIC.victim VALUES (2)",
        "WITH p AS PROCEDURE () RETURNS INT LANGUAGE SQL AS $$ BEGIN RETURN 1; END $$ CALL p()",
        "SELECT SYSTEM$CANCEL_ALL_QUERIES(1)",
        "PUT file:///etc/hostname @~",
        "GET @~ file:///tmp/",
        "COPY INTO @~ FROM PUBLIC.victim",
        "ALTER SESSION SET TIMEZONE = 'UTC'",
        "USE DATABASE other",
        "CALL meddle()",
        "EXECUTE IMMEDIATE 'DELETE FROM PUBLIC.victim'",
        "BEGIN DELETE FROM PUBLIC.victim; END",
    ],
)
def test_nothing_that_may_write_is_sent(front: Snowflake, sql: str) -> None:
    with front.session() as session:
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert caught.value.cause in {Cause.READ_ONLY, Cause.SYNTAX_ERROR}
        assert rows(session, "SELECT a FROM PUBLIC.victim") == [{"A": 1}]


def test_text_that_only_looks_like_writing_is_read(front: Snowflake) -> None:
    assert answer(front, "SELECT 'SYSTEM$X ->> DELETE' AS t") == [{"T": "SYSTEM$X ->> DELETE"}]


def test_the_catalog_with_keys_from_the_stub(front: Snowflake) -> None:
    with front.session() as session:
        found = list(session.catalog())
    assert [(t.schema, t.name) for t in found] == [
        ("ARCHIVE", "OLD"),
        *(("PUBLIC", name) for name in ("CUSTOMERS", "ORDERS", "VICTIM")),
    ]
    orders = found[2]
    assert (orders.catalog, orders.kind) == ("SHOP", TableKind.TABLE)
    assert [(c.name, c.type, c.nullable) for c in orders.columns] == [
        ("ID", "NUMBER(38,0)", False),
        ("CUSTOMER_ID", "NUMBER(38,0)", True),
        ("TOTAL", "NUMBER(12,2)", True),
    ]
    assert orders.primary_key == ["ID"]
    assert orders.columns[0].primary_key_position == 1
    assert orders.foreign_keys == [
        ForeignKey("FK_CUSTOMER", ["CUSTOMER_ID"], "PUBLIC", "CUSTOMERS", ["ID"])
    ]


def test_tags_from_the_stub_and_none_where_the_role_may_not_see_them(front: Snowflake) -> None:
    with front.session() as session:
        found = {table.name: table for table in session.catalog()}
        assert session.notices == []
    assert found["ORDERS"].tags == ["COST_CENTER:finance"]
    front.change(tags=None)
    try:
        with front.session() as session:
            assert [table.tags for table in session.catalog()] == [[]] * 4
            [notice] = session.notices
    finally:
        front.change(tags=TAGS)
    assert "SNOWFLAKE.GOVERNANCE_VIEWER" in notice


def test_the_catalog_is_filtered_by_the_server(front: Snowflake) -> None:
    chosen = CatalogFilter.of({"includeSchemas": "PUB*"})
    away = CatalogFilter.of({"offloadedSchemas": "PUBLIC"})
    with front.session() as session:
        assert {t.schema for t in session.catalog(chosen)} == {"PUBLIC"}
        assert {t.schema for t in session.catalog(away)} == {"ARCHIVE"}


def test_a_wrong_password_stub(front: Snowflake) -> None:
    secret = SecretStr("not the right one")
    failure = failure_of(front, replace(front.target, secrets={"passwordUnencrypted": secret}))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert secret.reveal() not in repr(failure)


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_key_pair_signs_in_with_a_token_that_verifies_stub(
    front: Snowflake, passphrase: str
) -> None:
    with front.session(front.with_key(front.key, passphrase)) as session:
        session.ping()
    assert front.state()["logins"][-1]["AUTHENTICATOR"] == "SNOWFLAKE_JWT"


def test_another_key_is_refused_stub(front: Snowflake) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    failure = failure_of(front, front.with_key(stranger))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert failure.code == "390144"
    assert failure.fix
    assert "RSA_PUBLIC_KEY" in failure.fix


def test_oauth_of_users_needs_a_service_account(front: Snowflake) -> None:
    settings = {**front.target.settings, "authenticationType": "snowflake-oauth-user"}
    secrets = {"oauthClientSecretUnencrypted": SecretStr("client secret")}
    failure = failure_of(front, Target("snowflake", settings, secrets))
    assert (failure.stage, failure.cause) == (Stage.SETTINGS, Cause.SETTINGS_INVALID)
    with front.session(replace(front.target, settings=settings)) as session:
        session.ping()


def test_a_person_signs_in_with_their_own_token_stub(front: Snowflake) -> None:
    front.change(oauth=["access-of-ann"])
    given = ["access-of-ann"]
    settings = {**front.target.settings, "authenticationType": "snowflake-oauth-user"}
    bare = Target("snowflake", settings, {})

    def renew() -> Target:
        return replace(bare, secrets={ACCESS_TOKEN: SecretStr(given[-1])}, renew=renew)

    with front.session(replace(bare, renew=renew)) as session:
        assert rows(session, "SELECT 1 AS a") == [{"A": 1}]
    login = front.state()["logins"][-1]
    assert (login["AUTHENTICATOR"], login["PASSWORD_SENT"]) == ("OAUTH", False)
    # The token says who it is; the service account's name would contradict it.
    assert not login["LOGIN_NAME"]
    given.append("canary-of-a-token")
    failure = failure_of(front, replace(bare, renew=renew))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert "canary" not in repr(failure)


def test_where_people_sign_in(front: Snowflake) -> None:
    settings = {**front.target.settings, "authenticationType": "snowflake-oauth-user"}
    dialect = registry.get("snowflake")
    own = dialect.user_grant(replace(front.target, settings=settings))
    assert own
    assert own.authorize_url == f"https://{ACCOUNT_HOST}/oauth/authorize"
    assert own.token_url == f"https://{ACCOUNT_HOST}/oauth/token-request"
    entra = {
        "authenticationType": "snowflake-external-oauth-user",
        "externalOauthAudience": "api://shop",
        "externalOauthTokenUrl": "https://login.microsoftonline.com/t/oauth2/v2.0/token",
    }
    other = dialect.user_grant(replace(front.target, settings={**settings, **entra}))
    assert other
    assert (other.scope, other.extra) == ("api://shop/session:role-any offline_access", {})
    assert dialect.user_grant(front.target) is None


def test_an_unknown_database_stub(front: Snowflake) -> None:
    settings = {**front.target.settings, "database": "NOWHERE"}
    failure = failure_of(front, replace(front.target, settings=settings))
    assert (failure.stage, failure.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)


def test_a_redirect_gets_no_password_stub(front: Snowflake) -> None:
    front.change(redirect="https://elsewhere.example.test/session/v1/login-request")
    try:
        network = front.network(**{"elsewhere.example.test": front.port})
        failure = failure_of(front, network=network)
    finally:
        front.change(redirect=None)
    assert failure.stage is Stage.AUTHENTICATION
    assert {host for host, _ in network.dialled} == {ACCOUNT_HOST}


def test_the_time_zone_of_the_session_stub(front: Snowflake) -> None:
    with front.session(timezone="Europe/Berlin") as session:
        session.ping()
    given = front.state()["logins"][-1]["SESSION_PARAMETERS"]
    assert given["TIMEZONE"] == "Europe/Berlin"


def test_sign_in_tells_little_of_this_machine(front: Snowflake) -> None:
    with front.session():
        told = front.state()["logins"][-1]["CLIENT"]
    assert told["APPLICATION"] == told["APPLICATION_PATH"] == "dragoman"
    assert told["PLATFORM"] == []
    assert "OS_DETAILS" not in told or told["OS_DETAILS"] == {}
    assert "CORE_FILE_NAME" not in told


def test_host_override_is_dialled_and_the_account_taken_from_it(front: Snowflake) -> None:
    settings = {k: v for k, v in front.target.settings.items() if k != "host"}
    settings["hostOverride"] = ACCOUNT_HOST
    with front.session(replace(front.with_key(front.key), settings=settings)) as session:
        session.ping()


def test_the_diagnosis_passes(front: Snowflake) -> None:
    options = SessionOptions(timeout_seconds=10)
    found = diagnose(registry.get("snowflake"), front.target, front.network(), options)
    assert {s.status for s in found.stages} == {Status.PASSED}, found


def test_unknown_host_refused_port_plain_and_untrusted_servers(front: Snowflake) -> None:
    network = front.network()
    network.ports.clear()
    assert failure_of(front, network=network).stage is Stage.DNS
    with refusing() as port:
        assert failure_of(front, network=front.network(**{ACCOUNT_HOST: port})).stage is Stage.TCP
    with serving(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        failure = failure_of(front, network=front.network(**{ACCOUNT_HOST: port}))
        assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)
    untrusting = replace(front.network(), tls=TlsPolicy())
    failure = failure_of(front, network=untrusting)
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)
    settings = {**front.target.settings, "host": "other-shop"}
    other = front.network(**{"other-shop.snowflakecomputing.com": front.port})
    failure = failure_of(front, replace(front.target, settings=settings), network=other)
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_HOSTNAME)


@pytest.mark.parametrize("noise", [b"", b"\x00" * 64, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"])
def test_a_stranger_is_a_failure_and_not_a_hang(front: Snowflake, noise: bytes) -> None:
    with serving(saying(noise)) as port:
        started = time.monotonic()
        network = front.network(**{ACCOUNT_HOST: port})
        assert failure_of(front, network=network, connect_seconds=1.0).stage is Stage.TLS
        assert time.monotonic() - started < 4 + SLOW_MACHINE


def test_nothing_is_written_to_the_home_directory(tmp_path: Path) -> None:
    """Importing the connector and failing to sign in leave no file, and no look-up of a name."""
    program = (
        "import socket\n"
        "from tests.engines.support.snowflake import Mapped\n"
        "from dragoman.dialects import registry\n"
        "from dragoman.dialects.base import SessionOptions, Target\n"
        "from dragoman.dialects.failures import DatabaseFailure\n"
        "from dragoman.dialects.network import TlsPolicy\n"
        "from dragoman.secret import SecretStr\n"
        "def never(*a, **k): raise SystemExit(f'dialled {a}')\n"
        "socket.getaddrinfo = socket.create_connection = never\n"
        "target = Target('snowflake', {'host': 'a-b', 'database': 'X', 'username': 'u',\n"
        "    'warehouse': 'W'}, {'passwordUnencrypted': SecretStr('secret-of-u')})\n"
        "try:\n"
        "    registry.get('snowflake').connect(target, Mapped({}, TlsPolicy()), SessionOptions())\n"
        "except DatabaseFailure as failure:\n"
        "    print(failure.stage.value)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": "src:."}
    environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "dns\n", done.stderr
    assert list(tmp_path.rglob("*")) == []
