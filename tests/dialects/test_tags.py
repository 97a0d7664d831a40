"""Tags as words, and where they are read from."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.adapters.bigquery.catalog import labels
from dragoman.dialects.adapters.databricks import catalog as unity
from dragoman.dialects.adapters.snowflake.catalog import tables, tags
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Column, Table, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns
from dragoman.dialects.tags import Tags

# Rows of SNOWFLAKE.ACCOUNT_USAGE.TAG_REFERENCES in the order of our statement, written down from
# the published description of the view.
RECORDED = [
    ("SALES", "ORDERS", None, "COST_CENTER", "finance"),
    ("SALES", "ORDERS", "EMAIL", "PII", "email"),
    ("SALES", "ORDERS", "EMAIL", "SEMANTIC_CATEGORY", "EMAIL"),
    ("SALES", "ORDERS", "EMAIL", "PII", "email"),
    ("SALES", "ORDERS", "DROPPED", "PII", ""),
    ("SALES", "LINES", "ID", "KEY", ""),
]


def table(schema: str, name: str, *columns: str) -> Table:
    made = [Column(each, at, "TEXT", True, None, None, None) for at, each in enumerate(columns, 1)]
    return Table("SHOP", schema, name, TableKind.TABLE, None, made, [], [], None)


def test_tags_are_put_on_tables_and_the_columns_that_are_there() -> None:
    found = Tags(RECORDED)
    orders = found.put_on(table("SALES", "ORDERS", "ID", "EMAIL"))
    assert orders.tags == ["COST_CENTER:finance"]
    assert orders.column_tags == {"EMAIL": ["PII:email", "SEMANTIC_CATEGORY:EMAIL"]}
    lines = found.put_on(table("SALES", "LINES", "ID"))
    assert (lines.tags, lines.column_tags) == ([], {"ID": ["KEY"]})
    other = found.put_on(table("ARCHIVE", "ORDERS", "EMAIL"))
    assert (other.tags, other.column_tags) == ([], {})


@pytest.mark.parametrize(("database", "stored"), [("shop", "SHOP"), ("My Shop", "My Shop")])
def test_snowflakes_names_are_compared_as_it_keeps_them(database: str, stored: str) -> None:
    asked: list[Any] = []

    def ask(sql: str, values: list[str] | None) -> list[Any]:
        asked.append((sql, values))
        return RECORDED

    wanted = CatalogFilter(compile_patterns("SA*"), compile_patterns("SALES_OLD"))
    assert tags(ask, database, wanted, []).put_on(table("SALES", "ORDERS")).tags
    [(sql, values)] = asked
    assert "FROM snowflake.account_usage.tag_references\nWHERE object_deleted IS NULL" in sql
    assert values == [stored, "SA%", "SALES!_OLD"]
    assert sql.count("?") == len(values)


def snowflake(cause: Cause, refused: str) -> tuple[list[Table], list[str]]:
    """A reading in which statements with this text fail."""
    column = ("SALES", "ORDERS", "BASE TABLE", None, 3, "ID", 1, "TEXT", "YES", *[None] * 5)

    def ask(sql: str, _: list[str] | None) -> list[Any]:
        if refused in sql:
            raise DatabaseFailure(Stage.QUERY, cause, "It does not exist or not authorized.")
        return [column] if "t.table_type" in sql else []

    notices: list[str] = []
    return list(tables(ask, "SHOP", EVERYTHING, notices)), notices


@pytest.mark.parametrize(
    ("refused", "said"), [("tag_references", "The tags of SHOP"), ("SHOW PRIMARY", "The keys of")]
)
def test_what_a_role_may_not_see_is_a_notice(refused: str, said: str) -> None:
    found, [notice] = snowflake(Cause.OBJECT_NOT_FOUND, refused)
    assert [each.name for each in found] == ["ORDERS"]
    assert notice.startswith(said)


@pytest.mark.parametrize("refused", ["tag_references", "SHOW PRIMARY"])
@pytest.mark.parametrize("cause", [Cause.CANCELLED, Cause.QUERY_TIMEOUT, Cause.CONNECTION_LOST])
def test_what_was_not_answered_is_not_taken_for_none(refused: str, cause: Cause) -> None:
    """Else a model would lose its keys and tags until the next refresh."""
    with pytest.raises(DatabaseFailure):
        snowflake(cause, refused)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('[STRUCT("team", "sales"), STRUCT("gold", "")]', ["gold", "team:sales"]),
        ("[]", []),
        (None, []),
    ],
)
def test_labels_of_bigquery(written: str | None, expected: list[str]) -> None:
    assert labels(written) == expected


def test_unity_catalogs_tags_are_filtered_by_the_statement() -> None:
    sql = unity.tags("main", CatalogFilter(compile_patterns("sa'les")))
    assert "`main`.information_schema.table_tags" in sql
    assert "`main`.information_schema.column_tags" in sql
    assert sql.count(r"t.table_schema LIKE 'sa\'les'") == 2
