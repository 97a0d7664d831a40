"""Filters that hold inside query views, and measures of an earlier time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler.support import MemoryLayer, ask, asking, changed
from tests.semantics.compiler.test_questions import (
    JOINS,
    SETTINGS,
    TOPICS,
    TYPES,
    VIEWS,
    answered,
    database,
)

__all__ = ["database"]
FIELDS = {"orders.user_id": "user_id", "orders.total": "spent"}
JOINED = {
    "join_from_view": "orders",
    "join_to_view": "spending",
    "relationship_type": "many_to_one",
    "on_sql": "${orders.user_id} = ${spending.user_id}",
}


def shop(joined: bool = False, measures: Any = (), **query: Any) -> MemoryLayer:
    spending = {
        "query": {"fields": FIELDS, "base_view": "orders", **query},
        "dimensions": {"user_id": {"primary_key": True}, "spent": {}},
        "measures": {
            "most": {"sql": "${spent}", "aggregate_type": "max"},
            "count": {"aggregate_type": "count"},
        },
    }
    orders = {**VIEWS["orders"], "measures": VIEWS["orders"]["measures"] | dict(measures)}
    views = {**VIEWS, "orders": orders, "spending": spending}
    types = {**TYPES, "spending": {"spent": "NUMBER"}}
    return MemoryLayer(views, [*JOINS, *([JOINED] if joined else [])], {}, SETTINGS, types)


def rows(database: Any, layer: MemoryLayer, by: Any = None, **question: Any) -> list[Any]:
    return sorted(database.execute(ask(layer, question, by).sql).fetchall(), key=str)


PAID = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}}
BOUND = {"filters": {"orders.status": {"bind": "orders.status"}}}


def test_a_bound_filter_holds_inside(database: Any) -> None:
    asked = {"table": "spending", "fields": ["spending.user_id", "spending.spent"]}
    assert rows(database, shop(**BOUND), **asked, filters=PAID) == [(1, 10), (None, 7)]
    # Without a filter in the question there is none inside.
    assert len(rows(database, shop(**BOUND), **asked)) == 3
    with pytest.raises(PlanError, match="No join path"):
        rows(database, shop(), **asked, filters=PAID)


def test_a_bound_filter_holds_outside_too_where_it_can(database: Any) -> None:
    asked = {"table": "orders", "fields": ["orders.count", "spending.most"], "filters": PAID}
    # Users 1 and none have paid orders; all orders of user 1 are 40, the paid one is 10.
    assert rows(database, shop(joined=True), **asked) == [(2, 40)]
    assert rows(database, shop(joined=True, **BOUND), **asked) == [(2, 10)]


def test_all_filters_that_can_be_joined_hold_inside(database: Any) -> None:
    asked = {"table": "spending", "fields": ["spending.user_id", "spending.spent"]}
    city = {"users.city": {"type": "string", "kind": "EQUALS", "values": ["A"]}}
    more = {"spending.spent": {"type": "number", "kind": "GREATER_THAN", "values": [20]}}
    every = shop(bind_all_filters=True)
    assert rows(database, every, **asked, filters=city) == [(1, 40)]
    assert rows(database, every, **asked, filters=PAID | city) == [(1, 10)]
    assert rows(database, every, **asked, filters=PAID | more) == []
    assert rows(database, every, **asked, filters=more) == [(1, 40)]
    own = {"orders.status": {"is": "open", "exclude_from_bind_all": True}}
    kept = shop(bind_all_filters=True, filters=own)
    assert rows(database, kept, **asked, filters=city) == [(1, 30)]
    with pytest.raises(PlanError, match="No join path"):
        rows(database, kept, **asked, filters=PAID)


def test_days_inside_are_those_of_the_asker(database: Any) -> None:
    """2026-01-01 03:30 in UTC is the day before in New York."""
    bound = {"filters": {"orders.created_at": {"bind": "orders.created_at"}}}
    day = {"type": "date", "kind": "TIME_FOR_UNIT_DURATION", "left_side": "2025-12-31"}
    asked = {
        "table": "spending",
        "fields": ["spending.spent"],
        "filters": {"orders.created_at": day},
    }
    there = replace(asking(), timezone="America/New_York")
    assert rows(database, shop(**bound), **asked) == []
    assert rows(database, shop(**bound), there, **asked) == [(10,)]
    part = {"type": "date", "kind": "IS_ON_DAY_OF_MONTH", "values": [31]}
    asked["filters"] = {"orders.created_at": part}
    with pytest.raises(PlanError, match="clock"):
        rows(database, shop(**bound), there, **asked)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_a_week_inside_is_the_week_of_the_question(zone: str | None) -> None:
    """The fifteenth of March 2026 is a Sunday: inside, a week would begin with it."""
    inside = {"topic": "sundays", "filters": {"orders.created_at": {"bind": "orders.created_at"}}}
    layer = shop()
    query = {**layer.the_views["spending"]["query"], **inside}
    del query["base_view"]
    views = {**layer.the_views, "spending": {**layer.the_views["spending"], "query": query}}
    topics = {"sundays": {"base_view": "orders", "week_start_day": "Sunday"}}
    week = {"type": "date", "kind": "TIME_FOR_UNIT_DURATION", "left_side": "this week"}
    asked = {
        "table": "spending",
        "fields": ["spending.spent"],
        "filters": {"orders.created_at": week},
    }
    by = replace(asking(), timezone=zone)
    sql = ask(replace(layer, the_views=views, the_topics=topics), asked, by).sql
    assert "2026-03-09" in sql
    assert "2026-03-16" in sql


def test_a_bound_filter_obeys_masks_and_grants() -> None:
    bound = {"filters": {"orders.fee": {"bind": "orders.masked"}}}
    filters = {"orders.masked": {"type": "string", "kind": "EQUALS", "values": ["x"]}}
    asked = {"table": "spending", "fields": ["spending.spent"], "filters": filters}
    with pytest.raises(PlanError) as refused:
        ask(shop(**bound), asked)
    assert refused.value.error_type is ErrorType.FORBIDDEN


@pytest.mark.parametrize("key", ["pivots", "fill_fields"])
def test_what_no_subquery_makes_is_an_error(key: str) -> None:
    with pytest.raises(PlanError, match=key):
        ask(shop(**{key: ["orders.user_id"]}), {"table": "spending", "fields": ["spending.spent"]})


def offset(**said: Any) -> dict[str, Any]:
    return {"before": {"aggregate_type": "count", "filters": {"created_at": said}}}


def test_a_measure_of_an_earlier_time(database: Any) -> None:
    layer = shop(measures=offset(date_offset_from_query="1 month"))
    filters = {
        "orders.created_at": {
            "type": "date",
            "kind": "TIME_FOR_UNIT_DURATION",
            "left_side": "2026-02",
        }
    }
    asked = {"table": "orders", "fields": ["orders.count", "orders.total", "orders.before"]}
    assert rows(database, layer, **asked, filters=filters) == [(1, 30, 1)]
    filters["orders.created_at"]["left_side"] = "2026-04"
    assert rows(database, layer, **asked, filters=filters) == [(0, 0, 1)]
    with pytest.raises(PlanError, match="earlier"):
        rows(database, layer, **asked)
    with pytest.raises(PlanError, match="no length"):
        ask(shop(measures=offset(date_offset_from_query="soon")), {**asked, "filters": filters})


OUTPUTS = {
    "orders.user_id": "user",
    "orders.created_at[month]": "month",
    "orders.count": "n",
    "orders.created_at": "at",
    "orders.latest": "latest",
    "orders.created_at[month_name]": "named",
}


def outputs(**changes: Any) -> MemoryLayer:
    """A query view that writes out none of its fields."""
    latest = {"latest": {"sql": "${created_at}", "aggregate_type": "max"}}
    orders = {**VIEWS["orders"], "measures": VIEWS["orders"]["measures"] | latest}
    made = {"query": {"fields": OUTPUTS, "base_view": "orders"}, **changes}
    return MemoryLayer({**VIEWS, "orders": orders, "made": made}, JOINS, {}, SETTINGS, TYPES)


def test_columns_of_a_query_are_dimensions_and_its_rows_are_counted(database: Any) -> None:
    fields = ["made.user", "made.n"]
    asked = {"table": "made", "fields": [*fields, "made.count"], "limit": None}
    by_hand = (
        "SELECT user_id, n, count(*) FROM (SELECT user_id, count(*) n FROM orders GROUP BY ALL)"
    )
    layer = outputs(query={"fields": {"orders.user_id": "user", "orders.count": "n"}})
    layer.the_views["made"]["query"]["base_view"] = "orders"
    assert rows(database, layer, **asked) == sorted(
        database.execute(f"{by_hand} GROUP BY ALL").fetchall(), key=str
    )


def test_columns_of_a_query_have_types() -> None:
    view = ComposedModel([outputs()]).view("made")
    assert view is not None
    assert {name: each.type.value for name, each in view.dimensions.items()} == {
        "user": "NUMBER",
        "month": "DATE",
        "n": "NUMBER",
        "at": "TIMESTAMP",
        "latest": "TIMESTAMP",
        "named": "STRING",
    }


def test_what_files_say_of_a_column_holds() -> None:
    said = {"user": {"ignored": True}, "n": {"sql": "${at}"}, "at": {"type": "string"}}
    view = ComposedModel([outputs(dimensions=said, measures={"count": {"ignored": True}})]).view(
        "made"
    )
    assert view is not None
    assert "user" not in view.dimensions
    assert not view.measures
    assert view.dimensions["n"].type.value == "UNKNOWN"
    assert view.dimensions["at"].type.value == "STRING"


def test_query_views_in_a_circle_come_to_an_end() -> None:
    layer = outputs(query={"fields": {"round.x": "y"}, "base_view": "round"})
    layer.the_views["round"] = {"query": {"fields": {"made.y": "x"}, "base_view": "made"}}
    model = ComposedModel([layer])
    for name, column in (("made", "y"), ("round", "x")):
        view = model.view(name)
        assert view is not None
        assert view.dimensions[column].type.value == "UNKNOWN"


BEST = {
    "base_view": "orders",
    "fields": {"orders.user_id": "user_id", "orders.total": "spent"},
    "sorts": [{"field": "orders.total", "desc": True}],
    "limit": 1,
}


def of_best(key: str = "field_name_in_query", **query: Any) -> dict[str, Any]:
    said = {key: "orders.user_id", "query_structure": {**BEST, **query}}
    return {"best": {"aggregate_type": "count", "filters": {"user_id": said}}}


@pytest.mark.parametrize(
    ("key", "query", "found"),
    [
        # Of four orders two are of user 1, who has spent most, one of user 2, and one of nobody.
        ("field_name_in_query", {}, 2),
        ("field_name_not_in_query", {}, 2),
        ("field_name_in_query", {"limit": 9}, 3),
        ("field_name_in_query", {"filters": {"orders.status": {"is": None}}}, 1),
    ],
)
def test_a_measure_of_values_in_another_question(
    database: Any, key: str, query: dict[str, Any], found: int
) -> None:
    layer = shop(measures=of_best(key, **query))
    assert rows(database, layer, table="orders", fields=["orders.best"]) == [(found,)]


def test_groups_of_values_in_another_question(database: Any) -> None:
    """Beside a measure that is joined many times, and in totals."""
    said = {"field_name_in_query": "orders.user_id", "query_structure": BEST}
    kind = {"sql": "${user_id}", "groups": [{"filter": said, "name": "best"}], "else": "rest"}
    layer = changed(shop(measures=of_best()), "orders", dimensions={"kind": kind})
    fields = ["orders.kind", "orders.best", "orders.total", "items.count"]
    asked = {"table": "orders", "fields": fields, "column_totals": {"::total::": {}}}
    found = [tuple(row.values())[:4] for row in answered(database, asked, layer)]
    assert sorted(found[:2]) == [("best", 2, 40, 3), ("rest", 0, 12, 1)]
    assert found[2:] == [(None, 2, 52, 4)]
    filters = {"orders.best": {"type": "number", "kind": "GREATER_THAN", "values": [0]}}
    above = answered(database, {**asked, "filters": filters}, layer)
    found = [tuple(row.values())[:4] for row in above]
    assert found == [("best", 2, 40, 3), (None, 2, 40, 3)]


def test_the_question_inside_a_filter_obeys_the_rules_of_its_topic(database: Any) -> None:
    """Each asker has rows of their own, also after somebody else has asked."""
    layer = replace(shop(measures=of_best(topic="by_city")), the_topics=TOPICS)
    compiler = Compiler(ComposedModel([layer]))
    query = read_query({"table": "orders", "fields": ["orders.best"]})
    for city, found in (("A", 2), ("B", 1), ("A", 2)):
        sql = compiler.compile(query, asking(attributes={"city": (city,)})).sql
        assert database.execute(sql).fetchall() == [(found,)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"field_name_in_query": "orders.user_id"}, "query_structure"),
        ({"query_structure": BEST}, "no column"),
        ({"field_name_in_query": "orders.fee", "query_structure": BEST}, "does not answer"),
        (
            {
                "field_name_in_query": "orders.user_id",
                "query_structure": {**BEST, "pivots": ["a.b"]},
            },
            "pivots",
        ),
        (
            {
                "field_name_in_query": "orders.user_id",
                "query_structure": {**BEST, "bind_all_filters": True},
            },
            "from outside",
        ),
    ],
)
def test_a_question_inside_a_filter_that_cannot_be_asked(
    database: Any, said: dict[str, Any], told: str
) -> None:
    layer = shop(measures={"best": {"aggregate_type": "count", "filters": {"user_id": said}}})
    with pytest.raises(PlanError, match=told):
        rows(database, layer, table="orders", fields=["orders.best"])
