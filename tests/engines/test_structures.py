"""Questions on the fields of structures, on the engines that have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
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
