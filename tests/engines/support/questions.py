"""The questions that every engine is asked, and the model that they are about; see `shelves`."""

from __future__ import annotations

from typing import Any

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
            "top_user": {
                "sql": "${user_id}",
                "dynamic_top_n": {"n": 1, "by": "orders.total", "else": "2"},
            },
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
            "paid_anyway": {
                "sql": "${fee}",
                "aggregate_type": "sum",
                "filters": {"status": {"is": "paid", "cancel_query_filter": True}},
            },
            "of_best_users": {
                "aggregate_type": "count",
                "filters": {
                    "user_id": {
                        "field_name_in_query": "orders.user_id",
                        "query_structure": {
                            "base_view": "orders",
                            "fields": ["orders.user_id", "orders.total"],
                            "sorts": [{"field": "orders.total", "desc": True}],
                            "limit": 2,
                        },
                    }
                },
            },
            "year_before": {
                "aggregate_type": "count",
                "filters": {"created_at": {"date_offset_from_query": "1 year"}},
            },
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
SETTINGS = {"fiscal_month_offset": 11, "week_start_day": "Sunday"}
TOPICS: dict[str, Any] = {
    "of_city": {
        "base_view": "orders",
        "joins": {"users": {}},
        "access_filters": [{"field": "users.city", "user_attribute": "city"}],
    }
}


def text(kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "kind": kind, "values": list(values), **more}


def when(kind: str, left: str | None = None, right: str | None = None, **more: Any) -> Any:
    return {"type": "date", "kind": kind, "left_side": left, "right_side": right, **more}


def asked(*fields: str, filters: Any = None, **more: Any) -> dict[str, Any]:
    return {"table": "orders", "fields": list(fields), "filters": filters or {}, **more}


def by_hand(sql: str) -> dict[str, Any]:
    return {"userEditedSQL": sql}


_APART = {
    "median": "medians", "p90": "medians", "statuses": "lists", "ratio": "ratios",
    "paid_anyway": "filters ignored", "year_before": "filters ignored",
    "of_best_users": "filters by a question",
}  # fmt: skip
MEASURES = [f"orders.{name}" for name in VIEWS["orders"]["measures"] if name not in _APART]


def _apart(kind: str) -> list[str]:
    return [f"orders.{name}" for name, each in _APART.items() if each == kind]


def _joined(names: list[str]) -> list[dict[str, Any]]:
    """Measures of all rows, of groups, and where joins repeat rows."""
    return [
        asked(*names),
        asked("orders.status", *names),
        asked("users.city", *names, "items.revenue", "items.count", "users.count"),
        asked(*names, "items.revenue"),
    ]


NUMBERS = {"type": "number", "kind": "BETWEEN", "values": [0, 10.1]}
_KINDS: dict[str, list[dict[str, Any]]] = {
    "aggregates": _joined(MEASURES),
    "medians": _joined(_apart("medians")),
    "lists": _joined(_apart("lists")),
    "ratios": [asked("orders.ratio"), asked("users.city", "orders.ratio", "items.revenue")],
    "groups and bins": [asked("orders.tier", "orders.kind", "orders.big", "orders.count")],
    "durations": [
        asked(
            "orders.id", *(f"orders.age[{unit}]" for unit in ("days", "weeks", "months", "years"))
        ),
        asked("orders.id", "orders.age[hours]"),
    ],
    "levels of detail": [asked("orders.id", "orders.of_user")],
    "greatest groups": [
        asked("orders.top", "orders.total"),
        asked("orders.top[1]", "orders.total"),
        asked("orders.top_user", "orders.total"),
        asked("orders.top_user[3]", "orders.total"),
    ],
    "rows and order": [
        asked("orders.status", default_group_by=False),
        asked("orders.id", sorts=[{"column_name": "orders.fee", "sort_descending": True}], limit=4),
        asked("orders.id", sorts=[{"column_name": "orders.qty", "null_sort": "FIRST"}], limit=3),
        asked("orders.id", sorts=[{"column_name": "orders.id"}], limit=2, offset=3),
    ],
    "time frames of days": [
        asked(f"orders.day[{grain}]", "orders.count") for grain in ("week", "month", "month_name")
    ],
    "text filters": [
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
    ],
    "time filters": [
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
    ]
    + [asked("orders.id", filters={"orders.day": when("TIME_FOR_UNIT_DURATION", "FY2026")})],
    "number filters": [
        asked("orders.id", filters={"orders.fee": NUMBERS}),
        asked("orders.id", filters={"orders.fee": {**NUMBERS, "is_negative": True}}),
        asked(
            "orders.status", filters={"orders.total": {**NUMBERS, "kind": "EQUALS", "values": [0]}}
        ),
        asked("orders.id", filters={"orders.fee": {**NUMBERS, "is_inclusive": True}}),
    ],
    "filters that a measure ignores": [
        asked(
            *("users.city", "orders.count", "orders.paid_anyway", *more),
            filters={"orders.status": text("EQUALS", "open", "50%_off")},
        )
        for more in ((), ("items.revenue", "items.count"))
    ]
    + [
        asked(
            *("orders.created_at[year]", "orders.count", "orders.year_before"),
            filters={"orders.created_at": when("TIME_FOR_UNIT_DURATION", "2026")},
        )
    ],
    "filters by another question": [
        asked("orders.user_id", "orders.of_best_users", *more) for more in ((), ("items.revenue",))
    ],
    "pivots": [
        asked(
            *("users.city", "orders.status", "orders.total", "items.revenue"),
            pivots=["orders.status"],
            limit=2,
            sorts=[{"column_name": "orders.total", "sort_descending": True}],
        )
    ],
    "SQL by hand": [
        by_hand(
            "SELECT ${users.city}, ${orders.total}, sum(${orders.fee}) AS s, count(*) AS n,"
            " ${items.revenue}, count(DISTINCT ${orders.status}) AS d FROM ${orders} GROUP BY 1"
        ),
        by_hand(
            "SELECT upper(${orders.status}) AS u, ${orders.count} + 1 AS n, max(${items.price}) m"
            " FROM ${orders} WHERE ${orders.fee} > 1 OR ${orders.status} = 'it''s' GROUP BY 1"
            " HAVING count(*) > 0 ORDER BY n DESC"
        ),
        by_hand(
            "SELECT ${orders.id}, CASE WHEN ${orders.fee} >= 7 THEN 'high' ELSE 'low' END AS size"
            " FROM ${orders} WHERE ${orders.status} IS NULL OR ${orders.status} <> 'a%'"
        ),
        by_hand(
            "SELECT ${orders.status}, rank() OVER (ORDER BY ${orders.total} DESC) AS place"
            " FROM ${orders} GROUP BY ${orders.status}"
        ),
        by_hand("SELECT DISTINCT ${users.city} AS c FROM ${orders} WHERE ${orders.id} IN (1, 3)"),
    ],
}
QUESTIONS: dict[str, dict[str, Any]] = {
    f"{kind} {n}": each for kind, listed in _KINDS.items() for n, each in enumerate(listed, 1)
}
QUESTIONS |= {
    f"time frames {grain}": asked("orders.id", f"orders.created_at[{grain}]") for grain in GRAINS
}
BY_HAND = [name for name in QUESTIONS if name.startswith("SQL by hand")]
