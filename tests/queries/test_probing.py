"""What rows say of a join, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.access.roles import Role
from dragoman.queries.running import RUNNING
from tests.catalog.conftest import Shop, a_shop
from tests.support.clients import assert_error
from tests.support.engines import Engine
from tests.support.server import Server

TABLES = (
    "CREATE TABLE users (id bigint PRIMARY KEY, city text, meta json)",
    "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, billing_user_id bigint)",
    "ALTER TABLE orders ADD code text",
    "INSERT INTO users VALUES (1), (2), (3), (4)",
    "INSERT INTO orders VALUES (1, 1, 1), (2, 1, NULL), (3, NULL, 2), (4, 9, 3)",
    'CREATE TABLE "odd ""one""" ("a ""b""" bigint, c bigint)',
    'INSERT INTO "odd ""one""" VALUES (1, 1), (1, 2), (2, 1)',
)


@pytest.fixture
def shop(sqlite_server: Server, postgres_server: Engine) -> Iterator[Shop]:
    with a_shop(sqlite_server, postgres_server) as made:
        made.sql(*TABLES)
        made.connect()
        made.refresh()
        yield made


def joined(one: str, other: str, *pairs: str, **more: Any) -> dict[str, Any]:
    left, right = more.get("join_from_view_as", one), more.get("join_to_view_as", other)
    sides = (pair.split("=") for pair in pairs)
    on = " AND ".join(f"${{{left}.{a}}} = ${{{right}.{b}}}" for a, b in sides)
    return {"join_from_view": one, "join_to_view": other, "on_sql": on, **more}


def probed(shop: Shop, body: dict[str, Any], status: int = 200) -> Any:
    path = f"/api/v1/connections/{shop.id}/relationship-probe"
    answer = shop.server.root.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_foreign_key_and_its_table(shop: Shop) -> None:
    assert probed(shop, joined("orders", "users", "user_id=id")) == {
        "relationship_type": "many_to_one",
        "from": {
            "view": "orders",
            "fields": ["user_id"],
            "rows": 4,
            "nullKeys": 1,
            "distinctKeys": 2,
            "mostRowsOfAKey": 2,
            "capped": False,
            "unique": False,
        },
        "to": {
            "view": "users",
            "fields": ["id"],
            "rows": 4,
            "nullKeys": 0,
            "distinctKeys": 4,
            "mostRowsOfAKey": 1,
            "capped": False,
            "unique": True,
        },
        "orphans": 1,
        "reasons": [
            "join_from_view: a key occurs 2 times in 4 rows",
            "join_to_view: no key occurs twice in 4 rows",
        ],
    }
    assert probed(shop, joined("users", "orders", "id=user_id"))["relationship_type"] == (
        "one_to_many"
    )


def test_a_suggestion_is_probed_as_it_is(shop: Shop) -> None:
    path = f"/api/v1/connections/{shop.id}/relationship-suggestions"
    [suggestion] = shop.server.root.get(path).json()["suggestions"]
    assert suggestion["join_to_view_as"] == "billing_users"
    found = probed(shop, suggestion)
    assert (found["relationship_type"], found["orphans"]) == ("one_to_one", 0)


def test_more_than_the_cap_is_not_claimed(shop: Shop) -> None:
    found = probed(shop, joined("orders", "users", "user_id=id", maxRows=3))
    assert found["relationship_type"] == "assumed_many_to_one"
    assert (found["to"]["rows"], found["to"]["capped"], found["to"]["unique"]) == (3, True, None)
    assert found["orphans"] is None


def test_composite_keys_of_a_table_with_quotes_in_its_names(shop: Shop) -> None:
    [odd] = [name for name in shop.views() if name.startswith("odd")]
    fields = list(shop.definition(odd)["dimensions"])
    pairs = [f"{field}={field}" for field in fields]
    found = probed(shop, joined(odd, odd, *pairs, join_to_view_as="other"))
    assert (found["relationship_type"], found["orphans"]) == ("one_to_one", 0)
    assert probed(shop, joined(odd, odd, pairs[0], join_to_view_as="other"))[
        "relationship_type"
    ] == ("many_to_many")


def test_a_table_without_keys_says_nothing(shop: Shop) -> None:
    found = probed(shop, joined("users", "orders", "city=code"))
    assert (found["relationship_type"], found["orphans"]) == (None, None)
    assert found["reasons"][0] == "join_from_view: 4 rows have no key that is not NULL"


def test_keys_that_the_database_does_not_compare(shop: Shop) -> None:
    shop.sql("UPDATE orders SET code = id")
    found = probed(shop, joined("orders", "users", "code=id"))
    assert found["orphans"] is None
    assert found["reasons"][-1].startswith("The database does not compare the keys: ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        (joined("orders", "users", "user_id=id", maxRows=0), 400),
        (joined("orders", "users", "user_id=id", maxRows=True), 400),
        (joined("orders", "users", "user_id=id", more=1), 400),
        (joined("orders", "nothing", "user_id=id"), 404),
        (joined("orders", "users", "nothing=id"), 400),
        (joined("orders", "users", "code=meta"), 400),
        (joined("orders", "users", "user_id=id", join_to_view_as=3), 400),
        ({**joined("orders", "users", "user_id=id"), "on_sql": "${orders.id} > ${users.id}"}, 400),
        ({**joined("orders", "users", "user_id=id"), "on_sql": "${orders.id} = ${orders.id}"}, 400),
        ({**joined("orders", "users", "user_id=id"), "on_sql": "1 = 1; DROP TABLE users"}, 400),
        ({**joined("orders", "users", "user_id=id"), "on_sql": "${orders.id[month]} = 1"}, 400),
    ],
)
def test_what_is_no_join_of_two_tables(shop: Shop, body: dict[str, Any], status: int) -> None:
    probed(shop, body, status)


def test_who_may_probe(shop: Shop) -> None:
    path, body = (
        f"/api/v1/connections/{shop.id}/relationship-probe",
        joined("orders", "users", "user_id=id"),
    )
    weak = shop.server.member("weak@example.com", **{shop.id: Role.QUERY_TOPICS.value})
    strong = shop.server.member("strong@example.com", **{shop.id: Role.QUERIER.value})
    assert_error(weak.post(path, json=body), 403)
    assert strong.post(path, json=body).status_code == 200
    assert_error(shop.server.anonymous.post(path, json=body), 401)


def test_a_statement_over_its_limit_is_stopped(shop: Shop) -> None:
    shop.sql("CREATE VIEW endless AS SELECT 1 AS id FROM generate_series(1, 100000000000)")
    shop.connect(queryTimeoutSeconds=1)
    shop.refresh()
    body = joined("endless", "users", "id=id", maxRows=100_000_000)
    answer = shop.server.root.post(f"/api/v1/connections/{shop.id}/relationship-probe", json=body)
    assert answer.status_code == 408, answer.text
    assert RUNNING.count(shop.server.house) == 0
