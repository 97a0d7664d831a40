"""PATCH /api/v1/connections/{id}: what changes, what needs the secret again, what never does."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR
from dragoman.connections import dialling
from dragoman.dialects.base import Target
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.properties import DESTINATION
from tests.support.bodies import body, pem, service_account
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server

URL = "https://login.example.com/"


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Each test makes the connections that it looks at."""
    return shared_server


# For each property that says where a secret goes: a dialect that uses it and another value.
MOVES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "host": ("postgres", {}, "evil.example.com"),
    "port": ("postgres", {}, 5433),
    "database": ("postgres", {}, "other"),
    "username": ("postgres", {}, "other"),
    "region": ("athena", {}, "eu-west-1"),
    "trustServerCertificate": ("mssql", {}, True),
    "authenticationType": ("mssql", {}, "mssql-active-directory-password"),
    "awsRoleArn": ("athena", {}, "arn:aws:iam::123456789012:role/reader"),
    "externalOauthAudience": ("snowflake", {}, "other"),
    "externalOauthAuthorizationUrl": ("snowflake", {}, URL + "authorize"),
    "externalOauthTokenUrl": ("snowflake", {}, URL + "token"),
    "hostOverride": ("snowflake", {"host": ""}, "evil.snowflakecomputing.com"),
    "oauthClientId": ("snowflake", {}, "other"),
    "useMachineAuth": ("databricks", {}, True),
    "entraTenant": ("mssql", {}, "other.onmicrosoft.com"),
    "wifAudience": (
        "bigquery",
        {},
        "//iam.googleapis.com/projects/2/locations/global/workloadIdentityPools/p/providers/x",
    ),
    "wifServiceAccountEmail": ("bigquery", {}, "x@my-project.iam.gserviceaccount.com"),
    "workspaceHost": ("databricks_lakebase", {}, "evil.example.com"),
    "databaseInstance": ("databricks_lakebase", {}, "other"),
}


def stored(server: Server, connection_id: str) -> list[Any]:
    """The connection and its secrets as they lie in the store."""
    row = server.sql("SELECT * FROM connections WHERE id = :id", id=connection_id)
    secrets = server.sql(
        "SELECT * FROM connection_secrets WHERE connection_id = :id ORDER BY property",
        id=connection_id,
    )
    return [*row, *secrets]


def test_the_table_of_moves_is_complete() -> None:
    assert set(MOVES) == set(DESTINATION) - {"dialect"}


@pytest.mark.parametrize("name", list(MOVES))
def test_saved_secret_never_travels_to_a_new_address(server: Server, name: str) -> None:
    dialect, also, value = MOVES[name]
    made = server.create(dialect)
    before, path = stored(server, made), f"{CONNECTIONS}/{made}"
    change = {**also, name: value}
    told = assert_error(server.root.patch(path, json=change), 400)
    assert told["code"] == "secret_required"
    assert [error["field"] for error in told["errors"]] == ["passwordUnencrypted"]
    assert name in told["errors"][0]["message"]
    assert stored(server, made) == before
    again = body(dialect)["passwordUnencrypted"]
    answer = server.root.patch(path, json={**change, "passwordUnencrypted": again})
    assert answer.status_code == 200, answer.text
    assert server.show(made)[name] == value
    # The text that was sealed for the old address is gone.
    [old], [new] = before[1:], stored(server, made)[1:]
    assert old[3] != new[3]


def test_a_default_of_a_later_version_moves_no_secret(server: Server) -> None:
    """A connection that was made before its dialect knew a property changes without its secret."""
    made = server.create("postgres")
    server.sql(
        "UPDATE connections SET settings = replace(settings, :old, '') WHERE id = :id",
        old=',"useMachineAuth":false',
        id=made,
    )
    assert "useMachineAuth" not in str(stored(server, made)[0])
    answer = server.root.patch(f"{CONNECTIONS}/{made}", json={"includeSchemas": "public"})
    assert answer.status_code == 200, answer.text
    assert server.show(made)["useMachineAuth"] is None


def test_reference_does_not_travel_either(server: Server) -> None:
    made = server.create(passwordUnencrypted={"$secret": "env:DRAGOMAN_SECRET_X"})
    path = f"{CONNECTIONS}/{made}"
    assert_error(server.root.patch(path, json={"host": "evil.example.com"}), 400)
    sent = {"host": "b.example.com", "passwordUnencrypted": {"$secret": "env:DRAGOMAN_SECRET_Y"}}
    assert server.root.patch(path, json=sent).status_code == 200
    assert server.show(made)["secrets"] == {"passwordUnencrypted": "env:DRAGOMAN_SECRET_Y"}


def test_every_kept_secret_must_come_again(server: Server) -> None:
    made = server.create(
        "snowflake",
        privateKey=pem(),
        authenticationType="snowflake-keypair",
        oauthClientSecretUnencrypted="x",
        oauthClientId="y",
        passwordUnencrypted=None,
    )
    path, move = f"{CONNECTIONS}/{made}", {"host": "other"}
    told = assert_error(server.root.patch(path, json=move), 400)
    required = {error["field"] for error in told["errors"]}
    assert required == {"privateKey", "oauthClientSecretUnencrypted"}
    told = assert_error(server.root.patch(path, json={**move, "privateKey": pem()}), 400)
    assert [error["field"] for error in told["errors"]] == ["oauthClientSecretUnencrypted"]
    both = {**move, "privateKey": pem(), "oauthClientSecretUnencrypted": "z"}
    assert server.root.patch(path, json=both).status_code == 200


def test_same_address_sent_again_is_no_move(server: Server) -> None:
    made = server.create()
    same = {"host": "db.example.com", "port": 5432, "database": "shop", "name": "New"}
    assert server.root.patch(f"{CONNECTIONS}/{made}", json=same).status_code == 200
    assert server.show(made)["name"] == "New"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseRole": "QUERIER"}, "Updated connection default role."),
        ({"passwordUnencrypted": "new"}, "Updated connection credentials."),
        ({"name": "New"}, "Updated connection settings."),
        (
            {"baseRole": "QUERIER", "passwordUnencrypted": "new"},
            "Updated connection default role. Updated connection credentials.",
        ),
        (
            {"environmentUserAttribute": {"attributeName": "env", "defaultValues": ["prod"]}},
            "Updated connection environment user attribute.",
        ),
    ],
)
def test_answers(server: Server, change: dict[str, Any], message: str) -> None:
    made = server.create()
    answer = server.root.patch(f"{CONNECTIONS}/{made}", json=change)
    assert answer.status_code == 200
    assert answer.json() == {"message": message, "success": True}


def test_secret_alone_replaces_the_secret_alone(server: Server) -> None:
    made = server.create()
    row, secret = stored(server, made)
    path = f"{CONNECTIONS}/{made}"
    server.root.patch(path, json={"passwordUnencrypted": "new"})
    new_row, new_secret = stored(server, made)
    assert new_secret[3] != secret[3]
    assert new_row[6] == row[6]  # settings
    assert new_row[7] == row[7] + 1  # version


def test_null_leaves_things_as_they_are(server: Server) -> None:
    made = server.create(warehouse="w")
    before = server.show(made)
    nulls = {"host": None, "passwordUnencrypted": None, "warehouse": None, "name": None}
    answer = server.root.patch(f"{CONNECTIONS}/{made}", json=nulls)
    assert answer.status_code == 200
    after = server.show(made)
    assert {**after, "updatedAt": ""} == {**before, "updatedAt": ""}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"dialect": "mysql"},
        {"hots": "x"},
        {"id": "00000000-0000-4000-8000-000000000000"},
        {"deletedAt": None},
        {"version": 7},
        {"createdBy": "x"},
        {"privateKey": "x"},
        {"baseRole": "KING"},
        {"port": "5432"},
        {"name": ""},
        {"environmentUserAttribute": {}},
        {"environmentUserAttribute": {"attributeName": "x"}},
        {"environmentUserAttribute": {"attributeName": "x", "defaultValues": "y"}},
        {"environmentUserAttribute": {"attributeName": "", "defaultValues": None}},
        {"environmentUserAttribute": {"attributeName": "a\0b", "defaultValues": None}},
        {"environmentUserAttribute": {"attributeName": "x" * 121, "defaultValues": None}},
        {"environmentUserAttribute": {"attributeName": "x", "defaultValues": None, "more": 1}},
        {"environmentUserAttribute": "x"},
    ],
)
def test_what_cannot_be_changed_leaves_the_row(server: Server, change: dict[str, Any]) -> None:
    made = server.create()
    before = stored(server, made)
    answer = server.root.patch(f"{CONNECTIONS}/{made}", json=change)
    if change == {"deletedAt": None}:  # null means absent, also of a name we do not know
        assert answer.status_code == 200
        return
    assert_error(answer, 400)
    assert stored(server, made) == before


def test_same_dialect_may_be_sent(server: Server) -> None:
    made = server.create()
    path = f"{CONNECTIONS}/{made}"
    assert server.root.patch(path, json={"dialect": "postgres", "name": "x"}).status_code == 200


def test_private_key_is_for_snowflake_and_checked(server: Server) -> None:
    made = server.create("snowflake", authenticationType="snowflake-keypair", privateKey=pem())
    path = f"{CONNECTIONS}/{made}"
    assert server.root.patch(path, json={"privateKey": pem()}).status_code == 200
    for wrong in ("no key", pem(1024)):
        told = assert_error(server.root.patch(path, json={"privateKey": wrong}), 400)
        assert [error["field"] for error in told["errors"]] == ["privateKey"]


def test_inapplicable_change_is_strict_only_when_asked(server: Server) -> None:
    made = server.create(warehouse="kept")
    path, strict = f"{CONNECTIONS}/{made}", {"Prefer": "handling=strict"}
    assert_error(server.root.patch(path, json={"maxBillingBytes": "9"}, headers=strict), 400)
    assert server.root.patch(path, json={"name": "x"}, headers=strict).status_code == 200
    changed = server.root.patch(path, json={"maxBillingBytes": "9"})
    assert changed.status_code == 200
    # What this change says is told; what was said at the creation is not told again.
    assert [warning["field"] for warning in changed.json()["warnings"]] == ["maxBillingBytes"]
    assert "warnings" not in server.root.patch(path, json={"name": "y"}).json()
    assert (server.show(made)["maxBillingBytes"], server.show(made)["warehouse"]) == ("9", "kept")


def test_environment_attribute_is_set_and_cleared(server: Server) -> None:
    made = server.create()
    path = f"{CONNECTIONS}/{made}"
    attribute = {"attributeName": "env", "defaultValues": ["prod", "a\0b"]}
    server.root.patch(path, json={"environmentUserAttribute": attribute})
    shown = server.show(made)
    assert shown["userAttributeNameForConnectionsEnvironments"] == "env"
    assert shown["userAttributeNameForConnectionEnvironments"] == "env"
    assert shown["userAttributeValuesForDefaultEnvironment"] == ["prod", "a\0b"]
    server.root.patch(path, json={"name": "x"})
    assert server.show(made)["userAttributeNameForConnectionsEnvironments"] == "env"
    server.root.patch(path, json={"environmentUserAttribute": None})
    shown = server.show(made)
    assert shown["userAttributeNameForConnectionsEnvironments"] is None
    assert shown["userAttributeValuesForDefaultEnvironment"] is None


def test_bigquery_key_is_replaced(server: Server) -> None:
    made = server.create("bigquery")
    path = f"{CONNECTIONS}/{made}"
    sent = {"passwordUnencrypted": service_account()}
    assert server.root.patch(path, json=sent).status_code == 200


def test_changes_at_once_are_each_whole_or_refused(server: Server) -> None:
    made = server.create()
    client, path = server.root, f"{CONNECTIONS}/{made}"

    def change(number: int) -> int:
        host, password = f"h{number}.example.com", f"password {number}"
        sent = {"host": host, "passwordUnencrypted": password}
        return client.patch(path, json=sent).status_code

    statuses = at_once(12, change)
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    target = _located_and_opened(server, made)
    number = target.host.removeprefix("h").removesuffix(".example.com")
    assert target.password.reveal() == f"password {number}"


def test_reads_beside_changes_see_one_moment(server: Server) -> None:
    """A connection and its secrets are read together: the secret always opens."""
    made = server.create()
    client, path = server.root, f"{CONNECTIONS}/{made}"

    def turn(number: int) -> list[int | str]:
        if number % 3 == 0:
            hosts = [f"h{number}-{turn}.example.com" for turn in range(15)]
            return [
                client.patch(path, json={"host": host, "passwordUnencrypted": "p"}).status_code
                for host in hosts
            ]
        return [_opens(server, made) for _ in range(60)]

    found = {each for result in at_once(6, turn) for each in result}
    assert found <= {200, 409, "opens"}


def _opens(server: Server, connection_id: str) -> str:
    try:
        _located_and_opened(server, connection_id)
    except DatabaseFailure as failure:
        return failure.message
    return "opens"


def _located_and_opened(server: Server, connection_id: str) -> Target:
    house = server.house

    async def read() -> Target:
        located = await house.store.read(
            lambda unit: dialling.locate_itself(
                unit, OPERATOR, connection_id, Permission.CONNECTIONS_TEST
            )
        )
        return (await dialling.opened_aside(house, located)).target

    assert server.http.portal is not None
    return server.http.portal.call(read)


def test_a_change_of_what_has_changed_since_is_refused(server: Server) -> None:
    made = server.create(includeSchemas="a")
    place = f"{CONNECTIONS}/{made}"
    read = server.root.get(place).headers["etag"]
    first = server.root.patch(place, json={"includeSchemas": "b"}, headers={"If-Match": read})
    assert first.status_code == 200
    late = server.root.patch(place, json={"includeSchemas": "c"}, headers={"If-Match": read})
    assert_error(late, 412)
    now = server.root.get(place)
    assert now.json()["connection"]["includeSchemas"] == "b"
    assert late.headers["etag"] == now.headers["etag"] != read
    for tags in (f'"x", {now.headers["etag"]}', "*"):
        again = server.root.patch(place, json={"includeSchemas": "d"}, headers={"If-Match": tags})
        assert again.status_code == 200
    assert server.root.patch(place, json={"includeSchemas": "e"}).status_code == 200
