"""Questions on the fields of structures, on the engines that have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import psycopg
import pytest

from dragoman.dialects import registry
from dragoman.dialects.catalog import Column, Table, TableKind
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.views import view_source
from tests.engines.conformance import Subject, rows
from tests.engines.support.bigquery import bigquery_subject
from tests.engines.support.clickhouse import clickhouse_subject
from tests.engines.support.trino import trino_subject
from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.support.engines import Engine

ENGINES = {
    "duckdb": (
        "SELECT 1 AS id, {'n': 5, 'deep': {'a word': 'x'}} AS place"
        " UNION ALL SELECT 2, {'n': 7, 'deep': {'a word': 'x'}} UNION ALL SELECT 3, NULL",
        'STRUCT(n INTEGER, deep STRUCT("a word" VARCHAR))',
    ),
    "trino": (
        "SELECT * FROM (VALUES (1, CAST(ROW(5, ROW('x')) AS {type})),"
        " (2, CAST(ROW(7, ROW('x')) AS {type})), (3, NULL)) AS t (id, place)",
        'row(n integer, deep row("a word" varchar))',
    ),
    "clickhouse": (
        "SELECT toInt32(1) AS id, CAST((5, tuple('x')), '{type}') AS place"
        " UNION ALL SELECT 2, CAST((7, tuple('x')), '{type}')",
        "Tuple(n Int32, deep Tuple(`a word` String))",
    ),
    "bigquery": (
        "SELECT 1 AS id, STRUCT(5 AS n, STRUCT('x' AS a_word) AS deep) AS place"
        " UNION ALL SELECT 2, STRUCT(7, STRUCT('x')) UNION ALL SELECT 3, NULL",
        "STRUCT<n INT64, deep STRUCT<a_word STRING>>",
    ),
}


def subject(request: pytest.FixtureRequest, engine: str) -> Subject:
    if engine == "trino":
        server = request.getfixturevalue("trino_server").plain
        return trino_subject(server, server)
    if engine == "clickhouse":
        return clickhouse_subject(request.getfixturevalue("clickhouse_server"))
    return bigquery_subject(request.getfixturevalue("bigquery_emulator"))


@contextmanager
def running(request: pytest.FixtureRequest, engine: str) -> Iterator[Any]:
    if engine == "duckdb":
        with duckdb.connect() as connection:
            yield lambda sql: [tuple(row) for row in connection.execute(sql).fetchall()]
        return
    with subject(request, engine).session() as session:
        yield lambda sql: [tuple(row.values()) for row in rows(session, sql)]


@pytest.mark.parametrize("engine", ENGINES)
def test_fields_of_structures_are_asked_for(request: pytest.FixtureRequest, engine: str) -> None:
    sql, kind = ENGINES[engine]
    columns = [
        Column("id", 1, "integer", False, None, None, 1),
        Column("place", 2, kind, True, None, None, None),
    ]
    visits = Table(None, "s", "visits", TableKind.TABLE, None, columns, ["id"], [], None)
    made = view_source(visits, "visits", Conventions(engine, registry.get(engine).quote))
    definition = {
        key: value for key, value in made.definition.items() if key not in ("schema", "table_name")
    }
    definition["sql"] = sql.replace("{type}", kind)
    definition["measures"]["total"] = {"sql": "${place__n}", "aggregate_type": "sum"}
    layer = MemoryLayer({"visits": definition}, types={"visits": made.column_types})
    question = {
        "table": "visits",
        "fields": ["visits.place__deep__a_word", "visits.total"],
        "filters": {"visits.place__n": {"type": "number", "kind": "GREATER_THAN", "values": [1]}},
    }
    with running(request, engine) as run:
        assert run(ask(layer, question, asking(engine)).sql) == [("x", 12)]


# Two orders with two and no lines, one whose array is missing; the tags are of plain texts.
ARRAYS = {
    "duckdb": (
        "SELECT 1 AS id, 10 AS fee, [{'n': 5, 'sku': 'a'}, {'n': 7, 'sku': 'b'}] AS lines,"
        " ['x', 'y'] AS tags"
        " UNION ALL SELECT 2, 20, [], ['x'] UNION ALL SELECT 3, 40, NULL, NULL",
        "STRUCT(n INTEGER, sku VARCHAR)[]",
    ),
    "trino": (
        "SELECT id, fee, CAST(lines AS {type}) AS lines, tags FROM (VALUES"
        " (1, 10, ARRAY[ROW(5, 'a'), ROW(7, 'b')], ARRAY['x', 'y']),"
        " (2, 20, ARRAY[], ARRAY['x']), (3, 40, NULL, NULL)) AS t (id, fee, lines, tags)",
        "array(row(n integer, sku varchar))",
    ),
    "bigquery": (
        "SELECT 1 AS id, 10 AS fee, [STRUCT(5 AS n, 'a' AS sku), STRUCT(7, 'b')] AS lines,"
        " ['x', 'y'] AS tags UNION ALL SELECT 2, 20, [], ['x'] UNION ALL SELECT 3, 40, [], []",
        "ARRAY<STRUCT<n INT64, sku STRING>>",
    ),
}


def orders(engine: str, sql: str, kind: str) -> MemoryLayer:
    columns = [
        Column("id", 1, "integer", False, None, None, 1),
        Column("fee", 2, "integer", False, None, None, None),
        Column("lines", 3, kind, True, None, None, None),
    ]
    table = Table(None, "s", "orders", TableKind.TABLE, None, columns, ["id"], [], None)
    made = view_source(table, "orders", Conventions(engine, registry.get(engine).quote))
    definition = {
        key: value for key, value in made.definition.items() if key not in ("schema", "table_name")
    }
    definition["sql"] = sql.replace("{type}", kind)
    definition["dimensions"] |= {"tags": {}, "tag": {"sql": "${TABLE}", "nested_on_field": "tags"}}
    definition["measures"] |= {
        "fees": {"sql": "${fee}", "aggregate_type": "sum"},
        "pieces": {"sql": "${lines__n}", "aggregate_type": "sum"},
        "line_count": {"sql": "${lines__sku}", "aggregate_type": "count"},
    }
    return MemoryLayer({"orders": definition}, types={"orders": made.column_types})


@pytest.mark.parametrize("engine", ARRAYS)
def test_elements_of_arrays_are_asked_for(request: pytest.FixtureRequest, engine: str) -> None:
    """A fee counts once for its order, however many elements it has; an element counts as often as
    it is there, also beside those of another array."""
    layer = orders(engine, *ARRAYS[engine])

    def asked(*fields: str, **more: Any) -> list[Any]:
        question = {"table": "orders", "fields": [f"orders.{name}" for name in fields], **more}
        return sorted(run(ask(layer, question, asking(engine)).sql), key=str)

    # The emulator of BigQuery takes LEFT JOIN UNNEST for an inner one.
    whole = engine != "bigquery"
    with running(request, engine) as run:
        found = asked("lines__sku", "pieces", "fees")
        assert found == [("a", 5, 10), ("b", 7, 10), (None, 0, 60)][: 3 if whole else 2]
        found = asked("pieces", "fees", "count", "line_count")
        assert found == ([(12, 70, 3, 2)] if whole else [(12, 10, 1, 2)])
        assert asked("id", "pieces") == [(1, 12), (2, 0), (3, 0)][: 3 if whole else 1]
        if whole:  # Two arrays beside each other: each line twice, and counted once for each tag.
            assert asked("tag", "pieces", "fees") == [("x", 12, 30), ("y", 12, 10), (None, 0, 40)]
        where = {"orders.lines__sku": {"type": "string", "kind": "EQUALS", "values": ["b"]}}
        assert asked("pieces", "fees", "count", filters=where) == [(7, 10, 1)]


@pytest.mark.parametrize("kind", ["json", "jsonb"])
def test_documents_of_postgres_are_grouped(postgres_server: Engine, kind: str) -> None:
    view = {"sql": f"SELECT v::{kind} AS doc FROM (VALUES ('{{}}'), ('{{}}'), (NULL)) t(v)"}
    layer = MemoryLayer(
        {"t": {**view, "dimensions": {"doc": {}}, "measures": {"n": {"aggregate_type": "count"}}}},
        types={"t": {"doc": "JSON"}},
    )
    asked = {"table": "t", "fields": ["t.doc", "t.n"]}
    compiled = ask(layer, asked, asking("postgres"))
    with psycopg.connect(postgres_server.url("postgresql")) as database:
        found = database.execute(compiled.sql.encode()).fetchall()
    assert set(found) == {(None, 1), ("{}", 2)}
