"""Statements with references, on DuckDB, with answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.compiler.errors import ErrorType, NoSuchTopic, PlanError
from tests.semantics.compiler.handwritten.support import written
from tests.semantics.compiler.support import asking
from tests.semantics.compiler.test_questions import database

__all__ = ["database"]
IN_A = asking(attributes={"city": ("A",)})


def rows(database: Any, sql: str, by: Any = None, **query: Any) -> list[tuple[Any, ...]]:
    found = database.execute(written(sql, by, **query).sql).fetchall()
    return [tuple(float(v) if hasattr(v, "as_integer_ratio") else v for v in row) for row in found]


def names(sql: str, **query: Any) -> list[tuple[str, str]]:
    return [(column.name, column.label) for column in written(sql, **query).columns]


def test_fields_and_measures_are_those_of_the_model(database: Any) -> None:
    sql = "SELECT ${orders.status}, ${orders.total} FROM ${orders} GROUP BY 1 ORDER BY 2 DESC"
    assert rows(database, sql) == [("open", 30), ("paid", 17), (None, 5)]


def test_a_sum_is_not_inflated_by_the_joins_that_other_columns_need(database: Any) -> None:
    sql = (
        "SELECT ${orders.total}, sum(${orders.fee}) AS own, ${items.revenue}, count(*) AS n,"
        " count(distinct ${users.city}) AS cities FROM ${orders}"
    )
    assert rows(database, sql) == [(52, 52, 8, 4, 2)]


def test_expressions_over_aggregates_and_groups(database: Any) -> None:
    sql = (
        "SELECT upper(${orders.status}) AS s, sum(${orders.fee}) / count(*) AS mean,"
        " ${items.revenue} FROM ${orders} GROUP BY s HAVING ${orders.total} > 5 ORDER BY mean"
    )
    assert rows(database, sql) == [("PAID", 8.5, 4), ("OPEN", 30, 4)]
    sql = (
        "SELECT ${orders.status}, CASE WHEN ${orders.status} = 'paid' THEN ${orders.total} END p,"
        " ${items.count} FROM ${orders} GROUP BY ${orders.status} ORDER BY ${orders.status}"
    )
    assert rows(database, sql) == [("open", None, 1), ("paid", 17, 2), (None, None, 1)]


def test_windows_over_groups_and_over_rows(database: Any) -> None:
    sql = (
        "SELECT ${orders.status}, rank() OVER (ORDER BY ${orders.total} DESC) AS place,"
        " sum(${orders.total}) OVER () AS all_of_them FROM ${orders} GROUP BY 1 ORDER BY place"
    )
    assert rows(database, sql) == [("open", 1, 52), ("paid", 2, 52), (None, 3, 52)]
    sql = (
        "SELECT ${orders.id}, sum(${orders.fee}) OVER (ORDER BY ${orders.id}) AS running"
        " FROM ${orders} ORDER BY 1"
    )
    assert rows(database, sql) == [(1, 10), (2, 40), (3, 45), (4, 52)]


def test_aggregates_that_cannot_be_protected_are_refused_where_joins_repeat_rows(
    database: Any,
) -> None:
    alone = "SELECT ${orders.status}, stddev_pop(${orders.fee}) AS x FROM ${orders} GROUP BY 1"
    assert ("paid", 1.5) in rows(database, alone)
    for more in (
        "stddev_pop(${orders.fee}) AS x, ${items.revenue}",
        "sum(${orders.fee}) FILTER (WHERE ${orders.id} > 1) AS x, ${items.revenue}",
        "sum(sum(${orders.fee})) OVER () AS x, ${items.revenue}",
    ):
        with pytest.raises(PlanError, match="Joins repeat") as caught:
            written(f"SELECT ${{orders.status}}, {more} FROM ${{orders}} GROUP BY 1")
        assert caught.value.error_type is ErrorType.KEY_REQUIRED
    # The base is what has many rows: those of the other view are repeated.
    with pytest.raises(PlanError, match="Joins repeat"):
        written("SELECT stddev_pop(${orders.fee}) AS x FROM ${items}")
    with pytest.raises(PlanError, match="Joins repeat"):
        written("SELECT ${items.id}, sum(${orders.fee}) OVER () AS x FROM ${items}")


def test_rows_distinct_rows_and_their_order(database: Any) -> None:
    sql = "SELECT ${orders.status} FROM ${orders} ORDER BY ${orders.fee} DESC LIMIT 3 OFFSET 1"
    assert rows(database, sql) == [("paid",), ("paid",), (None,)]
    sql = "SELECT DISTINCT ${orders.status} AS s FROM ${orders} ORDER BY s NULLS FIRST"
    assert rows(database, sql) == [(None,), ("open",), ("paid",)]


def test_names_of_columns() -> None:
    sql = (
        "SELECT ${orders.status} AS s, date_trunc('month', ${orders.created_at}) AS created_at,"
        " ${orders.created_at}, count(*), ${orders.created_at[month]} FROM ${orders} GROUP BY ALL"
    )
    assert names(sql) == [
        ("orders.status", "s"),
        ("orders.created_at_2", "created_at"),
        ("orders.created_at", "Created At"),
        ("orders.column_4", "Column 4"),
        ("orders.created_at[month]", "Created At Month"),
    ]


def test_what_the_question_says_beside_the_text(database: Any) -> None:
    sql = "SELECT ${orders.id} AS i, ${orders.fee} FROM ${orders} ORDER BY i LIMIT 3"
    paid = {"orders.status": {"type": "string", "kind": "EQUALS", "values": ["paid"]}}
    assert rows(database, sql, filters=paid) == [(1, 10), (4, 7)]
    assert rows(database, sql, limit=1) == [(1, 10)]
    assert len(rows(database, sql, limit=50)) == 3
    down = [{"column_name": "i", "sort_descending": True}]
    assert rows(database, sql, sorts=down)[0] == (1, 10)
    assert rows(database, sql, sorts=down, sqlSortsEnabled=True)[0] == (4, 7)
    assert written("SELECT ${orders.id} FROM ${orders}").limit == 1000


def test_rules_on_rows_stand_beside_whatever_the_text_says(database: Any) -> None:
    for condition in ("1 = 1 OR 2 = 2", "${users.city} = 'B'", "${users.city} IS NOT NULL"):
        sql = f"SELECT DISTINCT ${{users.city}} FROM ${{by_city}} WHERE {condition}"
        assert rows(database, sql, IN_A) in ([("A",)], [])
    sql = "SELECT count(*) AS n FROM ${paid} WHERE 1 = 1 OR 1 = 1"
    assert rows(database, sql) == [(2,)]
    with pytest.raises(PlanError, match="attribute city"):
        written("SELECT ${users.city} FROM ${by_city}")
    # The base view's name means the question's topic, where it has one.
    sql = "SELECT ${orders.count} FROM ${orders}"
    assert rows(database, sql, join_paths_from_topic_name="paid") == [(2,)]
    with pytest.raises(PlanError, match="asks in the topic"):
        written("SELECT ${users.city} FROM ${users}", join_paths_from_topic_name="paid")


def test_grants_and_masks_hold_for_every_reference(database: Any) -> None:
    for sql in (
        "SELECT ${orders.secret} FROM ${orders}",
        "SELECT ${orders.id} FROM ${orders} WHERE ${orders.secret} > 1",
        "SELECT ${orders.id} FROM ${orders} ORDER BY ${orders.secret}",
        "SELECT count(*) AS n FROM ${orders} HAVING max(${orders.secret}) > 1",
    ):
        with pytest.raises(PlanError) as caught:
            written(sql)
        assert caught.value.error_type is ErrorType.FORBIDDEN
    with pytest.raises(NoSuchTopic):
        written("SELECT ${orders.id} FROM ${hidden}")
    with pytest.raises(PlanError, match="no field"):
        written("SELECT ${orders.fee} FROM ${paid}")
    sql = (
        "SELECT DISTINCT ${orders.masked}, ${orders.masked} || 'x' AS x FROM ${orders}"
        " WHERE coalesce(${orders.masked}, 'none') = 'none'"
    )
    assert rows(database, sql) == [(None, None)]
    assert rows(database, "SELECT ${orders.id} FROM ${orders} WHERE ${orders.masked} > 'a'") == []
    with pytest.raises(PlanError, match="masked"):
        written("SELECT ${orders.id} FROM ${orders} ORDER BY ${orders.masked}")


def test_a_level_of_detail_stands_alone_or_is_refused(database: Any) -> None:
    sql = "SELECT ${orders.id}, ${orders.of_user} FROM ${orders} ORDER BY 1 LIMIT 1"
    assert rows(database, sql) == [(1, 40)]
    with pytest.raises(PlanError, match="grain of its own"):
        written("SELECT ${orders.id}, ${orders.of_user} FROM ${orders} WHERE ${orders.id} = 1")
    with pytest.raises(PlanError, match="grain of its own"):
        written("SELECT upper(${orders.status}), ${orders.mean_of_users} FROM ${orders} GROUP BY 1")


@pytest.mark.parametrize(
    ("sql", "fix"),
    [
        ("SELECT ${orders.status}, count(*) FROM ${orders}", "Add GROUP BY 1"),
        ("SELECT ${orders.status}, ${orders.id} FROM ${orders} GROUP BY 1", "Group by it"),
        ("SELECT ${orders.status} FROM ${orders} GROUP BY 1, ${orders.id}", "Select it"),
        ("SELECT ${orders.total} FROM ${orders} GROUP BY 1", "Leave it out"),
        ("SELECT ${orders.status} FROM ${orders} GROUP BY 2", "no column 2"),
        ("SELECT ${orders.status} FROM ${orders} GROUP BY ROLLUP (1)", "column_totals"),
        ("SELECT sum(${orders.total}) AS x FROM ${orders}", "Leave the one around it out"),
        ("SELECT ${orders.id} FROM ${orders} WHERE count(*) > 1", "HAVING"),
        ("SELECT ${orders.id} FROM ${orders} WHERE ${orders.total} > 1", "HAVING"),
        ("SELECT * FROM ${orders}", "Name the fields"),
        ("SELECT id FROM ${orders}", "${view.id}"),
        ("SELECT ${orders}.id FROM ${orders}", "${view.field}"),
        ("SELECT ${TABLE} FROM ${orders}", "${view.field}"),
        ("SELECT ${orders.id} FROM orders", "FROM ${topic}"),
        ("SELECT ${orders.id} FROM ${orders}, items", "how its view is joined"),
        ("SELECT ${orders.id} FROM ${orders} JOIN items ON true", "how its view is joined"),
        ("SELECT ${orders.id} FROM (SELECT 1) t", "FROM ${topic}"),
        ("SELECT (SELECT 1), ${orders.id} FROM ${orders}", "query view"),
        ("WITH a AS (SELECT 1) SELECT ${orders.id} FROM ${orders}", "query view"),
        ("SELECT ${orders.id} FROM ${orders} UNION SELECT 1", "query view"),
        ("DELETE FROM ${orders}", "rewriteSql"),
        ("SELECT ${orders.id}; SELECT ${orders.id} FROM ${orders}", "one SELECT"),
        ("SELECT ${orders.idd} FROM ${orders}", 'Did you mean "id"'),
        ("SELECT ${orders.id} FROM ${order}", 'Did you mean "orders"'),
        ("SELECT ${1 + 1} FROM ${orders}", "${view.field}"),
        ("SELECT ${orders.id} FROM ${orders} LIMIT 1 + 1", "Write it out"),
        ("SELECT ${orders.id} AS ${orders.fee} FROM ${orders}", "plain name"),
        ("SELECT x${orders.id} FROM ${orders}", "stand by itself"),
        ("SELECT ${orders.id}(1) FROM ${orders}", "field of the model"),
        ("SELECT getenv('HOME') AS x, ${orders.id} FROM ${orders}", "field of the model"),
        ("SELECT ${orders.status}::regclass AS x FROM ${orders}", "field of the model"),
    ],
)
def test_what_cannot_be_governed_is_refused_with_the_way_out(sql: str, fix: str) -> None:
    with pytest.raises(PlanError) as caught:
        written(sql)
    assert fix in str(caught.value)


def test_who_may_send_any_sql_may_call_any_function(database: Any) -> None:
    sql = "SELECT list_sum([1]) AS x, ${orders.id} FROM ${orders}"
    with pytest.raises(PlanError):
        written(sql, any_function=True)  # no brackets even so
    sql = "SELECT damerau_levenshtein(${orders.status}, 'pays') AS x FROM ${orders} ORDER BY 1"
    with pytest.raises(PlanError, match="damerau_levenshtein"):
        written(sql)
    assert rows(database, sql, any_function=True)[0] == (2,)


def test_the_question_is_compiled_to_the_same_bytes() -> None:
    sql = "SELECT ${orders.status}, sum(${items.price}) AS x FROM ${orders} GROUP BY 1"
    assert written(sql).sql == written(sql).sql
