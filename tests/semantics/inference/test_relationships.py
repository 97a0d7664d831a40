"""Relationships from declared keys and from names."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.catalog import TableKind
from dragoman.semantics.inference.relationships import suggestions
from dragoman.semantics.inference.stems import common_prefix, key_stem, singular, table_stem
from tests.semantics.inference.tables import Tables, foreign, table

USERS = "users(id integer, name text)"


def names(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["join_to_view"], each["on_sql"]) for each in found]


def declared(written: str, *keys: Any, **changes: Any) -> list[dict[str, Any]]:
    own = table(written, foreign_keys=list(keys), **changes)
    others = [
        table(USERS, primary_key=["id"]),
        table("lots(depot integer, number integer)", primary_key=["depot", "number"]),
    ]
    tables = Tables([own, *others], foreign_keys=True, column_names=False)
    return tables.of(own.name)


def test_a_foreign_key_is_many_to_one() -> None:
    found = declared("orders(id integer, buyer integer)", foreign("fk", "buyer", "users"))
    assert found == [
        {
            "join_from_view": "orders",
            "join_to_view": "users",
            "join_type": "always_left",
            "relationship_type": "many_to_one",
            "on_sql": "${orders.buyer} = ${users.id}",
        }
    ]


@pytest.mark.parametrize("unique", [{"primary_key": ["buyer"]}, {"unique_keys": [["buyer"]]}])
def test_a_unique_foreign_key_is_one_to_one(unique: dict[str, Any]) -> None:
    found = declared("profiles(buyer integer)", foreign("fk", "buyer", "users"), **unique)
    assert found[0]["relationship_type"] == "one_to_one"


def test_a_part_of_a_key_is_not_unique() -> None:
    found = declared(
        "visits(buyer integer, day date)",
        foreign("fk", "buyer", "users"),
        primary_key=["buyer", "day"],
    )
    assert found[0]["relationship_type"] == "many_to_one"


def test_composite_keys_are_anded_in_their_order() -> None:
    key = foreign("fk", "lot depot_no", "lots", "number depot")
    found = declared("items(depot_no integer, lot integer)", key)
    assert found[0]["on_sql"] == (
        "${items.lot} = ${lots.number} AND ${items.depot_no} = ${lots.depot}"
    )


def test_roles_have_an_alias_each() -> None:
    found = declared(
        "orders(id integer, billing_user_id integer, shipping_user_id integer)",
        foreign("a", "billing_user_id", "users"),
        foreign("b", "shipping_user_id", "users"),
    )
    assert [each["join_to_view_as"] for each in found] == ["billing_users", "shipping_users"]
    assert found[0]["on_sql"] == "${orders.billing_user_id} = ${billing_users.id}"
    assert found[0]["join_to_view_as_label"] == "Billing Users"


def test_the_plain_role_has_none() -> None:
    found = declared(
        "orders(user_id integer, created_by integer)",
        foreign("a", "created_by", "users"),
        foreign("b", "user_id", "users"),
    )
    assert [each.get("join_to_view_as") for each in found] == ["created_by_users", None]


def test_composite_roles() -> None:
    found = declared(
        "moves(depot integer, from_number integer, to_number integer)",
        foreign("a", "depot from_number", "lots", "depot number"),
        foreign("b", "depot to_number", "lots", "depot number"),
    )
    assert [each["join_to_view_as"] for each in found] == ["from_number_lots", "to_number_lots"]


def test_an_alias_takes_no_views_name() -> None:
    own = table(
        "orders(billing_user_id integer, shipping_user_id integer)",
        foreign_keys=[
            foreign("a", "billing_user_id", "users"),
            foreign("b", "shipping_user_id", "users"),
        ],
    )
    tables = Tables([own, table(USERS), table("billing_users(x integer)")], foreign_keys=True)
    assert [e["join_to_view_as"] for e in tables.of("orders")] == [
        "billing_users_2",
        "shipping_users",
    ]


def test_a_table_that_refers_to_itself() -> None:
    own = table(
        "staff(id integer, reports_to integer)",
        foreign_keys=[foreign("a", "reports_to", "staff")],
    )
    found = Tables([own], foreign_keys=True).of("staff")
    assert found[0]["join_to_view_as"] == "reports_to_staff"
    assert found[0]["on_sql"] == "${staff.reports_to} = ${reports_to_staff.id}"


def test_keys_to_what_is_not_there_are_left_out() -> None:
    assert declared("orders(a integer)", foreign("fk", "a", "gone")) == []
    assert declared("orders(a integer)", foreign("fk", "unreadable", "users")) == []


def test_foreign_keys_only_where_the_connection_asks() -> None:
    own = table("orders(buyer integer)", foreign_keys=[foreign("fk", "buyer", "users")])
    assert Tables([own, table(USERS)]).of("orders") == []


def test_a_declared_key_is_not_guessed_again() -> None:
    own = table(
        "orders(id integer, user_id integer)", foreign_keys=[foreign("a", "user_id", "users")]
    )
    tables = Tables([own, table(USERS)], foreign_keys=True)
    assert [each["relationship_type"] for each in tables.of("orders")] == ["many_to_one"]


def named(own: str, *others: str, **changes: Any) -> list[tuple[str, str]]:
    first = table(own)
    tables = Tables([first, *map(table, others)], **changes)
    view = tables.conventions.view_name(None, first.schema, first.name)
    found = tables.of(view)
    assert all(each["relationship_type"] == "assumed_many_to_one" for each in found)
    assert all("reversible" not in each for each in found)
    return names(found)


@pytest.mark.parametrize(
    ("column", "other", "key"),
    [
        ("user_id integer", USERS, "id"),
        ("user_id integer", "user(user_id integer)", "user_id"),
        ("category_id integer", "categories(id integer)", "id"),
        ("address_id integer", "addresses(id integer)", "id"),
        ("person_id integer", "people(id integer)", "id"),
        ("userId integer", "Users(Id integer)", "id"),
        ("customer_key integer", "dim_customers(customer_key integer)", "customer_key"),
        ("customer_id uuid", "customers(customer_id uuid, id integer)", "customer_id"),
    ],
)
def test_a_column_refers_by_its_name(column: str, other: str, key: str) -> None:
    found = named(f"facts({column}, amount numeric)", other)
    assert len(found) == 1
    assert found[0][1].endswith(f".{key}}}")


@pytest.mark.parametrize(
    ("column", "others"),
    [
        ("user_id integer", ["user(id integer)", USERS]),  # a tie
        ("user_id integer", ["a.users(id integer)", "b.users(id integer)"]),  # a tie
        ("user_id text", [USERS]),  # another kind
        ("billing_user_id integer", [USERS]),  # a role is a suggestion at most
        ("order_id integer", ["order_items(order_id integer, id integer)"]),
        ("user_id integer", ["users(name text)"]),  # no key
        ("valid integer", ["vals(id integer)"]),
    ],
)
def test_what_is_not_guessed(column: str, others: list[str]) -> None:
    assert named(f"facts({column}, amount numeric)", *others) == []


def test_the_nearest_table_is_taken() -> None:
    near, far = "sales.users(id integer)", "crm.users(id integer)"
    assert named("sales.orders(user_id integer)", far, near)[0][0] == "sales__users"
    staged = ["stg_orders(order_id integer)", "orders(order_id integer)"]
    assert named("stg_payments(order_id integer)", *staged)[0][0] == "stg_orders"
    assert named("payments(order_id integer)", *staged)[0][0] == "orders"
    marts = ["dim_users(user_id integer)", "stg_users(user_id integer)"]
    assert named("fct_orders(user_id integer)", *marts)[0][0] == "dim_users"


def test_a_table_is_nearer_than_a_view() -> None:
    view = table("user(id integer)", kind=TableKind.VIEW)
    tables = Tables([table("orders(user_id integer)"), view, table(USERS)])
    assert names(tables.of("orders"))[0][0] == "users"


def test_its_own_key_refers_to_nothing() -> None:
    assert named("users(id integer, user_id integer)", "crm.users(id integer)") == []


def test_parents() -> None:
    tables = Tables([table("categories(id integer, parent_id integer)")])
    assert tables.of("categories") == [
        {
            "join_from_view": "categories",
            "join_to_view": "categories",
            "join_to_view_as": "parent_categories",
            "join_to_view_as_label": "Parent Categories",
            "join_type": "always_left",
            "relationship_type": "assumed_many_to_one",
            "on_sql": "${categories.parent_id} = ${parent_categories.id}",
        }
    ]


def test_names_only_where_the_connection_asks() -> None:
    assert named("orders(user_id integer)", USERS, column_names=False) == []


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("users", "user"),
        ("categories", "category"),
        ("addresses", "address"),
        ("boxes", "box"),
        ("order_statuses", "order_status"),
        ("people", "person"),
        ("series", "series"),
        ("address", "address"),
        ("status", "status"),
        ("bus", "bus"),
        ("movies", "movie"),
        ("gas", "gas"),
    ],
)
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


def test_stems() -> None:
    assert table_stem("dim_customers").words == ("dim_customer", "customer")
    assert table_stem("customers_dim").short == "customer"
    assert table_stem("users").words == ("user",)
    assert key_stem("customer_id") == "customer"
    assert key_stem("custkey") == "cust"
    assert key_stem("id") is None
    assert key_stem("valid") is None
    assert common_prefix(["l_a", "l_b", "l_c"]) == "l_"
    assert common_prefix(["user_a", "user_b", "user_c"]) == ""
    assert common_prefix(["l_a", "b", "l_c"]) == ""


def suggested(*written: str) -> list[tuple[str, str, str]]:
    """For the first table: other side, alias, condition."""
    tables = Tables([table(each) for each in written])
    own = next(iter(tables.sources.values()))
    keys = ("join_to_view", "join_to_view_as", "on_sql")
    return [tuple(each[key] for key in keys) for each in suggestions(own, tables)]  # type: ignore[misc]


def test_roles_are_suggested_with_an_alias() -> None:
    orders = (
        "orders(id integer, billing_user_id integer, shipping_user_id integer, user_id integer)"
    )
    assert suggested(orders, USERS) == [
        ("users", "billing_users", "${orders.billing_user_id} = ${billing_users.id}"),
        ("users", "shipping_users", "${orders.shipping_user_id} = ${shipping_users.id}"),
    ]


@pytest.mark.parametrize(
    "written",
    [
        "orders(id integer, user_id integer)",  # it is joined already
        "orders(id integer, billing_user_id text)",  # another type
        "orders(id integer, billing_buyer_id integer)",  # no such table
    ],
)
def test_what_is_not_suggested(written: str) -> None:
    assert suggested(written, USERS) == []


def test_the_longest_end_of_a_name_counts() -> None:
    found = suggested(
        "trips(id integer, first_bus_stop_id integer)",
        "stops(id integer)",
        "bus_stops(id integer)",
    )
    assert [each[:2] for each in found] == [("bus_stops", "first_bus_stops")]


def test_a_table_in_a_role_of_its_own() -> None:
    found = suggested("employees(id integer, managing_employee_id integer)")
    assert [each[:2] for each in found] == [("employees", "managing_employees")]
