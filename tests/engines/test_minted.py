"""Signing in with passwords that a cloud makes, to real servers with TLS.

No cloud checks anything here: whoever makes a password also makes the server take this one and no
other, so a session that used an older one would be refused.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg import sql

from dragoman.dialects import minting, registry
from dragoman.dialects.adapters.aws import passwords
from dragoman.dialects.adapters.aws.endpoint import Endpoint
from dragoman.dialects.adapters.aws.identity import Keys
from dragoman.dialects.aws import Warehouse
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.conformance.subject import until
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.engines.support.athena import (
    HOSTS,
    KEY,
    MORE_HOSTS,
    REGION,
    SECRET,
    run_moto,
    stubbed,
)
from tests.engines.support.lakebase import PRINCIPAL, WORKSPACE, Workspace, workspace
from tests.engines.support.lakebase import SECRET as CLIENT_SECRET
from tests.engines.support.snowflake import Mapped
from tests.engines.test_mysql import OK, greeting, packet, read
from tests.support.certificates import Certificates
from tests.support.engines import Engine
from tests.support.servers import serving

ROLE = "arn:aws:iam::123456789012:role/reader"
MACHINE = {"useMachineAuth": True, "region": REGION}


class Clock:
    """The clock by which minted passwords grow old."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """This server's identity in AWS, and nothing kept from other tests."""
    for name in ("AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    made = Clock()
    monkeypatch.setattr(minting._KEPT, "_clock", made)
    monkeypatch.setattr(minting._KEPT, "_places", type(minting._KEPT._places)())
    return made


@pytest.fixture(scope="module")
def moto(start_engine: Callable[..., Engine], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """moto's server, as the names of AWS."""
    return start_engine("aws (moto)", lambda: run_moto(tmp_path_factory.mktemp("moto")))


@dataclass
class Server:
    """A database whose user `reader` has the password that was made last."""

    dialect: str
    engine: Engine
    set_password: Callable[[str], None]
    issued: list[str]
    network: Mapped

    def target(self, **settings: Any) -> Target:
        given = {
            "host": "localhost",
            "port": self.engine.port,
            "database": self.engine.database,
            "username": "reader",
            **MACHINE,
            **settings,
        }
        return Target(self.dialect, given, {})

    def connect(self, target: Target | None = None, **options: Any) -> Session:
        given = SessionOptions(**{"timeout_seconds": 20.0, **options})
        return registry.get(self.dialect).connect(target or self.target(), self.network, given)


def postgres(engine: Engine) -> Callable[[str], None]:
    def ask(statement: sql.Composable) -> None:
        with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
            connection.execute(statement)

    ask(sql.SQL("DROP ROLE IF EXISTS reader"))
    ask(sql.SQL("CREATE ROLE reader LOGIN"))
    return lambda password: ask(
        sql.SQL("ALTER ROLE reader PASSWORD {}").format(sql.Literal(password))
    )


def mariadb(engine: Engine) -> Callable[[str], None]:
    def ask(statement: str, *values: str) -> None:
        connection = pymysql.connect(
            host="localhost", port=engine.port, user=engine.username, password=engine.password,
            ssl={"ca": str(engine.ca_file)}, autocommit=True,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)

    ask("CREATE OR REPLACE USER reader@'%'")
    ask("GRANT SELECT ON app.* TO reader@'%'")
    return lambda password: ask("ALTER USER reader@'%%' IDENTIFIED BY %s", password)


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Whatever makes a token of RDS makes the server take it."""
    dialect, wire = request.param, "postgres" if request.param == "postgres" else "mariadb"
    engine: Engine = request.getfixturevalue(f"{wire}_tls_server")
    assert engine.ca_file
    set_password = postgres(engine) if wire == "postgres" else mariadb(engine)
    issued: list[str] = []
    really = passwords.rds_token

    def issue(*arguments: Any) -> SecretStr:
        # Signed a moment later it would be the same.
        token = SecretStr(f"{really(*arguments).reveal()}&n={len(issued)}")
        issued.append(token.reveal())
        set_password(token.reveal())
        return token

    monkeypatch.setattr(passwords, "rds_token", issue)
    network = Mapped({"localhost": engine.port}, TlsPolicy(ca_file=engine.ca_file))
    return Server(dialect, engine, set_password, issued, network)


@pytest.mark.parametrize("token", ["", "a/session+token=="])
@pytest.mark.parametrize("username", ["reader", "o'brien & söhne"])
def test_a_token_is_botocores_own(
    monkeypatch: pytest.MonkeyPatch, username: str, token: str
) -> None:
    import botocore.auth
    import botocore.session

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: at)
    client: Any = botocore.session.Session().create_client(
        "rds", region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
        aws_session_token=token or None,
    )  # fmt: skip
    host = "shop.abc123.eu-west-1.rds.amazonaws.com"
    wanted = client.generate_db_auth_token(host, 5432, username, Region="eu-west-1")
    keys = Keys(KEY, SecretStr(SECRET), SecretStr(token) if token else None)
    made = passwords.rds_token(host, 5432, username, "eu-west-1", keys)
    assert made.reveal() == wanted
    assert "20260102T030405Z" in wanted


def test_a_session_signs_in_reads_and_is_cancelled_with_tokens_of_the_moment(
    server: Server, clock: Clock
) -> None:
    session = server.connect()
    assert rows(session, "SELECT 1 AS a") == [{"a": 1}]
    assert len(server.issued) == 1
    assert "X-Amz-Signature=" in server.issued[0]
    assert "DBUser=reader" in server.issued[0]
    clock.ahead = 900.0
    # The token is over, and the open session goes on.
    assert rows(session, "SELECT 2 AS a") == [{"a": 2}]
    slow = registry.get(server.dialect).spelling.work("asleep")
    failures: list[DatabaseFailure] = []

    def run() -> None:
        try:
            rows(session, slow)
        except DatabaseFailure as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while thread.is_alive() and time.monotonic() < deadline:
        session.cancel()
        thread.join(0.5)
    assert [failure.cause for failure in failures] == [Cause.CANCELLED]
    if server.dialect != "postgres":
        # It is cancelled over a connection of its own, which needs a token that holds.
        assert len(server.issued) == 2
    again = server.connect()
    assert rows(again, "SELECT 3 AS a") == [{"a": 3}]
    assert len(server.issued) == 2
    again.close()
    session.close()


def test_a_second_driver_of_a_session_signs_in_with_what_holds_then(
    server: Server, clock: Clock
) -> None:
    session = server.connect()
    clock.ahead = 900.0
    # PostgreSQL's data comes by another driver, over a connection that is opened now.
    assert rows(session, "SELECT 1 AS a") == [{"a": 1}]
    assert len(server.issued) == (2 if server.dialect == "postgres" else 1)
    session.close()


def test_a_refused_token_says_what_to_check_and_is_not_used_again(server: Server) -> None:
    server.connect().close()
    server.set_password("another")
    dialect = registry.get(server.dialect)
    found = diagnose(dialect, server.target(), server.network, SessionOptions())
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
    )
    assert "rds-db:connect" in found.failed.fix
    assert not any(token in repr(found) for token in server.issued)
    found = diagnose(dialect, server.target(), server.network, SessionOptions())
    assert found[Stage.AUTHENTICATION].message == "Signed in as reader."
    assert len(server.issued) == 2


def test_a_machine_without_an_identity_is_told_where_it_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found = diagnose(
        registry.get(server.dialect), server.target(), server.network, SessionOptions()
    )
    assert found.failed
    assert found.failed.stage is Stage.AUTHENTICATION
    assert "no AWS identity" in found.failed.message
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in found.failed.fix


def test_the_extra_is_named_where_nothing_signs(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(passwords._SIGNATURES), "installed", lambda self: self.extra != "aws")
    with pytest.raises(DatabaseFailure) as caught:
        server.connect()
    assert (caught.value.stage, caught.value.cause) == (
        Stage.AUTHENTICATION,
        Cause.DRIVER_MISSING,
    )
    assert caught.value.fix == "pip install 'dragoman[aws]'"


@pytest.mark.parametrize(
    ("dialect", "plain"), [("postgres", "postgres_server"), ("mariadb", "mariadb_server")]
)
def test_a_token_is_never_sent_without_tls(
    request: pytest.FixtureRequest, dialect: str, plain: str
) -> None:
    """Not even to this machine, where a stored password may be."""
    engine: Engine = request.getfixturevalue(plain)
    network = Mapped({"localhost": engine.port}, TlsPolicy())
    settings = {"host": "localhost", "port": engine.port, "database": "app", "username": "reader"}
    where = Target(dialect, {**settings, **MACHINE}, {})
    found = diagnose(registry.get(dialect), where, network, SessionOptions())
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)
    with pytest.raises(DatabaseFailure) as caught:
        registry.get(dialect).connect(where, network, SessionOptions())
    assert caught.value.cause is Cause.TLS_UNSUPPORTED


def test_a_token_goes_to_the_plugin_of_rds_as_it_is_over_tls(certificates: Certificates) -> None:
    """AWSAuthenticationPlugin asks for the password in clear text."""
    received: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.certificate, certificates.good.key)

    def handle(client: socket.socket) -> None:
        client.sendall(greeting(tls=True))
        read(client)
        with context.wrap_socket(client, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(packet(b"\xfemysql_clear_password\0", 3))
            received.append(secured.recv(65536))
            secured.sendall(packet(OK, 5))

    with serving(handle) as port:
        network = Mapped({"localhost": port}, TlsPolicy(ca_file=certificates.ca_file))
        settings = {"host": "localhost", "port": port, "username": "reader", **MACHINE}
        target = Target("mysql", settings, {})
        with pytest.raises(DatabaseFailure):  # it hangs up after that
            registry.get("mysql").connect(target, network, SessionOptions())
    assert re.search(rb"\Alocalhost:\d+/\?Action=connect&DBUser=reader&.*\0\Z", received[0][4:])


def aws(server: Engine, database: int, also: Engine) -> Mapped:
    """The names of AWS and a database on this machine, each with its own authority."""
    assert server.ca_file
    assert also.ca_file
    both = server.ca_file.with_name("both.pem")
    both.write_bytes(server.ca_file.read_bytes() + also.ca_file.read_bytes())
    ports = dict.fromkeys((*HOSTS, *MORE_HOSTS), server.port)
    return Mapped({**ports, "localhost": database}, TlsPolicy(ca_file=both))


def test_moto_a_role_is_assumed_to_sign_tokens(server: Server, moto: Engine) -> None:
    server.network = aws(moto, server.engine.port, server.engine)
    server.connect(server.target(awsRoleArn=ROLE)).close()
    assert "X-Amz-Security-Token=" in server.issued[0]
    assert (HOSTS[1], 443) in server.network.dialled


@pytest.fixture(scope="module")
def moto_with_cluster(moto: Engine) -> Engine:
    assert moto.ca_file
    network = Mapped({MORE_HOSTS[0]: moto.port}, TlsPolicy(ca_file=moto.ca_file))
    endpoint = Endpoint(passwords._REDSHIFT, REGION, network, 10.0)
    fields = {"ClusterIdentifier": "cluster-1", "NodeType": "ra3.large", "MasterUsername": "admin"}
    fields["MasterUserPassword"] = "Canary-0f-nothing"
    endpoint.query("CreateCluster", Keys(KEY, SecretStr(SECRET)).signer(), **fields)
    endpoint.close()
    return moto


@pytest.fixture
def cluster(
    moto_with_cluster: Engine, postgres_tls_server: Engine, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """Redshift's credentials by moto, which has a cluster; PostgreSQL in Redshift's place."""
    network = aws(moto_with_cluster, postgres_tls_server.port, postgres_tls_server)

    def ask(statement: sql.Composable) -> None:
        with psycopg.connect(postgres_tls_server.url("postgresql"), autocommit=True) as connection:
            connection.execute(statement)

    issued: list[str] = []
    name = sql.Identifier("IAM:reader")
    ask(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
    ask(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    really = passwords._minted

    def issue(username: str, password: str, expires: datetime) -> Any:
        issued.append(password)
        change = sql.SQL("ALTER ROLE {} PASSWORD {}")
        ask(change.format(name, sql.Literal(password)))
        return really(username, password, expires)

    monkeypatch.setattr(passwords, "_minted", issue)
    found = Warehouse("cluster-1", REGION, serverless=False)
    monkeypatch.setattr("dragoman.dialects.redshift.warehouse", lambda host: found)
    return Server("redshift", postgres_tls_server, lambda password: None, issued, network)


def test_moto_a_cluster_gives_a_user_and_a_password(cluster: Server, clock: Clock) -> None:
    for _ in range(2):
        session = cluster.connect()
        assert rows(session, "SELECT current_user::varchar AS u") == [{"u": "IAM:reader"}]
        session.close()
    assert len(cluster.issued) == 1
    assert [host for host, _ in cluster.network.dialled if host != "localhost"] == [MORE_HOSTS[0]]
    clock.ahead = 720.0  # four fifths of 900 seconds
    cluster.connect(cluster.target()).close()
    assert len(cluster.issued) == 2


def test_moto_a_cluster_of_nobody_is_told(cluster: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Warehouse("other", REGION, serverless=False)
    monkeypatch.setattr("dragoman.dialects.redshift.warehouse", lambda host: other)
    with pytest.raises(DatabaseFailure) as caught:
        cluster.connect()
    told = caught.value
    assert (told.stage, told.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert told.code == "ClusterNotFound"
    assert told.fix
    assert "account" in told.fix


def test_stub_what_redshift_is_asked_for(tmp_path: Path) -> None:
    end = datetime.now(UTC) + timedelta(minutes=15)
    xml = (
        "<A><DbUser>IAMR:reader</DbUser><DbPassword>canary&amp;1</DbPassword>"
        f"<Expiration>{end:%Y-%m-%dT%H:%M:%SZ}</Expiration></A>"
    )
    json = {"dbUser": "IAM:x", "dbPassword": "canary-2", "expiration": end.timestamp()}
    where = Target("redshift", {"database": "shop", "useMachineAuth": True}, {})
    named = replace(where, settings={**where.settings, "username": "reader"})
    provisioned = Warehouse("cluster-1", REGION, serverless=False)
    serverless = Warehouse("default", REGION, serverless=True)
    with stubbed(tmp_path, sts={"xml": xml}, GetCredentials=json) as stub:
        made = [
            passwords.RedshiftCredential(*given).mint(stub.network, 5.0)
            for given in ((where, provisioned), (named, provisioned), (where, serverless))
        ]
    assert [(m.username, m.password.reveal()) for m in made] == [
        *(("IAMR:reader", "canary&1"),) * 2,
        ("IAM:x", "canary-2"),
    ]
    assert all(880 < m.seconds <= 900 for m in made)
    common = "Version=2012-12-01&ClusterIdentifier=cluster-1&DbName=shop"
    assert [body for _, body in stub.seen] == [
        {"form": f"Action=GetClusterCredentialsWithIAM&{common}"},
        {"form": f"Action=GetClusterCredentials&{common}&DbUser=reader&AutoCreate=false"},
        {"workgroupName": "default", "dbName": "shop"},
    ]
    assert stub.headers[2]["X-Amz-Target"] == "RedshiftServerless.GetCredentials"
    assert f"/{REGION}/redshift-serverless/aws4_request" in stub.headers[2]["Authorization"]
    assert f"/{REGION}/redshift/aws4_request" in stub.headers[0]["Authorization"]


@dataclass
class Lakebase:
    """The stub of a workspace, and PostgreSQL in Lakebase's place."""

    api: Workspace
    network: Mapped
    target: Target

    def connect(self, **settings: Any) -> Session:
        given = replace(self.target, settings={**self.target.settings, **settings})
        return registry.get("databricks_lakebase").connect(given, self.network, SessionOptions())


@pytest.fixture
def lakebase(postgres_tls_server: Engine, tmp_path: Path) -> Iterator[Lakebase]:
    def ask(statement: sql.Composable) -> None:
        with psycopg.connect(postgres_tls_server.url("postgresql"), autocommit=True) as connection:
            connection.execute(statement)

    name = sql.Identifier(PRINCIPAL)
    ask(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
    ask(sql.SQL("CREATE ROLE {} LOGIN").format(name))

    def issue(token: str) -> None:
        ask(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(token)))

    instances = [
        {"name": "other", "read_write_dns": "elsewhere", "read_only_dns": "ro-elsewhere"},
        {"name": "shop", "read_write_dns": "LOCALHOST".lower()},
    ]
    with workspace(tmp_path, instances, issue) as api:
        assert postgres_tls_server.ca_file
        both = tmp_path / "both.pem"
        both.write_bytes(api.ca_file.read_bytes() + postgres_tls_server.ca_file.read_bytes())
        ports = {WORKSPACE: api.port, "localhost": postgres_tls_server.port}
        settings = {
            "host": "localhost",
            "port": postgres_tls_server.port,
            "database": postgres_tls_server.database,
            "useMachineAuth": True,
            "workspaceHost": WORKSPACE,
            "oauthClientId": PRINCIPAL,
        }
        secrets = {"oauthClientSecretUnencrypted": SecretStr(CLIENT_SECRET)}
        target = Target("databricks_lakebase", settings, secrets)
        yield Lakebase(api, Mapped(ports, TlsPolicy(ca_file=both)), target)


def test_stub_the_instance_is_found_by_its_host(lakebase: Lakebase, clock: Clock) -> None:
    session = lakebase.connect()
    assert rows(session, "SELECT current_user::text AS u") == [{"u": PRINCIPAL}]
    assert lakebase.api.paths() == ["token", "instances", "instances", "credentials"]
    _, _, body = lakebase.api.asked[-1]
    assert body["instance_names"] == ["shop"]
    assert re.fullmatch(r"[0-9a-f-]{36}", body["request_id"])
    assert (WORKSPACE, 443) in lakebase.network.dialled
    lakebase.connect().close()
    assert lakebase.api.issued == 1
    clock.ahead = 3000.0
    assert rows(session, "SELECT 1 AS a") == [{"a": 1}]
    lakebase.connect().close()
    assert lakebase.api.issued == 2
    session.close()


def test_stub_an_instance_that_is_named_is_not_looked_for(lakebase: Lakebase) -> None:
    lakebase.connect(databaseInstance="shop").close()
    assert lakebase.api.paths() == ["token", "credentials"]
    endpoint = "projects/shop/branches/production/endpoints/primary"
    lakebase.connect(databaseInstance=endpoint).close()
    assert lakebase.api.asked[-1] == (
        *("POST", "/api/2.0/postgres/credentials"),
        {"endpoint": endpoint},
    )


REFUSALS: list[tuple[str, tuple[int, Any], Cause, str]] = [
    ("/oidc/v1/token", (401, {"error": "invalid_client"}), Cause.AUTHENTICATION_FAILED, "secret"),
    ("/oidc/v1/token", (200, ["no"]), Cause.OTHER, "workspace"),
    (
        "/api/2.0/database/credentials",
        (403, {"error_code": "PERMISSION_DENIED", "message": "User may not."}),
        Cause.PERMISSION_DENIED,
        "databaseInstance",
    ),
    ("/api/2.0/database/credentials", (200, {"other": 1}), Cause.OTHER, "workspaceHost"),
    ("/api/2.0/database/instances", (200, {}), Cause.OBJECT_NOT_FOUND, "databaseInstance"),
    ("/api/2.0/database/instances", (404, "gone"), Cause.OBJECT_NOT_FOUND, "databaseInstance"),
]


@pytest.mark.parametrize(("path", "answer", "cause", "fix"), REFUSALS)
def test_stub_a_workspace_that_gives_no_token(
    lakebase: Lakebase, path: str, answer: tuple[int, Any], cause: Cause, fix: str
) -> None:
    lakebase.api.refusals[path] = answer
    found = diagnose(
        registry.get("databricks_lakebase"), lakebase.target, lakebase.network, SessionOptions()
    )
    assert found.failed
    assert (found.failed.stage, found.failed.cause) == (Stage.AUTHENTICATION, cause)
    assert found.failed.message.startswith("No password could be made")
    assert fix in found.failed.fix
    assert CLIENT_SECRET not in repr(found)
    assert "workspace-token" not in repr(found)


def test_stub_a_token_that_the_database_refuses(lakebase: Lakebase) -> None:
    lakebase.api.on_token = lambda token: None
    with pytest.raises(DatabaseFailure) as caught:
        lakebase.connect()
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert caught.value.fix
    assert "databricks_create_role" in caught.value.fix
    assert "canary-token" not in repr(caught.value)


def test_stub_a_session_is_opened_by_the_server_too(lakebase: Lakebase) -> None:
    dialect = registry.get("databricks_lakebase")
    session = dialect.open_session(lakebase.target, lakebase.network, SessionOptions())
    until(lambda: rows(session, "SELECT 1 AS a") == [{"a": 1}])
    session.close()
