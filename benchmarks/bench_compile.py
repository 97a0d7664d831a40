"""Compiling a question in fields, against building nothing and only parsing and writing its SQL.

The other side is sqlglot alone on the finished statement of the same question: parse it, write it
again. It resolves no names, checks no rules and protects no measure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from support import report
from support.report import Figure, Finding, Options, Target

from tests.semantics.compiler.support import MemoryLayer

VIEWS = 7
QUESTION: dict[str, Any] = {
    "table": "v0",
    "join_paths_from_topic_name": "t",
    "fields": [
        *("v0.created_at[month]", "v1.d3", "v2.d3", "v3.d4"),
        *("v0.count", "v0.m0", "v0.m1", "v0.m2", "v0.ratio"),
        *("v1.m0", "v2.m1", "v3.m2", "v4.m0", "v5.ratio"),
    ],
    "filters": {
        "v6.d3": {"type": "string", "kind": "EQUALS", "values": ["a", "b"]},
        "v0.created_at": {
            "type": "date",
            "kind": "TIME_FOR_INTERVAL_DURATION",
            "left_side": "12 months ago",
            "right_side": "12 months",
        },
        "v1.d0": {"type": "number", "kind": "GREATER_THAN", "values": [1]},
        "v2.d3": {"type": "string", "kind": "CONTAINS", "values": ["z"]},
        "v0.count": {"type": "number", "kind": "GREATER_THAN", "values": [3]},
    },
    "sorts": [{"column_name": "v0.m0", "sort_descending": True}],
}


def measure(options: Options) -> Iterator[Finding]:
    """Milliseconds of a question over 6 joins with 10 measures and 5 filters, names resolved and
    rules checked; how that grows with the model; and of the same by sqlglot alone."""
    import sqlglot

    from dragoman.dialects.sql import table
    from dragoman.semantics.compiler.asking import Asking
    from dragoman.semantics.query.request import read_query

    rounds, calls = options.pick((9, 100), (2, 10))
    asking = Asking(table("snowflake"), datetime(2026, 3, 15, tzinfo=UTC), timezone="Europe/Berlin")
    query = read_query(QUESTION)
    small, large = _compiler(100), _compiler(options.pick(10_000, 1_000))
    sql = small.compile(query, asking).sql
    sides: dict[str, Callable[[], Any]] = {
        "compile": lambda: small.compile(query, asking),
        "compile, a large model": lambda: large.compile(query, asking),
        "read the question and compile": lambda: small.compile(read_query(QUESTION), asking),
        "sqlglot parse and write": lambda: sqlglot.parse_one(sql, dialect="snowflake").sql(
            "snowflake"
        ),
    }
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name, side in sides.items():
            seen[name].append(_milliseconds(side, calls))
    for name, values in seen.items():
        bound = Target("<", 1.5) if name == "compile" else None
        yield Figure(name, values, "ms", bound)
    ratio = report.ratios(seen["compile"], seen["sqlglot parse and write"])
    yield Figure("compile / sqlglot parse and write", ratio)
    grown = report.ratios(seen["compile, a large model"], seen["compile"])
    yield Figure("large model / 100 views", grown, target=Target("<=", 1.3))
    first = _first(query, replace(asking, timezone="Asia/Tokyo"))
    yield Figure("first of a model version", [first], "ms")


def _first(query: Any, asking: Any) -> float:
    compiler = _compiler(100)
    began = time.perf_counter()
    compiler.compile(query, asking)
    return (time.perf_counter() - began) * 1000


def _compiler(size: int) -> Any:
    from dragoman.semantics.compiler.compile import Compiler
    from dragoman.semantics.composition import ComposedModel

    return Compiler(ComposedModel([_layer(size)]))


def _layer(size: int) -> MemoryLayer:
    views = {f"v{n}": _view(f"v{n}") for n in range(size)}
    joins = [
        {
            "join_from_view": "v0",
            "join_to_view": f"v{n}",
            "relationship_type": "many_to_one",
            "on_sql": f"${{v0.d{n % 5}}} = ${{v{n}.id}}",
        }
        for n in range(1, VIEWS)
    ]
    kinds = {"created_at": "TIMESTAMP", "d0": "NUMBER", "d1": "NUMBER"}
    types = {name: {**kinds, **dict.fromkeys(("d2", "d3", "d4"), "STRING")} for name in views}
    topic = {"base_view": "v0", "joins": {f"v{n}": {} for n in range(1, VIEWS)}}
    return MemoryLayer(views, joins, {"t": topic}, {}, types)


def _view(name: str) -> dict[str, Any]:
    columns = {f"d{n}": {"sql": f'"{name}_d{n}"'} for n in range(5)}
    sums = {
        f"m{n}": {"sql": "${calc}", "aggregate_type": "sum", "filters": {"d2": {"is": "x"}}}
        for n in range(3)
    }
    return {
        "table_name": name,
        "dimensions": {
            "id": {"primary_key": True},
            **columns,
            "created_at": {},
            "calc": {"sql": "${d0} + ${d1} * 2"},
        },
        "measures": {
            "count": {"aggregate_type": "count"},
            **sums,
            "ratio": {"sql": "${m0} / nullif(${count}, 0)"},
        },
    }


def _milliseconds(side: Callable[[], Any], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        side()
    return (time.perf_counter() - began) / calls * 1e3


if __name__ == "__main__":
    report.main(measure)
