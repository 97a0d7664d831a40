"""The same questions on real engines: PostgreSQL and MariaDB answer as DuckDB does.

The data has what goes wrong elsewhere: NULLs, orphans, empty texts, days at the ends of months and
years, readings around changes of the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.support.engines import Engine

TABLES = {
    "orders": (
        "id INTEGER, user_id INTEGER, status VARCHAR(20), created_at TIMESTAMP(6), day DATE,"
        " fee DECIMAL(10, 2), qty INTEGER",
        [
            (1, 1, "paid", "2026-03-08 06:59:59", "2026-01-31", "10.10", 1),
            (2, 1, "open", "2026-03-08 07:00:00", "2026-02-28", "30.00", 2),
            (3, 2, None, "2025-12-31 23:30:00", "2025-12-29", "5.55", None),
            (4, None, "paid", "2024-02-29 12:00:00.250000", "2024-02-29", "7.00", 4),
            (5, 9, "", "2026-11-01 05:30:00", "2026-11-01", "0.00", 5),
            (6, 2, "Paid ", None, None, None, 6),
            (7, 3, "50%_off", "2026-07-01 00:00:00", "2026-07-01", "-3.25", 7),
        ],
    ),
    "items": (
        "id INTEGER, order_id INTEGER, price DECIMAL(10, 2)",
        [(1, 1, "1.50"), (2, 1, "2.50"), (3, 2, "4"), (4, 3, None), (5, None, "9"), (6, 7, "1")],
    ),
    "users": ("id INTEGER, city VARCHAR(20)", [(1, "A"), (2, "B"), (3, "C"), (4, None)]),
}
GRAINS = (
    *("date", "week", "month", "quarter", "year", "hour", "minute", "second"),
    *("hour_of_day", "day_of_week_num", "day_of_week_name", "day_of_month", "day_of_year"),
    *("week_of_year", "month_num", "month_name", "quarter_of_year", "day_of_quarter"),
    *("fiscal_quarter", "fiscal_year", "epoch", "time_of_day"),
)
VIEWS: dict[str, Any] = {
    "orders": {
        "table_name": "orders",
        "dimensions": {
            "id": {"primary_key": True},
            **{name: {} for name in ("user_id", "status", "created_at", "day", "fee", "qty")},
            "tier": {"sql": "${fee}", "bin_boundaries": [0, 6, 20]},
            "kind": {
                "sql": "${status}",
                "groups": [{"filter": {"is": ["paid", None]}, "name": "Paid or not known"}],
                "else": "Rest",
            },
            "big": {"sql": "${fee} > 6"},
            "age": {
                "duration": {
                    "sql_start": "${day}",
                    "sql_end": "${created_at}",
                    "intervals": ["days", "weeks", "months", "years", "hours"],
                }
            },
            "of_user": {
                "sql": "${fee}",
                "level_of_detail": {"aggregate_type": "sum", "fixed": ["orders.user_id"]},
            },
            "top": {"sql": "${status}", "dynamic_top_n": {"n": 2, "by": "orders.total"}},
        },
        "measures": {
            "count": {"aggregate_type": "count"},
            **{
                name: {"sql": "${fee}", "aggregate_type": kind}
                for name, kind in {
                    "total": "sum", "mean": "average", "least": "min", "most": "max",
                    "median": "median", "different": "count_distinct",
                }.items()
            },
            "p90": {"sql": "${qty}", "aggregate_type": "percentile", "percentile": 90},
            "mean_qty": {"sql": "${qty}", "aggregate_type": "average"},
            "statuses": {"sql": "${status}", "aggregate_type": "list"},
            "paid": {"aggregate_type": "count", "filters": {"status": {"is": "paid"}}},
            "ratio": {"sql": "${total} / nullif(${count}, 0)"},
            "of_users": {
                "sql": "${fee}",
                "aggregate_type": "average",
                "level_of_detail": {"aggregate_type": "sum", "always_include": ["orders.user_id"]},
            },
        },
    },
    "items": {
        "table_name": "items",
        "dimensions": {"id": {"primary_key": True}, "order_id": {}, "price": {}},
        "measures": {
            "count": {"aggregate_type": "count"},
            "revenue": {"sql": "${price}", "aggregate_type": "sum"},
        },
    },
    "users": {
        "table_name": "users",
        "dimensions": {"id": {"primary_key": True}, "city": {}},
        "measures": {"count": {"aggregate_type": "count"}},
    },
}  # fmt: skip
JOINS = [
    {
        "join_from_view": "items",
        "join_to_view": "orders",
        "relationship_type": "many_to_one",
        "on_sql": "${items.order_id} = ${orders.id}",
        "reversible": True,
    },
    {
        "join_from_view": "orders",
        "join_to_view": "users",
        "relationship_type": "many_to_one",
        "on_sql": "${orders.user_id} = ${users.id}",
        "reversible": True,
    },
]
TYPES = {
    "orders": {
        "id": "NUMBER",
        "user_id": "NUMBER",
        "status": "STRING",
        "created_at": "TIMESTAMP",
        "day": "DATE",
        "fee": "NUMBER",
        "qty": "NUMBER",
    },
    "items": {"id": "NUMBER", "order_id": "NUMBER", "price": "NUMBER"},
    "users": {"id": "NUMBER", "city": "STRING"},
}
SHOP = MemoryLayer(VIEWS, JOINS, {}, {"fiscal_month_offset": 11, "week_start_day": "Sunday"}, TYPES)


def text(kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "kind": kind, "values": list(values), **more}


def when(kind: str, left: str | None = None, right: str | None = None, **more: Any) -> Any:
    return {"type": "date", "kind": kind, "left_side": left, "right_side": right, **more}


def asked(*fields: str, filters: Any = None, **more: Any) -> dict[str, Any]:
    return {"table": "orders", "fields": list(fields), "filters": filters or {}, **more}


MEASURES = [f"orders.{name}" for name in VIEWS["orders"]["measures"]]
NUMBERS = {"type": "number", "kind": "BETWEEN", "values": [0, 10.1]}
QUESTIONS: list[dict[str, Any]] = [
    asked(*MEASURES),
    asked("orders.status", *MEASURES),
    asked("users.city", *MEASURES, "items.revenue", "items.count", "users.count"),
    asked(*MEASURES, "items.revenue"),
    asked("orders.tier", "orders.kind", "orders.big", "orders.count"),
    asked("orders.id", *(f"orders.age[{unit}]" for unit in ("days", "weeks", "months", "years"))),
    asked("orders.id", "orders.age[hours]"),
    asked("orders.id", "orders.of_user"),
    asked("orders.top", "orders.total"),
    asked("orders.top[1]", "orders.total"),
    asked("orders.status", default_group_by=False),
    asked("orders.id", sorts=[{"column_name": "orders.fee", "sort_descending": True}], limit=4),
    asked("orders.id", sorts=[{"column_name": "orders.qty", "null_sort": "FIRST"}], limit=3),
    asked("orders.id", sorts=[{"column_name": "orders.id"}], limit=2, offset=3),
    *(asked("orders.id", f"orders.created_at[{grain}]") for grain in GRAINS),
    *(asked(f"orders.day[{grain}]", "orders.count") for grain in ("week", "month", "month_name")),
    *(
        asked("orders.id", filters={"orders.status": each})
        for each in (
            text("EQUALS", "paid"),
            text("EQUALS", "paid", is_negative=True),
            text("EQUALS", "paid", "open"),
            text("CONTAINS", "%_"),
            text("STARTS_WITH", "50"),
            text("ENDS_WITH", "off", is_negative=True),
            text("EQUALS", "x' OR '1'='1"),
            text("EQUALS", "\\' OR 1=1 -- "),
            {"type": "null"},
            {"type": "null", "is_negative": True},
        )
    ),
    *(
        asked("orders.id", filters={"orders.created_at": each})
        for each in (
            when("TIME_FOR_UNIT_DURATION", "2026-03-08"),
            when("BEFORE", "2026"),
            when("ON_OR_AFTER", "2026-03-08 07:00:00"),
            when("BETWEEN", "2024-02", "2026-01", is_negative=True),
            when("IS_IN_MONTH_OF_YEAR", "2"),
            when("IS_ON_DAY_OF_WEEK", "Sunday"),
            when("IS_ON_DAY_OF_QUARTER", "60"),
            when("IS_IN_WEEK_OF_YEAR", "1"),
            when("IS_AT_HOUR_OF_DAY", "7"),
        )
    ),
    asked("orders.id", filters={"orders.day": when("TIME_FOR_UNIT_DURATION", "FY2026")}),
    asked("orders.id", filters={"orders.fee": NUMBERS}),
    asked("orders.id", filters={"orders.fee": {**NUMBERS, "is_negative": True}}),
    asked("orders.status", filters={"orders.total": {**NUMBERS, "kind": "EQUALS", "values": [0]}}),
    asked(
        *("users.city", "orders.status", "orders.total", "items.revenue"),
        pivots=["orders.status"],
        limit=2,
        sorts=[{"column_name": "orders.total", "sort_descending": True}],
    ),
]


def rows_of(answer: list[Any]) -> list[tuple[Any, ...]]:
    """Rows as plain values that compare, in one order."""
    return sorted((tuple(map(plain, row)) for row in answer), key=repr)


def plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal | float):
        return round(float(value), 6)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value


Run = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def reference() -> Iterator[Run]:
    with duckdb.connect() as connection:
        fill(connection.execute, connection.executemany, "?")
        yield lambda sql: connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def postgres(postgres_server: Engine) -> Iterator[Run]:
    import psycopg

    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA questions")
        connection.execute("SET search_path TO questions")
        cursor = connection.cursor()
        fill(cursor.execute, cursor.executemany, "%s")
        yield lambda sql: connection.execute(sql).fetchall()
        connection.execute("DROP SCHEMA questions CASCADE")


@pytest.fixture(scope="module")
def mariadb(mariadb_server: Engine) -> Iterator[Run]:
    import pymysql

    engine = mariadb_server
    with pymysql.connect(
        host=engine.host, port=engine.port, user=engine.username, password=engine.password
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE questions CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        cursor.execute("USE questions")
        cursor.execute("SET time_zone = '+00:00'")
        fill(cursor.execute, cursor.executemany, "%s")

        def run(sql: str) -> list[Any]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        yield run
        cursor.execute("DROP DATABASE questions")


def fill(execute: Callable[..., Any], many: Callable[..., Any], mark: str) -> None:
    for name, (columns, rows) in TABLES.items():
        execute(f"CREATE TABLE {name} ({columns})")
        many(f"INSERT INTO {name} VALUES ({', '.join([mark] * len(rows[0]))})", rows)


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_engines_agree(
    request: pytest.FixtureRequest, reference: Run, engine: str, question: dict[str, Any]
) -> None:
    run: Run = request.getfixturevalue(engine)
    wanted = rows_of(reference(ask(SHOP, question, asking("duckdb")).sql))
    assert rows_of(run(ask(SHOP, question, asking(engine)).sql)) == wanted


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_zones_agree(reference: Run, postgres: Run, zone: str) -> None:
    """MariaDB of the tests has no tables of time zones: there it is an error, never a NULL."""
    question = asked("orders.id", "orders.created_at", "orders.created_at[date]")
    wanted = rows_of(reference(ask(SHOP, question, asking("duckdb", timezone=zone)).sql))
    found = rows_of(postgres(ask(SHOP, question, asking("postgres", timezone=zone)).sql))
    assert found == wanted


def test_a_zone_that_the_server_does_not_know_is_an_error(mariadb: Run) -> None:
    import pymysql

    question = asked("orders.created_at[date]", "orders.count")
    with pytest.raises(pymysql.err.OperationalError, match="1 row"):
        mariadb(ask(SHOP, question, asking("mariadb", timezone="America/New_York")).sql)
