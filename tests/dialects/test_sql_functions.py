"""Function tables: every entry of every dialect is SQL that the dialect's parser reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlglot

from dragoman import dialects
from dragoman.dialects import registry
from dragoman.dialects.sql import table
from dragoman.dialects.sql.functions import NotExpressible, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Match, Part, TimeKind, Unit

DIALECTS = sorted(registry.names())
HOSTILE = [
    "it's",
    '"; DROP TABLE x; --',
    "back\\slash\\' OR 1=1 --",
    "`tick` ]bracket[",
    "line\nbreak\r\ttab",
    "日本 🙂 %_!",
    "${orders.id} {{ x }}",
    "$$ /* */ #",
    "\\",
    "''",
]


def entries(sql: SqlFunctions) -> dict[str, str]:
    """Every entry, as an expression over a column."""
    x = sql.name("x")
    when = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    found = {
        "boolean": sql.boolean(True),
        "date": sql.date(date(2026, 3, 1)),
        "timestamp": sql.timestamp(when.replace(tzinfo=None)),
        "zoned": sql.zoned(when),
        "number": sql.number(Decimal("-12.50")),
        "lower": sql.lower(x),
        "value": sql.value(f"{x} > 1"),
        "percentile": sql.percentile(x, "0.5") if sql.native_percentile else x,
        "list": sql.list_distinct(x, ", ") if sql.native_list else sql.list_all(x, ", "),
        "average": sql.average(x),
        "concat": sql.concat(sql.string("a"), sql.string("b")),
        "modulo": sql.modulo(x, 7),
        "divide": sql.divide_whole(x, 60),
        "ceiling": sql.ceiling(x),
        "days": sql.add_days(x, -3),
        "months": sql.add_months(x, 11),
    }
    found |= {f"truncate {unit}": sql.truncate(x, unit) for unit in Unit}
    found |= {f"part {part}": sql.part(x, part) for part in Part}
    found |= {f"cast {to}": sql.cast(x, to) for to in CastType}
    found["groupable"] = sql.groupable(x)
    for kind in (TimeKind.TIMESTAMP, TimeKind.ZONED):
        found[f"local {kind}"] = sql.local(x, kind, "UTC", "America/New_York")
    return found


def conditions(sql: SqlFunctions) -> dict[str, str]:
    x = sql.name("x")
    found = {
        "true": sql.is_true(x),
        "false": sql.is_false(x),
        "condition": sql.condition(x),
        "null safe": sql.null_safe_equal(x, sql.name("y")),
        "like": sql.like(x, "a%"),
    }
    return found | {f"matches {how}": sql.matches(x, how, "a!%_b") for how in Match}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_entry_is_read_by_the_parser(dialect: str) -> None:
    sql = table(dialect)
    for name, text in entries(sql).items():
        statement = f"SELECT {text} AS {sql.name('c')} FROM {sql.name('t')}"
        assert sqlglot.parse_one(statement, dialect=sql.parser), name
    for name, text in conditions(sql).items():
        statement = f"SELECT 1 FROM {sql.name('t')} WHERE {text}"
        assert sqlglot.parse_one(statement, dialect=sql.parser), name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ends_of_statements_are_read(dialect: str) -> None:
    sql = table(dialect)
    order = sql.order(sql.name("x"), descending=True, nulls_last=True)
    for limit, offset in ((10, 0), (10, 5), (None, 5), (None, 0)):
        end = sql.limit(limit, offset)
        statement = f"SELECT {sql.name('x')} FROM {sql.name('t')} ORDER BY {order} {end}"
        assert sqlglot.parse_one(statement, dialect=sql.parser)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_text_is_one_literal(dialect: str, value: str) -> None:
    sql = table(dialect)
    if dialect == "redshift" and "\\" in value:
        assert "\\" not in sql.string(value)
        return
    tree = sqlglot.parse_one(f"SELECT {sql.string(value)}", dialect=sql.parser)
    [only] = tree.expressions
    if dialect == "databricks" and "${" in value:  # Spark would replace it
        assert "${" not in sql.string(value)
        assert [type(each) for each in only.expressions] == [sqlglot.exp.Literal] * 2
        assert "".join(each.name for each in only.expressions) == value
        return
    assert isinstance(only, sqlglot.exp.Literal | sqlglot.exp.National)
    assert only.name == value


@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_keep_every_character(dialect: str) -> None:
    sql = table(dialect)
    dotted = () if dialect == "bigquery" else ("dot.ted",)  # there a dot parts names, quoted or not
    for name in ("plain", "with space", "sémi;colon", "back`tick", "bra]cket", *dotted):
        tree = sqlglot.parse_one(f"SELECT {sql.name(name)} FROM t", dialect=sql.parser)
        assert [each.name for each in tree.expressions] == [name]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "make",
    [
        lambda sql: sql.string("a\0b"),
        lambda sql: sql.literal(float("nan")),
        lambda sql: sql.literal(Decimal("Infinity")),
    ],
    ids=["nul", "nan", "infinity"],
)
def test_what_no_literal_holds_is_refused(
    dialect: str, make: Callable[[SqlFunctions], str]
) -> None:
    with pytest.raises(NotExpressible):
        make(table(dialect))


def test_sql_server_needs_a_zone_that_windows_knows() -> None:
    with pytest.raises(NotExpressible, match="Mars"):
        table("mssql").local("x", TimeKind.ZONED, "UTC", "Mars/Olympus")


def test_only_the_function_tables_write_texts() -> None:
    """But PostgreSQL's session before it fixes backslashes; `texts` looks for secrets."""
    home = Path(dialects.__file__).parent
    files = [f for f in home.rglob("*.py") if not f.is_relative_to(home / "sql")]
    doubling = {f.name for f in files if """replace("'", "''")""" in f.read_text("utf-8")}
    assert doubling == {"postgres_session.py", "texts.py"}
