"""A masked field tells nothing of its values, whatever is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.compiler.errors import ErrorType, PlanError
from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.semantics.compiler.test_questions import database

__all__ = ["database"]
MASK = {"mask_unless_access_grants": ["insiders"]}
ORDERS: dict[str, Any] = {
    "schema": "main",
    "table_name": "orders",
    "dimensions": {
        "id": {"primary_key": True},
        "user_id": MASK,
        "status": {},
        "created_at": MASK,
        "fee": MASK,
        "secret": {"sql": "${fee}", "required_access_grants": ["insiders"]},
        "tier": {"sql": "${fee}", "bin_boundaries": [6, 20], **MASK},
        "place": {"sql": "${status}", "order_by_field": "orders.fee", **MASK},
        "chosen": {"sql": "{{ filters.orders.field.value }}"},
    },
    "measures": {
        "count": {"aggregate_type": "count"},
        "total": {"sql": "${fee}", "aggregate_type": "sum", **MASK},
        "mean_of_users": {
            "sql": "${fee}",
            "aggregate_type": "average",
            "level_of_detail": {"aggregate_type": "sum", "always_include": ["orders.user_id"]},
        },
    },
    "filters": {
        "field": {"type": "column"},
        "fees": {"type": "number", "bind_to": ["orders.fee"]},
    },
}
SETTINGS = {"access_grants": {"insiders": {"user_attribute": "team", "allowed_values": ["x"]}}}
TYPES = {"orders": {"fee": "NUMBER", "status": "STRING", "created_at": "TIMESTAMP"}}
INSIDER = asking(attributes={"team": ("x",)})


def shop(**filters: Any) -> MemoryLayer:
    orders = {**ORDERS, "filters": ORDERS["filters"] | filters}
    return MemoryLayer({"orders": orders}, the_settings=SETTINGS, types=TYPES)


SHOP = shop()


def rows(database: Any, fields: list[str], by: Any = None, **more: Any) -> list[Any]:
    layer = more.pop("layer", SHOP)
    question = {"table": "orders", "fields": fields, **more}
    found = database.execute(ask(layer, question, by).sql).fetchall()
    return sorted(found, key=lambda row: tuple((v is None, str(v)) for v in row))


def equals(*values: str) -> dict[str, Any]:
    return {"type": "string", "kind": "EQUALS", "values": list(values)}


NUMBER = {"type": "number", "kind": "GREATER_THAN", "values": [9]}
SINCE = {"type": "date", "kind": "ON_OR_AFTER", "left_side": "2026-02-01"}
CHOICES = [
    {"filters": {"orders.fee": NUMBER}},
    {"filters": {"orders.fee": {"type": "null"}}},
    {"filters": {"orders.fee": NUMBER | {"ignore_if_unjoinable": True}}},
    {"filters": {"orders.tier": equals("below 6")}},
    {"filters": {"orders.total": NUMBER}},
    {"filters": {"orders.fees": NUMBER}},
    {"filters": {"orders.created_at": SINCE}},
    {"filters": {"orders.created_at[month_num]": NUMBER}},
    {"filters": {"orders.fee": {"type": "user_attribute", "user_attribute_name": "level"}}},
    {"filters": {"orders.fee": {"type": "composite", "conjunction": "OR", "filters": [NUMBER]}}},
    {"controls": [{"type": "MULTI_FIELD_FILTER", "filters": {"orders.fee": NUMBER}}]},
    {"sorts": [{"column_name": "orders.fee"}]},
    {"sorts": [{"column_name": "orders.total", "sort_descending": True}]},
    {"sorts": [{"column_name": "orders.created_at[month]"}]},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_what_would_tell_of_a_masked_value_is_refused(choice: dict[str, Any]) -> None:
    question = {"table": "orders", "fields": ["orders.status", "orders.count"], **choice}
    with pytest.raises(PlanError, match="masked") as refused:
        ask(SHOP, question)
    assert refused.value.error_type is ErrorType.FORBIDDEN
    assert refused.value.fix
    assert ask(SHOP, question, asking(attributes={"team": ("x",), "level": (10,)})).sql


def test_an_inner_question_obeys_the_masks_too() -> None:
    inner = {"table": "orders", "fields": ["orders.id"], "filters": {"orders.fee": NUMBER}}
    asked = {
        "table": "orders",
        "fields": ["orders.count"],
        "filters": {"orders.id": {"type": "query", "query_id": "q", "field_name": "orders.id"}},
        "staticQueryReferences": {"q": {"query": inner}},
    }
    with pytest.raises(PlanError, match="masked"):
        ask(SHOP, asked)


def test_a_masked_field_brings_no_order_into_rows_and_pivots(database: Any) -> None:
    sorts = [{"column_name": "orders.place"}]
    compiled = ask(SHOP, {"table": "orders", "fields": ["orders.place"], "sorts": sorts})
    assert "fee" not in compiled.sql
    assert "status" not in compiled.sql
    fields = ["orders.tier", "orders.count"]
    assert rows(database, fields, pivots=["orders.tier"]) == [(None, 4, 1)]


def test_the_model_itself_may_choose_rows_by_a_masked_field(database: Any) -> None:
    least = {"greater_than": 9}
    layer = shop(fees={"type": "number", "bind_to": ["orders.fee"], "default_filter": least})
    assert rows(database, ["orders.count"], layer=layer) == [(2,)]
    with pytest.raises(PlanError, match="masked"):
        rows(database, ["orders.count"], layer=layer, filters={"orders.fees": NUMBER})


def test_a_picked_field_needs_its_grants(database: Any) -> None:
    def picked(name: str, by: Any = None) -> list[Any]:
        return rows(database, ["orders.chosen"], by, filters={"orders.field": equals(name)})

    assert picked("orders.status") == [("open",), ("paid",), (None,)]
    assert picked("orders.fee") == [(None,)]
    assert len(picked("orders.fee", INSIDER)) == 4
    with pytest.raises(PlanError, match="not permitted"):
        picked("orders.secret")


def test_a_level_of_detail_is_the_same_for_those_who_do_not_see_its_grain(database: Any) -> None:
    fields = ["orders.user_id", "orders.mean_of_users"]
    assert rows(database, fields[1:]) == [(pytest.approx(52 / 3),)]
    assert rows(database, fields) == [(None, pytest.approx(52 / 3))]
    assert rows(database, fields, INSIDER) == [(1, 40), (2, 5), (None, 7)]


def test_a_masked_measure_alone_is_one_value(database: Any) -> None:
    assert rows(database, ["orders.total"]) == [(None,)]
