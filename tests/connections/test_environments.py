"""Connection environments: the four operations, and which database a question goes to."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.api.errors import Forbidden
from dragoman.connections import environments, service
from dragoman.identity import service as identity
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, ENVIRONMENTS, Server

KEYS = {"id", "baseConnectionId", "connectionId", "userAttributeValues"}


def link(server: Server, base: str, *ids: str, text: bool = False) -> list[dict[str, Any]]:
    named: Any = ",".join(ids) if text else list(ids)
    sent = {"baseConnectionId": base, "environmentConnectionIds": named}
    answer = server.root.post(ENVIRONMENTS, json=sent)
    assert answer.status_code == 201, answer.text
    return answer.json()["connectionEnvironments"]


def values(server: Server, environment: dict[str, Any], *sent: str) -> None:
    path = f"{ENVIRONMENTS}/{environment['id']}"
    answer = server.root.put(path, json={"userAttributeValues": list(sent)})
    assert answer.status_code == 200, answer.text


def listed(server: Server) -> list[dict[str, Any]]:
    answer = server.root.get(ENVIRONMENTS)
    assert answer.status_code == 200
    return answer.json()["connectionEnvironments"]


def of(server: Server, environment: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in listed(server) if each["id"] == environment["id"])


@pytest.mark.parametrize("text", [False, True])
def test_four_operations_in_both_forms(server: Server, text: bool) -> None:
    base, one, two = (server.create() for _ in range(3))
    ids: Any = f" {one} , {two.upper()},, " if text else [one, two.upper()]
    answer = server.root.post(
        ENVIRONMENTS, json={"baseConnectionId": base.upper(), "environmentConnectionIds": ids}
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["success"] is True
    assert made["connectionEnvironments"] == made["data"]
    assert [each["connectionId"] for each in made["data"]] == [one, two]
    assert all(set(each) == KEYS for each in made["data"])
    assert {each["baseConnectionId"] for each in made["data"]} == {base}
    path = f"{ENVIRONMENTS}/{made['data'][0]['id']}"
    sent: Any = "dev, test,dev" if text else ["dev", "test", "dev"]
    updated = server.root.put(path, json={"userAttributeValues": sent})
    assert updated.json() == {"success": True}
    assert of(server, made["data"][0])["userAttributeValues"] == ["dev", "test"]
    assert (
        server.root.put(path, json={"userAttributeValues": "" if text else []}).status_code == 200
    )
    assert of(server, made["data"][0])["userAttributeValues"] == []
    assert server.root.delete(path).json() == {"success": True}
    assert [each["connectionId"] for each in listed(server)] == [two]
    assert server.show(one)["id"] == one  # only unlinked
    assert_error(server.root.delete(path), 404)
    assert_error(server.root.put(path, json={"userAttributeValues": ["x"]}), 404)


def test_refusals(server: Server) -> None:
    base, one, used = (server.create() for _ in range(3))
    other_base, mysql, gone = server.create(), server.create("mysql"), server.create()
    server.root.delete(f"{CONNECTIONS}/{gone}")
    link(server, other_base, used)
    absent = str(uuid.uuid4())
    cases: list[tuple[str, Any, int]] = [
        (absent, [one], 404),
        (gone, [one], 404),
        (base, [], 400),
        (base, "", 400),
        (base, [absent], 400),
        (base, [gone], 400),
        (base, [base], 400),
        (base, [mysql], 400),
        (base, [used], 400),
        (base, [other_base], 400),
        (base, [one, mysql], 400),
        (base, ["x"], 400),
        ("x", [one], 400),
        (base, None, 400),
        (base, 7, 400),
        (base, [7], 400),
    ]
    for base_id, ids, status in cases:
        sent = {"baseConnectionId": base_id, "environmentConnectionIds": ids}
        assert_error(server.root.post(ENVIRONMENTS, json=sent), status)
    assert_error(server.root.post(ENVIRONMENTS, json={"baseConnectionId": base}), 400)
    more = {"baseConnectionId": base, "environmentConnectionIds": [one], "x": 1}
    assert_error(server.root.post(ENVIRONMENTS, json=more), 400)
    # A refused request links none of its connections.
    assert [each["connectionId"] for each in listed(server)] == [used]


def test_value_belongs_to_one_environment(server: Server) -> None:
    base, one, two = (server.create() for _ in range(3))
    first, second = link(server, base, one, two)
    values(server, first, "dev", "test")
    path = f"{ENVIRONMENTS}/{second['id']}"
    told = assert_error(server.root.put(path, json={"userAttributeValues": "qa,dev"}), 400)
    assert "'dev'" in told["message"]
    assert of(server, second)["userAttributeValues"] == []
    values(server, first, "dev")  # its own value again
    values(server, second, "test")
    other_base, third = server.create(), server.create()
    [apart] = link(server, other_base, third)
    values(server, apart, "dev")  # another base has its own values


@pytest.mark.parametrize("sent", [{}, {"userAttributeValues": None}, {"userAttributeValues": [1]},
                                  {"userAttributeValues": ["a"], "x": 1}])  # fmt: skip
def test_bodies_of_update_that_are_refused(server: Server, sent: dict[str, Any]) -> None:
    [made] = link(server, server.create(), server.create())
    assert_error(server.root.put(f"{ENVIRONMENTS}/{made['id']}", json=sent), 400)


def test_of_links_at_once_one_succeeds(server: Server) -> None:
    bases, one = [server.create() for _ in range(6)], server.create()
    client = server.root

    def post(number: int) -> int:
        sent = {"baseConnectionId": bases[number], "environmentConnectionIds": [one]}
        return client.post(ENVIRONMENTS, json=sent).status_code

    assert sorted(at_once(6, post)) == [201] + [400] * 5
    assert len(listed(server)) == 1


def test_of_equal_values_at_once_one_succeeds(server: Server) -> None:
    base = server.create()
    made = link(server, base, *(server.create() for _ in range(5)))
    client = server.root

    def put(number: int) -> int:
        path = f"{ENVIRONMENTS}/{made[number]['id']}"
        return client.put(path, json={"userAttributeValues": ["dev"]}).status_code

    assert sorted(at_once(5, put)) == [200] + [400] * 4


def test_only_admins_of_the_organization(server: Server) -> None:
    base, one = server.create(), server.create()
    member = server.member("m@example.com", **{base: "CONNECTION_ADMIN", one: "CONNECTION_ADMIN"})
    sent = {"baseConnectionId": base, "environmentConnectionIds": [one]}
    assert_error(member.post(ENVIRONMENTS, json=sent), 403)
    assert_error(member.get(ENVIRONMENTS), 403)
    assert server.member("a@example.com", admin=True).get(ENVIRONMENTS).status_code == 200


def test_environment_of_a_deleted_connection_is_not_listed(server: Server) -> None:
    base, one = server.create(), server.create()
    link(server, base, one)
    server.root.delete(f"{CONNECTIONS}/{one}")
    assert listed(server) == []
    server.root.post(f"{CONNECTIONS}/{one}/restore", json={"passwordUnencrypted": "p"})
    assert len(listed(server)) == 1


# Which database a question goes to


class Choice:
    """A base with two environments, dev and test, and a member."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.base, self.dev, self.test = (server.create(baseRole="QUERIER") for _ in range(3))
        first, second = link(server, self.base, self.dev, self.test)
        values(server, first, "dev", "development")
        values(server, second, "test")
        self.user = server.user("m@example.com")

    def attribute(self, defaults: list[str] | None) -> None:
        sent = {"environmentUserAttribute": {"attributeName": "stage", "defaultValues": defaults}}
        answer = self.server.root.patch(f"{CONNECTIONS}/{self.base}", json=sent)
        assert answer.status_code == 200

    def chosen(self, *has: str, principal: Principal | None = None) -> str:
        member = Principal(PrincipalKind.PERSONAL, "m", user_id=self.user.id)
        with self.server.unit() as unit:
            identity.set_attribute(unit, OPERATOR, self.user.id, "stage", has)
            base = service.load(unit, self.base)
            assert base is not None
            return environments.choose(unit, principal or member, base).id


def test_without_an_attribute_the_base_answers(server: Server) -> None:
    choice = Choice(server)
    assert choice.chosen("dev") == choice.base


def test_value_picks_the_environment(server: Server) -> None:
    choice = Choice(server)
    choice.attribute(["prod"])
    assert choice.chosen("dev") == choice.dev
    assert choice.chosen("development") == choice.dev
    assert choice.chosen("test") == choice.test
    assert choice.chosen("other", "test") == choice.test
    assert choice.chosen("prod") == choice.base
    assert choice.chosen("prod", "dev") == choice.base
    assert choice.chosen("DEV") == choice.base  # an invalid choice falls back
    assert choice.chosen() == choice.base


def test_nobody_falls_into_a_database_by_having_no_value(server: Server) -> None:
    choice = Choice(server)
    choice.attribute(None)
    assert choice.chosen("dev") == choice.dev
    assert choice.chosen("other") == choice.base
    key = Principal(PrincipalKind.ORGANIZATION, "key", organization_admin=True)
    for principal in (None, key):
        with pytest.raises(Forbidden, match="'stage'"):
            choice.chosen(principal=principal)


def test_query_without_a_value_is_forbidden_and_names_the_attribute(server: Server) -> None:
    choice = Choice(server)
    choice.attribute(None)
    path = f"{CONNECTIONS}/{choice.base}/query"
    told = assert_error(server.root.post(path, json={"sql": "SELECT 1"}), 403)
    assert "'stage'" in told["message"]


def test_deleted_environment_falls_back_to_the_base(server: Server) -> None:
    choice = Choice(server)
    choice.attribute(["prod"])
    server.root.delete(f"{CONNECTIONS}/{choice.dev}")
    assert choice.chosen("dev") == choice.base
    assert choice.chosen("test") == choice.test


def test_query_goes_to_the_environments_database(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effect, seen at the database: two sample databases told apart by their settings."""
    base, other = (
        server.create("duckdb", baseRole="QUERIER", queryTimezone=zone)
        for zone in ("NONE", "Asia/Tokyo")
    )
    [made] = link(server, base, other)
    values(server, made, "dev")
    sent = {"environmentUserAttribute": {"attributeName": "stage", "defaultValues": ["prod"]}}
    server.root.patch(f"{CONNECTIONS}/{base}", json=sent)
    client = server.member("m@example.com")
    zones: dict[str, str] = {}
    for stage in ("prod", "dev"):
        with server.unit() as unit:
            user = identity.get_user(unit, "m@example.com")
            identity.set_attribute(unit, OPERATOR, user.id, "stage", [stage])
        answer = client.post(
            f"{CONNECTIONS}/{base}/query",
            json={"sql": "SELECT current_setting('TimeZone') AS zone"},
            headers={"Accept": "text/csv"},
        )
        assert answer.status_code == 200, answer.text
        zones[stage] = answer.text
    assert "Asia/Tokyo" in zones["dev"]
    assert "Asia/Tokyo" not in zones["prod"]
