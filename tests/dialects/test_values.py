"""Checks of single values."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects import values
from dragoman.dialects.hosts import check_host
from dragoman.dialects.properties import PROPERTIES
from dragoman.dialects.values import BadValue
from dragoman.secret import SecretReference, SecretStr


@pytest.mark.parametrize(
    ("name", "sent", "stored"),
    [
        ("name", " Mine ", "Mine"),
        ("port", 5432, 5432),
        ("queryTimeoutSeconds", 3600, 3600),
        ("baseRole", "RESTRICTED_QUERIER", "QUERY_TOPICS"),
        ("baseRole", "Custom one", "Custom one"),
        ("maxBillingBytes", "1000000000", "1000000000"),
        ("maxBillingBytes", 9_007_199_254_740_993, "9007199254740993"),
        ("maxBillingBytes", "0042", "42"),
        ("systemTimezone", "Europe/Berlin", "Europe/Berlin"),
        ("queryTimezone", "none", "NONE"),
        ("includeSchemas", " a , b ", "a,b"),
        ("includeSchemas", "", ""),
        ("includeSchemas", 'sales_*,"a,b"', 'sales_*,"a,b"'),
        ("offloadedSchemas", ["a", "b,c", "OTHER.S"], 'a,"b,c",OTHER.S'),
        ("offloadedSchemas", [], ""),
        ("externalOauthTokenUrl", "https://login.example.com/t", "https://login.example.com/t"),
    ],
)
def test_taken(name: str, sent: object, stored: object) -> None:
    found = values.check(PROPERTIES[name], sent)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", 1),
        ("name", "a\nb"),
        ("name", "a\x85b"),
        ("name", "\ud800"),
        ("name", "x" * 4097),
        ("port", "5432"),
        ("port", 5432.0),
        ("port", True),
        ("port", 0),
        ("port", 65536),
        ("queryTimeoutSeconds", 0),
        ("queryTimeoutSeconds", 3601),
        ("maxBillingBytes", "0"),
        ("maxBillingBytes", "-1"),
        ("maxBillingBytes", "1e9"),
        ("maxBillingBytes", "٣"),
        ("maxBillingBytes", str(2**63)),
        pytest.param("maxBillingBytes", 10**5000, id="huge"),
        ("maxBillingBytes", 1.5),
        ("systemTimezone", "Mars/Base"),
        ("systemTimezone", "../etc/passwd"),
        ("systemTimezone", "NONE"),
        ("allowsUserSpecificTimezones", "true"),
        ("allowsUserSpecificTimezones", 1),
        ("includeSchemas", "a,,b"),
        ("includeSchemas", 'a,"b'),
        ("includeSchemas", {"a": 1}),
        ("offloadedSchemas", ["a", 1]),
        ("offloadedSchemas", ["a", ""]),
        ("externalOauthTokenUrl", "http://login.example.com/t"),
        ("externalOauthTokenUrl", "https://user@login.example.com/t"),
        ("externalOauthTokenUrl", "https:///t"),
        ("externalOauthTokenUrl", "https://[::1/t"),
        ("externalOauthTokenUrl", "https://a.example\\@b.example/"),
    ],
)
def test_refused(name: str, sent: object) -> None:
    with pytest.raises(BadValue):
        values.check(PROPERTIES[name], sent)


def test_secrets_keep_their_white_space() -> None:
    found = values.secret(" p w\n")
    assert isinstance(found, SecretStr)
    assert found.reveal() == " p w\n"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("env:DRAGOMAN_SECRET_X", SecretReference("env", "DRAGOMAN_SECRET_X")),
        ("file:team/pw", SecretReference("file", "team/pw")),
    ],
)
def test_references(text: str, reference: SecretReference) -> None:
    assert values.secret({"$secret": text}) == reference


@pytest.mark.parametrize(
    "sent",
    [
        {"$secret": "env:../X"},
        {"$secret": "file:../etc/shadow"},
        {"$secret": "file:/etc/shadow"},
        {"$secret": "file:a/../../b"},
        {"$secret": "cmd:id"},
        {"$secret": 1},
        {"$secret": "env:A", "more": 1},
        {},
        [],
        1,
        True,
        "x" * 65537,
        "nul\0",
        "\udc00",
    ],
)
def test_secrets_refused(sent: Any) -> None:
    with pytest.raises(BadValue) as refused:
        values.secret(sent)
    assert "x" * 100 not in str(refused.value)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("db.example.com", "db.example.com"),
        ("db.example.com.", "db.example.com."),
        ("my_db-1", "my_db-1"),
        ("10.0.0.1", "10.0.0.1"),
        ("bücher.example", "bücher.example"),
        ("::1", "::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_hosts(sent: str, stored: str) -> None:
    assert check_host(sent) == stored


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "/var/run/postgresql",
        "a/b",
        "@abstract",
        "a,b",
        "https://db.example.com",
        "user@db.example.com",
        "user:pw@db",
        "db.example.com:5432",
        "[::1]:5432",
        "[db.example.com]",
        "[::1",
        "fe80::1%eth0",
        "::1::2",
        "db?sslmode=disable",
        "db=1",
        "db;Encrypt=no",
        "db name",
        "db\tname",
        "{db}",
        "(DESCRIPTION=(ADDRESS=(HOST=db)))",
        "%2Ftmp",
        "HOST\\INSTANCE",
        "db#x",
        "a..b",
        "-a",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "db\uff0fpath",
        "db\uff20host",
        "db\u3002\u3002x",
        "db'",
        "db`",
        "db$(id)",
        "db&x",
        "*",
    ],
)
def test_hosts_refused(sent: str) -> None:
    with pytest.raises(BadValue):
        check_host(sent)


def test_a_port_in_the_host_is_explained() -> None:
    with pytest.raises(BadValue) as refused:
        check_host("db.example.com:5433")
    assert refused.value.fix == "Send host db.example.com and port 5433."
