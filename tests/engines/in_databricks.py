"""The Databricks adapter against a stub of its service (DuckDB behind): no real one took part.

Run by `test_databricks.py` in the environment that has the driver.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.databricks import catalog, errors
from dragoman.dialects.adapters.databricks.transport import Refused
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns
from dragoman.dialects.user_grants import ACCESS_TOKEN
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, rows, until
from tests.engines.support.databricks import (
    WAREHOUSE,
    DatabricksStub,
    databricks_subject,
    network,
    run_databricks_stub,
)
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import refusing, saying, serving, unanswering

SECRET = "canary-of-a-token"
TYPES: dict[str, tuple[pa.DataType, Any]] = {
    "CAST(1 AS TINYINT)": (pa.int8(), 1),
    "CAST(1 AS BIGINT)": (pa.int64(), 1),
    "CAST(1.5 AS DOUBLE)": (pa.float64(), 1.5),
    "CAST('1234567890123456789.12' AS DECIMAL(38, 2))": (
        pa.decimal128(38, 2),
        Decimal("1234567890123456789.12"),
    ),
    "true": (pa.bool_(), True),
    "'ü'": (pa.string(), "ü"),
    "X'00ff'": (pa.binary(), b"\x00\xff"),
    "DATE '2020-01-02'": (pa.date32(), date(2020, 1, 2)),
    "CAST('2020-01-02 03:04:05' AS TIMESTAMP)": (
        pa.timestamp("us", "Asia/Tokyo"),
        datetime(2020, 1, 1, 18, 4, 5, tzinfo=UTC),
    ),
    "ARRAY(1, NULL)": (pa.list_(pa.int32()), [1, None]),
}


@pytest.fixture
def subject(databricks_stub_server: DatabricksStub) -> Subject:
    return databricks_subject(databricks_stub_server)


def machine(stub: DatabricksStub, secret: str | None = None) -> Subject:
    subject = databricks_subject(stub).with_settings(
        authenticationType="databricks-oauth-m2m", oauthClientId="principal"
    )
    kept = {"oauthClientSecretUnencrypted": SecretStr(secret or stub.password)}
    return replace(subject, target=replace(subject.target, secrets=kept))


def failure_of(subject: Subject, **options: float) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect(**options).close()
    return caught.value


def test_stub_types_arrive_as_the_service_sends_them(subject: Subject) -> None:
    with subject.session(timezone="Asia/Tokyo") as session:
        listed = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(TYPES))
        answer = session.run(f"SELECT {listed}")
        found = [row for batch in answer.batches for row in batch.to_pylist()]
    for i, (sql, (kind, value)) in enumerate(TYPES.items()):
        assert answer.schema.field(f"c{i}").type == kind, sql
        assert found[0][f"c{i}"] == value, sql


def test_stub_text_of_all_alphabets_and_nulls_arrive(subject: Subject) -> None:
    with subject.session() as session:
        assert rows(session, "SELECT 'aü€😀\\'\"' AS t, NULL AS n") == [
            {"t": "aü€😀'\"", "n": None}
        ]


def test_stub_the_driver_brings_no_pandas_into_the_process(subject: Subject) -> None:
    with subject.session() as session:
        session.ping()
    assert "databricks.sql.client" not in sys.modules
    assert not any(name.startswith("databricks.sql.telemetry") for name in sys.modules)


def test_stub_what_the_session_asks_for(
    subject: Subject, databricks_stub_server: DatabricksStub
) -> None:
    (databricks_stub_server.home / "said").write_text("")
    with subject.session(timeout_seconds=7.2, timezone="Asia/Tokyo") as session:
        session.ping()
        rows(session, "SELECT 1 AS a")
    said = databricks_stub_server.said()
    assert '"STATEMENT_TIMEOUT": "8"' in said
    assert '"TIMEZONE": "Asia/Tokyo"' in said
    assert '{"download": false}' in said
    assert '{"download": true}' not in said
    assert '{"agent": "dragoman"}' in said
    assert said.count('"agent"') == said.count('{"agent": "dragoman"}')


def test_stub_a_service_principal_fetches_a_token_and_renews_it(
    databricks_stub_server: DatabricksStub,
) -> None:
    stub = databricks_stub_server
    (stub.home / "said").write_text("")
    with machine(stub).session() as session:
        session.ping()
        assert "grant_type=client_credentials&scope=all-apis" in stub.said()
        asked = stub.said().count("token asked")
        time.sleep(0.6)  # the stub's tokens are good for a second, and renewed at half of it
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
        assert stub.said().count("token asked") > asked
    assert stub.password not in stub.said()


def test_stub_a_person_asks_with_the_token_that_holds_at_each_request(
    databricks_stub_server: DatabricksStub,
) -> None:
    subject = databricks_subject(databricks_stub_server).with_settings(
        authenticationType="databricks-oauth-user", oauthClientId="shop"
    )
    bare, given = replace(subject.target, secrets={}), [databricks_stub_server.password]

    def renew() -> Target:
        return replace(bare, secrets={ACCESS_TOKEN: SecretStr(given[-1])}, renew=renew)

    with replace(subject, target=replace(bare, renew=renew)).session() as session:
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
        given.append(SECRET)
        with pytest.raises(DatabaseFailure) as caught:
            session.ping()
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert SECRET not in repr(caught.value)
    # Without a person and without a service account there is nobody.
    failure = failure_of(replace(subject, target=bare))
    assert (failure.stage, failure.cause) == (Stage.SETTINGS, Cause.SETTINGS_INVALID)


def test_stub_a_service_principal_that_is_not_known(
    databricks_stub_server: DatabricksStub,
) -> None:
    failure = failure_of(machine(databricks_stub_server, SECRET))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert SECRET not in repr(failure)


def test_stub_wrong_token_catalog_warehouse_port_and_host_name_their_stage(
    subject: Subject,
) -> None:
    failure = failure_of(subject.with_settings(password=SECRET))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert SECRET not in repr(failure)
    failure = failure_of(subject.with_settings(database="no_such_catalog"))
    assert (failure.stage, failure.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    failure = failure_of(subject.with_settings(warehouse="/sql/1.0/warehouses/other"))
    assert (failure.stage, failure.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    failure = failure_of(subject.with_settings(host="no-such-host.invalid"))
    assert (failure.stage, failure.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)
    with refusing() as port:
        failure = failure_of(replace(subject, network=network(port, None)))
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.REFUSED)
    with unanswering() as port:
        failure = failure_of(replace(subject, network=network(port, None)), connect_seconds=0.5)
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.TIMEOUT)


@pytest.mark.parametrize("wrong", ["other_host", "expired", "other_ca"])
def test_stub_wrong_certificates_get_no_token(certificates: Certificates, wrong: str) -> None:
    pair: ServerCertificate = getattr(certificates, wrong)
    with run_databricks_stub(certificates, pair) as stub:
        # There is no setting to trust any certificate: one that slipped in has no effect.
        failure = failure_of(databricks_subject(stub).with_settings(trustServerCertificate=True))
        assert stub.said() == ""
    expected = Cause.TLS_HOSTNAME if wrong == "other_host" else Cause.TLS_UNTRUSTED
    assert (failure.stage, failure.cause) == (Stage.TLS, expected)


def dial(port: int, certificates: Certificates) -> DatabaseFailure:
    settings = {"host": "localhost", "database": "main", "warehouse": WAREHOUSE}
    where = Target("databricks", settings, {"passwordUnencrypted": SecretStr(SECRET)})
    given = SessionOptions(connect_seconds=1.0, timeout_seconds=2.0)
    with pytest.raises(DatabaseFailure) as caught:
        registry.get("databricks").connect(where, network(port, certificates.ca_file), given)
    assert SECRET not in repr(caught.value)
    return caught.value


@pytest.mark.parametrize("noise", [b"", bytes(range(256)) * 40, b"HTTP/1.1 400\r\n\r\n"])
def test_a_plain_stranger_is_a_tls_failure(certificates: Certificates, noise: bytes) -> None:
    with serving(saying(noise)) as port:
        assert dial(port, certificates).stage is Stage.TLS


def answering(
    certificates: Certificates, answer: bytes, said: list[bytes]
) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.certificate, certificates.good.key)

    def handle(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as sock:
            while request := sock.recv(65536):
                said.append(request)
                sock.sendall(answer)

    return handle


def http(status: str, body: bytes, *headers: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""))
    return head.encode() + body


ANSWERS = {
    "page": http("200 OK", b"<html>hello</html>"),
    "empty": http("200 OK", b""),
    "noise": b"\x00\xff" * 100,
    "2 GB": http("200 OK", b"\x7f\xff\xff\xff" * 10),
    "starting": http("503 Service Unavailable", b"", "Retry-After: 30"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_stranger_behind_tls_is_a_failure_and_is_asked_once(
    certificates: Certificates, kind: str
) -> None:
    said: list[bytes] = []
    started = time.monotonic()
    with serving(answering(certificates, ANSWERS[kind], said)) as port:
        failure = dial(port, certificates)
    assert failure.stage is Stage.AUTHENTICATION
    assert sum(part.startswith(b"POST ") for part in said) == 1
    assert time.monotonic() - started < 5 + SLOW_MACHINE


def test_a_redirect_is_not_followed(certificates: Certificates) -> None:
    elsewhere: list[bytes] = []
    with serving(answering(certificates, http("200 OK", b""), elsewhere)) as other:
        moved = http("307 Moved", b"", f"Location: https://localhost:{other}/")
        with serving(answering(certificates, moved, [])) as port:
            assert dial(port, certificates).stage is Stage.AUTHENTICATION
    assert elsewhere == []


def test_stub_the_environment_has_no_say(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.setenv(name, "/nowhere")
    with subject.session() as session:
        assert rows(session, "SELECT 1 AS a") == [{"a": 1}]


def test_stub_the_catalog_by_one_statement_and_the_tags_by_another(
    subject: Subject, databricks_stub_server: DatabricksStub
) -> None:
    with subject.session() as session:
        (databricks_stub_server.home / "said").write_text("")
        found = {table.name: table for table in session.catalog()}
        assert databricks_stub_server.said().count('{"statement"') == 2
        only = [t.name for t in session.catalog(CatalogFilter.of({"includeSchemas": "oth*"}))]
        away = [t.schema for t in session.catalog(CatalogFilter.of({"offloadedSchemas": "other"}))]
    assert list(found) == ["it's", "customers", "names", "orders", "victim"]
    customers = found["customers"]
    assert (customers.catalog, customers.kind) == ("main", TableKind.TABLE)
    assert (customers.comment, customers.schema_comment) == ("who buys", "what is sold")
    assert customers.primary_key == ["id"]
    assert customers.columns == [
        Column("id", 1, "INTEGER", False, None, None, 1),
        Column("name", 2, "VARCHAR", True, "'nobody'", "in full", None),
    ]
    assert found["orders"].foreign_keys == [
        ForeignKey("fk", ["customer"], "shop", "customers", ["id"])
    ]
    assert found["names"].kind is TableKind.VIEW
    assert (customers.tags, customers.column_tags) == (
        ["gold", "team:sales"],
        {"name": ["pii:name"]},
    )
    assert (found["orders"].tags, found["it's"].tags) == ([], ["team:else"])
    assert only == ["it's"]
    assert set(away) == {"shop"}


def test_stub_tags_that_an_older_runtime_has_not_are_a_notice(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = catalog.tags
    monkeypatch.setattr(catalog, "tags", lambda *of: real(*of).replace("table_tags", "no_tags"))
    with subject.session() as session:
        found = list(session.catalog())
        assert [table.tags for table in found] == [[]] * 5
        [notice] = session.notices
    assert notice.startswith("Tags could not be read: ")
    assert "TABLE_OR_VIEW_NOT_FOUND" in notice or "no_tags" in notice


def test_patterns_keep_backslashes_quotes_and_what_looks_like_a_variable() -> None:
    """Spark would put a value in the place of `${x}`, even inside a text."""
    wanted = CatalogFilter(include=compile_patterns("a\\'b*,x${y}*"))
    sql = catalog.statement("main", wanted)
    assert r"LIKE 'a\\\'b%'" in sql
    assert "LIKE CONCAT('x$', '{y}%')" in sql


def test_causes_by_class_state_and_status() -> None:
    expected: dict[Exception, Cause] = {
        errors.Failed("[PARSE_SYNTAX_ERROR] x", "42601"): Cause.SYNTAX_ERROR,
        errors.Failed("[UNRESOLVED_COLUMN.WITH_SUGGESTION] x", None): Cause.OBJECT_NOT_FOUND,
        errors.Failed("something", "42501"): Cause.PERMISSION_DENIED,
        errors.Failed("something", "57KD0"): Cause.QUERY_TIMEOUT,
        errors.Failed("something", None): Cause.OTHER,
        errors.Failed("gone", None, lost=True): Cause.CONNECTION_LOST,
        Refused(403, "Token expired"): Cause.AUTHENTICATION_FAILED,
        Refused(502, ""): Cause.CONNECTION_LOST,
    }
    for error, cause in expected.items():
        assert errors.query_failure(error, {}).cause is cause, error


def test_stub_our_own_clock_stops_what_the_service_lets_run(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the service's limit, which has whole seconds, were an hour."""
    limit = "dragoman.dialects.adapters.databricks.session._limit"
    monkeypatch.setattr(limit, lambda seconds: 3600)
    with subject.session(timeout_seconds=1.2) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert time.monotonic() - started < 1.9 + SLOW_MACHINE


def test_stub_a_session_that_the_service_ended_is_lost(
    subject: Subject, databricks_stub_server: DatabricksStub
) -> None:
    for sql in ("SELECT 1 AS a", subject.sleep):
        with subject.session() as session:
            rows(session, "SELECT 1 AS a")
            if sql == subject.sleep:
                threading.Timer(0.5, databricks_stub_server.drop).start()
            else:
                databricks_stub_server.drop()
            with pytest.raises(DatabaseFailure) as caught:
                rows(session, sql)
            assert caught.value.cause is Cause.CONNECTION_LOST
            assert session.broken


def test_stub_two_sessions_do_not_wait_for_each_other(subject: Subject) -> None:
    def read_in_vain() -> None:
        with pytest.raises(DatabaseFailure):
            rows(slow, subject.sleep)

    with subject.session() as slow, subject.session() as quick:
        reading = threading.Thread(target=read_in_vain)
        reading.start()
        assert subject.server_running is not None
        assert until(lambda: subject.server_running(subject.sleep))  # type: ignore[misc]
        slow.cancel()
        assert rows(quick, "SELECT a FROM victim") == [{"a": 1}]
        reading.join(10)
        assert not reading.is_alive()


def test_stub_the_diagnosis_names_a_wrong_certificate(
    subject: Subject, certificates: Certificates
) -> None:
    poor = replace(subject, network=network(subject.network.port, certificates.other_ca_file))  # type: ignore[attr-defined]
    found = diagnose(poor.dialect, poor.target, poor.network, poor.options())
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)
