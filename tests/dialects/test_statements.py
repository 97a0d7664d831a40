"""Which statements are taken for reading ones, and what is left of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.statements import first_keyword, single_reading_statement

READING = [
    ("postgres", "select 1 -- why", "select 1"),
    ("postgres", "/* a */ select 1 /* b */ ; -- c\n;", "select 1"),
    ("postgres", "select $$a;b$$, E'a\\'b', 'x''y';", "select $$a;b$$, E'a\\'b', 'x''y'"),
    ("postgres", "select ';'", "select ';'"),
    ("postgres", "explain (analyze) select ';';", "explain (analyze) select ';'"),
    ("postgres", "((select 1))", "((select 1))"),
    ("postgres", 'select "into" from "update"', 'select "into" from "update"'),
    ("postgres", "select 'for update'", "select 'for update'"),
    ("postgres", "select substring('abc' for 2)", "select substring('abc' for 2)"),
    ("postgres", "with a as (select 1) select * from a", "with a as (select 1) select * from a"),
    ("postgres", "values (1)", "values (1)"),
    ("postgres", "table t", "table t"),
    ("postgres", "show timezone;", "show timezone"),
    ("mysql", "select replace('a', 'b', 'c')", "select replace('a', 'b', 'c')"),
    ("mysql", "select insert('abc', 1, 1, 'x')", "select insert('abc', 1, 1, 'x')"),
    ("mysql", "select 'a\\'; x'", "select 'a\\'; x'"),
    ("mysql", "select `into` from t # end", "select `into` from t"),
    ("mysql", "describe t", "describe t"),
    ("duckdb", "from t select a", "from t select a"),
    ("duckdb", "summarize t", "summarize t"),
    ("tsql", "select [into] from t", "select [into] from t"),
    (None, "select 1", "select 1"),
]

WRITING = [
    ("postgres", "select 1 into x"),
    ("postgres", "insert into t values (1)"),
    ("postgres", "with a as (delete from t returning *) select * from a"),
    ("postgres", "with a as materialized (insert into t values (1)) select 1"),
    ("postgres", "with a as (select 1) update t set a = 1"),
    ("postgres", "explain analyze delete from t"),
    ("postgres", "explain (analyze, verbose) insert into t values (1)"),
    ("postgres", "explain analyze create table x as select 1"),
    ("postgres", "select * from t for update"),
    ("postgres", "select * from t for no key update"),
    ("postgres", "copy t to stdout"),
    ("postgres", "set role admin"),
    ("postgres", "do $$ begin end $$"),
    ("mysql", "select 1 into outfile '/tmp/x'"),
    ("mysql", "select 1 into @x"),
    ("mysql", "select /*!50000 1 */"),
    ("mysql", "select 1; /*!50000 drop table x */"),
    ("mysql", "select /*M!100100 1 */"),
    ("mysql", "replace into t values (1)"),
    ("duckdb", "attach 'x'"),
    ("duckdb", "pragma database_list"),
    ("postgres", "from t"),
]

NOT_ONE = [
    "",
    " ",
    ";;",
    "-- nothing",
    "select 1; select 2",
    "select '\\'; delete from t --'",
    "show timezone; select 1",
    "select 'open",
    "select 1 /* open",
    "select 1) to program 'x' --",
    "select (1",
    "select 1\x00",
]


@pytest.mark.parametrize(("dialect", "sql", "expected"), READING)
def test_reading_statements_lose_what_is_around_them(
    dialect: str | None, sql: str, expected: str
) -> None:
    assert single_reading_statement(sql, dialect) == expected


@pytest.mark.parametrize(("dialect", "sql"), WRITING)
def test_statements_that_may_write_are_refused(dialect: str, sql: str) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        single_reading_statement(sql, dialect)
    assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, Cause.READ_ONLY)
    assert caught.value.fix


@pytest.mark.parametrize("sql", NOT_ONE)
def test_text_that_is_no_single_statement_is_refused(sql: str) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        single_reading_statement(sql, "postgres")
    assert caught.value.cause is Cause.SYNTAX_ERROR


@given(st.text(), st.sampled_from(["postgres", "mysql", "duckdb", None]))
def test_any_text_gives_a_statement_or_a_failure(sql: str, dialect: str | None) -> None:
    try:
        found = single_reading_statement(sql, dialect)
    except DatabaseFailure:
        return
    assert found in sql


@given(st.text(st.sampled_from("'\";-/*\\$ab ()\n"), max_size=30))
def test_a_second_statement_never_hides_behind_quotes(text: str) -> None:
    """Read again without what was cut off, the statement is the same one or none at all."""
    try:
        found = single_reading_statement(f"select 1 {text}", "postgres")
    except DatabaseFailure:
        return
    if found.endswith("$"):
        return  # sqlglot calls that an open quote; to the server it is a syntax error
    assert single_reading_statement(found, "postgres") == found


@pytest.mark.parametrize(
    ("sql", "word"), [("select 1", "SELECT"), ("( (values(1)))", "VALUES"), ("show x", "SHOW")]
)
def test_the_first_keyword(sql: str, word: str) -> None:
    assert first_keyword(sql) == word
