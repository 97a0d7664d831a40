"""The suite itself can fail: at a dialect that promises too much, or denies what it has."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import duckdb
import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Declaration, Target
from dragoman.dialects.conformance import CHECKS, Check, Result, Status, Subject, fingerprint, run
from dragoman.dialects.conformance.relay import Relayed
from dragoman.dialects.duckdb import DuckDB
from dragoman.dialects.features import TYPES, Feature
from dragoman.dialects.network import Address, TlsPolicy
from dragoman.dialects.spelling import Spelling, digits
from dragoman.egress import EgressPolicy
from tests.support.servers import serving


def check(name: str) -> Check:
    return next(check for check in CHECKS if check.name == name)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("CREATE TABLE victim (a int)")
    dialect = registry.get("duckdb")
    target = Target("duckdb", {"database": "a.duckdb"}, {})
    return Subject(dialect, target, EgressPolicy.build(), files=tmp_path)


def lacking(subject: Subject, *features: Feature) -> Subject:
    class Lacking(DuckDB):
        declaration: ClassVar[Declaration] = replace(
            DuckDB.declaration, lacks=dict.fromkeys(features, "It is not there.")
        )

    return replace(subject, dialect=Lacking())


def outcome(name: str, subject: Subject) -> Result:
    return run(check(name), subject)


def test_a_feature_that_is_denied_and_there_fails(subject: Subject) -> None:
    found = outcome("type_array", lacking(subject, Feature.ARRAY))
    assert (found.status, found.found) == (Status.FAILED, "It arrives, as list<l: int32>.")
    assert outcome("type_array", subject).status is Status.PASSED
    assert outcome("time_zone", lacking(subject, Feature.SESSION_TIME_ZONE)).status is Status.FAILED
    denied = replace(lacking(subject, Feature.READ_ONLY_SESSION), schema="main")
    assert "refuses by itself" in outcome("read_only", denied).found


def test_a_feature_that_is_not_there_fails_unless_it_is_denied(subject: Subject) -> None:
    spelled = Spelling(values={Feature.ARRAY: "'[1, 2]'", Feature.JSON: "no_such_function()"})
    poor = replace(subject, respelled=spelled)
    assert outcome("type_array", poor).status is Status.FAILED
    assert outcome("type_json", poor).status is Status.FAILED
    denied = replace(lacking(subject, Feature.ARRAY, Feature.JSON), respelled=spelled)
    assert outcome("type_array", denied).status is Status.DECLARED
    assert outcome("type_json", denied).status is Status.DECLARED


def test_a_wrong_value_of_the_right_type_fails(subject: Subject) -> None:
    spelled = Spelling(values={Feature.DECIMAL: "CAST('12.35' AS DECIMAL(10, 2))"})
    assert "12.35" in outcome("type_decimal", replace(subject, respelled=spelled)).found


def test_a_gap_that_is_none_fails(subject: Subject) -> None:
    found = outcome("text", replace(subject, gaps={"text": "so they say"}))
    assert found.status is Status.FAILED
    poor = replace(subject, gaps={"text": "so it is"}, respelled=Spelling(quoted="'other'"))
    assert outcome("text", poor).status is Status.GAP


def test_what_no_adapter_may_raise_fails(subject: Subject) -> None:
    class Broken(DuckDB):
        def connect(self, *_: object) -> None:  # type: ignore[override]
            raise KeyError("x")

    found = outcome("text", replace(subject, dialect=Broken()))
    assert (found.status, found.found) == (Status.FAILED, "KeyError: 'x'")


def test_every_live_dialect_spells_every_type_it_has() -> None:
    for dialect in registry.all_dialects().values():
        declared, spelling = dialect.declaration, dialect.spelling
        assert all(isinstance(spelling.value(kind), str) for kind in TYPES)
        assert "slow_1" in spelling.work("slow_1"), declared.name
        assert "1000" in spelling.sequence(1000), declared.name
        if Feature.SESSION_TIME_ZONE not in declared.lacks:
            assert spelling.hour, declared.name


def test_the_fingerprint_changes_with_what_is_denied() -> None:
    declared = DuckDB.declaration
    assert fingerprint(declared) == fingerprint(replace(declared, notes=()))
    assert fingerprint(declared) != fingerprint(replace(declared, lacks={Feature.JSON: "no"}))


@pytest.mark.parametrize("count", [1, 7, 10, 1234])
def test_digits_are_all_numbers_once(count: int) -> None:
    found = duckdb.sql(f"SELECT n FROM {digits(count)} ORDER BY n").fetchall()
    assert found == [(n,) for n in range(count)]


def test_the_relay_carries_both_ways_until_it_is_cut() -> None:
    def echo(client: socket.socket) -> None:
        while data := client.recv(100):
            client.sendall(data.upper())

    with serving(echo) as port:
        relayed = Relayed(EgressPolicy.build(loopback=True))
        sock, address = relayed.connect("127.0.0.1", port, 5)
        again = socket.create_connection((address.ip, address.port), 5)
        for each in (sock, again):
            each.settimeout(5)
            each.sendall(b"abc")
            assert each.recv(100) == b"ABC"
        assert address.port != port
        relayed.cut()
        assert sock.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.ip, address.port), 1)
        sock.close()
        again.close()


@pytest.mark.parametrize(("rule", "allowed"), [("loopback", False), ("private", True)])
def test_the_relay_hides_nothing_from_the_rule_of_plain_text(rule: str, allowed: bool) -> None:
    """The near end is of this machine; what counts is the far one."""

    class Far:
        tls = TlsPolicy(plaintext=rule)  # type: ignore[arg-type]

        def resolve(self, host: str, port: int) -> list[Address]:
            raise NotImplementedError

        def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
            return socket.socketpair()[0], Address(host, "10.0.0.1", port)

    relayed = Relayed(Far())
    sock, near = relayed.connect("db.example", 1, 1)
    assert near.host == "db.example"
    assert relayed.tls.allows_plaintext(near) is allowed
    relayed.cut()
    sock.close()
