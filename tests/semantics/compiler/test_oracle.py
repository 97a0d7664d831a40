"""Random models and questions: the compiled SQL, run on DuckDB and PostgreSQL, against brute force
in Python."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from dragoman.dialects.sql import SqlFunctions, table
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.query.request import read_query
from tests.semantics.compiler import oracle
from tests.semantics.compiler.oracle import Join, Total
from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.support.engines import Engine

VIEWS = ("a", "b", "c", "d")
CARDINALITIES = ("many_to_one", "one_to_many", "one_to_one", "many_to_many")
KINDS = (
    *("count", "count_distinct", "sum", "average", "median", "percentile", "min", "max", "list"),
)
# What is aggregated: rows, a column, what is there without one, and with a column of another view.
VALUES = ("rows", "v", "sure", *(f"with_{view}" for view in VIEWS))
JOIN_TYPES = {
    "left": "always_left",
    "inner": "inner",
    "right": "always_right",
    "full": "full_outer",
}
small = st.one_of(st.none(), st.integers(0, 3))


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Views with rows, a join tree that keeps what it says of its cardinalities, and a question."""
    count = draw(st.integers(1, 4))
    views = VIEWS[:count]
    compound = draw(st.booleans())
    joins: list[tuple[Join, str]] = []
    tables: dict[str, list[dict[str, Any]]] = {}
    for n, view in enumerate(views):
        size = draw(st.integers(0, 6))
        tables[view] = [
            {
                # Under a compound key each part alone repeats.
                "k1": at // 2 if compound else at,
                "k2": at % 2,
                "g": draw(st.sampled_from([None, "x", "y", ""])),
                "v": draw(st.one_of(st.none(), st.integers(-5, 5))),
                "l": at,
            }
            for at in range(size)
        ]
        if n:
            parent = views[draw(st.integers(0, n - 1))]
            cardinality = draw(st.sampled_from(CARDINALITIES))
            kind = draw(st.sampled_from(["left", "left", "left", "inner", "right", "full"]))
            _link(draw, tables, parent, view, cardinality)
            joins.append(
                (Join(parent, view, ((f"to_{view}", f"from_{parent}"),), kind), cardinality)
            )
    groups = draw(st.lists(st.sampled_from([(v, "g") for v in views]), max_size=2, unique=True))
    totals = draw(
        st.lists(
            st.tuples(
                st.sampled_from(views),
                st.sampled_from(KINDS),
                st.sampled_from([v for v in VALUES if v[:4] != "with" or v[-1] in views]),
                st.one_of(st.none(), st.sampled_from(views)),
            ),
            min_size=0 if groups else 1,
            max_size=4,
            unique=True,
        )
    )
    where = draw(st.one_of(st.none(), st.tuples(st.sampled_from(views), st.booleans())))
    # Some measures do not obey the filter.
    free = draw(st.frozensets(st.integers(0, 3))) if where is not None else frozenset[int]()
    counts = [n for n, total in enumerate(totals) if total[1] in ("count", "sum")]
    having = draw(
        st.one_of(st.none(), st.tuples(st.sampled_from(counts), st.integers(-3, 3)))
        if counts
        else st.none()
    )
    return {
        "views": views,
        "tables": tables,
        "joins": joins,
        "groups": groups,
        "totals": totals,
        "where": where,
        "free": free,
        "having": having,
        "compound": compound,
    }


def _link(
    draw: st.DrawFn,
    tables: Mapping[str, list[dict[str, Any]]],
    parent: str,
    child: str,
    cardinality: str,
) -> None:
    """Values of the two join columns: unique on a side that has one row for each."""
    mine, theirs = f"to_{child}", f"from_{parent}"
    for rows, column, unique in (
        (tables[parent], mine, cardinality in ("one_to_many", "one_to_one")),
        (tables[child], theirs, cardinality in ("many_to_one", "one_to_one")),
    ):
        for at, row in enumerate(rows):
            row[column] = draw(st.sampled_from([None, at])) if unique else draw(small)


def layer_of(world: Mapping[str, Any]) -> MemoryLayer:
    views: dict[str, Any] = {}
    for view in world["views"]:
        dimensions: dict[str, Any] = {
            "k1": {"primary_key": True},
            "k2": {"primary_key": True} if world["compound"] else {},
            "g": {},
            "v": {},
            "l": {},
        }
        measures = {
            _name(total): _measure(total, world["where"][0] if at in world["free"] else None)
            for at, total in enumerate(world["totals"])
            if total[0] == view
        }
        views[view] = {"table_name": view, "dimensions": dimensions, "measures": measures}
    relationships = [
        {
            "join_from_view": join.parent,
            "join_to_view": join.child,
            "join_type": JOIN_TYPES[join.kind],
            "relationship_type": cardinality,
            "on_sql": " AND ".join(
                f'"{join.parent}".{mine} = "{join.child}".{theirs}' for mine, theirs in join.columns
            ),
        }
        for join, cardinality in world["joins"]
    ]
    types = {
        view: {"g": "STRING", "v": "NUMBER", "k1": "NUMBER", "k2": "NUMBER", "l": "NUMBER"}
        for view in world["views"]
    }
    return MemoryLayer(views, relationships, types=types)


def _name(total: tuple[Any, ...]) -> str:
    _, kind, of, filtered = total
    return f"m_{kind}_{of}_{filtered or 'all'}"


def _measure(total: tuple[Any, ...], free_of: str | None) -> dict[str, Any]:
    """`free_of`: the view whose filter in the question it does not obey."""
    _, kind, of, filtered = total
    measure: dict[str, Any] = {"aggregate_type": kind}
    if kind == "percentile":
        measure["percentile"] = 90
    if not _of_rows(total):
        measure["sql"] = _value_sql(of)
    filters: dict[str, Any] = {f"{filtered}.g": {"is": "x"}} if filtered else {}
    if free_of:
        filters.setdefault(f"{free_of}.g", {})["cancel_query_filter"] = True
    return measure | ({"filters": filters} if filters else {})


def _of_rows(total: tuple[Any, ...]) -> bool:
    return total[1] == "count" and total[2] == "rows"


def _value_sql(of: str) -> str:
    if of == "sure":
        return "coalesce(${v}, 1)"
    return f"${{v}} * 10 + ${{{of[-1]}.v}}" if of.startswith("with") else "${v}"


def _value(host: str, of: str, row: oracle.Joined) -> Any:
    own = oracle.value(row, host, "v")
    if of == "sure":
        return 1 if own is None else own
    if not of.startswith("with"):
        return own
    other = oracle.value(row, of[-1], "v")
    return None if own is None or other is None else own * 10 + other


def _counted(world: Mapping[str, Any], host: str, of: str) -> tuple[str, ...]:
    """A value that reads a view with many rows for one of the host's has one for each of those."""
    if not of.startswith("with"):
        return (host,)
    way = _way(world, host, of[-1])
    many = any(_many(world, *step) for step in itertools.pairwise(way))
    return tuple(way) if many else (host,)


def _way(world: Mapping[str, Any], start: str, end: str) -> list[str]:
    parents = {join.child: join.parent for join, _ in world["joins"]}
    up, down = [start], [end]
    while up[-1] in parents:
        up.append(parents[up[-1]])
    while down[-1] in parents:
        down.append(parents[down[-1]])
    meet = next(view for view in up if view in down)
    return up[: up.index(meet) + 1] + down[: down.index(meet)][::-1]


def _many(world: Mapping[str, Any], one: str, other: str) -> bool:
    for join, cardinality in world["joins"]:
        if (join.parent, join.child) == (one, other):
            return cardinality in ("one_to_many", "many_to_many")
        if (join.child, join.parent) == (one, other):
            return cardinality in ("many_to_one", "many_to_many")
    raise AssertionError((one, other))


def expected(
    world: Mapping[str, Any], joins: Sequence[Join], *, total: bool = False
) -> dict[Any, Any]:
    """The groups and their values; of their total, all rows of the groups that are shown."""

    def passes(row: Any) -> bool:
        if world["where"] is None:
            return True
        view, negative = world["where"]
        return (oracle.value(row, view, "g") == "x") != negative

    def counts(row: Any, at: int) -> bool:
        filtered = world["totals"][at][3]
        own = filtered is None or oracle.value(row, filtered, "g") == "x"
        return own and (at in world["free"] or passes(row))

    def taken(row: Any) -> bool:
        free = [at for at, _ in enumerate(world["totals"]) if at in world["free"]]
        return passes(row) or any(counts(row, at) for at in free)

    totals = []
    for at, each in enumerate(world["totals"]):
        host, kind, of, _ = each
        value = None if _of_rows(each) else functools.partial(_value, host, of)
        predicate = functools.partial(counts, at=at)
        totals.append(Total(host, kind, value, predicate, _counted(world, host, of)))
    keys = dict.fromkeys(world["views"], ("k1", "k2") if world["compound"] else ("k1",))

    rows = oracle.joined_rows("a", joins, world["tables"])
    found = oracle.answer(rows, world["groups"], totals, keys, taken)
    if world["having"] is not None:
        at, least = world["having"]
        found = {group: values for group, values in found.items() if values[at] > least}
    if not total:
        return found

    def shown(row: Any) -> bool:
        return taken(row) and tuple(oracle.value(row, *each) for each in world["groups"]) in found

    return oracle.answer(rows, [], totals, keys, shown)


@functools.cache
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": "1"})


def statements(world: Mapping[str, Any]) -> Iterator[str]:
    """The tables of a world and their rows."""
    for view, rows in world["tables"].items():
        columns = ["k1", "k2", "g", "v", "l"]
        columns += [f"to_{j.child}" for j, _ in world["joins"] if j.parent == view]
        columns += [f"from_{j.parent}" for j, _ in world["joins"] if j.child == view]
        listed = ", ".join(f"{c} {'VARCHAR' if c == 'g' else 'BIGINT'}" for c in columns)
        yield f'CREATE TABLE "{view}" ({listed})'
        literal = table("postgres").literal
        values = ", ".join(f"({', '.join(literal(row[c]) for c in columns)})" for row in rows)
        if values:
            yield f'INSERT INTO "{view}" VALUES {values}'


Run = Callable[[Mapping[str, Any], str], list[tuple[Any, ...]]]


def on_duckdb(world: Mapping[str, Any], sql: str) -> list[tuple[Any, ...]]:
    database = connection()
    database.execute("BEGIN")
    try:
        for statement in statements(world):
            database.execute(statement)
        return database.execute(sql).fetchall()
    finally:
        database.execute("ROLLBACK")


@pytest.fixture(scope="module")
def on_postgres(postgres_server: Engine) -> Iterator[Run]:
    """Each world in a transaction that is rolled back, all through one connection."""
    import psycopg

    with psycopg.connect(postgres_server.url("postgresql")) as database:

        def run(world: Mapping[str, Any], sql: str) -> list[tuple[Any, ...]]:
            try:
                # Several statements in one message; texts are literals of our own.
                database.execute("; ".join(statements(world)).encode(), prepare=False)
                return database.execute(sql.encode(), prepare=False).fetchall()
            finally:
                database.rollback()

        yield run


def question(world: Mapping[str, Any]) -> dict[str, Any]:
    fields = [f"{view}.{column}" for view, column in world["groups"]]
    fields += [f"{total[0]}.{_name(total)}" for total in world["totals"]]
    filters: dict[str, Any] = {}
    if world["where"] is not None:
        view, negative = world["where"]
        filters[f"{view}.g"] = {
            "type": "string",
            "kind": "EQUALS",
            "values": ["x"],
            "is_negative": negative,
        }
    if world["having"] is not None:
        at, least = world["having"]
        name = fields[len(world["groups"]) + at]
        filters[name] = {"type": "number", "kind": "GREATER_THAN", "values": [least]}
    return {"table": "a", "fields": fields, "filters": filters, "limit": None}


def used_joins(world: Mapping[str, Any], plan: Any) -> list[Join]:
    """The joins that the question needs; the compiler leaves the others out."""
    by_child = {join.child: join for join, _ in world["joins"]}
    return [by_child[edge.target] for edge in plan.tree.edges]


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, float | Decimal) and wanted is not None:
        return math.isclose(float(found), float(wanted), rel_tol=1e-9, abs_tol=1e-12)
    return bool(found == wanted)


CALLS = {
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "sum": "coalesce(sum({}), 0)",
    "average": "avg({})",
    "median": "median({})",
    "min": "min({})",
    "max": "max({})",
}


def by_hand(world: Mapping[str, Any]) -> str:
    """The question as SQL with references: aggregates of its own where that can be said."""
    columns = [f"${{{view}.{column}}}" for view, column in world["groups"]]
    places = ", ".join(str(n) for n, _ in enumerate(columns, 1))
    for total in world["totals"]:
        host, kind, of, filtered = total
        own = kind in CALLS and not filtered and not _of_rows(total) and of in ("rows", "v")
        columns.append(
            CALLS[kind].format(f"${{{host}.v}}") if own else f"${{{host}.{_name(total)}}}"
        )
    sql = f"SELECT {', '.join(columns)} FROM ${{a}}"
    if world["where"] is not None:
        view, negative = world["where"]
        name = f"${{{view}.g}}"
        sql += f" WHERE {name} <> 'x' OR {name} IS NULL" if negative else f" WHERE {name} = 'x'"
    sql = f"{sql} GROUP BY {places}" if places else sql
    if world["having"] is not None:
        at, least = world["having"]
        sql += f" HAVING {columns[len(world['groups']) + at]} > {least}"
    return sql


def check(
    world: Mapping[str, Any], by: Any, run: Run = on_duckdb, *, written: bool = False
) -> None:
    totals = {"::total::": {"type": "aggregation"}} if world["totals"] else {}
    if written:
        world = {**world, "free": frozenset()}  # a condition that is written out holds for all
        asked = read_query(
            {"fields": [], "userEditedSQL": by_hand(world), "limit": None, "column_totals": totals}
        )
        compiler = Compiler(ComposedModel([layer_of(world)]))
        compiled = compiler.handwritten(asked, by).compile()
    else:
        compiled = ask(layer_of(world), {**question(world), "column_totals": totals}, by)
    note(compiled.sql)
    rows = run(world, compiled.sql)
    size = len(world["groups"])
    found = {row[:size]: row[size:] for row in rows}
    assert len(found) == len(rows), "a group came out twice"
    wanted = expected(world, used_joins(world, compiled.plan))
    assert found.keys() == wanted.keys()
    for group, values in wanted.items():
        check_values(group, found[group], values)
    for total in compiled.totals:
        note(total.sql)
        if not (world["having"] and not wanted):
            (values,) = expected(world, used_joins(world, compiled.plan), total=True).values()
            check_values("total", run(world, total.sql)[0], values)


def check_values(of: Any, found: Sequence[Any], wanted: Sequence[Any]) -> None:
    pairs = list(zip(found, wanted, strict=True))
    assert all(same(a, b) for a, b in pairs), (of, pairs)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_compiled_sql_gives_what_brute_force_gives(world: dict[str, Any]) -> None:
    check(world, asking())


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_ranked_percentiles_and_lists_give_the_same(world: dict[str, Any]) -> None:
    check(world, asking_without_percentiles())


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_sql_by_hand_gives_what_brute_force_gives(world: dict[str, Any]) -> None:
    check(world, asking(), written=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=3000, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_thousands_of_worlds_by_hand(world: dict[str, Any]) -> None:
    check(world, asking(), written=True)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(worlds(), st.booleans())
def test_postgres_gives_what_brute_force_gives(
    on_postgres: Run, world: dict[str, Any], native: bool
) -> None:
    check_on_postgres(on_postgres, world, native)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=3000, suppress_health_check=list(HealthCheck))
@given(worlds(), st.booleans())
def test_thousands_of_worlds_on_postgres(
    on_postgres: Run, world: dict[str, Any], native: bool
) -> None:
    check_on_postgres(on_postgres, world, native)


def check_on_postgres(run: Run, world: dict[str, Any], native: bool) -> None:
    by = asking("postgres")
    check(world, by if native else replace(by, functions=ranked(type(by.functions))), run)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=5000, suppress_health_check=list(HealthCheck))
@given(worlds(), st.booleans())
def test_thousands_of_worlds(world: dict[str, Any], native: bool) -> None:
    check(world, asking() if native else asking_without_percentiles())


def asking_without_percentiles() -> Any:
    """DuckDB as a database that has no exact percentile and lists no different values."""
    by = asking()
    return replace(by, functions=ranked(type(by.functions)))


@functools.cache
def ranked(own: type[SqlFunctions]) -> SqlFunctions:
    """A function table without percentiles and lists, for which rows are ranked."""

    class Poor(own):
        native_percentile = False
        native_list = False

        def list_all(self, x: str, separator: str) -> str:
            text = f"CAST({x} AS VARCHAR)"
            return f"STRING_AGG({text}, '{separator}' ORDER BY {text})"

    return Poor()
