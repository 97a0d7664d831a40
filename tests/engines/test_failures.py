"""What the diagnosis says of all that may be wrong.

Before signing in every dialect meets sockets of the test; after it, those with a real engine here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Driver, SessionOptions, Target
from dragoman.dialects.diagnosis import Diagnosis, StageResult, Status, diagnose
from dragoman.dialects.failures import Cause, Stage
from dragoman.dialects.motherduck import WithExtension
from dragoman.dialects.network import Address, Deadline, TlsPolicy
from dragoman.dialects.validation import validate
from dragoman.egress import EgressPolicy
from dragoman.egress.dialling import dial
from dragoman.secret import SecretStr
from tests.dialects.test_network import greeting
from tests.engines.conformance import Subject, mariadb_subject, postgres_subject
from tests.support import bodies
from tests.support.certificates import make_certificates
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import Handler, refusing, saying, serving, tls_handler, unanswering

DIALLED = [
    name for name in bodies.NAMES if name != "duckdb" and registry.get(name).declaration.live
]
POSTGRES = {"postgres", "redshift", "databricks_lakebase"}
MYSQL = {"mysql", "mariadb", "starrocks"}
WITH_TLS, WITHOUT_TLS = 0xFFFFFFFF, 0xFFFFF7FF
PASSWORD = "canary-of-a-password"


@dataclass(frozen=True)
class There:
    """A `Network` where every host is this machine, at one port."""

    port: int
    tls: TlsPolicy

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        return [Address(host, "127.0.0.1", self.port)]

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        return dial(self.resolve(host, port), Deadline(timeout))


@pytest.fixture(autouse=True)
def drivers_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here gets as far as a driver."""
    monkeypatch.setattr(Driver, "require", lambda _: None)
    monkeypatch.setattr(WithExtension, "require", lambda _: None)


def target(dialect: str) -> Target:
    draft = validate(bodies.body(dialect))
    secrets = {name: SecretStr(PASSWORD) for name in draft.secrets}
    return Target(dialect, draft.effective(), secrets)


def told(dialect: str, network: Any) -> StageResult:
    """The stage that failed; all before it passed, all after it were skipped."""
    options = SessionOptions(connect_seconds=1.0)
    found = diagnose(registry.get(dialect), target(dialect), network, options, deadline=10)
    return checked(found)


def checked(found: Diagnosis) -> StageResult:
    assert PASSWORD not in repr(found)
    failed = found.failed
    assert failed is not None, found
    at = list(Stage).index(failed.stage)
    assert all(s.status is Status.PASSED for s in found.stages[:at]), found
    assert all(s.status is Status.SKIPPED for s in found.stages[at + 1 :])
    assert failed.message
    assert failed.fix
    assert failed.cause is not None
    assert failed.detail.startswith(failed.cause.value)
    return failed


def greeted(dialect: str, *, tls: bool) -> Handler:
    """What the server says before TLS, in the words of its protocol."""

    def before(client: socket.socket) -> None:
        if dialect in POSTGRES:
            client.recv(8)
            client.sendall(b"S" if tls else b"N")
        elif dialect in MYSQL:
            client.sendall(greeting("8.4.3", WITH_TLS if tls else WITHOUT_TLS))
            if tls:
                client.recv(36)

    return before


every = pytest.mark.parametrize("dialect", DIALLED)


@every
def test_a_host_that_no_name_server_knows(dialect: str) -> None:
    policy = replace(EgressPolicy.build(), resolver=lambda _: [])
    failed = told(dialect, policy)
    assert (failed.stage, failed.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)
    assert "No host named" in failed.message


@every
def test_a_port_where_nothing_listens(dialect: str) -> None:
    with refusing() as port:
        failed = told(dialect, There(port, TlsPolicy()))
    assert (failed.stage, failed.cause) == (Stage.TCP, Cause.REFUSED)
    assert "refused the connection" in failed.message
    if listens := registry.get(dialect).declaration.listens:
        assert listens in failed.fix


@every
def test_an_address_that_swallows_packets_is_bounded(dialect: str) -> None:
    with unanswering() as port:
        failed = told(dialect, There(port, TlsPolicy()))
    assert (failed.stage, failed.cause) == (Stage.TCP, Cause.TIMEOUT)
    assert failed.milliseconds < 3000 + 1000 * SLOW_MACHINE


# Those of SQL Server, whose protocol Fabric speaks, are in test_mssql.py: its handshake lies in
# packets of its own.
_IN_PACKETS = ("mssql", "fabric")
in_the_open = pytest.mark.parametrize("dialect", [n for n in DIALLED if n not in _IN_PACKETS])


@in_the_open
def test_a_server_without_tls_that_must_have_it(dialect: str) -> None:
    def handler(client: socket.socket) -> None:
        greeted(dialect, tls=False)(client)
        saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")(client)

    with serving(handler) as port:
        failed = told(dialect, There(port, TlsPolicy(plaintext="never")))
    assert (failed.stage, failed.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


@pytest.mark.parametrize(
    ("pair", "cause", "says"),
    [
        ("expired", Cause.TLS_UNTRUSTED, "has expired"),
        ("self_signed", Cause.TLS_UNTRUSTED, "not trusted: self"),
        ("other_ca", Cause.TLS_UNTRUSTED, "not trusted: unable to get local issuer"),
        ("other_host", Cause.TLS_HOSTNAME, "not valid for"),
    ],
)
@in_the_open
def test_a_certificate_that_cannot_be_trusted(
    dialect: str, pair: str, cause: Cause, says: str, tmp_path: Path
) -> None:
    address = registry.get(dialect).network_address(target(dialect))
    assert address is not None
    made = make_certificates(tmp_path, (address[0],))
    handler = tls_handler(getattr(made, pair), greeted(dialect, tls=True))
    with serving(handler) as port:
        failed = told(dialect, There(port, TlsPolicy(ca_file=made.ca_file)))
    assert (failed.stage, failed.cause) == (Stage.TLS, cause)
    assert says in failed.message


Ask = Callable[[str], object]


@pytest.fixture(params=["postgres", "databricks_lakebase", "redshift", "mariadb", "mysql"])
def engine(request: pytest.FixtureRequest) -> tuple[Subject, Ask]:
    """A subject on a real engine, and a way to ask it anything."""
    if request.param in MYSQL:
        server: Engine = request.getfixturevalue("mariadb_server")
        return mariadb_subject(server, request.param), lambda sql: _mariadb(server, sql)
    server = request.getfixturevalue("postgres_tls_server")
    if request.param == "redshift":
        from tests.engines.support.redshift import redshift_subject

        return redshift_subject(server), lambda sql: _postgres(server, sql)
    return postgres_subject(server, request.param), lambda sql: _postgres(server, sql)


def _postgres(server: Engine, sql: str) -> object:
    import psycopg

    with psycopg.connect(server.url("postgresql"), autocommit=True) as connection:
        return connection.execute(sql.encode())


def _mariadb(server: Engine, sql: str) -> object:
    import pymysql

    with pymysql.connect(
        host=server.host, port=server.port, user=server.username, password=server.password
    ) as connection:
        return connection.cursor().execute(sql)


def after_signing_in(subject: Subject) -> StageResult:
    return checked(
        diagnose(subject.dialect, subject.target, subject.network, subject.options(), deadline=20)
    )


def test_a_wrong_password(engine: tuple[Subject, Ask]) -> None:
    failed = after_signing_in(engine[0].with_settings(password=PASSWORD))
    assert (failed.stage, failed.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)


def test_an_unknown_user(engine: tuple[Subject, Ask]) -> None:
    stranger = engine[0].with_settings(password=PASSWORD, username="nobody_of_this_name")
    failed = after_signing_in(stranger)
    assert (failed.stage, failed.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)


def test_an_unknown_database(engine: tuple[Subject, Ask]) -> None:
    failed = after_signing_in(engine[0].with_settings(database="no_such_database"))
    assert (failed.stage, failed.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    assert "no_such_database" in failed.message


def test_an_unknown_schema(engine: tuple[Subject, Ask]) -> None:
    failed = after_signing_in(engine[0].with_settings(includeSchemas="no_such_schema"))
    assert (failed.stage, failed.cause) == (Stage.SCHEMA, Cause.SCHEMA_NOT_FOUND)
    assert "Within reach: " in failed.fix


def test_a_user_who_may_read_nothing(engine: tuple[Subject, Ask]) -> None:
    subject, ask = engine
    if subject.dialect.declaration.name in MYSQL:
        database = subject.target.database
        ask("DROP USER IF EXISTS outsider")
        ask(f"CREATE USER outsider IDENTIFIED BY '{PASSWORD}'")
        # A right that opens the database, and reads no table in it.
        ask(f"GRANT CREATE ROUTINE ON {database}.* TO outsider")
    else:
        ask("DROP ROLE IF EXISTS outsider")
        ask(f"CREATE ROLE outsider LOGIN PASSWORD '{PASSWORD}'")
    failed = after_signing_in(subject.with_settings(password=PASSWORD, username="outsider"))
    assert (failed.stage, failed.cause) == (Stage.PRIVILEGES, Cause.PERMISSION_DENIED)
    # Redshift's stand-in does not even show its views to everybody, as Redshift would.
    assert "rant" in failed.fix
    assert "SELECT" in failed.fix
