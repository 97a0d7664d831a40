"""The same questions on every engine and emulator at hand: all answer as DuckDB does.

What a stand-in cannot answer is declared with the reason, and must fail as long as it is. `make
conformance` records the run for the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.query.request import read_query
from scripts import question_docs
from tests.engines.support import shelves
from tests.engines.support.questions import (
    BY_HAND,
    JOINS,
    QUESTIONS,
    SETTINGS,
    TOPICS,
    TYPES,
    VIEWS,
    asked,
)
from tests.engines.support.shelves import Shelf
from tests.semantics.compiler.handwritten.test_hostile import HOSTILE
from tests.semantics.compiler.support import MemoryLayer, asking

SHELVES: dict[str, Callable[[pytest.FixtureRequest], Any]] = {
    "postgres": shelves.postgres_shelf,
    "databricks_lakebase": lambda r: shelves.postgres_shelf(r, "databricks_lakebase"),
    "redshift": lambda r: shelves.postgres_shelf(r, "redshift"),
    "mariadb": shelves.mariadb_shelf,
    "mysql": lambda r: shelves.mariadb_shelf(r, "mysql"),
    "clickhouse": shelves.clickhouse_shelf,
    "trino": shelves.trino_shelf,
    "snowflake": shelves.snowflake_shelf,
    "bigquery": shelves.bigquery_shelf,
    "mssql": shelves.mssql_shelf,
}
SLOW = ("trino", "snowflake", "bigquery", "mssql")
DIVISION = (
    "the engine cuts a decimal that is divided by a whole number to its digits; SQL of the model's"
    " author stays as it is"
)
NO_LISTS = "PostgreSQL stands in, which has no LISTAGG of different values"
NO_DATEADD = "PostgreSQL stands in, which has no DATEADD"
NULL_TIMES = "the emulator sends a time that is NULL as 1970"
CUT = "the emulator cuts the median of decimals to their digits"
DAYS = "the emulator makes a time of a day that another is added to"
GAPS: dict[str, dict[str, str]] = {
    "trino": {"ratios 1": DIVISION, "ratios 2": DIVISION},
    "redshift": {
        **{f"lists {n}": NO_LISTS for n in (1, 2, 3, 4)},
        **dict.fromkeys(("time frames fiscal_quarter", "time frames fiscal_year"), NO_DATEADD),
    },
    "clickhouse": {"ratios 1": DIVISION, "ratios 2": DIVISION},
    "snowflake": {
        **dict.fromkeys(("medians 1", "medians 4"), CUT),
        **dict.fromkeys(("time frames of days 1", "time frames week"), DAYS),
        **{f"time frames {unit}": NULL_TIMES for unit in ("hour", "minute", "second")},
    },
}
FILES = (
    "the emulator's tables are files: empty texts are NULL there; texts compare as SQL Server's do"
)
NO_PARTS = "the emulator lacks DATEFROMPARTS, DATEDIFF_BIG and weeks of ISO"
CASES = "the emulator cuts decimals that come out of a CASE to whole numbers"
NO_CLAUSES = "the emulator reads no parentheses around HAVING and no windows over aggregates"
_FRAMES = ("month", "quarter", "year", "week_of_year", "day_of_quarter", "epoch", "fiscal_quarter")
GAPS["mssql"] = {
    **{f"aggregates {n}": FILES for n in (1, 2, 3, 4)},
    **{f"lists {n}": FILES for n in (1, 2, 3, 4)},
    **{f"text filters {n}": FILES for n in (1, 2, 3, 9, 10)},
    **dict.fromkeys(("medians 2", "groups and bins 1", "rows and order 1"), FILES),
    **dict.fromkeys(("number filters 3", "pivots 1", "SQL by hand 1"), FILES),
    **dict.fromkeys(("SQL by hand 2", "SQL by hand 4"), NO_CLAUSES),
    **{f"filters that a measure ignores {n}": CASES for n in (1, 2)},
    "filters that a measure ignores 3": NO_PARTS,
    **dict.fromkeys(("durations 1", "durations 2", "time frames of days 2"), NO_PARTS),
    **dict.fromkeys(("time filters 7", "time filters 8", "time frames fiscal_year"), NO_PARTS),
    **{f"time frames {frame}": NO_PARTS for frame in _FRAMES},
    **dict.fromkeys(("time frames of days 1", "time frames date", "time frames week"), DAYS),
}
# With DuckDB, which the others are compared with.
ENGINES = {"duckdb": shelves.duckdb_shelf, **SHELVES}
ALL = pytest.mark.parametrize(
    "shelf",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in SHELVES],
    indirect=True,
)


def compiled(shelf: Shelf, question: dict[str, Any], by: Asking | None = None) -> Compiled:
    """A question as SQL for the tables of a shelf."""
    schema = {} if shelf.schema is None else {"schema": shelf.schema}
    views = {name: {**view, **schema} for name, view in VIEWS.items()}
    compiler = Compiler(ComposedModel([MemoryLayer(views, JOINS, TOPICS, SETTINGS, TYPES)]))
    query = read_query({"fields": [], **question})
    by = by or asking(shelf.dialect)
    if query.has_references:
        return compiler.handwritten(query, by).compile()
    return compiler.compile(query, by)


def answer(shelf: Shelf, question: dict[str, Any], by: Asking | None = None) -> list[Any]:
    """Rows as plain values that compare, in one order."""
    asked = compiled(shelf, question, by)
    found = shelf.run(asked.sql, asked.columns)
    return sorted((tuple(map(plain, row)) for row in found), key=repr)


def plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | Decimal):
        return round(float(value), 6)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


@pytest.fixture(scope="module")
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Shelf]]:
    """Shelves by name, each filled once."""
    found: dict[str, Shelf] = {}
    with ExitStack() as stack:

        def shelf(name: str) -> Shelf:
            if name not in found:
                found[name] = stack.enter_context(ENGINES[name](request))
            return found[name]

        yield shelf


@pytest.fixture(scope="module")
def reference(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    with shelves.duckdb_shelf(request) as shelf:
        yield shelf


@pytest.fixture
def shelf(opened: Callable[[str], Shelf], request: pytest.FixtureRequest) -> Shelf:
    return opened(request.param)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", QUESTIONS)
@ALL
def test_engines_agree(
    shelf: Shelf, reference: Shelf, name: str, note_answer: Callable[[str, str, str], None]
) -> None:
    question = QUESTIONS[name]
    wanted = answer(reference, question)
    gap = GAPS.get(shelf.dialect, {}).get(name)
    if gap is None:
        assert answer(shelf, question) == wanted
    else:
        try:
            found: list[Any] | None = answer(shelf, question)
        except Exception:
            found = None
        assert found != wanted, f"it can be answered now: {gap}"
    note_answer(shelf.dialect, name, gap or "")


def test_the_recorded_run_is_of_these_questions() -> None:
    """Recorded by `make conformance`, with the page that is made of it."""
    recorded = json.loads(question_docs.RECORD.read_text("utf-8"))
    assert {name: each["gaps"] for name, each in recorded.items()} == {
        name: GAPS.get(name, {}) for name in SHELVES
    }
    assert all(each["questions"] == list(QUESTIONS) for each in recorded.values())
    page = question_docs.PAGE.read_text("utf-8")
    assert page == question_docs.current(page)


@ALL
@pytest.mark.timeout(300)
def test_hostile_texts_show_no_other_row(shelf: Shelf) -> None:
    """What the compiler lets through the engine itself reads, and sees the rows of one city only;
    or it refuses it."""
    by = asking(shelf.dialect, attributes={"city": ("A",)})
    ran = 0
    for hostile in HOSTILE:
        sql = f"SELECT ${{users.city}} FROM ${{of_city}} WHERE {hostile}"
        try:
            statement = compiled(shelf, {"userEditedSQL": sql}, by).sql
        except PlanError:
            continue
        try:
            found = shelf.run(statement, None)
        except Exception:
            continue
        ran += 1
        assert {tuple(row) for row in found} <= {("A",)}, hostile
    assert ran > 5


@ALL
@pytest.mark.timeout(300)
def test_totals_agree(shelf: Shelf, reference: Shelf) -> None:
    """Of the groups that a condition lets through, with levels of detail worked out anew."""
    question = asked(
        *("users.city", "orders.created_at[month]", "orders.total", "orders.of_users"),
        "items.revenue",
        filters={"orders.total": {"type": "number", "kind": "GREATER_THAN", "values": [5]}},
        pivots=["orders.created_at[month]"],
        column_totals={"::total::": {"type": "aggregation"}},
        row_totals={"::total::": {"type": "aggregation"}},
    )
    if shelf.dialect == "mssql":
        pytest.skip(NO_PARTS)

    def totals(of: Shelf) -> list[Any]:
        return [
            sorted((tuple(map(plain, row)) for row in of.run(each.sql, each.columns)), key=repr)
            for each in compiled(of, question).totals
        ]

    wanted = totals(reference)
    assert totals(shelf) == wanted
    assert [len(rows) > 0 for rows in wanted] == [True] * 3


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("shelf", ["postgres", "clickhouse"], indirect=True)
def test_zones_agree(shelf: Shelf, reference: Shelf, zone: str) -> None:
    """MariaDB of the tests has no tables of time zones: there it is an error, never a NULL."""
    question = asked("orders.id", "orders.created_at", "orders.created_at[date]")
    wanted = answer(reference, question, asking("duckdb", timezone=zone))
    assert answer(shelf, question, asking(shelf.dialect, timezone=zone)) == wanted


def test_a_zone_that_the_server_does_not_know_is_an_error(opened: Callable[[str], Shelf]) -> None:
    import pymysql

    question = asked("orders.created_at[date]", "orders.count")
    with pytest.raises(pymysql.err.OperationalError, match="1 row"):
        answer(opened("mariadb"), question, asking("mariadb", timezone="America/New_York"))


def test_every_gap_is_of_a_question() -> None:
    assert all(name in QUESTIONS for gaps in GAPS.values() for name in gaps)
    assert all(name in QUESTIONS for name in BY_HAND)
