"""Filters by time: on time frames, in models, in templates, in the asker's zone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dragoman.semantics.compiler.errors import PlanError
from tests.semantics.compiler.support import MemoryLayer, asking, changed
from tests.semantics.compiler.test_questions import SHOP, answered, database

__all__ = ["database"]


def dated(kind: str, left: str | None = None, right: str | None = None) -> dict[str, Any]:
    return {"type": "date", "kind": kind, "left_side": left, "right_side": right}


def count(database: Any, filters: dict[str, Any], layer: MemoryLayer = SHOP, by: Any = None) -> int:
    asked = {"table": "orders", "fields": ["orders.count"], "filters": filters}
    return answered(database, asked, layer, by)[0]["orders.count"]


@pytest.mark.parametrize("grain", ["", "[date]", "[week]", "[month]", "[month_num]"])
def test_a_time_frame_is_filtered_by_the_time_itself(database: Any, grain: str) -> None:
    # Stored: January 1st, February 3rd and March 1st.
    name = f"orders.created_at{grain}"
    assert count(database, {name: dated("ON_OR_AFTER", "2026-02-02")}) == 2
    assert count(database, {name: dated("BEFORE", None, "2026-02-03")}) == 1
    assert count(database, {name: dated("TIME_FOR_UNIT_DURATION", "2026-03")}) == 1


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kathmandu"])
def test_seconds_since_1970_are_the_same_in_every_zone(database: Any, zone: str | None) -> None:
    asked = {"table": "orders", "fields": ["orders.created_at[epoch]"], "limit": None}
    found = answered(database, asked, by=asking(timezone=zone))
    stored = database.execute("SELECT DISTINCT epoch(created_at) FROM orders").fetchall()
    assert {row["orders.created_at[epoch]"] for row in found} == {each for (each,) in stored}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"between": ["2026-01-01", "2026-02-03"]}, 2),
        ({"between": ["2026-01", "2026-02"]}, 2),
        ({"between_dates": ["2026-01-01", "2026-02-03"]}, 1),
        ({"not_between": ["2026-01", "2026-02"]}, 2),
    ],
)
def test_between_has_both_ends(database: Any, given: dict[str, Any], wanted: int) -> None:
    some = {"aggregate_type": "count", "filters": {"created_at": given}}
    layer = changed(SHOP, "orders", measures={"some": some})
    asked = {"table": "orders", "fields": ["orders.some"]}
    assert answered(database, asked, layer) == [{"orders.some": wanted}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders o WHERE {{# orders.created_at.filter }} o.created_at"
        " {{/ orders.created_at.filter }}",
        "SELECT * FROM orders o WHERE o.created_at >= {{ filters.orders.created_at.range_start }}"
        " AND o.created_at < {{ filters.orders.created_at.range_end }}",
    ],
)
def test_a_template_filters_what_is_stored(database: Any, sql: str) -> None:
    own = {**SHOP.the_views["orders"], "sql": sql}
    own.pop("table_name")
    own.pop("schema")
    layer = replace(SHOP, the_views={**SHOP.the_views, "orders": own})
    by = asking(timezone="America/New_York")
    # 03:30 UTC on January 1st is December 31st in New York.
    for day, wanted in (("2025-12-31", 1), ("2026-01-01", 0)):
        filters = {"orders.created_at": dated("TIME_FOR_UNIT_DURATION", day)}
        assert count(database, filters, layer, by) == wanted


def test_a_word_that_is_no_truth_value_is_told(database: Any) -> None:
    some = {"type": "string", "kind": "EQUALS", "values": ["false"]}
    assert count(database, {"orders.big": some}) == 3
    with pytest.raises(PlanError, match="neither"):
        count(database, {"orders.big": {**some, "values": ["small"]}})
