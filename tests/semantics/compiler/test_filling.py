"""Rows for what is missing, and periods beside each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from dragoman.semantics.answers import filling
from dragoman.semantics.answers.assembling import Assembly
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler.support import ask
from tests.semantics.compiler.test_questions import SHOP, answered, database

__all__ = ["database"]
MONTH, WEEK = "orders.created_at[month]", "orders.created_at[week]"
JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
PAID = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}}


def by_month(**more: Any) -> dict[str, Any]:
    return {
        "table": "orders",
        "fields": [MONTH, "orders.status", "orders.total"],
        "fill_fields": [MONTH],
        "sorts": [{"column_name": MONTH}],
        **more,
    }


def test_cells_of_filled_rows_stand_in_columns_of_the_pivot(database: Any) -> None:
    known = {"orders.created_at": {"type": "null", "is_negative": True}}
    found = answered(database, by_month(pivots=["orders.status"], filters=known))
    assert [tuple(row.values()) for row in found] == [
        (JANUARY, "open", None, 1),
        (JANUARY, "paid", 10, 2),
        (FEBRUARY, "open", 30, 1),
        (FEBRUARY, "paid", None, 2),
        (MARCH, "open", None, 1),
        (MARCH, "paid", 7, 2),
    ]


def test_columns_that_are_filled_are_numbered(database: Any) -> None:
    found = answered(database, by_month(pivots=[MONTH], filters=PAID))
    assert [tuple(row.values()) for row in found] == [
        (JANUARY, "paid", 10, 1),
        (FEBRUARY, "paid", None, 2),
        (MARCH, "paid", 7, 3),
    ]


def test_fiscal_years_are_filled(database: Any) -> None:
    layer = replace(SHOP, the_settings={**SHOP.the_settings, "fiscal_month_offset": 10})
    name = "orders.created_at[fiscal_quarter]"
    database.execute("CREATE TEMP TABLE orders AS FROM main.orders WHERE id IN (1, 4)")
    database.execute("UPDATE temp.orders SET created_at = '2025-03-01' WHERE id = 4")
    views = {**SHOP.the_views, "orders": {**SHOP.the_views["orders"], "schema": "temp"}}
    asked = {"table": "orders", "fields": [name, "orders.count"], "fill_fields": [name]}
    found = answered(database, asked, replace(layer, the_views=views))
    database.execute("DROP TABLE temp.orders")
    assert [(row[name].isoformat(), row["orders.count"]) for row in found] == [
        ("2025-03-01", 1),
        ("2025-06-01", None),
        ("2025-09-01", None),
        ("2025-12-01", 1),
    ]


def test_too_many_rows_are_an_error(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MAX_ROWS", 8)
    with pytest.raises(PlanError, match="9 rows"):
        answered(database, by_month())


def compared(**more: Any) -> dict[str, Any]:
    """Compares February 2nd to March 1st with the month before."""
    return {
        "table": "orders",
        "filters": {
            "orders.created_at": {
                "type": "date",
                "kind": "BETWEEN",
                "left_side": "2026-02-01",
                "right_side": "2026-03-02",
            }
        },
        "period_over_period_computations": [
            {
                "date_filter_field_name": "orders.created_at",
                "time_unit_name": "MONTH",
                "periods_ago": 1,
            }
        ],
        **more,
    }


def test_weeks_stand_beside_weeks(database: Any) -> None:
    found = answered(database, compared(fields=[WEEK, "orders.total"]))
    # February 1st lies in the week of January 26th, January 1st in that of December 29th.
    assert [tuple(row.values()) for row in found if row["omni_period_pivot"]] == [
        (date(2026, 1, 26), 10, 1)
    ]


def test_an_earlier_period_has_the_groups_that_are_shown(database: Any) -> None:
    # Now: open 30 and paid 7; a month ago: open 30 on February 1st and 10 paid in January.
    asked = compared(
        fields=["orders.status", "orders.total"],
        sorts=[{"column_name": "orders.total", "sort_descending": True}],
        limit=2,
    )
    found = [tuple(row.values()) for row in answered(database, asked)]
    assert found == [("open", 30, 0), ("paid", 7, 0), ("paid", 10, 1)]
    found = [tuple(row.values()) for row in answered(database, {**asked, "limit": 1})]
    assert found == [("open", 30, 0)]  # and not paid, which would be the first of its own month


def test_columns_of_a_pivot_have_one_number_in_all_periods(database: Any) -> None:
    asked = compared(
        fields=["orders.user_id", "orders.status", "orders.total"],
        pivots=["orders.status"],
        sorts=[{"column_name": "orders.user_id"}],
    )
    found = [tuple(row.values()) for row in answered(database, asked)]
    assert found == [(1, "open", 30, 1, 0), (None, "paid", 7, 2, 0), (1, "paid", 10, 2, 1)]


def test_what_cannot_be_filled_is_told() -> None:
    asked = {
        "table": "orders",
        "fields": ["orders.status", MONTH],
        "fill_fields": ["orders.status", MONTH],
    }
    told = Assembly(read_query(asked), ask(SHOP, asked)).warnings()
    assert told == [
        "fill_fields: what may be missing of orders.status is not known; nothing is filled"
    ]
