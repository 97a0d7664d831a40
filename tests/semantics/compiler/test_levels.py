"""Values at a grain of their own: which filters hold inside, and that nothing of them lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler.support import asking, changed
from tests.semantics.compiler.test_questions import SHOP, answered, database, topic

__all__ = ["database"]
BELOW_11 = {"orders.total": {"type": "number", "kind": "LESS_THAN", "values": [11]}}


@pytest.mark.parametrize(
    "fields", [["orders.mean_of_users"], ["orders.of_user"], ["orders.top"], ["orders.last[2]"]]
)
def test_a_question_that_is_asked_again_is_the_same(fields: list[str]) -> None:
    compiler = Compiler(ComposedModel([SHOP]))
    query = read_query({"table": "orders", "fields": [*fields, "orders.count"]})
    first, second = (compiler.compile(query, asking()).sql for _ in range(2))
    assert first == second


def test_conditions_on_measures_are_not_those_of_a_level(database: Any) -> None:
    asked = {"table": "orders", "fields": ["orders.id", "orders.of_user"], "filters": BELOW_11}
    wanted = [(1, 40), (3, 5), (4, 7)]
    found = answered(database, asked)
    assert sorted((row["orders.id"], row["orders.of_user"]) for row in found) == wanted
    rule = {"base_view": "orders", "always_having_filters": {"orders.total": {"less_than": 11}}}
    always = replace(SHOP, the_topics={"cheap": rule})
    found = answered(database, topic("cheap", "orders.id", "orders.of_user"), always)
    assert sorted((row["orders.id"], row["orders.of_user"]) for row in found) == wanted


def test_a_level_of_times_is_joined_by_the_times_themselves(database: Any) -> None:
    # 05:30 and 06:30 UTC are the same reading in New York, twice, as the clock goes back.
    database.execute(
        "CREATE TEMP TABLE twice AS FROM (VALUES (1, TIMESTAMP '2026-11-01 05:30:00', 2),"
        " (2, TIMESTAMP '2026-11-01 06:30:00', 3)) t(id, moment, n)"
    )
    views = {
        "twice": {
            "table_name": "twice",
            "dimensions": {
                "id": {"primary_key": True},
                "moment": {},
                "each": {
                    "sql": "${n}",
                    "level_of_detail": {"aggregate_type": "sum", "fixed": ["twice.moment"]},
                },
                "n": {},
            },
        }
    }
    layer = replace(SHOP, the_views=views, types={"twice": {"moment": "TIMESTAMP"}})
    by = asking(timezone="America/New_York")
    asked = {"table": "twice", "fields": ["twice.id", "twice.each"]}
    found = answered(database, asked, layer, by)
    assert sorted((row["twice.id"], row["twice.each"]) for row in found) == [(1, 2), (2, 3)]


def test_the_last_time_is_read_as_the_asker_reads_times(database: Any) -> None:
    layer = changed(
        SHOP,
        "orders",
        dimensions={"stored": {"sql": "${created_at}", "convert_tz": False}},
        measures={
            "last_at": {"sql": "${created_at}", "aggregate_type": "max"},
            "last_stored": {"sql": "${stored}", "aggregate_type": "max"},
        },
    )
    by = asking(timezone="America/New_York")
    fields = ["orders.created_at", "orders.last_at", "orders.last_stored"]
    asked: dict[str, Any] = {"table": "orders", "fields": fields}
    evening, midnight = (
        datetime.fromisoformat(each) for each in ("2026-02-28T19:00", "2026-03-01T00:00")
    )
    for name, side in (("orders.last_at", "2026-02-28"), ("orders.last_stored", "2026-03-01")):
        since = {name: {"type": "date", "kind": "ON_OR_AFTER", "left_side": side}}
        (row,) = answered(database, {**asked, "filters": since}, layer, by)
        assert tuple(row.values()) == (evening, evening, midnight)


def test_times_at_a_grain_of_their_own_are_times(database: Any) -> None:
    level = {"sql": "${created_at}", "level_of_detail": {"fixed": ["orders.user_id"]}}
    level["level_of_detail"]["aggregate_type"] = "min"
    layer = changed(
        SHOP,
        "orders",
        dimensions={"first": level},
        measures={"last_first": {**level, "aggregate_type": "max"}},
    )
    by = asking(timezone="America/New_York")
    fields = ["orders.first", "orders.first[month]", "orders.last_first"]
    since = {"type": "date", "kind": "ON_OR_AFTER", "left_side": "2026-02-28"}
    asked = {"table": "orders", "fields": fields, "filters": {"orders.last_first": since}}
    (row,) = answered(database, asked, layer, by)
    evening = datetime.fromisoformat("2026-02-28T19:00")
    assert tuple(row.values()) == (evening, date(2026, 2, 1), evening)


def test_a_filter_that_one_measure_does_not_obey_holds_in_conditions_and_orders(
    database: Any,
) -> None:
    paid = {"type": "string", "kind": "EQUALS", "values": ["paid"]}
    more_than_0 = {"type": "number", "kind": "GREATER_THAN", "values": [0]}
    asked = {
        "table": "orders",
        "fields": ["orders.user_id", "orders.count", "orders.regardless"],
        "filters": {"orders.status": paid, "orders.total": more_than_0},
        "sorts": [{"column_name": "orders.total"}, {"column_name": "orders.count"}],
    }
    # Paid: 7 of nobody and 10 of user 1, who has two orders; user 2 has paid nothing.
    found = [tuple(row.values()) for row in answered(database, asked)]
    assert found == [(None, 1, 1), (1, 1, 2)]


@pytest.mark.parametrize(("cancels", "sums"), [(False, [30]), (True, [40])])
def test_a_level_of_detail_without_the_filters_of_the_question(
    database: Any, cancels: bool, sums: list[int]
) -> None:
    level = {"aggregate_type": "sum", "fixed": ["orders.user_id"], "cancel_query_filters": cancels}
    layer = changed(
        SHOP, "orders", dimensions={"of_user": {"sql": "${fee}", "level_of_detail": level}}
    )
    asked = {"table": "orders", "fields": ["orders.of_user"], "filters": OPEN}
    assert [row["orders.of_user"] for row in answered(database, asked, layer)] == sums
    either = [{"type": "MULTI_FIELD_FILTER", "filters": OPEN}]
    asked = {"table": "orders", "fields": ["orders.of_user"], "controls": either}
    assert [row["orders.of_user"] for row in answered(database, asked, layer)] == sums
    # Rules on rows hold all the same: one of user 1's orders is not paid.
    city = {"users.city": {"type": "string", "kind": "EQUALS", "values": ["A"]}}
    paid = topic("paid", "orders.of_user", filters=city)
    assert [row["orders.of_user"] for row in answered(database, paid, layer)] == [10]


def test_a_level_of_detail_has_no_filters(database: Any) -> None:
    level = {
        "aggregate_type": "sum",
        "fixed": ["orders.user_id"],
        "filters": {"status": {"is": "x"}},
    }
    layer = changed(
        SHOP, "orders", dimensions={"of_user": {"sql": "${fee}", "level_of_detail": level}}
    )
    with pytest.raises(PlanError, match="no filters of its own"):
        answered(database, {"table": "orders", "fields": ["orders.of_user"]}, layer)


OPEN = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["open"]}}


def test_groups_are_those_of_the_filter_and_of_the_measure_that_ignores_it(database: Any) -> None:
    """Not all groups there are: an order without a status is nobody's question."""
    paid = {"is": "paid", "cancel_query_filter": True}
    layer = changed(
        SHOP,
        "orders",
        measures={"anyway": {"aggregate_type": "count", "filters": {"status": paid}}},
    )
    fields = ["orders.status", "orders.count", "orders.anyway"]
    asked = {"table": "orders", "fields": fields, "filters": OPEN}
    found = [tuple(row.values()) for row in answered(database, asked, layer)]
    assert sorted(found) == [("open", 1, 0), ("paid", 0, 2)]
    pivoted = {**asked, "fields": ["orders.user_id", *fields], "pivots": ["orders.status"]}
    found = [tuple(row.values())[:4] for row in answered(database, pivoted, layer)]
    assert sorted(found, key=repr) == [(1, "open", 1, 0), (1, "paid", 0, 1), (None, "paid", 0, 1)]


def test_a_level_of_detail_ignores_a_filter_at_both_grains(database: Any) -> None:
    # The sums of users: 40 of user 1, 5 of user 2, 7 of nobody; user 1 alone has an open order.
    level = {"aggregate_type": "sum", "always_include": ["orders.user_id"]}
    measure = {"sql": "${fee}", "aggregate_type": "average", "level_of_detail": level}
    free = {"filters": {"status": {"cancel_query_filter": True}}}
    layer = changed(SHOP, "orders", measures={"obeys": measure, "free": {**measure, **free}})
    asked = {"table": "orders", "fields": ["orders.obeys", "orders.free"], "filters": OPEN}
    (row,) = answered(database, asked, layer)
    assert tuple(row.values()) == (30, pytest.approx(52 / 3))


def test_times_of_another_question_are_compared_as_they_are_stored(database: Any) -> None:
    inner = {"table": "orders", "fields": ["orders.created_at"]}
    asked = {
        "table": "orders",
        "fields": ["orders.count"],
        "filters": {"orders.created_at": {"type": "query", "view_query": inner}},
    }
    by = asking(timezone="America/New_York")
    assert answered(database, asked, by=by) == [{"orders.count": 3}]


def test_of_rows_with_one_key_the_least_value_counts(database: Any) -> None:
    once = {"sql": "${fee}", "aggregate_type": "sum_distinct_on"}
    layer = changed(
        SHOP, "orders", measures={"once": {**once, "custom_primary_key_sql": "${status}"}}
    )
    for order in ("ASC", "DESC"):
        database.execute(
            f"CREATE OR REPLACE TEMP TABLE orders AS FROM main.orders ORDER BY fee {order}"
        )
        views = {**layer.the_views, "orders": {**layer.the_views["orders"], "schema": "temp"}}
        asked = {"table": "orders", "fields": ["orders.once"]}
        assert answered(database, asked, replace(layer, the_views=views)) == [{"orders.once": 37}]
    database.execute("DROP TABLE temp.orders")
