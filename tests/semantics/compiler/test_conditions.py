"""Filters as conditions: what they let through, on DuckDB, against rows that are full of traps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import pytest

from dragoman.semantics.compiler.errors import PlanError
from tests.semantics.compiler.support import MemoryLayer, ask, asking, changed

ROWS = [
    # id, name, price, at (stored in UTC), day, flag
    (1, "Ann", 1.5, "2026-03-08 06:59:59", "2026-03-08", True),
    (2, "ann", 2.5, "2026-03-08 07:00:00", "2026-03-09", False),
    (3, "", 0, "2026-03-09 03:59:59", "2026-02-28", None),
    (4, None, None, None, None, None),
    (5, "50%_off!", 10, "2025-12-31 23:30:00", "2025-12-31", True),
    (6, "O'Hara\\", -3, "2024-02-29 12:00:00", "2024-02-29", False),
]
LAYER = MemoryLayer(
    {
        "t": {
            "table_name": "t",
            "dimensions": {n: {} for n in ("id", "name", "price", "at", "day", "flag")},
        }
    },
    types={
        "t": {
            "id": "NUMBER",
            "name": "STRING",
            "price": "NUMBER",
            "at": "TIMESTAMP",
            "day": "DATE",
            "flag": "BOOLEAN",
        }
    },
)


@pytest.fixture(scope="module")
def database() -> Any:
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE t (id INT, name TEXT, price DECIMAL(9, 2), "at" TIMESTAMP, day DATE,'
            " flag BOOLEAN)"
        )
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", ROWS)
        yield connection


def ids(database: Any, filters: dict[str, Any], zone: str | None = None) -> list[int]:
    question = {"table": "t", "fields": ["t.id"], "filters": filters}
    compiled = ask(LAYER, question, replace(asking(), timezone=zone))
    return sorted(row[0] for row in database.execute(compiled.sql).fetchall())


def text(kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"t.name": {"type": "string", "kind": kind, "values": list(values), **more}}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (text("EQUALS", "Ann"), [1]),
        (text("EQUALS", "Ann", "ann"), [1, 2]),
        (text("EQUALS", "ANN", case_insensitive=True), [1, 2]),
        (text("EQUALS"), [1, 2, 3, 4, 5, 6]),
        (text("EQUALS", "Ann", is_negative=True), [2, 3, 4, 5, 6]),
        (text("CONTAINS", "%_"), [5]),
        (text("CONTAINS", "N", case_insensitive=True), [1, 2]),
        (text("STARTS_WITH", "O'"), [6]),
        (text("ENDS_WITH", "\\"), [6]),
        (text("ENDS_WITH", "!"), [5]),
        (text("CONTAINS", "n", is_negative=True), [3, 4, 5, 6]),
        (text("SQL_LIKE", "_nn"), [1, 2]),
        (text("IS_EMPTY"), [3]),
        (text("EQUALS", "' OR 1=1 --"), []),
    ],
)
def test_texts(database: Any, filters: dict[str, Any], found: list[int]) -> None:
    assert ids(database, filters) == found


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({"kind": "EQUALS", "values": ["2.5", 10]}, [2, 5]),
        ({"kind": "EQUALS", "values": [2.5], "is_negative": True}, [1, 3, 4, 5, 6]),
        ({"kind": "GREATER_THAN", "values": [2.5]}, [5]),
        ({"kind": "GREATER_THAN", "values": [2.5], "is_inclusive": True}, [2, 5]),
        ({"kind": "LESS_THAN", "values": ["0"]}, [6]),
        # The lower bound is in, the upper is not.
        ({"kind": "BETWEEN", "values": [1.5, 10]}, [1, 2]),
        ({"kind": "BETWEEN", "values": [1.5, 10], "is_inclusive": False}, [1, 2]),
        ({"kind": "BETWEEN", "values": [1.5, 10], "is_inclusive": True}, [1, 2, 5]),
        (
            {
                "kind": "BETWEEN",
                "values": [1.5, 10],
                "is_inclusive": True,
                "is_negative": True,
            },
            [3, 4, 6],
        ),
    ],
)
def test_numbers(database: Any, filter_: dict[str, Any], found: list[int]) -> None:
    assert ids(database, {"t.price": {"type": "number", **filter_}}) == found


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({}, [1, 5]),
        ({"is_negative": True}, [2, 6]),
        ({"is_negative": True, "treat_nulls_as_false": True}, [2, 3, 4, 6]),
        ({"is_negative": None}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_booleans(database: Any, filter_: dict[str, Any], found: list[int]) -> None:
    assert ids(database, {"t.flag": {"type": "boolean", **filter_}}) == found


def test_nulls(database: Any) -> None:
    assert ids(database, {"t.name": {"type": "null"}}) == [4]
    assert ids(database, {"t.name": {"type": "null", "is_negative": True}}) == [1, 2, 3, 5, 6]


def test_composites(database: Any) -> None:
    parts = [
        {"type": "number", "kind": "LESS_THAN", "values": [0]},
        {"type": "null"},
    ]
    either = {"type": "composite", "conjunction": "OR", "filters": parts}
    assert ids(database, {"t.price": either}) == [4, 6]
    # Turned around it gives all other rows, whatever is unknown of them.
    assert ids(database, {"t.price": {**either, "is_negative": True}}) == [1, 2, 3, 5]


def date(kind: str, left: str | None = None, right: str | None = None, **more: Any) -> Any:
    return {"type": "date", "kind": kind, "left_side": left, "right_side": right, **more}


@pytest.mark.parametrize(
    ("zone", "filter_", "found"),
    [
        # In New York the clock goes forward on the 8th: the day has 23 hours, 05:00 to 04:00 UTC.
        ("America/New_York", date("TIME_FOR_UNIT_DURATION", "2026-03-08"), [1, 2, 3]),
        (None, date("TIME_FOR_UNIT_DURATION", "2026-03-08"), [1, 2]),
        ("America/New_York", date("ON_OR_AFTER", "2026-03-08 02:00"), [2, 3]),
        ("America/New_York", date("BEFORE", "2026"), [5, 6]),
        ("Asia/Tokyo", date("TIME_FOR_UNIT_DURATION", "2026-01-01"), [5]),
        (None, date("BETWEEN", "2024-02", "2026"), [5, 6]),
        (None, date("BETWEEN", "2024-02", "2026", is_negative=True), [1, 2, 3, 4]),
        (None, date("TIME_FOR_INTERVAL_DURATION", "3 months ago", "3 months"), [1, 2, 3]),
        (None, date("IS_IN_MONTH_OF_YEAR", "2"), [6]),
        ("America/New_York", date("IS_AT_HOUR_OF_DAY", "3"), [2]),
        (None, date("IS_ON_DAY_OF_WEEK", "Sunday"), [1, 2]),
        (None, date("IS_ON_DAY_OF_QUARTER", "60"), [6]),
    ],
)
def test_times(database: Any, zone: str | None, filter_: Any, found: list[int]) -> None:
    assert ids(database, {"t.at": filter_}, zone) == found


def test_days_are_never_moved(database: Any) -> None:
    for zone in (None, "Pacific/Kiritimati"):
        assert ids(database, {"t.day": date("TIME_FOR_UNIT_DURATION", "2026-03")}, zone) == [1, 2]
    # A bound inside a day leaves the day that it cuts out.
    assert ids(database, {"t.day": date("ON_OR_AFTER", "2026-03-08 12:00")}) == [2]


def test_attributes(database: Any) -> None:
    question = {
        "table": "t",
        "fields": ["t.id"],
        "filters": {"t.name": {"type": "user_attribute", "user_attribute_name": "names"}},
    }
    for values, found in ((("Ann", ""), [1, 3]), ((), [])):
        by = replace(asking(), attributes={"names": values} if values else {})
        rows = database.execute(ask(LAYER, question, by).sql).fetchall()
        assert sorted(row[0] for row in rows) == found


def test_questions_in_filters(database: Any) -> None:
    inner = {
        "table": "t",
        "fields": ["t.name"],
        "filters": {"t.price": {"type": "number", "kind": "GREATER_THAN", "values": [2]}},
    }
    assert ids(database, {"t.name": {"type": "query", "view_query": inner}}) == [2, 5]
    turned = {"type": "query", "view_query": inner, "is_negative": True}
    assert ids(database, {"t.name": turned}) == [1, 3, 4, 6]


def test_a_filter_on_nothing_is_an_error() -> None:
    with pytest.raises(PlanError, match="nome"):
        ask(LAYER, {"table": "t", "fields": ["t.id"], "filters": {"t.nome": {"type": "null"}}})


def test_a_number_that_is_none_is_an_error() -> None:
    filters = {"t.price": {"type": "string", "kind": "EQUALS", "values": ["1; DROP TABLE t"]}}
    with pytest.raises(PlanError, match="number"):
        ask(LAYER, {"table": "t", "fields": ["t.id"], "filters": filters})


@pytest.mark.parametrize(
    ("field", "given", "told"),
    [
        ("name", {"type": "number", "kind": "EQUALS", "values": [0]}, '"string"'),
        ("at", {"type": "number", "kind": "EQUALS", "values": [0]}, '"date"'),
        ("day", {"type": "boolean", "is_negative": False}, '"date"'),
        ("name", {"type": "boolean", "is_negative": False}, '"string"'),
        (
            "price",
            {"type": "date", "kind": "TIME_FOR_UNIT_DURATION", "left_side": "2024"},
            "NUMBER",
        ),
        ("flag", {"type": "date", "kind": "IS_AT_HOUR_OF_DAY", "left_side": "1"}, "BOOLEAN"),
    ],
)
def test_a_filter_that_does_not_fit_its_field_is_an_error(
    field: str, given: dict[str, Any], told: str
) -> None:
    # MySQL would find every text equal to 0.
    for whole in (given, {"type": "composite", "conjunction": "OR", "filters": [given]}):
        with pytest.raises(PlanError, match=f"t.{field} does not fit") as refused:
            ask(LAYER, {"table": "t", "fields": ["t.id"], "filters": {f"t.{field}": whole}})
        assert told in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "given", "wanted"),
    [
        ("${price}", {"greater_than": 2}, [2, 5]),
        ("${day}", {"time_for_duration": ["2026-03", "1 month"]}, [1, 2]),
        ("${name}", {"is": ["Ann", "ann"]}, [1, 2]),
    ],
)
def test_groups_compare_what_is_grouped(
    database: Any, sql: str, given: dict[str, Any], wanted: list[int]
) -> None:
    some = {"sql": sql, "groups": [{"filter": given, "name": "in"}], "else": "out"}
    layer = changed(LAYER, "t", dimensions={"some": some})
    question = {"table": "t", "fields": ["t.id", "t.some"]}
    rows = database.execute(ask(layer, question).sql).fetchall()
    assert sorted(row[0] for row in rows if row[1] == "in") == wanted
