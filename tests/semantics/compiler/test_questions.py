"""Questions on a small shop, on DuckDB, with answers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from dragoman.semantics.answers.assembling import TOTAL_INDICATOR, Assembly
from dragoman.semantics.compiler.compiled import TotalKind
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler.support import MemoryLayer, ask, asking, changed

VIEWS: dict[str, Any] = {
    "orders": {
        "schema": "main",
        "table_name": "orders",
        "dimensions": {
            "id": {"primary_key": True},
            "user_id": {},
            "status": {},
            "created_at": {},
            "fee": {},
            "big": {"sql": "${fee} > 10"},
            "tier": {"sql": "${fee}", "bin_boundaries": [6, 20]},
            "kind": {
                "sql": "${status}",
                "groups": [{"filter": {"is": "paid"}, "name": "Paid"}],
                "else": "Rest",
            },
            "of_user": {
                "sql": "${fee}",
                "level_of_detail": {"aggregate_type": "sum", "fixed": ["orders.user_id"]},
            },
            "top": {"sql": "${status}", "dynamic_top_n": {"n": 1, "by": "orders.total"}},
            "last": {
                "sql": "${status}",
                "dynamic_top_n": {"n": 1, "by": "orders.total", "desc": False, "else": "more"},
            },
            "secret": {"sql": "${fee}", "required_access_grants": ["insiders"]},
            "masked": {"sql": "${status}", "mask_unless_access_grants": ["insiders"]},
            "per_item": {"sql": "${fee} / ${items.price}"},
        },
        "measures": {
            "count": {"aggregate_type": "count"},
            "total": {"sql": "${fee}", "aggregate_type": "sum"},
            "paid": {"aggregate_type": "count", "filters": {"status": {"is": "paid"}}},
            "mean": {"sql": "${total} / nullif(${count}, 0)"},
            "masked_total": {
                "sql": "${fee}",
                "aggregate_type": "sum",
                "mask_unless_access_grants": ["insiders"],
            },
            "raw_mean": {"sql": "sum(${fee}) / count(*)"},
            "spread": {"sql": "stddev_pop(${fee})"},
            "median_fee": {"sql": "${fee}", "aggregate_type": "median"},
            "mean_of_users": {
                "sql": "${fee}",
                "aggregate_type": "average",
                "level_of_detail": {"aggregate_type": "sum", "always_include": ["orders.user_id"]},
            },
            "regardless": {
                "aggregate_type": "count",
                "filters": {"status": {"cancel_query_filter": True}},
            },
        },
    },
    "items": {
        "schema": "main",
        "dimensions": {"id": {"primary_key": True}, "order_id": {}, "price": {}},
        "measures": {
            "count": {"aggregate_type": "count"},
            "revenue": {"sql": "${price}", "aggregate_type": "sum"},
        },
    },
    "users": {
        "schema": "main",
        "dimensions": {"id": {"primary_key": True}, "city": {}},
        "measures": {"count": {"aggregate_type": "count"}},
    },
    "notes": {
        "schema": "main",
        "dimensions": {"order_id": {}, "words": {}},
        "measures": {"total": {"sql": "${words}", "aggregate_type": "sum"}},
    },
}
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
    },
    {
        "join_from_view": "orders",
        "join_to_view": "notes",
        "relationship_type": "one_to_many",
        "on_sql": "${orders.id} = ${notes.order_id}",
    },
]
TOPICS = {
    "items": {"base_view": "items", "joins": {"orders": {"users": {}}}},
    "paid": {
        "base_view": "orders",
        "joins": {"users": {}},
        "always_where_filters": {"orders.status": {"is": "paid"}},
        "fields": ["all_views.*", "-orders.fee"],
    },
    "by_city": {
        "base_view": "orders",
        "joins": {"users": {}},
        "access_filters": [
            {"field": "users.city", "user_attribute": "city", "values_for_unfiltered": ["all"]}
        ],
    },
    "hidden": {"base_view": "orders", "required_access_grants": ["insiders"]},
}
SETTINGS = {"access_grants": {"insiders": {"user_attribute": "team", "allowed_values": ["x"]}}}
TYPES = {
    "orders": {
        "created_at": "TIMESTAMP",
        "fee": "NUMBER",
        "status": "STRING",
        "id": "NUMBER",
        "user_id": "NUMBER",
    },
    "items": {"price": "NUMBER"},
    "users": {"city": "STRING"},
}
SHOP = MemoryLayer(VIEWS, JOINS, TOPICS, SETTINGS, TYPES)


@pytest.fixture(scope="module")
def database() -> Any:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE orders AS FROM (VALUES"
            " (1, 1, 'paid', TIMESTAMP '2026-01-01 03:30:00', 10),"
            " (2, 1, 'open', TIMESTAMP '2026-02-03 00:00:00', 30),"
            " (3, 2, NULL, NULL, 5), (4, NULL, 'paid', TIMESTAMP '2026-03-01 00:00:00', 7)"
            ") t(id, user_id, status, created_at, fee)"
        )
        connection.execute(
            "CREATE TABLE items AS FROM (VALUES (1, 1, 1.5), (2, 1, 2.5), (3, 2, 4), (4, 3, NULL),"
            " (5, NULL, 9)) t(id, order_id, price)"
        )
        connection.execute(
            "CREATE TABLE users AS FROM (VALUES (1, 'A'), (2, 'B'), (3, 'C')) t(id, city)"
        )
        connection.execute(
            "CREATE TABLE notes AS FROM (VALUES (1, 3), (1, 4), (2, 5)) t(order_id, words)"
        )
        yield connection


def rows(database: Any, by: Any = None, **question: Any) -> list[tuple[Any, ...]]:
    question.setdefault("table", "orders")
    found = database.execute(ask(SHOP, question, by).sql).fetchall()
    return sorted(found, key=lambda row: tuple((v is None, str(v)) for v in row))


def topic(name: str, *fields: str, **more: Any) -> dict[str, Any]:
    return {"join_paths_from_topic_name": name, "fields": list(fields), **more}


@pytest.mark.parametrize(
    ("joined", "users"),
    # All users stay, then those without a note go; or orders without one go, then all users stay.
    [(("users", "notes"), 1), (("notes", "users"), 3)],
)
def test_a_topic_says_in_which_order_its_joins_keep_rows(
    database: Any, joined: tuple[str, str], users: int
) -> None:
    kept = {**JOINS[1], "join_type": "always_right"}
    inner = {**JOINS[2], "join_type": "inner"}
    made = {
        "base_view": "orders",
        "joins": {name: {} for name in joined},
        "relationships": [kept, inner],
    }
    layer = replace(SHOP, the_topics={**TOPICS, "mixed": made})
    alone = topic("mixed", "users.count")
    assert [tuple(row.values()) for row in answered(database, alone, layer)] == [(3,)]
    both = topic("mixed", "users.count", "notes.total")
    assert [tuple(row.values()) for row in answered(database, both, layer)] == [(users, 12)]


def test_a_sum_is_never_inflated_by_a_join(database: Any) -> None:
    asked = topic("items", "users.city", "orders.total", "orders.count", "items.revenue")
    assert rows(database, **asked) == [("A", 40, 2, 8), ("B", 5, 1, 0), (None, 0, 0, 9)]


def test_ratios_medians_and_filters_are_protected_too(database: Any) -> None:
    fields = ["orders.mean", "orders.raw_mean", "orders.median_fee", "orders.paid", "users.count"]
    assert rows(database, **topic("items", *fields)) == [(15, 15, 10, 1, 2)]


def test_two_branches_of_many_do_not_multiply_each_other(database: Any) -> None:
    fields = ["orders.total", "items.revenue", "items.count"]
    assert rows(database, fields=fields) == [(52, 8, 4)]


def test_no_key_is_an_error_that_names_the_view(database: Any) -> None:
    with pytest.raises(PlanError, match="notes") as refused:
        rows(database, fields=["notes.total", "items.revenue"])
    assert refused.value.error_type is ErrorType.KEY_REQUIRED
    assert "primary_key" in refused.value.fix
    # Alone nothing repeats its rows.
    assert rows(database, fields=["notes.total"]) == [(12,)]


def test_an_aggregate_that_cannot_be_taken_apart_is_refused_where_joins_repeat_it(
    database: Any,
) -> None:
    assert rows(database, fields=["orders.spread"])[0][0] == pytest.approx(9.97497, abs=1e-3)
    with pytest.raises(PlanError, match="repeat"):
        rows(database, **topic("items", "orders.spread"))


def test_days_are_those_of_the_asker(database: Any) -> None:
    by = replace(asking(), timezone="America/New_York")
    found = rows(database, by, fields=["orders.created_at[month]", "orders.count"])
    assert found == [
        (date(2025, 12, 1), 1),
        (date(2026, 2, 1), 2),
        (None, 1),
    ]


def test_groups_bins_and_booleans(database: Any) -> None:
    fields = ["orders.kind", "orders.tier", "orders.big", "orders.count"]
    assert rows(database, fields=fields) == [
        ("Paid", ">= 6 and < 20", False, 2),
        ("Rest", "20 and above", True, 1),
        ("Rest", "below 6", False, 1),
    ]


def test_levels_of_detail(database: Any) -> None:
    assert rows(database, fields=["orders.id", "orders.of_user"]) == [
        (1, 40), (2, 40), (3, 5), (4, 7),
    ]  # fmt: skip
    assert rows(database, fields=["orders.mean_of_users", "orders.count"])[0] == (
        pytest.approx(52 / 3),
        4,
    )


def test_the_greatest_groups(database: Any) -> None:
    fields = ["orders.top", "orders.total"]
    assert rows(database, fields=fields) == [("Other", 17), ("open", 30), (None, 5)]
    fields = ["orders.top[2]", "orders.total"]
    assert rows(database, fields=fields) == [("open", 30), ("paid", 17), (None, 5)]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("clash", {"open": 30, "open (all others)": 22}),
        ("clash[2]", {"open": 30, "paid": 17, "open (all others)": 5}),
        ("free", {"open": 30, "paid": 22}),
        ("free[2]", {"open": 30, "paid": 17, "paid (all others)": 5}),
        ("number", {"3": 30, "0": 22}),
        ("number[2]", {"3": 30, "0": 17, "0 (all others)": 5}),
    ],
)
def test_the_others_are_never_one_with_a_group_of_their_name(
    database: Any, field: str, found: dict[str, int]
) -> None:
    sizes = "CASE ${status} WHEN 'open' THEN 3 WHEN 'paid' THEN 0 END"
    made = {
        name: {"sql": sql, "dynamic_top_n": {"n": 1, "by": "orders.total", "else": label}}
        for name, sql, label in (
            ("clash", "${status}", "open"),
            ("free", "${status}", "paid"),
            ("number", sizes, "0"),
        )
    }
    layer = changed(SHOP, "orders", dimensions=made)
    asked = {"table": "orders", "fields": [f"orders.{field}", "orders.total"]}
    assert {tuple(row.values()) for row in answered(database, asked, layer)} == set(found.items())


def test_the_least_groups(database: Any) -> None:
    # NULL is the least here, and is told apart from "more" by that alone.
    assert rows(database, fields=["orders.last", "orders.total"]) == [("more", 47), (None, 5)]
    found = rows(database, fields=["orders.last[2]", "orders.total"])
    assert found == [("more", 30), ("paid", 17), (None, 5)]


def test_measures_that_do_not_obey_a_filter(database: Any) -> None:
    paid = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}}
    found = rows(database, fields=["orders.count", "orders.regardless"], filters=paid)
    assert found == [(2, 4)]


def test_filters_on_measures(database: Any) -> None:
    most = {"orders.total": {"type": "number", "kind": "GREATER_THAN", "values": [6]}}
    assert rows(database, fields=["orders.status"], filters=most) == [("open",), ("paid",)]


def test_dimensions_alone_are_distinct(database: Any) -> None:
    assert rows(database, fields=["orders.status"]) == [("open",), ("paid",), (None,)]
    found = rows(database, fields=["orders.status"], default_group_by=False)
    assert found == [("open",), ("paid",), ("paid",), (None,)]


def test_rules_of_topics(database: Any) -> None:
    assert rows(database, **topic("paid", "orders.count")) == [(2,)]
    with pytest.raises(PlanError, match="no field"):
        rows(database, **topic("paid", "orders.fee"))


def test_rows_that_an_attribute_allows(database: Any) -> None:
    asked = topic("by_city", "orders.count")
    with pytest.raises(PlanError, match="city") as refused:
        rows(database, **asked)
    assert refused.value.error_type is ErrorType.FORBIDDEN
    for values, count in ((("A",), 2), (("A", "B"), 3), (("' OR 1=1 --",), 0), (("all",), 4)):
        by = replace(asking(), attributes={"city": values})
        assert rows(database, by, **asked) == [(count,)]


def test_grants(database: Any) -> None:
    insider = replace(asking(), attributes={"team": ("x",)})
    assert rows(database, insider, fields=["orders.secret"], limit=1)
    with pytest.raises(PlanError) as refused:
        rows(database, fields=["orders.secret"])
    assert refused.value.error_type is ErrorType.FORBIDDEN
    with pytest.raises(PlanError, match="No such topic"):
        rows(database, **topic("hidden", "orders.count"))
    with pytest.raises(PlanError) as refused:
        rows(database, **topic("hiden", "orders.count"))
    assert "hidden" not in str(refused.value)
    with pytest.raises(PlanError, match='Did you mean "hidden"'):
        rows(database, insider, **topic("hiden", "orders.count"))
    assert rows(database, fields=["orders.masked", "orders.count"]) == [(None, 4)]
    assert len(rows(database, insider, fields=["orders.masked", "orders.count"])) == 3
    assert rows(database, fields=["orders.masked_total", "orders.count"]) == [(None, 4)]
    assert rows(database, insider, fields=["orders.masked_total"]) == [(52,)]


def test_unknown_fields_are_left_out_with_a_word() -> None:
    compiled = ask(SHOP, {"table": "orders", "fields": ["orders.status", "orders.statsu"]})
    assert compiled.missing == ("orders.statsu",)
    assert 'Did you mean "status"' in compiled.warnings[0]
    with pytest.raises(PlanError, match="Did you mean"):
        ask(SHOP, {"table": "orders", "fields": ["orders.statsu"]})


def test_names_that_views_and_fields_had_before(database: Any) -> None:
    views = {
        **VIEWS,
        "users": {
            **VIEWS["users"],
            "aliases": ["people"],
            "dimensions": {"id": {"primary_key": True}, "city": {"aliases": ["town"]}},
        },
    }
    layer = MemoryLayer(views, JOINS, TOPICS, SETTINGS, TYPES)
    in_a = {"type": "string", "kind": "EQUALS", "values": ["A"]}
    asked = topic(
        "items", "people.town", "orders.total", "people.count",
        filters={"people.city": in_a}, sorts=[{"column_name": "people.town"}],
    )  # fmt: skip
    compiled = ask(layer, asked)
    assert database.execute(compiled.sql).fetchall() == [("A", 40, 1)]
    assert [column.name for column in compiled.columns] == asked["fields"]
    asked = {"table": "people", "fields": ["people.town"], "filters": {"users.town": in_a}}
    assert database.execute(ask(layer, asked).sql).fetchall() == [("A",)]
    # A level of detail is at the grain of what the question names, by whatever name.
    asked = {"table": "orders", "fields": ["people.town", "orders.mean_of_users"]}
    found = sorted(database.execute(ask(layer, asked).sql).fetchall(), key=str)
    assert found == [("A", 40), ("B", 5), (None, 7)]


@pytest.mark.parametrize("name", ["items.price", "items.revenue", "users.nothing"])
def test_a_filter_that_cannot_be_joined_is_left_out_where_it_says_so(
    database: Any, name: str
) -> None:
    given = {"type": "null", "ignore_if_unjoinable": True}
    alone = MemoryLayer(VIEWS, (), {}, SETTINGS, TYPES)
    asked = {"table": "orders", "fields": ["orders.count"], "filters": {name: given}}
    assert database.execute(ask(alone, asked).sql).fetchall() == [(4,)]
    asked["filters"] = {name: {"type": "null"}}
    with pytest.raises(PlanError):
        ask(alone, asked)


def test_a_topic_need_not_offer_what_its_filters_mean(database: Any) -> None:
    chosen = {
        "status_is": {"type": "string", "bind_to": ["status"], "default_filter": {"is": "paid"}}
    }
    orders = {**VIEWS["orders"], "filters": chosen}
    topics = {"few": {"base_view": "orders", "joins": {}, "fields": ["orders.count"]}}
    layer = MemoryLayer({**VIEWS, "orders": orders}, JOINS, topics, SETTINGS, TYPES)
    asked = {"join_paths_from_topic_name": "few", "fields": ["orders.count"]}
    by_hand = "SELECT count(*) FROM orders WHERE status = 'paid'"
    wanted = database.execute(by_hand).fetchall()
    assert database.execute(ask(layer, asked).sql).fetchall() == wanted
    given = {"orders.status_is": {"type": "string", "kind": "EQUALS", "values": ["open"]}}
    with pytest.raises(PlanError, match='The topic "few" has no field'):
        ask(layer, {**asked, "filters": given})
    offered = {"few": {**topics["few"], "fields": ["orders.count", "orders.status_is"]}}
    found = ask(replace(layer, the_topics=offered), {**asked, "filters": given})
    by_hand = "SELECT count(*) FROM orders WHERE status = 'open'"
    assert database.execute(found.sql).fetchall() == database.execute(by_hand).fetchall()


@pytest.mark.parametrize("descending", [True, False])
def test_pivots_are_ordered_by_times_and_texts(database: Any, descending: bool) -> None:
    latest = {"latest": {"sql": "${created_at}", "aggregate_type": "max"}}
    layer = changed(SHOP, "orders", measures=latest)
    asked = {
        "table": "orders",
        "fields": ["orders.user_id", "orders.status", "orders.latest"],
        "pivots": ["orders.status"],
        "sorts": [{"column_name": "orders.latest", "sort_descending": descending}],
    }
    found = database.execute(ask(layer, asked).sql).fetchall()
    when, way = ("max", "DESC") if descending else ("min", "ASC")
    users = f"SELECT user_id FROM orders GROUP BY 1 ORDER BY {when}(created_at) {way} NULLS LAST"
    wanted = [user for (user,) in database.execute(users).fetchall()]
    assert list(dict.fromkeys(row[0] for row in found)) == wanted


@pytest.mark.parametrize("pivot", ["orders.ranked", "orders.user_id"])
@pytest.mark.parametrize("descending", [True, False])
def test_pivots_are_ordered_by_other_fields(database: Any, pivot: str, descending: bool) -> None:
    ranked = {"ranked": {"sql": "${status}", "order_by_field": "fee"}}
    layer = changed(SHOP, "orders", dimensions=ranked)
    asked = {
        "table": "orders",
        "fields": ["orders.user_id", "orders.ranked", "items.revenue", "orders.count"],
        "pivots": [pivot],
        "sorts": [{"column_name": "orders.ranked", "sort_descending": descending}],
    }
    found = database.execute(ask(layer, asked).sql).fetchall()
    place = {row[1]: row[-1] for row in found} if pivot == "orders.ranked" else {}
    shown = sorted(place, key=lambda status: place[status]) or [row[1] for row in found]
    way = "DESC" if descending else "ASC"
    by_fee = f"SELECT status FROM orders GROUP BY 1 ORDER BY min(fee) {way} NULLS LAST, 1"
    wanted = [status for (status,) in database.execute(by_fee).fetchall()]
    if pivot == "orders.ranked":
        assert shown == wanted
    else:
        assert list(dict.fromkeys(shown)) == wanted


def test_views_without_a_way_are_an_error() -> None:
    with pytest.raises(PlanError, match="No join path"):
        ask(SHOP, {"table": "users", "fields": ["users.city", "items.count"]})


def test_pivots_limit_rows_of_the_pivoted_table(database: Any) -> None:
    asked = topic(
        "items", "users.city", "orders.status", "items.revenue",
        pivots=["orders.status"], limit=2,
        sorts=[{"column_name": "items.revenue", "sort_descending": True}],
    )  # fmt: skip
    compiled = ask(SHOP, asked)
    found = database.execute(compiled.sql).fetchall()
    assert found == [(None, None, 9, 3), ("A", "open", 4, 1), ("A", "paid", 4, 2)]
    assert compiled.limit is None  # of what the statement gives: each row has several cells


def answered(
    database: Any, question: dict[str, Any], layer: MemoryLayer = SHOP, by: Any = None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = assembled(database, question, layer, by).to_pylist()
    return found


def assembled(
    database: Any, question: dict[str, Any], layer: MemoryLayer = SHOP, by: Any = None
) -> Any:
    compiled = ask(layer, question, by)

    def table(sql: str, columns: Any) -> Any:
        found = database.sql(sql).to_arrow_table()
        return found.rename_columns([column.name for column in columns])

    assembly = Assembly(read_query(question), compiled)
    totals = {each.kind: table(each.sql, each.columns) for each in compiled.totals}
    earlier = [table(each.sql, compiled.columns) for each in compiled.earlier]
    found = assembly.assemble(table(compiled.sql, compiled.columns), totals, earlier)
    assert found.schema.names == [column.name for column in assembly.columns()]
    return found


def field(name: str) -> dict[str, Any]:
    return {"type": "field", "field_name": name}


def call(operator: str, *operands: Any) -> dict[str, Any]:
    return {"type": "call", "operator": operator, "operands": list(operands)}


def literal(value: Any) -> dict[str, Any]:
    return {"type": "literal", "value": value}


SORTED = {"sorts": [{"column_name": "orders.total"}]}


def test_calculations(database: Any) -> None:
    total = field("orders.total")
    offset = call("Omni.OMNI_OFFSET_MULTI", total, literal(-1), literal(0))
    calculations = {
        "share": call("Omni.OMNI_PERCENT_OF_TOTAL", total),
        "running": call("Omni.OMNI_RUNNING_TOTAL", total),
        "moving": call("Omni.OMNI_FX_AVERAGE", offset),
        "double": call("SqlStdOperatorTable.MULTIPLY", field("running"), literal(2)),
    }
    question = {
        "table": "orders",
        "fields": ["orders.status", "share", "orders.total", "running", "moving", "double"],
        "calculations": [
            {"calc_name": name, "sql_expression": tree} for name, tree in calculations.items()
        ],
        **SORTED,
    }
    found = answered(database, question)
    assert [row["running"] for row in found] == [5, 22, 52]
    assert [row["moving"] for row in found] == [5, 11, 23.5]
    assert [row["double"] for row in found] == [10, 44, 104]
    assert found[2]["share"] == pytest.approx(30 / 52)


def test_a_calculation_along_rows_needs_an_order(database: Any) -> None:
    tree = call("Omni.OMNI_RUNNING_TOTAL", field("orders.total"))
    question = {
        "table": "orders",
        "fields": ["orders.status", "orders.total", "r"],
        "calculations": [{"calc_name": "r", "sql_expression": tree}],
    }
    with pytest.raises(PlanError) as refused:
        answered(database, question)
    assert refused.value.error_type is ErrorType.SORT_REQUIRED


@pytest.mark.parametrize(
    "tree",
    [
        call("Omni.OMNI_FX_SYSTEM", literal("ls")),
        field('x" FROM y; --'),
        {"type": "sub_query"},
        call("SqlStdOperatorTable.CAST", literal(1), {"type": "sql_type", "value": "X); --"}),
        literal({"a": 1}),
        call("SqlStdOperatorTable.POWER", literal(1)),
    ],
)
def test_other_calculations_are_refused(database: Any, tree: dict[str, Any]) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.status", "orders.total", "c"],
        "calculations": [{"calc_name": "c", "sql_expression": tree}],
        **SORTED,
    }
    with pytest.raises(PlanError):
        answered(database, question)


def test_totals_aggregate_anew(database: Any) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.status", "orders.mean"],
        "column_totals": {"::total::": {"type": "aggregation"}},
        "sorts": [{"column_name": "orders.mean"}],
    }
    found = answered(database, question)
    assert [row["orders.mean"] for row in found] == [5, 8.5, 30, 13]
    assert [row[TOTAL_INDICATOR] for row in found] == [None, None, None, "::total::"]


def test_totals_of_some_measures(database: Any) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.status", "orders.total", "orders.count"],
        "column_totals": {"orders.count": {"type": "aggregation"}},
        "sorts": [{"column_name": "orders.count"}],
    }
    *rows, total = answered(database, question)
    assert [row[TOTAL_INDICATOR] for row in rows] == [None, None, None]
    assert total[TOTAL_INDICATOR] == "column_total"
    assert total["orders.count"] == sum(row["orders.count"] for row in rows)
    assert total["orders.total"] is None


def test_measures_as_rows(database: Any) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.total", "orders.count"],
        "transposed_measures": ["orders.total", "orders.count"],
    }
    found = answered(database, question)
    assert [(row["measure_name"], row["measure_value"]) for row in found] == [
        ("Total", 52),
        ("Count", 4),
    ]


def test_measures_as_rows_keep_every_digit(database: Any) -> None:
    def values(*sql: str) -> list[Any]:
        names = [f"m{n}" for n in range(len(sql))]
        made = {n: {"sql": f"max({s})"} for n, s in zip(names, sql, strict=True)}
        orders = {**VIEWS["orders"], "measures": made}
        layer = replace(SHOP, the_views={**VIEWS, "orders": orders})
        fields = [f"orders.{name}" for name in names]
        asked = {"table": "orders", "fields": fields, "transposed_measures": fields}
        return [row["measure_value"] for row in answered(database, asked, layer)]

    assert values("9007199254740993", "1") == [9007199254740993, 1]
    assert values("9007199254740993", "0.01") == [Decimal("9007199254740993.00"), Decimal("0.01")]
    assert values("1", "0.5::double") == [1.0, 0.5]
    assert values("1", "'text'", "DATE '2024-05-01'") == ["1", "text", "2024-05-01"]
    assert values("(-0.5)::decimal(2, 2)", "'text'") == ["-0.50", "text"]


def test_only_measures_become_rows() -> None:
    asked = {
        "table": "orders",
        "fields": ["orders.status"],
        "transposed_measures": ["orders.status"],
    }
    with pytest.raises(PlanError, match=r"orders\.status is no measure"):
        ask(SHOP, asked)


def test_what_cannot_be_put_together_is_told() -> None:
    asked = {"table": "orders", "fields": ["orders.total"]}
    totalled = {**asked, "column_totals": {"::total::": {"type": "aggregation"}}}
    assembly = Assembly(read_query(totalled), ask(SHOP, totalled))
    number, text = (pa.table({"orders.total": each}) for each in ([1], ["x"]))
    with pytest.raises(PlanError, match="cannot be put together"):
        assembly.assemble(number, {TotalKind.BOTH: text})


def test_the_same_question_gives_the_same_bytes() -> None:
    asked = topic("items", "users.city", "orders.total", "items.revenue", "orders.paid")
    assert ask(SHOP, asked).sql == ask(SHOP, asked).sql


def test_the_plan_can_be_read() -> None:
    told = ask(SHOP, topic("items", "users.city", "orders.total")).plan.describe()
    assert "join left orders" in told
    assert "once orders.total for each" in told


def test_gaps_are_filled(database: Any) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.created_at[month]", "orders.count"],
        "fill_fields": ["orders.created_at[month]"],
        "filters": {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}},
        "sorts": [{"column_name": "orders.created_at[month]", "sort_descending": True}],
    }
    found = [tuple(row.values()) for row in answered(database, question)]
    assert found == [(date(2026, 3, 1), 1), (date(2026, 2, 1), None), (date(2026, 1, 1), 1)]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("orders.kind", [("Paid", 2), ("Rest", None)]),
        ("orders.tier", [("below 6", None), (">= 6 and < 20", 2), ("20 and above", None)]),
        ("orders.big", [(False, 2), (True, None)]),
        ("orders.created_at[quarter_of_year]", [(1, 2), (2, None), (3, None), (4, None)]),
    ],
)
def test_values_that_are_known_get_a_row(database: Any, name: str, wanted: list[Any]) -> None:
    question = {
        "table": "orders",
        "fields": [name, "orders.count"],
        "fill_fields": [name],
        "filters": {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}},
    }
    assert [tuple(row.values()) for row in answered(database, question)] == wanted
    question["sorts"] = [{"column_name": name, "sort_descending": True}]
    found = [row[name] for row in answered(database, question)]
    assert found == sorted((each for each, _ in wanted), reverse=True)


def test_no_row_tells_what_a_masked_field_may_be(database: Any) -> None:
    dimensions = VIEWS["orders"]["dimensions"]
    kind = dimensions["kind"] | {"mask_unless_access_grants": ["insiders"]}
    orders = {**VIEWS["orders"], "dimensions": dimensions | {"kind": kind}}
    layer = MemoryLayer(VIEWS | {"orders": orders}, JOINS, TOPICS, SETTINGS, TYPES)
    question = {"table": "orders", "fields": ["orders.kind"], "fill_fields": ["orders.kind"]}
    compiled = ask(layer, question)
    assert not Assembly(read_query(question), compiled).fills()
    assert database.execute(compiled.sql).fetchall() == [(None,)]


def test_earlier_periods_stand_beside_the_question(database: Any) -> None:
    question = {
        "table": "orders",
        "fields": ["orders.created_at[month]", "orders.total"],
        "filters": {
            "orders.created_at": {
                "type": "date",
                "kind": "BETWEEN",
                "left_side": "2026-02",
                "right_side": "2026-03",
            }
        },
        "period_over_period_computations": [
            {
                "date_filter_field_name": "orders.created_at",
                "time_unit_name": "MONTH",
                "periods_ago": 1,
            }
        ],
    }
    found = [tuple(row.values()) for row in answered(database, question)]
    assert found == [(date(2026, 2, 1), 30, 0), (date(2026, 2, 1), 10, 1)]


@pytest.mark.parametrize(
    ("dialect", "table", "said"), [("databricks", "a${b}", r"\${"), ("oracle", 'a"b', "quote")]
)
def test_a_name_that_the_database_cannot_say_is_refused(
    dialect: str, table: str, said: str
) -> None:
    layer = MemoryLayer({"t": {"table_name": table, "dimensions": {"x": {}}}}, [])
    with pytest.raises(PlanError, match=said):
        ask(layer, {"table": "t", "fields": ["t.x"]}, asking(dialect))
