"""Suggested relationships over HTTP."""

from __future__ import annotations

from tests.catalog.conftest import Shop
from tests.catalog.test_routes import USERS, get
from tests.support.clients import assert_error


def test_roles_of_a_table_are_suggested(shop: Shop) -> None:
    roles = "billing_user_id bigint, shipping_user_id bigint"
    shop.sql(USERS, f"CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, {roles})")
    shop.connect()
    shop.refresh()
    path = f"connections/{shop.id}/relationship-suggestions"
    found = get(shop.server.root, path)
    assert found["nextCursor"] is None
    assert found["suggestions"][0] == {
        "join_from_view": "orders",
        "join_to_view": "users",
        "join_to_view_as": "billing_users",
        "join_to_view_as_label": "Billing Users",
        "join_type": "always_left",
        "relationship_type": "assumed_many_to_one",
        "on_sql": "${orders.billing_user_id} = ${billing_users.id}",
    }
    assert get(shop.server.root, path, view="orders") == found
    assert get(shop.server.root, path, view="users")["suggestions"] == []
    assert get(shop.server.root, path, cursor="orders")["suggestions"] == []
    assert_error(shop.server.root.get(f"/api/v1/{path}", params={"view": "nothing"}), 404)
