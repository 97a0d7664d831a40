"""Sums that joins do not inflate, against the same joins and sums without protection, on DuckDB."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from support import report, servers
from support.report import Figure, Finding, Options, Target

from dragoman.dialects.duckdb_session import SESSION_CONFIG
from tests.semantics.compiler.support import MemoryLayer, ask, asking

# A question: its base view, groups and measures. Each joins to `rows` rows (5,000,000).
SHAPES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "one to many, 1 measure, 20 groups": ("orders", ("items.category",), ("orders.fees",)),
    "one to many, 3 measures, 20 groups": (
        *("orders", ("items.category",)),
        ("orders.fees", "orders.count", "items.prices"),
    ),
    "one to many, 3 measures of one side, 20 groups": (
        *("orders", ("items.category",)),
        ("orders.fees", "orders.count", "orders.mean"),
    ),
    "one to many, 1 measure, no groups": ("orders", (), ("orders.fees", "items.prices")),
    "one to many, 1 measure, 50,000 groups": (
        *("orders", ("items.product",)),
        ("orders.fees", "items.prices"),
    ),
    "one to many, 1 measure, a group for each order": (
        *("orders", ("orders.id",)),
        ("orders.fees", "items.prices"),
    ),
    "two facts, 2 measures, 12 groups": (
        *("customers", ("customers.region",)),
        ("buys.amounts", "visits.minutes"),
    ),
    "two facts, 3 measures, no groups": (
        *("customers", ()),
        ("buys.amounts", "visits.minutes", "customers.count"),
    ),
    "two facts, 2 measures, a group for each customer": (
        *("customers", ("customers.id",)),
        ("buys.amounts", "visits.minutes"),
    ),
    "many to many, 2 measures, 12 groups": (
        *("authors", ("authors.region",)),
        ("authors.pays", "topics.weights"),
    ),
    "many to many, 3 measures, no groups": (
        *("authors", ()),
        ("authors.pays", "topics.weights", "topics.count"),
    ),
}
JOINS = (
    ("orders", "items", "one_to_many", "${orders.id} = ${items.order_id}"),
    ("customers", "buys", "one_to_many", "${customers.id} = ${buys.customer_id}"),
    ("customers", "visits", "one_to_many", "${customers.id} = ${visits.customer_id}"),
    ("authors", "topics", "many_to_many", "${authors.tag} = ${topics.tag}"),
)
# Columns besides the key, and what is aggregated: the rows of each, as a share of the joined ones.
VIEWS: dict[str, tuple[float, dict[str, str], dict[str, str]]] = {
    "orders": (1 / 5, {"fee": "i * 0.37::double"}, {"fees": "fee"}),
    "items": (
        1,
        {
            "order_id": "i % {fifth}",
            "category": "'category ' || i * 7919 % 20",
            "product": "i * 7919 % 50000",
            "price": "i * 0.11::double",
        },
        {"prices": "price"},
    ),
    "customers": (1 / 20, {"region": "'region ' || i % 12"}, {}),
    "buys": (1 / 5, {"customer_id": "i % {twentieth}", "amount": "i * 0.7"}, {"amounts": "amount"}),
    "visits": (
        1 / 4,
        {"customer_id": "i % {twentieth}", "minute": "i % 60"},
        {"minutes": "minute"},
    ),
    "authors": (
        *(1 / 100,),
        {"tag": "i % {tags}", "region": "'region ' || i % 12", "pay": "i * 0.9::double"},
        {"pays": "pay"},
    ),
    "topics": (1 / 100, {"tag": "i % {tags}", "weight": "i % 1000"}, {"weights": "weight"}),
}


def measure(options: Options) -> Iterator[Finding]:
    """Seconds of each shape over 5,000,000 joined rows, protected and not, in turn."""
    import duckdb

    rows, rounds = options.pick((5_000_000, 5), (100_000, 1))
    with servers.temporary_home() as home:
        path = _made(home, rows)
        with duckdb.connect(str(path), read_only=True, config=SESSION_CONFIG) as connection:
            for name, shape in SHAPES.items():
                if options.wants(name):
                    yield from _compared(connection, name, shape, rounds)


def _made(home: Path, rows: int) -> Path:
    """The tables, in a file."""
    import duckdb

    path = home / "facts.duckdb"
    # Every tag has as many authors as topics, which makes `rows` pairs of them.
    sizes = {"fifth": rows // 5, "twentieth": rows // 20, "tags": max(1, rows // 10_000)}
    with duckdb.connect(str(path)) as connection:
        for view, (share, columns, _) in VIEWS.items():
            listed = ", ".join(
                ["i AS id", *(f"{sql.format(**sizes)} AS {name}" for name, sql in columns.items())]
            )
            connection.execute(
                f"CREATE TABLE {view} AS SELECT {listed} FROM range({int(rows * share)}) AS t(i)"
            )
    return path


def _layer(*, protected: bool) -> MemoryLayer:
    """The model; one that calls every join one to one protects nothing."""
    views: dict[str, Any] = {}
    for view, (_, columns, sums) in VIEWS.items():
        dimensions: dict[str, Any] = {"id": {"primary_key": True}, **{c: {} for c in columns}}
        measures: dict[str, Any] = {"count": {"aggregate_type": "count"}}
        for name, column in sums.items():
            measures[name] = {"sql": f"${{{column}}}", "aggregate_type": "sum"}
            measures["mean"] = {"sql": f"${{{column}}}", "aggregate_type": "average"}
        views[view] = {"table_name": view, "dimensions": dimensions, "measures": measures}
    joins = [
        {
            "join_from_view": start,
            "join_to_view": end,
            "relationship_type": kind if protected else "one_to_one",
            "on_sql": on,
        }
        for start, end, kind, on in JOINS
    ]
    return MemoryLayer(views, joins)


def _compared(
    connection: Any, name: str, shape: tuple[str, Sequence[str], Sequence[str]], rounds: int
) -> Iterator[Finding]:
    base, groups, measures = shape
    question = {"table": base, "fields": [*groups, *measures], "limit": None}
    sides = {
        protected: ask(_layer(protected=protected), question, asking("duckdb")).sql
        for protected in (True, False)
    }
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds + 1):
        for protected, sql in sides.items():
            gc.collect()
            began = time.process_time()
            connection.sql(sql).to_arrow_table()
            if number:  # the first round reads the file
                taken[protected].append(time.process_time() - began)
    ratio = report.ratios(taken[True], taken[False])
    yield Figure(f"{name}: safe / naive, processor time", ratio, target=Target("<=", 2.5))
    yield Figure(f"{name}: safe", taken[True], "s")


if __name__ == "__main__":
    report.main(measure)
