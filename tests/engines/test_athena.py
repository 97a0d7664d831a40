"""The Athena adapter: against moto (an emulator of the API that runs no SQL), and a stub.

That the SQL we write ourselves is sound is tried on a real Trino, whose SQL Athena speaks.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.athena import catalog
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.engines.support.athena import (
    HOSTS,
    KEY,
    REGION,
    SECRET,
    Stub,
    info,
    network,
    queue,
    row_of,
    run_moto,
    stubbed,
)
from tests.engines.support.trino import Trino, ask
from tests.support.certificates import Certificates
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import serving, tls_handler

AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE",
)  # fmt: skip
ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture(scope="module")
def moto(start_engine: Callable[..., Engine], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """moto's server, as the names of AWS."""
    return start_engine("athena (moto)", lambda: run_moto(tmp_path_factory.mktemp("moto")))


@pytest.fixture(autouse=True)
def _no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def target(**settings: Any) -> Target:
    given = {
        "region": REGION,
        "database": "AwsDataCatalog",
        "host": "s3://results/here/",
        "username": KEY,
        "defaultSchema": "shop",
        **settings,
    }
    return Target("athena", given, {"passwordUnencrypted": SecretStr(SECRET)})


def connect(net: Any, where: Target | None = None, **options: Any) -> Session:
    options = {"connect_seconds": 3.0, "timeout_seconds": 10.0, **options}
    return registry.get("athena").connect(where or target(), net, SessionOptions(**options))


def on_moto(engine: Engine, **options: Any) -> Session:
    assert engine.ca_file
    return connect(network(engine.port, engine.ca_file), **options)


def test_moto_values_of_all_types_arrive(moto: Engine) -> None:
    columns = [
        info("d", "decimal", 12, 2), info("n", "bigint"), info("f", "double"), info("o", "boolean"),
        info("day", "date"), info("t", "timestamp"), info("z", "timestamp with time zone"),
        info("c", "time"), info("b", "varbinary"), info("j", "json"), info("a", "array"),
        info("s", "varchar"), info("i", "tinyint"), info("r", "real"),
    ]  # fmt: skip
    values = [
        "-1234567890.12", "9007199254740993", "NaN", "true", "2024-02-29",
        "2024-01-02 03:04:05.123",
        "2024-01-02 03:04:05.000 America/Lima", "10:11:12.500", "00 ff", '{"a":1}', "[1, 2]",
        "aü€😀", "-5", "1.5",
    ]  # fmt: skip
    names = [column["Name"] for column in columns]
    queue(moto, columns, [names, values, [None] * len(columns)])
    opened = on_moto(moto, timezone="Europe/Berlin")
    answer = opened.run("SELECT * FROM everything")
    first, second = (row for batch in answer.batches for row in batch.to_pylist())
    assert str(first.pop("f")) == "nan"
    assert first == {
        "d": Decimal("-1234567890.12"),
        "n": 9007199254740993,
        "o": True,
        "day": dt.date(2024, 2, 29),
        "t": dt.datetime.fromisoformat("2024-01-02 03:04:05.123"),
        "z": dt.datetime(2024, 1, 2, 8, 4, 5, tzinfo=dt.UTC),
        "c": dt.time(10, 11, 12, 500000),
        "b": b"\x00\xff",
        "j": '{"a":1}',
        "a": "[1, 2]",
        "s": "aü€😀",
        "i": -5,
        "r": 1.5,
    }
    assert set(second.values()) == {None}
    assert answer.schema.field("j").metadata == {b"dragoman:type": b"json"}
    assert "UTC" in opened.notices[0]
    opened.close()


def test_moto_every_stage_of_the_diagnosis_passes(moto: Engine) -> None:
    assert moto.ca_file
    net = network(moto.port, moto.ca_file)
    queue(moto, [info("_col0", "bigint")], [["_col0"], ["3"]])
    found = diagnose(
        registry.get("athena"), target(defaultSchema="default"), net, SessionOptions(), deadline=20
    )
    assert found.success, found.failed
    assert found[Stage.PRIVILEGES].message == "3 tables can be read."
    assert {host for host, _ in net.dialled} == {HOSTS[0]}
    assert {port for _, port in net.dialled} == {443}


def test_moto_an_empty_answer_and_two_statements(moto: Engine) -> None:
    opened = on_moto(moto)
    queue(moto, [info("a", "integer")], [["a"]])
    assert rows(opened, "SELECT a FROM t WHERE false") == []
    queue(moto, [info("a", "integer")], [["a"], ["1"]])
    assert rows(opened, "SELECT a FROM t") == [{"a": 1}]
    assert opened.schemas() == ["default"]
    opened.close()


def test_moto_a_role_is_assumed(moto: Engine) -> None:
    assert moto.ca_file
    net = network(moto.port, moto.ca_file)
    opened = connect(net, target(awsRoleArn=ROLE))
    opened.close()
    assert {host for host, _ in net.dialled} == set(HOSTS)


def test_moto_a_web_identity_is_the_identity_of_the_machine(
    moto: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a.web.token\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    assert moto.ca_file
    net = network(moto.port, moto.ca_file)
    connect(net, target(useMachineAuth=True, username=None)).close()
    assert {host for host, _ in net.dialled} == set(HOSTS)


# What follows is our stub of the API.


def state(name: str, reason: str = "", kind: str = "DML") -> dict[str, Any]:
    status = {"State": name, "StateChangeReason": reason}
    return {"QueryExecution": {"Status": status, "StatementType": kind}}


def result(columns: list[dict[str, Any]], *found: list[Any], more: str = "") -> dict[str, Any]:
    metadata = {"ColumnInfo": columns}
    answer: dict[str, Any] = {
        "ResultSet": {"Rows": [row_of(row) for row in found], "ResultSetMetadata": metadata}
    }
    return answer | ({"NextToken": more} if more else {})


STARTED = {"QueryExecutionId": "id-of-the-query"}


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Callable[..., Stub]]:
    import contextlib

    with contextlib.ExitStack() as stack:

        def start(**answers: Any) -> Stub:
            given = {"StartQueryExecution": STARTED, "GetQueryExecution": state("SUCCEEDED")}
            return stack.enter_context(stubbed(tmp_path, **(given | answers)))

        yield start


def test_stub_what_is_asked_of_aws(stub: Callable[..., Stub]) -> None:
    api = stub(GetQueryResults=result([info("a", "integer")], ["a"], ["1"]))
    opened = connect(api.network)
    assert rows(opened, "SELECT 1 AS a") == [{"a": 1}]
    opened.close()
    operation, body = api.seen[1]
    assert operation == "StartQueryExecution"
    assert len(body.pop("ClientRequestToken")) >= 32
    assert body == {
        "QueryString": "SELECT 1 AS a",
        "QueryExecutionContext": {"Catalog": "AwsDataCatalog", "Database": "shop"},
        "ResultConfiguration": {"OutputLocation": "s3://results/here/"},
    }
    head = api.headers[1]
    assert head["Host"] == HOSTS[0]
    assert f"Credential={KEY}/" in head["Authorization"]
    assert f"/{REGION}/athena/aws4_request" in head["Authorization"]
    assert SECRET not in str(api.headers)


def test_stub_pages_follow_each_other(stub: Callable[..., Stub]) -> None:
    columns = [info("a", "integer")]
    # A value that looks like the title counts, where no title stands.
    text = [info("a", "varchar")]
    api = stub(
        GetQueryResults=[
            result(columns, ["a"], ["1"], ["2"], more="t1"),
            result(columns, ["3"], more="t2"),
            result(columns, more="t3"),
            result(columns, [None]),
            result(text, ["a"], ["a"]),
        ]
    )
    opened = connect(api.network)
    found = [row["a"] for row in rows(opened, "SELECT a FROM t")]
    assert found == [1, 2, 3, None]
    assert rows(opened, "SELECT 'a' AS a") == [{"a": "a"}]
    opened.close()
    tokens = [body.get("NextToken") for name, body in api.seen if name == "GetQueryResults"]
    assert tokens == [None, "t1", "t2", "t3", None]


def test_stub_a_listing_has_no_titles(stub: Callable[..., Stub]) -> None:
    api = stub(
        GetQueryExecution=state("SUCCEEDED", kind="UTILITY"),
        GetQueryResults=result([info("tab_name", "string")], ["tab_name"], ["t"]),
    )
    opened = connect(api.network)
    assert [row["tab_name"] for row in rows(opened, "SHOW TABLES")] == ["tab_name", "t"]
    opened.close()


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("SYNTAX_ERROR: line 1:8: what is that", Cause.SYNTAX_ERROR),
        ("TABLE_NOT_FOUND: line 1:15: Table 'a.b.c' does not exist", Cause.OBJECT_NOT_FOUND),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved", Cause.OBJECT_NOT_FOUND),
        ("PERMISSION_DENIED: Access denied", Cause.PERMISSION_DENIED),
        ("Query exhausted resources at this scale factor", Cause.OTHER),
    ],
)
def test_stub_failed_statements_have_causes(
    stub: Callable[..., Stub], reason: str, cause: Cause
) -> None:
    opened = connect(stub(GetQueryExecution=state("FAILED", reason)).network)
    with pytest.raises(DatabaseFailure) as caught:
        rows(opened, "SELECT x FROM c")
    assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, cause)
    assert not opened.broken
    opened.close()


def refusal(code: str, message: str, **more: str) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": f"com.amazonaws.athena#{code}", "message": message, **more}


@pytest.mark.parametrize(
    ("answer", "stage", "cause"),
    [
        (
            refusal("UnrecognizedClientException", f"Who is {SECRET}?"),
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
        ),
        (
            refusal("InvalidSignatureException", "The signature does not match."),
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
        ),
        (
            refusal("AccessDeniedException", "You may not."),
            Stage.AUTHENTICATION,
            Cause.PERMISSION_DENIED,
        ),
        (
            refusal("InvalidRequestException", "Catalog x was not found."),
            Stage.DATABASE,
            Cause.DATABASE_NOT_FOUND,
        ),
        ((200, {"xml": "<html>"}), Stage.AUTHENTICATION, Cause.OTHER),
        ((404, {"xml": "<html>"}), Stage.AUTHENTICATION, Cause.OTHER),
    ],
)
def test_stub_signing_in_fails_where_it_should(
    stub: Callable[..., Stub], answer: Any, stage: Stage, cause: Cause
) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        connect(stub(ListDatabases=answer).network)
    assert (caught.value.stage, caught.value.cause) == (stage, cause)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (
            refusal("InvalidRequestException", "line 1:8: mismatched input 'FROM'"),
            Cause.SYNTAX_ERROR,
        ),
        (
            refusal("InvalidRequestException", "No output location provided."),
            Cause.SETTINGS_INVALID,
        ),
        (refusal("AccessDeniedException", "You may not start."), Cause.PERMISSION_DENIED),
    ],
)
def test_stub_statements_that_are_not_even_started(
    stub: Callable[..., Stub], answer: Any, cause: Cause
) -> None:
    opened = connect(stub(StartQueryExecution=answer).network)
    with pytest.raises(DatabaseFailure) as caught:
        rows(opened, "SELECT FROM")
    assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, cause)
    opened.close()


def test_stub_throttled_calls_are_repeated(stub: Callable[..., Stub]) -> None:
    busy = refusal("ThrottlingException", "Rate exceeded")
    api = stub(ListDatabases=[busy, busy, {}])
    connect(api.network).close()
    assert api.operations() == ["ListDatabases"] * 3
    with pytest.raises(DatabaseFailure) as caught:
        connect(stub(ListDatabases=busy).network)
    assert caught.value.cause is Cause.TOO_MANY_CONNECTIONS


def test_stub_the_time_limit_stops_the_statement_in_aws(stub: Callable[..., Stub]) -> None:
    api = stub(GetQueryExecution=state("RUNNING"))
    opened = connect(api.network, timeout_seconds=1.0)
    started = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        rows(opened, "SELECT 1")
    assert caught.value.cause is Cause.QUERY_TIMEOUT
    assert 0.9 < time.monotonic() - started < 2.0 + SLOW_MACHINE
    assert api.seen[-1] == ("StopQueryExecution", STARTED)
    opened.close()


def test_stub_cancel_from_another_thread_stops_the_statement_in_aws(
    stub: Callable[..., Stub],
) -> None:
    api = stub(GetQueryExecution=state("RUNNING"))
    opened = connect(api.network)
    threading.Timer(0.5, opened.cancel).start()
    started = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        rows(opened, "SELECT 1")
    assert caught.value.cause is Cause.CANCELLED
    assert time.monotonic() - started < 3 + SLOW_MACHINE
    assert ("StopQueryExecution", STARTED) in api.seen
    opened.cancel()
    opened.close()


def test_stub_a_statement_stopped_by_somebody_else_is_cancelled(
    stub: Callable[..., Stub],
) -> None:
    opened = connect(stub(GetQueryExecution=state("CANCELLED")).network)
    with pytest.raises(DatabaseFailure) as caught:
        rows(opened, "SELECT 1")
    assert caught.value.cause is Cause.CANCELLED
    opened.close()


def test_stub_nothing_that_writes_is_started(stub: Callable[..., Stub]) -> None:
    api = stub()
    opened = connect(api.network)
    for sql in (
        "INSERT INTO t VALUES (1)",
        "UNLOAD (SELECT 1) TO 's3://elsewhere/' WITH (format = 'JSON')",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE t",
        "MSCK REPAIR TABLE t",
        "VACUUM t",
        "SELECT 1; DROP TABLE t",
        "EXECUTE p",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
    ):
        with pytest.raises(DatabaseFailure):
            rows(opened, sql)
    opened.close()
    assert api.operations() == ["ListDatabases"]


def test_stub_the_keys_of_the_environment_are_used_only_when_asked_for(
    stub: Callable[..., Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-machine")
    api = stub()
    connect(api.network).close()
    connect(api.network, target(useMachineAuth=True)).close()
    own, machine = api.headers
    assert KEY in own["Authorization"]
    assert "X-Amz-Security-Token" not in own
    assert "AKIAMACHINE" in machine["Authorization"]
    assert machine["X-Amz-Security-Token"] == "token-of-the-machine"


def test_stub_without_an_identity_nothing_is_dialled(
    stub: Callable[..., Stub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile file lies ready, and the metadata service is named: neither is used."""
    (tmp_path / ".aws").mkdir()
    profile = "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = stolen\n"
    (tmp_path / ".aws" / "credentials").write_text(profile)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
    api = stub()
    with pytest.raises(DatabaseFailure) as caught:
        connect(api.network, target(useMachineAuth=True))
    assert caught.value.stage is Stage.AUTHENTICATION
    assert api.network.dialled == []
    assert api.seen == []


def test_stub_a_role_that_may_not_be_assumed(stub: Callable[..., Stub]) -> None:
    denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
    api = stub(sts=(403, {"xml": denied}))
    with pytest.raises(DatabaseFailure) as caught:
        connect(api.network, target(awsRoleArn=ROLE))
    assert caught.value.cause is Cause.PERMISSION_DENIED
    assert "ListDatabases" not in api.operations()


def test_stub_keys_of_a_role_are_renewed_before_their_end(stub: Callable[..., Stub]) -> None:
    def answer(minutes: int, name: str) -> dict[str, Any]:
        end = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        return {
            "xml": f"<A><AccessKeyId>{name}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t&amp;t</SessionToken><Expiration>{end:%Y-%m-%dT%H:%M:%SZ}</Expiration></A>"
        }

    api = stub(sts=[answer(2, "ASIAOLD"), answer(60, "ASIANEW")])
    opened = connect(api.network, target(awsRoleArn=ROLE))
    opened.schemas()
    opened.schemas()
    opened.close()
    assert api.operations() == ["sts", "ListDatabases", "sts", "ListDatabases", "ListDatabases"]
    assert [("ASIAOLD" in h["Authorization"]) for h in api.headers] == [
        *(False, True, False, False, False)
    ]
    assert api.headers[-1]["X-Amz-Security-Token"] == "t&t"


def test_stub_the_environment_has_no_say(
    stub: Callable[..., Stub], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certificates.other_ca_file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    connect(stub().network).close()


def test_the_real_certificate_of_another_host_is_refused(certificates: Certificates) -> None:
    with (
        serving(tls_handler(certificates.good)) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        connect(network(port, certificates.ca_file))
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_HOSTNAME)


def test_a_server_without_tls_gets_nothing(certificates: Certificates) -> None:
    received: list[bytes] = []

    def handle(client: Any) -> None:
        received.append(client.recv(4096))
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(network(port, certificates.ca_file))
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)
    assert not any(b"AWS4" in sent for sent in received)


def test_the_policy_of_egress_decides_about_aws_too() -> None:
    """A resolver that leads AWS to the metadata service does not get there."""
    policy = EgressPolicy.build(tls=TlsPolicy(), resolver=lambda host: ["169.254.169.254"])
    with pytest.raises(DatabaseFailure) as caught:
        connect(policy)
    assert (caught.value.stage, caught.value.cause) == (Stage.DNS, Cause.ADDRESS_DENIED)


@pytest.mark.engine("trino")
def test_on_trino_the_catalog_statement_is_sound(trino_server: Trino) -> None:
    """Athena's SQL is Trino's; only its column `comment` is more."""
    for sql in (
        "CREATE SCHEMA IF NOT EXISTS memory.athena",
        "DROP TABLE IF EXISTS memory.athena.item",
        "CREATE TABLE memory.athena.item (id int NOT NULL, p decimal(10,2))",
        "CREATE OR REPLACE VIEW memory.athena.cheap AS SELECT id FROM memory.athena.item",
    ):
        ask(trino_server, sql)
    wanted = CatalogFilter.of({"includeSchemas": "athena", "offloadedSchemas": "other_*"})
    names = [
        *("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position"),
        *("column_default", "is_nullable", "data_type", "table_type"),
    ]
    answered = ask(trino_server, catalog.statement("memory", wanted))
    found = list(
        catalog.tables("memory", (dict(zip(names, row, strict=True)) for row in answered), wanted)
    )
    assert [(t.name, t.kind) for t in found] == [
        ("cheap", TableKind.VIEW),
        ("item", TableKind.TABLE),
    ]
    assert found[1].columns == [
        Column("id", 1, "integer", False, None, None, None),
        Column("p", 2, "decimal(10,2)", True, None, None, None),
    ]
    assert ask(trino_server, catalog.count("memory", ["athena", "it's"])) == [[2]]


def test_stub_the_catalog_has_comments(stub: Callable[..., Stub]) -> None:
    columns = [
        info(name, "varchar")
        for name in (
            *("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position"),
            *("column_default", "is_nullable", "data_type", "comment", "extra_info", "table_type"),
        )
    ]
    row = [
        "awsdatacatalog",
        "shop",
        "item",
        "id",
        "1",
        None,
        "YES",
        "bigint",
        "the id",
        "",
        "BASE TABLE",
    ]
    api = stub(
        GetQueryResults=result(columns, [c["Name"] for c in columns], row),
        ListDataCatalogs={
            "DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog"}, {"CatalogName": "other"}]
        },
    )
    opened = connect(api.network, target(includeOtherCatalogs="o*"))
    found = list(opened.catalog())
    opened.close()
    assert [table.catalog for table in found] == ["AwsDataCatalog", "other"]
    assert found[0].columns == [Column("id", 1, "bigint", True, None, "the id", None)]
