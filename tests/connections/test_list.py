"""GET /api/v1/connections and GET /api/v1/connections/{id}: filters, order, who sees what."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.access.roles import Role
from tests.support.clients import Client, assert_error
from tests.support.server import CONNECTIONS, Server

ROW = {
    "id", "name", "dialect", "database", "defaultSchema", "baseRole", "deletedAt", "createdAt",
    "updatedAt", "branchConnectionEnvironmentOverridesUserAttr",
    "environmentConnectionSwitchesSchemaModel", "userAttributeNameForConnectionsEnvironments",
    "userAttributeNameForConnectionEnvironments", "userAttributeValuesForDefaultEnvironment",
}  # fmt: skip


def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{CONNECTIONS}?{query}")
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["connections"]
    return answer.json()["connections"]


def names(client: Client, query: str = "") -> list[str]:
    return [row["name"] for row in listed(client, query)]


@pytest.fixture
def filled(server: Server) -> Server:
    """Four connections, the last in the trash."""
    server.create(name="Straße", database="Alpha")
    server.create("mysql", name="beta", database="omega")
    server.create("mssql", name="Gamma", database="ALPHABET", defaultSchema="dbo")
    gone = server.create(name="delta", database="zeta")
    assert server.root.delete(f"{CONNECTIONS}/{gone}").status_code == 200
    return server


def test_empty_list(server: Server) -> None:
    assert listed(server.root) == []


def test_row_has_the_keys_of_both_contracts(server: Server) -> None:
    made = server.create(defaultSchema="public", baseRole="QUERIER")
    [row] = listed(server.root)
    assert set(row) == ROW
    assert (row["id"], row["dialect"], row["database"]) == (made, "postgres", "shop")
    assert (row["defaultSchema"], row["baseRole"], row["deletedAt"]) == ("public", "QUERIER", None)
    assert row["createdAt"] == row["updatedAt"]
    assert row["createdAt"].endswith("Z")


def test_schema_that_the_dialect_ignores_reads_as_null(server: Server) -> None:
    made = server.create("snowflake", defaultSchema="PUBLIC")
    unused = server.show(made)["defaultSchema"] is None
    assert unused == (listed(server.root)[0]["defaultSchema"] is None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["beta", "Gamma", "Straße"]),
        ("name=STRASSE", ["Straße"]),
        ("name=a", ["beta", "Gamma", "Straße"]),
        ("name=%25", []),
        ("name=_", []),
        ("database=alpha", ["Gamma", "Straße"]),
        ("database=alpha&name=gam", ["Gamma"]),
        ("dialect=mysql", ["beta"]),
        ("dialect=mysql,%20postgres", ["beta", "Straße"]),
        ("dialect=sqlserver", ["Gamma"]),
        ("dialect=singlestore", []),
        ("dialect=", ["beta", "Gamma", "Straße"]),
        ("includeDeleted=true", ["beta", "delta", "Gamma", "Straße"]),
        ("includeDeleted=false", ["beta", "Gamma", "Straße"]),
        ("sortDirection=desc", ["Straße", "Gamma", "beta"]),
        ("sortField=database", ["Straße", "Gamma", "beta"]),
        ("sortField=dialect&sortDirection=desc", ["Straße", "beta", "Gamma"]),
    ],
)
def test_filters_and_order(filled: Server, query: str, expected: list[str]) -> None:
    assert names(filled.root, query) == expected


@pytest.mark.parametrize(
    "query",
    ["nam=x", "name=a&name=b", "dialect=mysqll", "dialect=mysql,x", "sortField=id",
     "sortDirection=up", "includeDeleted=perhaps", "pageSize=5", "name=%00", "NAME=x"],
)  # fmt: skip
def test_queries_that_are_refused(sqlite_server: Server, query: str) -> None:
    assert_error(sqlite_server.root.get(f"{CONNECTIONS}?{query}"), 400)


def test_unknown_key_is_worded_as_the_vendor_does(sqlite_server: Server) -> None:
    told = assert_error(sqlite_server.root.get(f"{CONNECTIONS}?nam=x"), 400)
    assert told["detail"] == "Bad Request: Unrecognized key(s) in object: 'nam'"


def test_one_connection_with_everything_but_its_secrets(server: Server) -> None:
    made = server.create(passwordUnencrypted="MARK-4711", port=5433, includeSchemas=["a", "b,c"])
    answer = server.root.get(f"{CONNECTIONS}/{made}")
    assert list(answer.json()) == ["connection"]
    shown = answer.json()["connection"]
    assert set(shown) >= ROW
    assert (shown["port"], shown["includeSchemas"]) == (5433, 'a,"b,c"')
    assert shown["secrets"] == {"passwordUnencrypted": "stored"}
    assert "passwordUnencrypted" not in shown
    assert "MARK-4711" not in answer.text
    assert "v1." not in answer.text


def test_missing_connection(server: Server) -> None:
    absent = uuid.uuid4()
    told = assert_error(server.root.get(f"{CONNECTIONS}/{absent}"), 404)
    assert told["message"] == f"Connection with id {absent} does not exist"


def test_what_one_may_not_see_looks_as_if_it_were_not_there(server: Server) -> None:
    hidden, viewed = server.create(), server.create(baseRole="VIEWER")
    nobody = server.member("nobody@example.com")
    absent = str(uuid.uuid4())
    for connection_id in (hidden, viewed, absent):
        path = f"{CONNECTIONS}/{connection_id}"
        answers = [
            nobody.get(path),
            nobody.patch(path, json={"baseRole": "QUERIER"}),
            nobody.delete(path),
            nobody.post(f"{path}/restore", json={}),
            nobody.post(f"{path}/test"),
        ]
        for answer in answers:
            told = assert_error(answer, 404)
            assert told["message"] == f"Connection with id {connection_id} does not exist"
    assert listed(nobody) == []


def test_what_one_may_see_but_not_do_is_forbidden(server: Server) -> None:
    made = server.create(baseRole="QUERY_TOPICS")
    member = server.member("member@example.com", **{made: "MODELER"})
    path = f"{CONNECTIONS}/{made}"
    assert member.get(path).status_code == 200
    assert_error(member.patch(path, json={"baseRole": "VIEWER"}), 403)
    assert_error(member.delete(path), 403)
    assert_error(member.post(f"{path}/test"), 403)
    assert server.show(made)["baseRole"] == "QUERY_TOPICS"


def test_connection_in_the_trash_is_shown_in_lists_only(filled: Server) -> None:
    [row] = [row for row in listed(filled.root, "includeDeleted=true") if row["deletedAt"]]
    assert row["name"] == "delta"
    assert_error(filled.root.get(f"{CONNECTIONS}/{row['id']}"), 404)


ROLES = [*Role, "custom viewer", "custom querier", "forgotten"]
_sets = st.lists(
    st.tuples(st.sampled_from(ROLES), st.sampled_from([None, *ROLES])), min_size=1, max_size=6
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=_sets)
def test_list_equals_the_single_reads(server: Server, cases: list[tuple[str, str | None]]) -> None:
    """Over random base roles and roles of the user, built-in, custom and no longer defined."""
    if not server.sql("SELECT 1 FROM custom_roles"):
        server.custom_role("custom viewer", Role.VIEWER)
        server.custom_role("custom querier", Role.QUERIER)
    made = [server.create() for _ in cases]
    member = server.member(f"{uuid.uuid4()}@example.com")
    [(user_id,)] = server.sql("SELECT user_id FROM tokens ORDER BY created_at DESC LIMIT 1")
    for connection_id, (base, direct) in zip(made, cases, strict=True):
        # Behind the API's back: a role may have been defined once and be gone now.
        stored = server.show(connection_id)
        _set_base_role(server, connection_id, stored["baseRole"], str(base))
        if direct is not None:
            server.sql(
                "INSERT INTO connection_roles (user_id, connection_id, role) VALUES (:u, :c, :r)",
                u=user_id, c=connection_id, r=str(direct),
            )  # fmt: skip
    seen = {row["id"] for row in listed(member)} & set(made)
    read = {each for each in made if member.get(f"{CONNECTIONS}/{each}").status_code == 200}
    assert seen == read


def _set_base_role(server: Server, connection_id: str, old: str, new: str) -> None:
    server.sql(
        "UPDATE connections SET base_role = :new, settings = replace(settings, :a, :b)"
        " WHERE id = :id",
        new=new, id=connection_id, a=f'"baseRole":"{old}"', b=f'"baseRole":"{new}"',
    )  # fmt: skip
