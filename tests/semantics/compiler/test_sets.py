"""Keys that are taken once by grouping sets, where the database is quick at that."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from dragoman.semantics.compiler.sets import MAX_SET_COLUMNS
from tests.semantics.compiler.support import MemoryLayer, ask, asking


def layer(keys: int) -> MemoryLayer:
    """Orders with many lines, told apart by so many columns."""
    named = [f"k{n}" for n in range(keys)]
    orders: dict[str, Any] = {
        "table_name": "orders",
        "dimensions": {**{name: {"primary_key": True} for name in named}, "fee": {}, "kind": {}},
        "measures": {
            "fees": {"sql": "${fee}", "aggregate_type": "sum"},
            "fees_of_a": {
                "sql": "${fee}",
                "aggregate_type": "sum",
                "filters": {"lines.kind": {"is": "a"}},
            },
            "least": {
                "sql": "${fee}",
                "aggregate_type": "sum_distinct_on",
                "custom_primary_key_sql": "${kind}",
            },
        },
    }
    lines = {
        "table_name": "lines",
        "dimensions": {"id": {"primary_key": True}, "kind": {}},
        "measures": {"count": {"aggregate_type": "count"}},
    }
    join = {
        "join_from_view": "orders",
        "join_to_view": "lines",
        "relationship_type": "one_to_many",
        "on_sql": '"orders".k0 = "lines".order_id',
    }
    types = {"orders": {"fee": "NUMBER", "kind": "STRING"}, "lines": {"kind": "STRING"}}
    return MemoryLayer({"orders": orders, "lines": lines}, [join], types=types)


FIELDS = ["orders.fees", "orders.fees_of_a", "orders.least", "lines.count"]


@pytest.mark.parametrize("keys", [1, MAX_SET_COLUMNS + 1])
def test_both_forms_give_the_same(keys: int) -> None:
    compiled = ask(layer(keys), {"table": "orders", "fields": FIELDS})
    assert ("GROUPING SETS" in compiled.sql) is (keys == 1)
    assert ("ROW_NUMBER" in compiled.sql) is (keys > 1)
    columns = ", ".join(f"{n} AS k{n}" for n in range(1, keys))
    more = f", {columns}" if columns else ""
    with duckdb.connect() as database:
        database.execute(
            f"CREATE TABLE orders AS SELECT * {more} FROM (VALUES"
            " (1, 10, 'x'), (2, 20, 'x'), (3, 5, 'y'), (4, NULL, 'z')) AS t(k0, fee, kind)"
        )
        database.execute(
            "CREATE TABLE lines AS SELECT * FROM (VALUES"
            " (1, 1, 'a'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'b'), (5, 9, 'a'))"
            " AS t(id, order_id, kind)"
        )
        assert database.sql(compiled.sql).fetchall() == [(35, 10, 15, 4)]
        database.execute("DELETE FROM orders")
        assert database.sql(compiled.sql).fetchall() == [(0, 0, 0, 0)]


def test_other_databases_number_rows() -> None:
    sql = ask(layer(1), {"table": "orders", "fields": FIELDS}, asking("postgres")).sql
    assert "ROW_NUMBER" in sql
    assert "GROUPING" not in sql
