"""Questions read from JSON: what is taken, what is refused, and which key is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dragoman.semantics.query.filters import (
    BadQuery,
    BooleanFilter,
    CompositeFilter,
    DateFilter,
    DateKind,
    NumberFilter,
    TextFilter,
    read_filter,
)
from dragoman.semantics.query.request import read_query


def question(**changes: Any) -> dict[str, Any]:
    return {"modelId": "m", "table": "orders", "fields": ["orders.id"], **changes}


def test_a_question_with_everything() -> None:
    query = read_query(
        question(
            fields=["orders.status", "orders.count", "share"],
            join_paths_from_topic_name="orders",
            sorts=[{"column_name": "orders.count", "sort_descending": True, "null_sort": "FIRST"}],
            limit=50,
            offset=3,
            pivots=["orders.status"],
            column_limit=7,
            column_totals={"::total::": {"type": "aggregation"}},
            join_via_map={"users": ["orders"]},
            calculations=[{"calc_name": "share", "sql_expression": {"type": "call"}}],
            period_over_period_computations=[
                {"date_filter_field_name": "orders.at", "time_unit_name": "YEAR", "periods_ago": 1}
            ],
            dimensionIndex=1,
            version=8,
        )
    )
    assert (query.limit, query.offset, query.column_limit) == (50, 3, 7)
    assert query.topic == "orders"
    [sort] = query.sorts
    assert (sort.descending, sort.nulls_last) == (True, False)
    assert query.join_via == {"users": ("orders",)}
    assert query.comparisons[0].periods_ago == 1
    assert query.warnings == ()


def test_no_limit_is_not_the_default_limit() -> None:
    assert read_query(question()).default_limit
    unlimited = read_query(question(limit=None))
    assert (unlimited.limit, unlimited.default_limit) == (None, False)


def test_unknown_keys_are_named() -> None:
    assert "filtres" in read_query(question(filtres={})).warnings[0]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"fields": "orders.id"}, "query.fields"),
        ({"fields": None}, "query.fields"),
        ({"limit": -1}, "query.limit"),
        ({"limit": "10"}, "query.limit"),
        ({"limit": True}, "query.limit"),
        ({"sorts": [{}]}, "query.sorts[0].column_name"),
        ({"sorts": [{"column_name": "a", "null_sort": "MIDDLE"}]}, "query.sorts[0].null_sort"),
        ({"pivots": ["orders.other"]}, "query.pivots"),
        ({"pivots": ["orders.id"], "limit": None}, "query.limit"),
        ({"transposed_measures": ["orders.other"]}, "query.transposed_measures"),
        ({"filters": []}, "query.filters"),
        ({"filters": {"orders.status": "paid"}}, "query.filters.orders.status"),
        ({"calculations": [{"calc_name": "x", "sql_expression": "1"}]}, "sql_expression"),
        ({"join_via_map": {"a": "b"}}, "query.join_via_map.a"),
    ],
)
def test_what_cannot_be_read_names_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(BadQuery) as refused:
        read_query(question(**changes))
    assert key in refused.value.key


def test_lenient_filters_are_left_out_with_a_word() -> None:
    body = question(filters={"orders.status": "paid", "orders.id": {"type": "null"}})
    query = read_query(body, lenient=True)
    assert list(query.filters) == ["orders.id"]
    assert "orders.status" in query.warnings[0]


def test_filters_of_each_type() -> None:
    text = read_filter("f", {"type": "string", "kind": "EQUALS", "values": ["a", 1]})
    assert isinstance(text, TextFilter)
    assert text.values == ("a", "1")
    number = read_filter("f", {"type": "number", "kind": "BETWEEN", "values": ["0.10", 2]})
    assert isinstance(number, NumberFilter)
    assert number.values == (Decimal("0.10"), Decimal(2))
    nothing = read_filter("f", {"type": "boolean", "is_negative": None})
    assert isinstance(nothing, BooleanFilter)
    assert nothing.nothing
    both = read_filter(
        "f", {"type": "composite", "conjunction": "OR", "filters": [{"type": "null"}]}
    )
    assert isinstance(both, CompositeFilter)
    assert both.any_of


@pytest.mark.parametrize(
    ("body", "left", "right"),
    [
        ({"kind": "BEFORE", "left_side": "2024"}, None, "2024"),
        ({"kind": "BEFORE", "right_side": "2024"}, None, "2024"),
        ({"kind": "ON_OR_AFTER", "values": ["2024"]}, "2024", None),
        ({"kind": "BETWEEN", "values": ["2024", "2025"]}, "2024", "2025"),
        ({"kind": "WITHIN_RANGE", "left_side": "2024", "right_side": "2025"}, "2024", "2025"),
    ],
)
def test_sides_of_dates(body: dict[str, Any], left: str | None, right: str | None) -> None:
    found = read_filter("f", {"type": "date", **body})
    assert isinstance(found, DateFilter)
    assert (found.left, found.right) == (left, right)


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        ("IS_ON_DAY_OF_WEEK", "Monday", 0),
        ("IS_ON_DAY_OF_WEEK", "sun", 6),
        ("IS_IN_MONTH_OF_YEAR", "February", 2),
        ("IS_IN_QUARTER_OF_YEAR", "Q3", 3),
        ("IS_AT_HOUR_OF_DAY", 23, 23),
    ],
)
def test_parts_of_dates(kind: str, value: object, number: int) -> None:
    found = read_filter("f", {"type": "date", "kind": kind, "left_side": value})
    assert isinstance(found, DateFilter)
    assert (found.kind, found.numbers) == (DateKind(kind), (number,))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "text"},
        {"type": "string", "kind": "EQUALS"},
        {"type": "string", "kind": "EQUAL", "values": []},
        {"type": "string", "kind": "EQUALS", "values": [], "is_inclusive": True},
        {"type": "string", "kind": "EQUALS", "values": ["a\0"]},
        {"type": "number", "kind": "EQUALS", "values": ["1_000"]},
        {"type": "number", "kind": "EQUALS", "values": ["NaN"]},
        {"type": "number", "kind": "EQUALS", "values": ["1e999999"]},
        {"type": "number", "kind": "BETWEEN", "values": [1]},
        {"type": "date", "kind": "BETWEEN", "left_side": "2024"},
        {"type": "date", "kind": "IS_AT_HOUR_OF_DAY", "left_side": "24"},
        {"type": "date", "kind": "IS_AT_HOUR_OF_DAY"},
        {"type": "date", "kind": "BEFORE", "right_side": "2024", "is_inclusive": True},
        {"type": "null", "is_negative": "yes"},
        {"type": "composite", "conjunction": "XOR", "filters": []},
        {"type": "query", "query_id": "gone"},
        {"type": "user_attribute"},
    ],
)
def test_bad_filters(body: dict[str, Any]) -> None:
    with pytest.raises(BadQuery):
        read_filter("f", body)


@pytest.mark.parametrize("offset", [None, "", "0", "0 days"])
def test_no_offset_moves_nothing(offset: str | None) -> None:
    body = {"type": "date", "kind": "BEFORE", "right_side": "2024", "is_inclusive": False}
    found = read_filter("f", {**body, "offset_interval_string": offset})
    assert found == DateFilter(kind=DateKind.BEFORE, right="2024")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"type": "null", "cancel_query_filter": True}, "cancel_query_filter: .* measure"),
        ({"type": "date", "kind": "QUERY_OFFSET"}, "QUERY_OFFSET: .*date_offset_from_query"),
        (
            {
                "type": "date",
                "kind": "TIME_FOR_UNIT_DURATION",
                "left_side": "2024",
                "offset_interval_string": "56 days",
            },
            "offset_interval_string: .* not moved",
        ),
    ],
)
def test_what_means_nothing_in_a_question_is_an_error(body: dict[str, Any], named: str) -> None:
    with pytest.raises(BadQuery, match=named):
        read_filter("f", body)


def test_filters_in_filters_end_somewhere() -> None:
    inner: dict[str, Any] = {"type": "null"}
    for _ in range(50):
        inner = {"type": "composite", "conjunction": "AND", "filters": [inner]}
    with pytest.raises(BadQuery, match="deep"):
        read_filter("f", inner)
