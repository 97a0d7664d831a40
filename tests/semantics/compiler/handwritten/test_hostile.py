"""Hostile texts in every dialect: refused, or held inside the parentheses of one condition."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from dragoman.dialects import registry
from dragoman.dialects.sql import table
from dragoman.semantics.compiler.errors import PlanError
from tests.semantics.compiler.handwritten.support import written
from tests.semantics.compiler.handwritten.test_question import IN_A, database
from tests.semantics.compiler.support import asking

__all__ = ["database"]
# One name of each function table.
DIALECTS = sorted({table(name): name for name in sorted(registry.names())}.values())
HOSTILE = [
    "1 = 1) OR (1 = 1",
    "1 = 1 -- ",
    "1 = 1 --\n OR 1 = 1",
    "1 = 1 # x\n OR 1 = 1",
    "1 = 1 /* ",
    "1 = 1 /* ) OR ( */ OR 1 = 1",
    "1 = 1 /* /* */ OR 1 = 1 */",
    "1 = 1 /*! OR 1 = 1 */",
    "1 = 1 /*+ x */",
    "1 = 1; DROP TABLE orders",
    "1 = 1; --",
    "${orders.status} = '\\' OR 1 = 1 -- '",
    "${orders.status} = '\\\\' OR 1 = 1 -- '",
    "${orders.status} = 'a\\' OR ${orders.status} = ' OR 1 = 1 -- '",
    "${orders.status} = 'it''s' OR 'a' = 'a'",
    "${orders.status} = '''' OR '' = ''",
    '${orders.status} = "x\' OR 1 = 1 --"',
    "'${orders.id}' = 'x' OR 1 = 1",
    "'x${orders.id}' || ${orders.status} = '${'",
    "$$ ' OR 1 = 1 -- $$ = ${orders.status}",
    "$tag$ ' ) OR 1 = 1 -- $tag$ = ${orders.status}",
    "q'[ ' ) OR 1 = 1 -- ]' = ${orders.status}",
    "e'\\' OR 1 = 1 -- ' = ${orders.status}",
    "N'\\' OR 1 = 1 -- ' = ${orders.status}",
    "r'\\' OR 1 = 1 -- ' = ${orders.status}",
    "U&'\\0027' = ${orders.status}",
    "x'27' = ${orders.status}",
    "'''x' OR 1 = 1 -- ''' = ${orders.status}",
    '"x" = 1',
    "`x` = 1",
    "[x] = 1",
    "dragoman_hole_0_ = 1",
    "DRAGOMAN_HOLE_0_ = 1 AND ${orders.id} = 1",
    "'dragoman_hole_0_' = ${orders.status}",
    "'\\x64ragoman_hole_0_' = ${orders.status}",
    "'{{ omni_attributes.city }}' = ${users.city}",
    "'{{# orders.id.filter }}' = ${users.city}",
    "{{ omni_attributes.city }} = ${users.city}",
    "'@{constant}' = ${users.city}",
    "EXISTS (SELECT 1)",
    "${orders.id} IN (SELECT id FROM users)",
    "${orders.id} = ANY (SELECT id FROM users)",
    "pg_sleep(10) IS NULL",
    "query_to_xml('select 1', true, false, '') IS NULL",
    "load_file('/etc/passwd') IS NULL",
    "sys_eval('id') = 1",
    "xp_cmdshell('id') = 1",
    "${orders.id} = ?",
    "${orders.id} = :x",
    "${orders.id} = @x",
    "${orders.id} = $1",
    "{fn now()} IS NULL",
    "1 = 1 UNION SELECT 1",
    "1 = 1 UNION ALL SELECT password FROM users",
    "1 = 1 INTO OUTFILE '/tmp/x'",
    "1 = 1 FOR UPDATE",
    "1 = 1 WINDOW w AS ()",
    "1 = 1 QUALIFY 1 = 1",
    "1 = 1 WHERE 1 = 1",
    "1 = 1 GROUP BY 1 HAVING 1 = 1) OR (1 = 1",
    "'a' 'b' = ${orders.status}",
    "'\0' = ${orders.status}",
    "'\u02bc OR 1 = 1' = ${orders.status}",
    "'\uff07 OR 1 = 1 -- ' = ${orders.status}",
    "\u00a01 = 1",
    "1 = 1 \u2028 OR 1 = 1",
    "CASE WHEN ${orders.status} = ')' THEN 1 END = 1 OR '(' = '('",
    "1 - - 1 = 2",
    "1--1 = 2",
    "1 = 1 OR " * 100 + "1 = 1",
    "(" * 1000 + "1 = 1" + ")" * 1000,
]


def contained(sql: str, dialect: str) -> None:
    """One SELECT of the model's own tables, whose first condition is the rule on rows."""
    found = sqlglot.parse(sql, dialect=table(dialect).parser)
    assert len(found) == 1
    tree: Any = found[0]
    assert isinstance(tree, exp.Select)
    assert {each.name for each in tree.find_all(exp.Table)} == {"orders", "users"}
    condition = tree.args["where"].this
    assert condition.find(exp.Select) is None
    assert isinstance(condition, exp.And)
    rule, text = condition.this, condition.expression
    assert isinstance(rule, exp.Paren)
    assert {each.name for each in rule.find_all(exp.Column)} == {"city"}
    assert [each.name for each in rule.find_all(exp.Literal, exp.National)] == ["A"]
    assert isinstance(text, exp.Paren)
    assert not any(node.comments for node in tree.walk())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_conditions_stay_inside(dialect: str) -> None:
    by = asking(dialect, attributes={"city": ("A",)})
    for hostile in HOSTILE:
        sql = f"SELECT ${{orders.id}} FROM ${{by_city}} WHERE {hostile}"
        for any_function in (False, True):
            try:
                compiled = written(sql, by, any_function=any_function)
            except PlanError:
                continue
            contained(compiled.sql, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_expressions_do_not_leave_their_column(dialect: str) -> None:
    by = asking(dialect, attributes={"city": ("A",)})
    for hostile in HOSTILE:
        for sql in (
            f"SELECT ${{orders.id}}, {hostile} FROM ${{by_city}} WHERE 1 = 1",
            f"SELECT ${{orders.id}} FROM ${{by_city}} WHERE 1 = 1 ORDER BY {hostile}",
            f"SELECT ${{orders.id}} AS '{hostile}' FROM ${{by_city}} WHERE 1 = 1",
        ):
            try:
                compiled = written(sql, by)
            except PlanError:
                continue
            contained(compiled.sql, dialect)


def test_what_is_let_through_shows_no_other_row(database: Any) -> None:
    ran = 0
    for hostile in HOSTILE:
        sql = f"SELECT ${{users.city}} FROM ${{by_city}} WHERE {hostile}"
        try:
            compiled = written(sql, IN_A)
        except PlanError:
            continue
        ran += answers_of_a(database, compiled.sql)
    assert ran > 10


def test_hostile_having_stays_inside(database: Any) -> None:
    for hostile in HOSTILE:
        having = f"count(*) > 0 AND {hostile}"
        sql = f"SELECT ${{users.city}} FROM ${{by_city}} GROUP BY 1 HAVING {having}"
        try:
            compiled = written(sql, IN_A)
        except PlanError:
            continue
        answers_of_a(database, compiled.sql)


def answers_of_a(database: Any, sql: str) -> bool:
    """Whether the statement ran; then it saw no row of another city."""
    try:
        found = database.execute(sql).fetchall()
    except duckdb.Error:
        return False
    assert set(found) <= {("A",)}
    return True


def test_every_dialect_reads_its_own_texts_back() -> None:
    """What stands in a text comes out as the same text, in the words of the database."""
    for dialect in DIALECTS:
        functions = table(dialect)
        by = asking(dialect, attributes={"city": ("A",)})
        for said in ("it's", "a;b", "--", "/*", "{{ x }}", "${orders.id}", "$$", ")", "\u02bc"):
            text = functions.string(said)
            sql = f"SELECT ${{orders.id}} FROM ${{by_city}} WHERE ${{orders.status}} = {text}"
            # Databricks has a text with ${ in two pieces, between which blanks may come.
            found = written(sql, by).sql.replace(" ", "")
            assert f"={text})".replace(" ", "") in found, (dialect, said)
