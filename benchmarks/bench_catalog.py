"""The catalog of 10,000 tables in PostgreSQL: Dragoman's reader, bare SQL, SQLAlchemy."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import Any

from support import catalog_readers as readers
from support import postgres, report
from support.report import Figure, Finding, Options, Remark, Target

from tests.support.engines import Engine

SCHEMAS = 20
Sides = dict[str, Callable[[], float]]


def measure(options: Options) -> Iterator[Finding]:
    """Read all tables with columns, types, keys and comments; the floor is two bulk statements."""
    tables, sample, rounds = options.pick((10_000, 200, 5), (200, 20, 2))
    with postgres.server() as engine, contextlib.ExitStack() as stack:
        postgres.make_catalog(engine, tables, SCHEMAS)
        sides = _sides(engine, tables, sample, stack)
        seen = _interleaved(sides, rounds)
        yield Remark(f"{tables:,} tables x {postgres.COLUMNS} columns in {SCHEMAS} schemas")
        if "ours" in seen:
            ratio = report.ratios(seen["ours"], seen["bulk SQL"])
            yield Figure("catalog / bulk SQL", ratio, target=Target("<=", 1.3))
        else:
            yield Remark("Dragoman's catalog reader: not built yet")
        yield from _others(seen, sample)


def _sides(engine: Engine, tables: int, sample: int, stack: contextlib.ExitStack) -> Sides:
    """What is measured, in the order of each round. Every side has its connection open before."""
    from sqlalchemy import create_engine

    floor = stack.enter_context(postgres.connect(engine))
    database = create_engine(engine.url("postgresql+psycopg"))
    stack.callback(database.dispose)
    schemas = [f"s{number:02}" for number in range(SCHEMAS)]
    each = tables // SCHEMAS
    some = [(schemas[n % SCHEMAS], f"t{n * 7 % each:04}") for n in range(sample)]
    sides: Sides = {"bulk SQL": lambda: readers.bulk(floor)}
    with contextlib.suppress(readers.NotBuilt):
        session = stack.enter_context(readers.session(engine))
        sides["ours"] = lambda: readers.ours(session)
    sides["get_multi_columns"] = lambda: readers.inspector_bulk(database, schemas, keys=False)
    sides["get_multi_*"] = lambda: readers.inspector_bulk(database, schemas, keys=True)
    sides["Inspector per table"] = lambda: readers.inspector_each(database, some) * tables / sample
    return sides


def _interleaved(sides: Sides, rounds: int) -> dict[str, list[float]]:
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            gc.collect()
            seconds = side()
            if number:  # the first round fills the server's caches
                seen[name].append(seconds)
    return seen


def _others(seen: dict[str, Any], sample: int) -> Iterator[Finding]:
    ours = "ours" if "ours" in seen else "bulk SQL"
    label = "catalog" if ours == "ours" else ours
    scaled = f"{sample} tables, scaled to all"
    for name in ("get_multi_columns", "get_multi_*", "Inspector per table"):
        note = scaled if name.startswith("Inspector") else ""
        yield Figure(f"{name} / {label}", report.ratios(seen[name], seen[ours]), note=note)
    for name, seconds in seen.items():
        note = scaled if name.startswith("Inspector") else ""
        yield Figure(f"{name}: whole catalog", seconds, "s", note=note)


if __name__ == "__main__":
    report.main(measure)
