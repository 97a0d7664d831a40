"""POST /api/v1/connections: the exact answers, every dialect, and all that is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dragoman.access.roles import Role
from tests.support.bodies import NAMES, body, service_account
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server

# The four examples that the published operation shows, with a key where it has a placeholder.
EXAMPLES: dict[str, dict[str, Any]] = {
    "BigQuery": {
        "dialect": "bigquery",
        "name": "My BigQuery Connection",
        "region": "us",
        "passwordUnencrypted": "<SERVICE_ACCOUNT_JSON_FILE>",
        "defaultSchema": "my_dataset",
        "includeSchemas": "dataset1,dataset2",
        "includeOtherCatalogs": "other_project1,other_project2",
        "maxBillingBytes": "1000000000",
    },
    "MySQL": {
        "dialect": "mysql",
        "name": "My MySQL Connection",
        "host": "mysql.example.com",
        "port": 3306,
        "database": "mydb",
        "username": "dbuser",
        "passwordUnencrypted": "mypassword",
        "includeSchemas": "public,analytics",
        "queryTimeoutSeconds": 900,
    },
    "PostgreSQL": {
        "dialect": "postgres",
        "name": "My Postgres Connection",
        "host": "postgres.example.com",
        "port": 5432,
        "database": "mydb",
        "username": "dbuser",
        "passwordUnencrypted": "mypassword",
        "includeSchemas": "public,analytics",
        "queryTimeoutSeconds": 900,
    },
    "Snowflake": {
        "dialect": "snowflake",
        "name": "My Snowflake Connection",
        "host": "myaccount",
        "database": "MYDB",
        "username": "dbuser",
        "passwordUnencrypted": "mypassword",
        "warehouse": "COMPUTE_WH",
        "includeSchemas": "PUBLIC,ANALYTICS",
        "includeOtherCatalogs": "OTHER_DB1,OTHER_DB2",
        "queryTimeoutSeconds": 900,
    },
}


def fields(answer: Any) -> list[str]:
    return [error["field"] for error in assert_error(answer, 400)["errors"]]


def test_published_examples_give_exactly_the_published_answer(server: Server) -> None:
    for name, example in EXAMPLES.items():
        sent = dict(example)
        if sent["passwordUnencrypted"].startswith("<"):
            sent["passwordUnencrypted"] = service_account()
        answer = server.root.post(CONNECTIONS, json=sent)
        assert answer.status_code == 201, (name, answer.text)
        made = answer.json()
        assert answer.headers["content-type"] == "application/json"
        assert list(made) == ["success", "data"], name
        assert made["success"] is True
        assert str(uuid.UUID(made["data"])) == made["data"]
        shown = server.show(made["data"])
        for key, value in sent.items():
            if key != "passwordUnencrypted":
                assert shown[key] == value, (name, key)


def test_every_dialect_is_created_with_a_minimal_body(server: Server) -> None:
    for dialect in NAMES:
        answer = server.root.post(CONNECTIONS, json=body(dialect))
        assert answer.status_code == 201, (dialect, answer.text)
        shown = server.show(answer.json()["data"])
        assert shown["dialect"] == dialect
        assert shown["baseRole"] == "NO_ACCESS"
        assert (shown["systemTimezone"], shown["queryTimezone"]) == ("UTC", "NONE")


def test_all_problems_are_reported_at_once(sqlite_server: Server) -> None:
    sent = body("postgres", port=70000, name="  ", queryTimeoutSeconds=0, hots="x", username=5,
                baseRole="Boss")  # fmt: skip
    answer = sqlite_server.root.post(CONNECTIONS, json=sent)
    errors = {error["field"]: error for error in assert_error(answer, 400)["errors"]}
    assert set(errors) == {"port", "name", "queryTimeoutSeconds", "hots", "username", "baseRole"}
    assert all(set(error) == {"field", "message", "fix"} for error in errors.values())
    assert errors["hots"]["fix"] == "Did you mean host?"
    assert "Unrecognized key(s) in object: 'hots'" in answer.json()["message"]
    assert sqlite_server.sql("SELECT count(*) FROM connections") == [(0,)]


def test_unknown_dialect_names_the_known_ones(sqlite_server: Server) -> None:
    answer = sqlite_server.root.post(CONNECTIONS, json=body("postgres", dialect="postgress"))
    [error] = assert_error(answer, 400)["errors"]
    assert error["field"] == "dialect"
    assert "Did you mean postgres?" in error["fix"]
    assert all(name in error["fix"] for name in NAMES)


def test_property_of_another_dialect_is_stored_and_told(server: Server) -> None:
    answer = server.root.post(CONNECTIONS, json=body("postgres", warehouse="WH", region="eu"))
    assert answer.status_code == 201
    told = answer.json()
    assert set(told) == {"success", "data", "warnings"}
    assert {warning["field"] for warning in told["warnings"]} == {"warehouse", "region"}
    shown = server.show(told["data"])
    assert (shown["warehouse"], shown["region"]) == ("WH", "eu")


@pytest.mark.parametrize(
    "prefer",
    ["handling=strict", "Handling=Strict", 'handling="strict"', "respond-async, handling = strict"],
)
def test_strict_handling_refuses_what_does_not_apply(sqlite_server: Server, prefer: str) -> None:
    sent, headers = body("postgres", warehouse="WH"), {"Prefer": prefer}
    assert fields(sqlite_server.root.post(CONNECTIONS, json=sent, headers=headers)) == ["warehouse"]


@pytest.mark.parametrize("prefer", ["handling=lenient", "handling=strictly", "return=minimal"])
def test_other_preferences_are_not_strict(sqlite_server: Server, prefer: str) -> None:
    sent, headers = body("postgres", warehouse="WH"), {"Prefer": prefer}
    assert sqlite_server.root.post(CONNECTIONS, json=sent, headers=headers).status_code == 201


def test_null_means_absent(sqlite_server: Server) -> None:
    sent = {**body("postgres"), "warehouse": None, "port": None, "baseRole": None}
    answer = sqlite_server.root.post(CONNECTIONS, json=sent)
    assert answer.status_code == 201
    assert "warnings" not in answer.json()
    shown = sqlite_server.show(answer.json()["data"])
    assert (shown["port"], shown["baseRole"], shown["warehouse"]) == (5432, "NO_ACCESS", None)
    required = {**body("postgres"), "host": None}
    assert fields(sqlite_server.root.post(CONNECTIONS, json=required)) == ["host"]


MALFORMED = {
    "empty": b"",
    "not JSON": b"{",
    "an array": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "bad UTF-8": b'{"name": "\xff\xfe"}',
    "a number too large": b'{"port": 1e999}',
    "NaN": b'{"port": NaN}',
    "trailing comma": b'{"name": "x",}',
    "two values": b"{} {}",
    "too deep": b'{"name": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep": b'{"name": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a key twice": b'{"dialect": "postgres", "name": "a", "name": "b"}',
    "a key twice below": b'{"passwordUnencrypted": {"$secret": "env:A", "$secret": "env:B"}}',
    "a lone surrogate": b'{"dialect": "postgres", "name": "\\ud800 and more text"}',
    "a lone surrogate as a key": b'{"dialect": "postgres", "\\udc00 and more text": 1}',
    "NUL in a name": b'{"dialect": "postgres", "name": "a\\u0000b"}',
    "NUL in a key": b'{"dialect": "postgres", "a\\u0000b": 1}',
    "a huge number": b'{"dialect": "postgres", "port": ' + b"9" * 4000 + b"}",
}


@pytest.mark.parametrize("name", list(MALFORMED))
def test_malformed_bodies_are_the_callers_mistake(sqlite_server: Server, name: str) -> None:
    json = {"Content-Type": "application/json"}
    answer = sqlite_server.root.post(CONNECTIONS, content=MALFORMED[name], headers=json)
    assert_error(answer, 400)


def test_key_given_twice_is_named(sqlite_server: Server) -> None:
    answer = sqlite_server.root.post(CONNECTIONS, content=MALFORMED["a key twice"])
    assert "'name'" in assert_error(answer, 400)["message"]


# Texts that a store may choke on, in every property that takes text.
HOSTILE = [
    "a\0b",
    "x" * 5000,
    "\u2028",
    "a\nb",
    "\u202e",
    "💥" * 200,
    "'; DROP TABLE connections; --",
]


def test_hostile_text_in_any_property_is_never_a_fault_of_ours(server: Server) -> None:
    plain = body("snowflake")
    for name in ("name", "host", "database", "username", "baseRole", "includeSchemas",
                 "defaultSchema", "scratchSchema", "queryTimezone", "authenticationType",
                 "passwordUnencrypted", "externalOauthTokenUrl"):  # fmt: skip
        for hostile in HOSTILE:
            answer = server.root.post(CONNECTIONS, json={**plain, name: hostile})
            assert answer.status_code in (201, 400), (name, hostile[:20], answer.text)
    assert server.sql("SELECT count(*) FROM connections")[0][0] > 0


def test_body_larger_than_the_limit(sqlite_server: Server) -> None:
    sent = b'{"name": "' + b"x" * 1_000_000 + b'"}'
    assert_error(sqlite_server.root.post(CONNECTIONS, content=sent), 413)

    def parts() -> Any:
        for _ in range(30):
            yield b"x" * 50_000

    assert_error(sqlite_server.root.post(CONNECTIONS, content=parts()), 413)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(role, role) for role in Role] + [("RESTRICTED_QUERIER", "QUERY_TOPICS")],
)
def test_base_roles(sqlite_server: Server, sent: str, stored: str) -> None:
    made = sqlite_server.create(baseRole=sent)
    assert sqlite_server.show(made)["baseRole"] == stored


def test_base_role_may_be_a_custom_role(server: Server) -> None:
    refused = server.root.post(CONNECTIONS, json=body("postgres", baseRole="Finance readers"))
    [error] = assert_error(refused, 400)["errors"]
    assert error["field"] == "baseRole"
    assert "Finance readers" in error["message"]
    assert "CONNECTION_ADMIN or a custom role" in error["fix"]
    server.custom_role("Finance readers", Role.QUERIER)
    assert server.show(server.create(baseRole="Finance readers"))["baseRole"] == "Finance readers"
    assert_error(server.root.post(CONNECTIONS, json=body("postgres", baseRole="viewer")), 400)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_time_zones_are_iana_names(sqlite_server: Server, zone: str) -> None:
    made = sqlite_server.show(sqlite_server.create(systemTimezone=zone, queryTimezone=zone))
    assert (made["systemTimezone"], made["queryTimezone"]) == (zone, zone)


@pytest.mark.parametrize("zone", ["CEST+1", "Mars/Olympus", "../../etc/passwd", "+02:00", "Europe"])
def test_other_time_zones_are_refused(sqlite_server: Server, zone: str) -> None:
    sent = body("postgres", systemTimezone=zone, queryTimezone=zone)
    refused = fields(sqlite_server.root.post(CONNECTIONS, json=sent))
    assert refused == ["systemTimezone", "queryTimezone"]


def test_only_answers_may_have_no_zone(sqlite_server: Server) -> None:
    assert sqlite_server.show(sqlite_server.create(queryTimezone="NONE"))["queryTimezone"] == "NONE"
    sent = body("postgres", systemTimezone="NONE")
    assert fields(sqlite_server.root.post(CONNECTIONS, json=sent)) == ["systemTimezone"]


def test_address_that_is_never_dialled_is_refused_at_once(sqlite_server: Server) -> None:
    for host in ("169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"):
        refused = fields(sqlite_server.root.post(CONNECTIONS, json=body("postgres", host=host)))
        assert refused == ["host"], host


def test_tested_connection_is_saved_only_when_it_works(server: Server) -> None:
    wrong = body("duckdb", database="missing.duckdb")
    body_of = assert_error(server.root.post(f"{CONNECTIONS}?test=true", json=wrong), 400)
    assert body_of["diagnosis"]["success"] is False
    assert any(stage["status"] == "failed" for stage in body_of["diagnosis"]["stages"])
    assert server.sql("SELECT count(*) FROM connections") == [(0,)]
    works = server.root.post(f"{CONNECTIONS}?test=true", json=body("duckdb"))
    assert works.status_code == 201, works.text
    assert server.show(works.json()["data"])["database"] == ":memory:"


def test_unknown_or_odd_query_is_refused_before_anything_is_dialled(sqlite_server: Server) -> None:
    for query in ("tset=true", "test=maybe", "test=true&test=false"):
        assert_error(sqlite_server.root.post(f"{CONNECTIONS}?{query}", json=body("duckdb")), 400)
    assert sqlite_server.sql("SELECT count(*) FROM connections") == [(0,)]


def test_settings_can_be_tested_without_saving_them(sqlite_server: Server) -> None:
    answer = sqlite_server.root.post(f"{CONNECTIONS}/test", json=body("duckdb"))
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert [stage["stage"] for stage in answer.json()["stages"]] == [
        "settings", "driver", "dns", "tcp", "tls", "authentication", "database", "schema",
        "privileges", "query",
    ]  # fmt: skip
    assert sqlite_server.sql("SELECT count(*) FROM connections") == [(0,)]
