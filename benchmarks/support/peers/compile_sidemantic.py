"""sidemantic's compiler, asked the question of `bench_compile`; run by a Python that has it."""

from __future__ import annotations

import itertools
import sys
from importlib.metadata import version

import serve
from sidemantic import Dimension, Measure, Model, Relationship, SemanticLayer


def layer(views: int) -> SemanticLayer:
    """The star: v0 joined to the others, measures on v0."""
    made = SemanticLayer(dialect="snowflake", auto_register=False)
    for n in range(views):
        kinds = ("numeric", "numeric", "categorical", "categorical", "categorical")
        dimensions = [
            Dimension(name=f"d{k}", type=kind, sql=f"v{n}_d{k}") for k, kind in enumerate(kinds)
        ]
        dimensions.append(Dimension(name="created_at", type="time", granularity="day"))
        own = {"metrics": measures(), "relationships": joins(views)} if n == 0 else {}
        made.add_model(
            Model(name=f"v{n}", table=f"v{n}", primary_key="id", dimensions=dimensions, **own)
        )
    return made


def measures() -> list[Measure]:
    sums = [
        Measure(name=f"m{k}", agg="sum", sql=f"v0_d{k % 2} * 2 + {k}", filters=["v0_d2 = 'x'"])
        for k in range(9)
    ]
    return [Measure(name="count", agg="count"), *sums]


def joins(views: int) -> list[Relationship]:
    return [
        Relationship(name=f"v{k}", type="many_to_one", foreign_key=f"v0_d{k % 5}", primary_key="id")
        for k in range(1, views)
    ]


def main() -> None:
    made = layer(7)
    numbers = itertools.count()

    def ask() -> str:
        return made.compile(
            metrics=["v0.count", *(f"v0.m{k}" for k in range(9))],
            dimensions=["v0.created_at__month", "v1.d3", "v2.d3", "v3.d4"],
            filters=[
                f"v4.d3 IN ('a{next(numbers)}', 'b')",
                "v0.created_at >= '2025-04-01' AND v0.created_at < '2026-04-01'",
                "v5.d0 > 1",
                "v6.d3 LIKE '%z%'",
                "v1.d2 = 'y'",
            ],
            order_by=["v0.m0 DESC"],
            limit=1000,
        )

    assert ask().count(" JOIN ") == 6
    serve.rounds(f"sidemantic {version('sidemantic')}", ask, sys.stdin)


if __name__ == "__main__":
    main()
