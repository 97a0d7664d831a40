"""Compiling a question in fields, against building nothing and only parsing and writing its SQL.

The other side is sqlglot alone on the finished statement of the same question: parse it, write it
again. It resolves no names, checks no rules and protects no measure. Other semantic compilers are
asked a question that all of them can say, where the environment names them (`compile_peers`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from support import compile_peers, report
from support.compile_peers import Peer
from support.report import Figure, Finding, Options, Remark, Target

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


Sides = dict[str, Callable[[], Any]]


def measure(options: Options) -> Iterator[Finding]:
    """Processor milliseconds of a question over 6 joins with 10 measures and 5 filters, names
    resolved and rules checked; of the same with other values; how that grows with the model; of
    the same by sqlglot alone; and of other compilers. Sides take turns."""
    if options.wants("own"):
        yield from _own(options)
    if options.wants("peers"):
        yield from _peers(options)


def _own(options: Options) -> Iterator[Finding]:
    import sqlglot

    from dragoman.semantics.query.request import read_query

    query = read_query(QUESTION)
    small = _compiler(_layer(100))
    large = _compiler(_layer(options.pick(10_000, 1_000)))
    sql = small.compile(query, _asking()).sql
    sides = {
        "a new question": _anew(small, query),
        "a new question, a large model": _anew(large, query),
        "the same question, other values": _again(small, query),
        "the very same question": lambda: small.compile(query, _asking()),
        "read a question": lambda: read_query(QUESTION),
        "sqlglot parse and write": lambda: sqlglot.parse_one(sql, dialect="snowflake").sql(
            "snowflake"
        ),
    }
    seen = _in_turn(sides, *options.pick((9, 100), (2, 10)))
    bounds = {"a new question": 1.5} | dict.fromkeys(
        ("the same question, other values", "the very same question"), 0.2
    )
    for name, values in seen.items():
        yield Figure(name, values, "ms", Target("<", bounds[name]) if name in bounds else None)
    new = seen["a new question"]
    yield Figure("other values / new", report.ratios(seen["the same question, other values"], new))
    yield Figure(
        "new / sqlglot parse and write", report.ratios(new, seen["sqlglot parse and write"])
    )
    grown = report.ratios(seen["a new question, a large model"], new)
    yield Figure("large model / 100 views", grown, target=Target("<=", 1.3))
    yield Figure("first of a model version", [_first(query)], "ms")


def _peers(options: Options) -> Iterator[Finding]:
    """The equal question: all measures on the middle of a star."""
    from dragoman.semantics.query.request import read_query

    query = read_query(compile_peers.QUESTION)
    compiler = _compiler(_layer(VIEWS))
    rounds, calls = options.pick((9, 20), (2, 2))
    with compile_peers.running() as (peers, left_out):
        for line in left_out:
            yield Remark(f"not compared: {line}")
        sides = {"equal question": _anew(compiler, query)}
        sides["equal question, other values"] = _again(compiler, query)
        seen = _in_turn(sides, rounds, calls, peers)
    for name, values in seen.items():
        yield Figure(name, values, "ms")
    for peer in peers:
        ratio = report.ratios(seen["equal question"], seen[peer.name])
        yield Figure(f"equal question / {peer.name}", ratio, target=Target("<", 1))


def _in_turn(
    sides: Sides, rounds: int, calls: int, peers: Sequence[Peer] = ()
) -> dict[str, list[float]]:
    """Milliseconds of a call, by side and round; the first round of each counts for nothing."""
    asked = {name: partial(_milliseconds, side, calls) for name, side in sides.items()}
    asked |= {peer.name: partial(peer.milliseconds, calls) for peer in peers}
    seen: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds + 1):
        for name, ask in asked.items():
            took = ask()
            if number:
                seen[name].append(took)
    return seen


def _asking() -> Any:
    from dragoman.dialects.sql import table
    from dragoman.semantics.compiler.asking import Asking

    now = datetime(2026, 3, 15, tzinfo=UTC)
    return Asking(table("snowflake"), now, timezone="Europe/Berlin")


def _anew(compiler: Any, query: Any) -> Callable[[], Any]:
    """The question, each time with a limit that it has not had: what is remembered is no help."""
    asking, limits = _asking(), itertools.count(1)
    return lambda: compiler.compile(replace(query, limit=next(limits), default_limit=False), asking)


def _again(compiler: Any, query: Any) -> Callable[[], Any]:
    """The question, each time with another text in a filter, at another moment."""
    asking, numbers = _asking(), itertools.count()
    name, given = next(iter(query.filters.items()))

    def ask() -> Any:
        n = next(numbers)
        filters = {**query.filters, name: replace(given, values=(f"a{n}", "b"))}
        by = replace(asking, now=asking.now + timedelta(minutes=n))
        return compiler.compile(replace(query, filters=filters), by)

    return ask


def _first(query: Any) -> float:
    compiler, asking = _compiler(_layer(100)), replace(_asking(), timezone="Asia/Tokyo")
    began = time.process_time()
    compiler.compile(query, asking)
    return (time.process_time() - began) * 1e3


def _compiler(layer: MemoryLayer) -> Any:
    from dragoman.semantics.compiler.compile import Compiler
    from dragoman.semantics.composition import ComposedModel

    return Compiler(ComposedModel([layer]))


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
        for n in range(9 if name == "v0" else 3)
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
    began = time.process_time()
    for _ in range(calls):
        side()
    return (time.process_time() - began) / calls * 1e3


if __name__ == "__main__":
    report.main(measure)
