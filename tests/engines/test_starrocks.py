"""The StarRocks adapter against a stub of its protocol: nothing here says what the server does."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from dragoman.dialects.adapters.starrocks.session import (
    SameServer,
    StarRocksSession,
    StarRocksTypes,
)
from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, TlsPolicy
from tests.engines.conformance import Subject, rows
from tests.engines.support.starrocks import starrocks_subject
from tests.support.engines import Engine


@pytest.fixture
def subject(starrocks_server: Engine) -> Subject:
    return starrocks_subject(starrocks_server)


class Field(NamedTuple):
    """What pymysql tells of a column."""

    name: str
    type_code: int
    charsetnr: int = 33
    length: int = 0
    scale: int = 0
    flags: int = 0


@pytest.mark.parametrize(
    ("field", "given", "kind"),
    [
        # A length that is too small for the digits must not cut them.
        (Field("d", 246, 63, length=4, scale=2), ["12345678901234567890.12"], pa.decimal128(38, 2)),
        (Field("l", 254, 63), [b"170141183460469231731687303715884105727"], pa.string()),
        (Field("a", 253, 33), ["[1,2]"], pa.string()),
        (Field("b", 252, 63), [b"\xff"], pa.binary()),
    ],
)
def test_stub_columns_that_are_announced_in_this_servers_way(
    field: Field, given: list[Any], kind: pa.DataType
) -> None:
    column = StarRocksTypes("UTC", []).column(field)
    array = column.convert(given)
    assert column.field.type == array.type == kind
    expected = given[0].decode() if pa.types.is_string(kind) and field.charsetnr == 63 else given[0]
    assert str(array[0].as_py()) == str(expected)


def test_stub_the_session_is_set_up_in_this_servers_words(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    really = StarRocksSession._ask

    def ask(self: StarRocksSession, sql: str, values: Any = None) -> Any:
        said.append(sql)
        return really(self, sql, values)

    monkeypatch.setattr(StarRocksSession, "_ask", ask)
    with subject.session(timeout_seconds=1.5) as session:
        first = [sql for sql in said if sql.startswith("SET")]
        assert first == ["SET query_timeout = 2", "SET time_zone = '+00:00'"]
        said.clear()
        session.reset()
        assert [sql for sql in said if sql.startswith("SET")] == first
        rows(session, "SELECT a FROM victim")
        assert not any("TRANSACTION" in sql or "ROLLBACK" in sql for sql in said)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Getting analyzing error. Detail message: Column 'b' cannot be resolved.", "object"),
        ("Access denied; you need (at least one of) the SELECT privilege(s) on TABLE t", "denied"),
        ("Query exceeded time limit of 1 seconds", "time"),
        ("Getting syntax error at line 1, column 7.", "syntax"),
    ],
)
def test_stub_one_number_has_many_causes(subject: Subject, text: str, cause: str) -> None:
    import pymysql

    causes = {
        "object": Cause.OBJECT_NOT_FOUND,
        "denied": Cause.PERMISSION_DENIED,
        "time": Cause.QUERY_TIMEOUT,
        "syntax": Cause.SYNTAX_ERROR,
    }
    with subject.session() as session:
        translated = session._translate(pymysql.ProgrammingError(1064, text), None)  # type: ignore[attr-defined]
    assert translated.cause is causes[cause]


def test_stub_an_unknown_database_is_named(subject: Subject) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        subject.with_settings(database="nowhere").connect()
    assert (caught.value.stage, caught.value.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    with subject.with_settings(defaultSchema="nowhere").session() as session:
        assert "nowhere" in session.notices[0]


def test_stub_a_name_of_several_servers_leads_to_the_same_one() -> None:
    class Several:
        tls = TlsPolicy()
        addresses = ("10.0.0.1", "10.0.0.2")

        def __init__(self) -> None:
            self.dialled: list[str] = []

        def resolve(self, host: str, port: int) -> list[Address]:
            return [Address(host, ip, port) for ip in self.addresses]

        def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
            self.dialled.append(host)
            return socket.socket(), Address(host, host, port)

    network = Several()
    sock, address = SameServer(network, "10.0.0.2").connect("fe.example", 9030, 1.0)
    sock.close()
    assert network.dialled == ["10.0.0.2"]
    assert address == Address("fe.example", "10.0.0.2", 9030)
    SameServer(network, "10.0.0.9").connect("fe.example", 9030, 1.0)[0].close()
    assert network.dialled[1:] == ["fe.example"]


def chosen(include: str = "", away: str = "") -> CatalogFilter:
    return CatalogFilter.of({"includeSchemas": include, "offloadedSchemas": away})


def test_stub_the_catalog_is_one_statement(subject: Subject) -> None:
    with subject.session() as session:
        seen, line, victim = session.catalog()
        assert [t.schema for t in session.catalog(chosen('"it\'s"'))] == ["it's"]
        assert [t.schema for t in session.catalog(chosen("sh*", ""))] == ["shop", "shop"]
        assert [t.schema for t in session.catalog(chosen("", "shop"))] == ["it's"]
        assert list(session.catalog(chosen("other.shop"))) == []
    assert (seen.kind, seen.estimated_rows) == (TableKind.VIEW, None)
    assert line == Table(
        None,
        "shop",
        "order_line",
        TableKind.TABLE,
        "Lines",
        [
            Column("order_id", 1, "bigint(20)", False, None, "the order", 1),
            Column("line", 2, "int(11)", False, None, None, 2),
            Column("price", 3, "decimal(10, 2)", True, "0", None, None),
        ],
        ["order_id", "line"],
        [],
        7,
    )
    assert victim.primary_key == []
