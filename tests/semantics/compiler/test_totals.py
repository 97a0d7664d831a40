"""Totals are of what is shown, and are what the question would give without the dimensions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.answers.assembling import TOTAL_INDICATOR
from dragoman.semantics.compiler.errors import PlanError
from tests.semantics.compiler.test_questions import answered, database, field, literal, topic

__all__ = ["database"]
EVERY = {"::total::": {"type": "aggregation"}}


def more_than(measure: str, number: int) -> dict[str, Any]:
    return {measure: {"type": "number", "kind": "GREATER_THAN", "values": [number]}}


def totals(database: Any, question: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = answered(database, {"column_totals": EVERY, **question})
    return [tuple(row.values())[:-1] for row in found if row[TOTAL_INDICATOR] is not None]


@pytest.mark.parametrize("filters", [{}, more_than("orders.total", 6)])
def test_an_average_at_a_grain_is_averaged_anew(database: Any, filters: Any) -> None:
    # User 1 has an order that is paid and one that is open: 40 for one user, not 10 and 30.
    asked = {"table": "orders", "fields": ["orders.status", "orders.mean_of_users"]}
    wanted = (40 + 7) / 2 if filters else (40 + 5 + 7) / 3
    assert totals(database, {**asked, "filters": filters}) == [(None, pytest.approx(wanted))]


def test_groups_that_a_condition_leaves_out_are_in_no_total(database: Any) -> None:
    above = {"filters": more_than("orders.total", 6)}
    asked = {"table": "orders", "fields": ["orders.status", "orders.total", "orders.count"]}
    assert totals(database, {**asked, **above}) == [(None, 47, 3)]
    joined = topic("items", "users.city", "orders.total", "items.revenue")
    assert totals(database, {**joined, **above}) == [(None, 40, 8)]
    masked = {"table": "orders", "fields": ["orders.masked", "orders.total"]}
    assert totals(database, {**masked, **above}) == [(None, 52)]
    alone = {"table": "orders", "fields": ["orders.total"]}
    assert answered(database, {**alone, "filters": more_than("orders.total", 52)}) == []
    assert totals(database, {**alone, "filters": more_than("orders.total", 52)}) == []


def test_a_total_of_one_measure_joins_what_the_question_joins(database: Any) -> None:
    # Without a table the question begins with its first measure's view; orders of no item are out.
    asked = {"fields": ["users.city", "items.revenue", "orders.total"]}
    one = {"column_totals": {"orders.total": {"type": "aggregation"}}}
    shown = [row["orders.total"] for row in answered(database, asked)]
    assert totals(database, {**asked, **one}) == [(None, None, sum(shown))]


def test_totals_of_measures_as_rows(database: Any) -> None:
    both = ["orders.total", "orders.count"]
    asked = {"table": "orders", "fields": ["orders.status", *both], "transposed_measures": both}
    assert totals(database, asked) == [(None, "Total", 0, 52), (None, "Count", 1, 4)]


def test_limits_cut_the_totals_of_rows_and_columns(database: Any) -> None:
    asked = {
        "table": "orders",
        "fields": ["orders.user_id", "orders.status", "orders.total"],
        "pivots": ["orders.status"],
        "row_totals": EVERY,
        "limit": 1,
        "column_limit": 1,
    }
    assert totals(database, asked) == [
        (None, "open", 30, None),
        (1, None, 40, None),
        (None, None, 52, None),
    ]


def test_sql_by_hand_has_the_same_totals(database: Any) -> None:
    from tests.semantics.compiler.handwritten.support import written

    sql = (
        "SELECT ${orders.status}, sum(${orders.fee}) AS s FROM ${orders} GROUP BY 1"
        " HAVING sum(${orders.fee}) > 6"
    )
    (total,) = written(sql, column_totals=EVERY).totals
    assert database.execute(total.sql).fetchall() == [(47,)]


def test_an_aggregate_of_its_own_way_obeys_its_filters_or_is_refused(database: Any) -> None:
    paid = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}}
    fields = ["orders.spread", "orders.regardless"]
    with pytest.raises(PlanError, match="spread"):
        answered(database, {"table": "orders", "fields": fields, "filters": paid})
    assert answered(database, {"table": "orders", "fields": fields})[0]["orders.regardless"] == 4


def test_totals_of_what_is_shown(database: Any) -> None:
    # By status: paid 17 of 2 orders, open 30 of 1, none 5 of 1.
    fields = ["orders.status", "orders.total", "orders.count", "orders.mean", "half"]
    half = {"type": "call", "operator": "DIVIDE", "operands": [field("orders.total"), literal(2)]}
    asked = {
        "table": "orders",
        "fields": fields,
        "calculations": [{"calc_name": "half", "sql_expression": half}],
        "custom_summary_types": {"orders.count": "max", "orders.mean": "sum", "half": "average"},
    }
    whole = (None, 52, 2, pytest.approx(8.5 + 30 + 5), pytest.approx(52 / 6))
    assert totals(database, asked) == [whole]
    # What the limit leaves out is not shown, and only the columns that ask for totals have them.
    sorts = {"sorts": [{"column_name": "orders.total"}], "limit": 2}
    one = {"column_totals": {"orders.mean": {"type": "aggregation"}}}
    assert totals(database, {**asked, **sorts, **one}) == [(None, None, None, 8.5 + 5, None)]
    with pytest.raises(PlanError, match="no measure"):
        totals(database, {**asked, "custom_summary_types": {"orders.status": "max"}})


def test_totals_of_what_a_pivot_shows(database: Any) -> None:
    fields = ["orders.user_id", "orders.status", "orders.mean"]
    asked = {
        "table": "orders",
        "fields": fields,
        "pivots": ["orders.status"],
        "limit": 10,
        "row_totals": EVERY,
        "custom_summary_types": {"orders.mean": {"type": "sum"}},
    }
    cells = answered(database, {**asked, "column_totals": EVERY})
    found = {
        (cell[TOTAL_INDICATOR], cell["orders.user_id"], cell["orders.status"], cell["orders.mean"])
        for cell in cells
        if cell[TOTAL_INDICATOR] is not None
    }
    assert found == {
        *(("column_total", None, "paid", 17), ("column_total", None, "open", 30)),
        ("column_total", None, None, 5),
        *(("row_total", 1, None, 40), ("row_total", 2, None, 5), ("row_total", None, None, 7)),
        ("::total::", None, None, 52),
    }


def test_a_calculation_has_no_total_of_what_is_shown_to_use(database: Any) -> None:
    tree = {"type": "reference", "column_ref": ["orders.total", "column_total"]}
    asked = {
        "table": "orders",
        "fields": ["orders.status", "orders.total", "c"],
        "calculations": [{"calc_name": "c", "sql_expression": tree}],
    }
    assert [row[:2] for row in totals(database, asked)] == [(None, 52)]
    with pytest.raises(PlanError, match="which has none"):
        totals(database, {**asked, "custom_summary_types": {"orders.total": "max"}})
