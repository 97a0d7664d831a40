"""Names in definitions: every place that says one is found, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.models.renaming import Named, Renaming, edits_of
from dragoman.semantics.files import edit, read

FIELD = Renaming(Named.FIELD, "orders.total", "orders.revenue")
MOVED = Renaming(Named.FIELD, "orders.total", "sales.total")
VIEW = Renaming(Named.VIEW, "orders", "sales")
TOPIC = Renaming(Named.TOPIC, "shop", "store")


def renamed(path: str, text: str, how: Renaming, own: str | None = None) -> str:
    topic = path.endswith("topic")
    return edit(text, edits_of(read(path, text).data, how, own, topic=topic))


@pytest.mark.parametrize(
    ("how", "own", "before", "after"),
    [
        (FIELD, None, "sql: ${orders.total} / 2", "sql: ${orders.revenue} / 2"),
        (FIELD, "orders", "sql: ${total} + ${orders.total}", "sql: ${revenue} + ${orders.revenue}"),
        (FIELD, "users", "sql: ${total}", "sql: ${total}"),
        (FIELD, None, "sql: ${orders.total_tax}", "sql: ${orders.total_tax}"),
        (FIELD, None, "sql: ${ orders.total[month] }", "sql: ${orders.revenue[month]}"),
        (FIELD, None, "sql: ${orders.total//}", "sql: ${orders.revenue//}"),
        (FIELD, None, "fields: [orders.total, -orders.total, orders.*]",
         "fields:\n- orders.revenue\n- -orders.revenue\n- orders.*"),
        (FIELD, "orders", "drill_fields: [total, id]", "drill_fields:\n- revenue\n- id"),
        (FIELD, None, "label: orders.total", "label: orders.total"),
        (FIELD, None, "description: see ${orders.total}", "description: see ${orders.total}"),
        (FIELD, None, "default_filters:\n  orders.total:\n    greater_than: 1",
         "default_filters:\n  orders.revenue:\n    greater_than: 1"),
        (FIELD, "orders", "measures:\n  big:\n    filters:\n      total:\n        is: 1",
         "measures:\n  big:\n    filters:\n      revenue:\n        is: 1"),
        (FIELD, "orders", "filters:\n  total:\n    type: string",
         "filters:\n  total:\n    type: string"),
        (FIELD, None, "query:\n  fields:\n    orders.total: x\n  sorts:\n  - field: orders.total",
         "query:\n  fields:\n    orders.revenue: x\n  sorts:\n  - field: orders.revenue"),
        (FIELD, "orders", "sets:\n  money: [total]", "sets:\n  money:\n  - revenue"),
        (FIELD, None, "sql: 'a {{# orders.total.filter }} x {{/ orders.total.filter }}'",
         "sql: a {{# orders.revenue.filter }} x {{/ orders.revenue.filter }}"),
        (FIELD, None, "sql: '{{ filters.orders.total.value }}'",
         "sql: '{{ filters.orders.revenue.value }}'"),
        (MOVED, "orders", "sql: ${total}", "sql: ${sales.total}"),
        (MOVED, "sales", "sql: ${orders.total}", "sql: ${sales.total}"),
        (VIEW, None, "sql: SELECT ${orders.id} FROM ${orders}",
         "sql: SELECT ${sales.id} FROM ${sales}"),
        (VIEW, None, "base_view: orders", "base_view: sales"),
        (VIEW, None, "extends: [orders, base]", "extends:\n- sales\n- base"),
        (VIEW, None, "table_name: orders", "table_name: orders"),
        (TOPIC, None, "query:\n  topic: shop", "query:\n  topic: store"),
        (TOPIC, None, "suggest_from_topic: shop", "suggest_from_topic: store"),
        (TOPIC, None, "base_view: shop", "base_view: shop"),
    ],
)  # fmt: skip
def test_in_a_view(how: Renaming, own: str | None, before: str, after: str) -> None:
    made = read("v.view", renamed("v.view", before + "\n", how, own)).data
    assert made == read("v.view", after + "\n").data


def test_in_a_topic() -> None:
    text = (
        "base_view: orders  # root\njoins:\n  users:\n    orders: {}\nextends: [orders]\n"
        "views:\n  orders:\n    measures:\n      m:\n        sql: ${total}\n"
        "fields: [orders.*, -orders.total]\n"
    )
    made: Any = read("t.topic", renamed("t.topic", text, VIEW)).data
    assert made["base_view"] == "sales"
    assert made["joins"] == {"users": {"sales": {}}}
    assert made["extends"] == ["orders"]  # a topic's parents are topics
    assert made["views"] == {"sales": {"measures": {"m": {"sql": "${total}"}}}}
    assert made["fields"] == ["sales.*", "-sales.total"]
    assert "# root" in renamed("t.topic", text, VIEW)
    made = read("t.topic", renamed("t.topic", text, FIELD)).data
    assert made["views"]["orders"]["measures"]["m"]["sql"] == "${revenue}"
    made = read("t.topic", renamed("t.topic", "extends: [shop]\n", TOPIC)).data
    assert made == {"extends": ["store"]}


def test_in_relationships() -> None:
    text = (
        "- join_from_view: orders\n  join_to_view: users  # who\n"
        "  on_sql: ${orders.total} = ${users.id}\n"
    )
    made = renamed("relationships", text, VIEW)
    assert made == text.replace("join_from_view: orders", "join_from_view: sales").replace(
        "${orders.total}", "${sales.total}"
    )
    assert "${orders.revenue}" in renamed("relationships", text, FIELD)
