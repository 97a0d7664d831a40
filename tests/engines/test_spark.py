"""The SQL for Databricks means what it should: on Spark SQL, in whose dialect it is written.

What Databricks itself adds to Spark (its own functions, its protocol, its catalog) is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from dragoman.dialects.adapters.databricks.metric_views import metric_view
from dragoman.dialects.sql import table
from dragoman.dialects.sql.kinds import CastType, Match, Part, TimeKind, Unit
from dragoman.semantics.inference.semantic_objects import meaning
from tests.dialects.test_sql_functions import HOSTILE
from tests.engines.support.questions import QUESTIONS, asked
from tests.engines.support.shelves import PLAIN, TABLES, Shelf, duckdb_shelf
from tests.engines.support.spark import Spark, run_spark
from tests.engines.test_questions import answer
from tests.engines.test_structures import orders
from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.semantics.inference.tables import conventions
from tests.support.engines import Engine

SQL = table("databricks")
reading_of = datetime.fromisoformat
READING = reading_of("2026-03-01 12:30:15.250")  # a Sunday
INSTANT = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
DAY = date(2024, 2, 29)
# Two of the questions, for those who do not wait for all: every measure, and a pivot.
SOME = ("aggregates 1", "pivots 1")
# Its start takes a while on a busy machine.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def spark(start_engine: Callable[..., Engine]) -> Spark:
    """With the tables of the questions."""
    made: list[Spark] = []
    start_engine("spark sql", lambda: run_spark(made.append))
    for name, (columns, rows) in TABLES.items():
        typed = ", ".join(f"{column} {PLAIN[kind]}" for column, kind in columns.items())
        made[0].table(name, typed, [tuple(map(written, row)) for row in rows])
    return made[0]


def written(value: Any) -> Any:
    """A value as a text or a number."""
    return str(value) if isinstance(value, date | Decimal) else value


@pytest.fixture(scope="module")
def reference(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    with duckdb_shelf(request) as shelf:
        yield shelf


def check(spark: Spark, wanted: dict[str, Any]) -> None:
    """Each expression has its value; all in one statement."""
    columns = ", ".join(f"{text} AS c{i}" for i, text in enumerate(wanted))
    [found] = spark.rows(f"SELECT {columns}")
    differing = {
        text: (value, expected)
        for (text, expected), value in zip(wanted.items(), found, strict=True)
        if value != expected or type(value) is not type(expected)
    }
    assert differing == {}


def test_literals_keep_every_character_and_digit(spark: Spark) -> None:
    numbers = [0, -7, 2**62, Decimal("-12.50"), Decimal("12345678901234567890.123456789")]
    check(spark, {SQL.string(text): text for text in (*HOSTILE, "${env:PATH}$${x}", "${", "$")})
    check(spark, {SQL.number(number): number for number in numbers})
    times = [DAY, date(33, 1, 2), READING, reading_of("0001-01-01")]
    check(spark, {SQL.literal(value): value for value in times})
    check(spark, {SQL.boolean(True): True, SQL.boolean(False): False})
    [[name]] = spark.rows(f"SELECT x.* FROM (SELECT 1 AS {SQL.name('a`b c')}) AS x")
    assert name == 1


def test_parts_and_starts_of_days_and_readings(spark: Spark) -> None:
    day, reading = SQL.date(DAY), SQL.timestamp(READING)
    of_day = {
        Part.DAY_OF_WEEK: 3, Part.DAY_OF_MONTH: 29, Part.DAY_OF_YEAR: 60, Part.WEEK_OF_YEAR: 9,
        Part.MONTH: 2, Part.QUARTER: 1, Part.YEAR: 2024, Part.EPOCH: 1709164800,
    }  # fmt: skip
    of_reading = {
        Part.SECOND: 15, Part.MINUTE: 30, Part.HOUR: 12, Part.DAY_OF_WEEK: 6,
        Part.DAY_OF_MONTH: 1, Part.DAY_OF_YEAR: 60, Part.WEEK_OF_YEAR: 9, Part.MONTH: 3,
        Part.QUARTER: 1, Part.YEAR: 2026, Part.EPOCH: 1772368215,
    }  # fmt: skip
    check(spark, {SQL.part(day, part): value for part, value in of_day.items()})
    check(spark, {SQL.part(reading, part): value for part, value in of_reading.items()})
    assert set(of_reading) == set(Part)
    starts = {
        Unit.SECOND: READING.replace(microsecond=0),
        Unit.MINUTE: reading_of("2026-03-01 12:30"),
        Unit.HOUR: reading_of("2026-03-01 12:00"),
        Unit.DAY: date(2026, 3, 1),
        Unit.WEEK: date(2026, 2, 23),
        Unit.MONTH: date(2026, 3, 1),
        Unit.QUARTER: date(2026, 1, 1),
        Unit.YEAR: date(2026, 1, 1),
    }
    assert set(starts) == set(Unit)
    check(spark, {SQL.truncate(reading, unit): value for unit, value in starts.items()})
    check(spark, {SQL.truncate(day, Unit.WEEK): date(2024, 2, 26)})
    check(
        spark,
        {
            SQL.add_days(day, -3): date(2024, 2, 26),
            SQL.add_months(day, 12): date(2025, 2, 28),
            SQL.add_months(SQL.date(date(2026, 1, 31)), 1): date(2026, 2, 28),
        },
    )


def test_zones(spark: Spark) -> None:
    instant, reading = SQL.zoned(INSTANT), SQL.timestamp(INSTANT.replace(tzinfo=None))
    zone, kathmandu = "America/New_York", "Asia/Kathmandu"
    check(
        spark,
        {
            SQL.local(instant, TimeKind.ZONED, "UTC", zone): reading_of("2026-03-08 03:30"),
            SQL.local(reading, TimeKind.TIMESTAMP, "UTC", zone): reading_of("2026-03-08 03:30"),
            SQL.local(reading, TimeKind.TIMESTAMP, zone, kathmandu): reading_of("2026-03-08 17:15"),
        },
    )


def test_values_and_conditions(spark: Spark) -> None:
    yes, no, unknown = SQL.boolean(True), SQL.boolean(False), "CAST(NULL AS BOOLEAN)"
    text, number = SQL.string("50%_Off!"), SQL.number(17)
    check(
        spark,
        {
            SQL.value("2 > 1"): True,
            f"({SQL.is_true(unknown)})": False,
            f"({SQL.is_false(unknown)})": False,
            f"({SQL.is_false(no)})": True,
            f"({SQL.condition(yes)})": True,
            f"({SQL.null_safe_equal('NULL', 'NULL')})": True,
            f"({SQL.null_safe_equal('NULL', '1')})": False,
            f"({SQL.matches(text, Match.CONTAINS, '%_O')})": True,
            f"({SQL.matches(text, Match.CONTAINS, 'O_f')})": False,
            f"({SQL.matches(text, Match.STARTS_WITH, '50%')})": True,
            f"({SQL.matches(text, Match.ENDS_WITH, 'f!')})": True,
            f"({SQL.matches(text, Match.ENDS_WITH, '50')})": False,
            f"({SQL.like(text, '50%')})": True,
            SQL.lower(text): "50%_off!",
            SQL.concat(text, SQL.string("x")): "50%_Off!x",
            SQL.divide_whole(number, 5): 3,
            SQL.divide_whole(SQL.number(-17), 5): -3,
            SQL.modulo(number, 5): 2,
            SQL.ceiling("1.2"): Decimal(2),
            SQL.cast(number, CastType.STRING): "17",
            SQL.cast(SQL.string("17"), CastType.INTEGER): 17,
            SQL.cast(number, CastType.DOUBLE): 17.0,
            SQL.cast(SQL.string("2024-02-29"), CastType.DATE): DAY,
            SQL.cast(SQL.date(DAY), CastType.TIMESTAMP): reading_of("2024-02-29"),
        },
    )


@pytest.mark.slow
def test_a_backslash_in_a_pattern_stands_for_itself(spark: Spark) -> None:
    text = SQL.string("a\\b")
    check(
        spark,
        {
            f"({SQL.matches(text, Match.CONTAINS, chr(92))})": True,
            f"({SQL.matches(text, Match.CONTAINS, chr(92) + 'b')})": True,
            f"({SQL.matches(SQL.string('ab'), Match.CONTAINS, chr(92))})": False,
        },
    )


@pytest.mark.slow
def test_aggregates(spark: Spark) -> None:
    columns = (
        SQL.percentile("n", "0.5"), SQL.percentile("n", "0.9"), SQL.average("n"),
        SQL.list_distinct("t", ", "),
    )  # fmt: skip
    values = "VALUES (1, 'b'), (2, 'a'), (4, 'b'), (CAST(NULL AS INT), NULL) AS v(n, t)"
    [found] = spark.rows(f"SELECT {', '.join(columns)} FROM {values}")
    assert found == (2.0, pytest.approx(3.6), pytest.approx(7 / 3), "a, b")
    assert spark.rows(f"SELECT {columns[3]} FROM {values} WHERE t IS NULL") == [(None,)]


@pytest.mark.slow
def test_order_and_limit(spark: Spark) -> None:
    values = "VALUES (1), (3), (CAST(NULL AS INT)), (2) AS v(n)"
    last = SQL.order("n", descending=True, nulls_last=True)
    first = SQL.order("n", descending=False, nulls_last=False)
    found = spark.rows(f"SELECT n FROM {values} ORDER BY {last} {SQL.limit(2, 1)}")
    assert found == [(2,), (1,)]
    assert spark.rows(f"SELECT n FROM {values} ORDER BY {first} {SQL.limit(1, 0)}") == [(None,)]


def agree(spark: Spark, reference: Shelf, question: dict[str, Any], **how: Any) -> None:
    shelf = Shelf("databricks", lambda sql, _: spark.rows(sql))
    wanted = answer(reference, question, asking("duckdb", **how))
    assert answer(shelf, question, asking("databricks", **how)) == wanted


@pytest.mark.parametrize("name", SOME)
def test_some_questions_are_answered_as_duckdb_does(
    spark: Spark, reference: Shelf, name: str
) -> None:
    agree(spark, reference, QUESTIONS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in SOME])
def test_questions_are_answered_as_duckdb_does(spark: Spark, reference: Shelf, name: str) -> None:
    agree(spark, reference, QUESTIONS[name])


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_zones_agree(spark: Spark, reference: Shelf, zone: str) -> None:
    question = asked("orders.id", "orders.created_at", "orders.created_at[date]")
    agree(spark, reference, question, timezone=zone)


def test_elements_of_arrays_are_asked_for(spark: Spark) -> None:
    kind = "array<struct<n:int,sku:string>>"
    lines = "array(named_struct('n', 5, 'sku', 'a'), named_struct('n', 7, 'sku', 'b'))"
    sql = (
        f"SELECT 1 AS id, 10 AS fee, {lines} AS lines, array('x', 'y') AS tags"
        f" UNION ALL SELECT 2, 20, CAST(array() AS {kind}), array('x')"
        " UNION ALL SELECT 3, 40, NULL, NULL"
    )
    layer = orders("databricks", sql, kind)
    for fields, wanted in (
        (["lines__sku", "pieces", "fees"], [("a", 5, 10), ("b", 7, 10), (None, 0, 60)]),
        (["tag", "pieces", "fees"], [("x", 12, 30), ("y", 12, 10), (None, 0, 40)]),
        (["pieces", "fees", "count", "line_count"], [(12, 70, 3, 2)]),
    ):
        question = {"table": "orders", "fields": [f"orders.{name}" for name in fields]}
        found = spark.rows(ask(layer, question, asking("databricks")).sql)
        assert sorted(map(tuple, found), key=str) == wanted


METRIC_VIEW = """
version: 0.1
source: sold
dimensions:
  - name: Sold Month
    expr: DATE_TRUNC('MONTH', day)
  - name: status
    expr: state
measures:
  - name: revenue
    expr: SUM(price)
  - name: orders
    expr: COUNT(1)
"""


def test_metric_views_are_asked_for_their_measures(spark: Spark) -> None:
    values = "(1, 'O', DATE'2024-01-02', 10.5), (2, 'F', DATE'2024-02-02', 20.5)"
    values += ", (3, 'O', DATE'2025-01-02', 30), (4, NULL, DATE'2025-03-01', 1)"
    spark.rows(
        "CREATE TABLE sold USING parquet AS"
        f" SELECT * FROM VALUES {values} AS t(id, state, day, price)"
    )
    spark.rows(f"CREATE VIEW kpis WITH METRICS LANGUAGE YAML AS $$ {METRIC_VIEW} $$")
    found = metric_view("spark_catalog", "default", "kpis", None, METRIC_VIEW)
    assert found is not None
    here = {"catalog": "spark_catalog", "schema": "default"}
    how = conventions(dialect="databricks", quote=SQL.name, **here)
    [view] = meaning(found, how, topics=False).views
    definition = {
        **view.definition,
        "measures": {
            **view.definition["measures"],
            "each": {"sql": "${revenue} / NULLIF(${orders}, 0)"},
        },
    }
    layer = MemoryLayer({"kpis": definition}, types={"kpis": {"sold_month": "TIMESTAMP"}})

    def asked_of(*fields: str, **more: Any) -> list[tuple[Any, ...]]:
        question = {"table": "kpis", "fields": list(fields), "sorts": [{"column_name": fields[0]}]}
        by = asking("databricks")
        return spark.rows(ask(layer, {"modelId": "m", **question, **more}, by).sql)

    assert asked_of("kpis.status", "kpis.revenue", "kpis.each") == [
        ("F", Decimal("20.5"), Decimal("20.5")),
        ("O", Decimal("40.5"), Decimal("20.25")),
        (None, Decimal("1.0"), Decimal(1)),
    ]
    some = {"type": "string", "kind": "EQUALS", "values": ["O", "F"]}
    more = {"type": "number", "kind": "GREATER_THAN", "values": [1]}
    assert asked_of(
        "kpis.sold_month[year]", "kpis.orders",
        filters={"kpis.status": some, "kpis.orders": more},
    ) == [(date(2024, 1, 1), 2)]  # fmt: skip
    assert asked_of("kpis.status") == [("F",), ("O",), (None,)]
    assert asked_of("kpis.orders") == [(4,)]
