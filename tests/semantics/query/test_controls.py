"""Controls: what a reader switches in a question."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.query.filters import BadQuery
from dragoman.semantics.query.request import Query, Summary, read_query
from tests.semantics.compiler.support import ask
from tests.semantics.compiler.test_questions import SHOP, database, rows

__all__ = ["database"]
MONTH, WEEK = "orders.created_at[month]", "orders.created_at[week]"


def swap(field: str, value: str | None, **more: Any) -> dict[str, Any]:
    return {"type": "FIELD_SELECTION", "kind": "FIELD", "field": field, "value": value, **more}


def read(*controls: dict[str, Any], **more: Any) -> Query:
    fields = more.pop("fields", [MONTH, "orders.count"])
    return read_query({"table": "orders", "fields": fields, "controls": [*controls], **more})


def test_a_field_stands_in_for_another_wherever_it_is_named() -> None:
    total = {"orders.count": {"type": "aggregation"}}
    share = {
        "type": "call",
        "operator": "Omni.OMNI_PERCENT_OF_TOTAL",
        "operands": [{"type": "field", "field_name": "orders.count"}],
    }
    found = read(
        swap("orders.count", "orders.total"),
        swap(MONTH, WEEK),
        fields=[MONTH, "orders.count", "share"],
        sorts=[{"column_name": "orders.count", "sort_descending": True}],
        pivots=[MONTH],
        fill_fields=[MONTH],
        column_totals=total,
        filters={MONTH: {"type": "null"}, "orders.count": {"type": "null"}},
        calculations=[{"calc_name": "share", "sql_expression": share}],
    )
    assert found.fields == (WEEK, "orders.total", "share")
    assert (found.sorts[0].column, found.sorts[0].descending) == ("orders.total", True)
    assert (found.pivots, found.fill, found.column_totals) == ((WEEK,), (WEEK,), ("orders.total",))
    assert found.calculations[0].expression["operands"][0]["field_name"] == "orders.total"
    assert set(found.filters) == {MONTH, "orders.count"}


def test_what_is_not_chosen_or_not_asked_for_changes_nothing() -> None:
    plain = read()
    assert read(swap("orders.count", None)) == plain
    assert read(swap("users.count", "users.city")) == plain
    assert read({"type": "DYNAMIC_FILTER"}) == plain
    assert read({"type": "SLIDER"}).warnings == (
        "a control of type 'SLIDER' is not known; it changes nothing",
    )


def test_a_field_that_is_there_already_comes_once() -> None:
    fields = ["orders.count", "orders.total"]
    assert read(swap("orders.count", "orders.total"), fields=fields).fields == ("orders.total",)


def test_grains_of_a_time_in_short(database: Any) -> None:
    control = swap(MONTH, "year", kind="TIMEFRAME")
    assert read(control).fields[0] == "orders.created_at[year]"
    found = rows(database, fields=[MONTH, "orders.count"], controls=[control])
    assert [count for _, count in found] == [3, 1]


def test_how_many_groups_are_told_apart(database: Any) -> None:
    control = {"type": "TOP_N", "field": "orders.top", "value": 2, "min": 1, "max": 3}
    fields = ["orders.top", "orders.total"]
    two = [("open", 30), ("paid", 17), (None, 5)]
    assert rows(database, fields=fields, controls=[control]) == two
    fields = ["orders.top[1]", "orders.total"]
    assert rows(database, fields=fields, controls=[control]) == two
    for value in (0, 4, "2", True):
        with pytest.raises(BadQuery, match="expected"):
            read({**control, "value": value})


def test_fields_that_are_added(database: Any) -> None:
    options = [{"label": "City", "value": "users.city"}]
    control = {"type": "FIELD_PICKER", "values": ["users.city"], "options": options}
    found = rows(database, fields=["orders.count"], controls=[control])
    assert found == [(1, "B"), (1, None), (2, "A")]
    with pytest.raises(BadQuery, match="options"):
        read({**control, "values": ["users.id"]})


def test_a_control_over_others() -> None:
    child = swap("orders.count", "orders.count", id="one")
    parent = {
        "type": "MULTI_FIELD_SELECTION",
        "value": "money",
        "selectionMap": {"one": {"money": "orders.total", "number": "orders.count"}},
    }
    assert read(parent, child).fields[1] == "orders.total"
    assert read({**parent, "value": "number"}, child).fields[1] == "orders.count"


def test_only_an_option_may_be_chosen_and_only_what_may_be_asked() -> None:
    with pytest.raises(BadQuery, match="options"):
        read(swap("orders.count", "orders.fee", options=[{"value": "orders.total"}]))
    asked = {"table": "orders", "fields": ["orders.count"]}
    with pytest.raises(PlanError, match="not permitted"):
        ask(SHOP, {**asked, "controls": [swap("orders.count", "orders.secret")]})


def test_any_of_several_filters_as_a_list(database: Any) -> None:
    def equals(field: str, value: str) -> dict[str, Any]:
        made = {"type": "string", "kind": "EQUALS", "values": [value]}
        return {"fieldName": field, "filter": made}

    def count(*filters: dict[str, Any]) -> Any:
        control = {"type": "MULTI_FIELD_FILTER", "conjunction": "OR", "filters": [*filters]}
        return rows(database, fields=["orders.count"], controls=[control])[0][0]

    assert count(equals("orders.status", "open"), equals("users.city", "B")) == 2
    assert count(equals("orders.status", "open"), equals("orders.status", "paid")) == 3


def test_totals_of_what_is_shown_are_of_columns() -> None:
    own = {"fields": ["orders.count"], "custom_summary_types": {"orders.count": "max"}}
    every = {"column_totals": {"::total::": {}}}
    assert read(**own).summaries == {}
    assert read(**own, **every).summaries == {"orders.count": Summary.MAX}
    typed = {**own, "custom_summary_types": {"orders.count": {"type": "AVG"}}}
    assert read(**typed, **every).summaries == {"orders.count": Summary.AVERAGE}
    for wrong in (
        {**own, "custom_summary_types": {"orders.count": "first"}},
        {**own, "custom_summary_types": {"orders.total": "sum"}},
        {**own, "transposed_measures": ["orders.count"]},
    ):
        with pytest.raises(BadQuery, match="custom_summary_types"):
            read(**wrong, **every)
