"""One table as a view: labels, types, formats, keys, comments, the count."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.catalog import Table, TableKind
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.labels import title
from dragoman.semantics.inference.types import comparable, data_type
from dragoman.semantics.inference.views import GUESSED_KEY, view_source
from tests.semantics.inference.tables import conventions, table


def view(found: Table, name: str | None = None, **changes: Any) -> Any:
    how = conventions(**changes)
    return view_source(found, name or how.view_name(found.catalog, found.schema, found.name), how)


def test_a_table_is_a_view_with_a_dimension_a_column_and_a_count() -> None:
    made = view(table("distribution_centers(id integer, name text, opened_at timestamp)"))
    assert made.name == "distribution_centers"
    assert made.path == "public/distribution_centers.view"
    assert made.definition == {
        "schema": "public",
        "table_name": "distribution_centers",
        "label": "Distribution Centers",
        "schema_label": "Public",
        "dimensions": {
            "id": {
                "sql": '"id"',
                "label": "Id",
                "format": "ID",
                "primary_key": True,
                GUESSED_KEY: True,
            },
            "name": {"sql": '"name"', "label": "Name"},
            "opened_at": {"sql": '"opened_at"', "label": "Opened At"},
        },
        "measures": {
            "count": {
                "aggregate_type": "count",
                "label": "Distribution Centers Count",
                "format": "NUMBER_0",
            }
        },
    }
    assert made.column_types == {"id": "NUMBER", "name": "STRING", "opened_at": "TIMESTAMP"}


def test_names_of_other_schemas_and_catalogs() -> None:
    made = view(table("sales.orders(id integer)"))
    assert (made.name, made.path) == ("sales__orders", "sales/orders.view")
    other = table("sales.orders(id integer)", catalog="lake")
    many = view(other, catalog="shop", multi_catalog=True)
    assert (many.name, many.path) == ("lake_sales__orders", "lake.sales/orders.view")
    assert many.definition["catalog"] == "lake"
    assert "catalog" not in view(other).definition  # the database has one only
    late = view(table("Order Items(id integer)"), "order_items_2")
    assert late.path == "public/order_items_2.view"
    assert late.definition["table_name"] == "Order Items"


def test_columns_keep_their_own_name_in_sql() -> None:
    made = view(table('t(Say "hi" text; CUSTOMER_ID bigint; count integer)'))
    dimensions = made.definition["dimensions"]
    assert dimensions["customer_id"]["sql"] == '"CUSTOMER_ID"'
    assert dimensions["count_column"]["sql"] == '"count"'
    assert list(dimensions) == ["say", "customer_id", "count_column"]


def test_comments_are_descriptions() -> None:
    found = table("t(a integer)", comment="x" * 100_000)
    found.columns[0].comment = "What it is"
    made = view(found)
    assert made.definition["description"] == "x" * 100_000
    assert made.definition["dimensions"]["a"]["description"] == "What it is"


def test_ids_are_formatted_as_ids_where_they_are_numbers() -> None:
    made = view(table("t(id bigint, user_id integer, zip text, order_id text, valid integer)"))
    formats = {name: each.get("format") for name, each in made.definition["dimensions"].items()}
    assert formats == {"id": "ID", "user_id": "ID", "zip": None, "order_id": None, "valid": None}


def keys(found: Table) -> dict[str, bool]:
    """Fields of the key, and whether each is a guess."""
    dimensions = view(found).definition["dimensions"]
    return {n: GUESSED_KEY in each for n, each in dimensions.items() if each.get("primary_key")}


def test_declared_keys_come_first() -> None:
    found = table("users(id integer, email text)", primary_key=["email"])
    assert keys(found) == {"email": False}
    both = table("lines(order_id integer, number integer)", primary_key=["number", "order_id"])
    assert keys(both) == {"order_id": False, "number": False}


@pytest.mark.parametrize(
    ("written", "guess"),
    [
        ("users(id integer, name text)", "id"),
        ("users(user_id uuid, name text)", "user_id"),
        ("users(users_id integer)", None),
        ("people(person_id text)", "person_id"),
        ("dim_customers(customer_id integer)", "customer_id"),
        ("orders(id integer, order_id integer)", None),  # two candidates
        ("orders(customer_id integer)", None),
        ("orders(id timestamp)", None),
    ],
)
def test_a_key_is_guessed_only_where_one_column_is_it(written: str, guess: str | None) -> None:
    assert keys(table(written)) == ({} if guess is None else {guess: True})


def test_a_view_of_the_database_has_a_guessed_key_too() -> None:
    assert keys(table("users(id integer)", kind=TableKind.VIEW)) == {"id": True}


def test_values_that_cannot_be_grouped_are_hidden() -> None:
    made = view(table("t(picture bytea, place geography)"))
    assert all(each["hidden"] for each in made.definition["dimensions"].values())


@pytest.mark.parametrize(
    ("written", "dialect", "kind"),
    [
        ("integer", "postgres", DataType.NUMBER),
        ("numeric(12,2)", "postgres", DataType.NUMBER),
        ("double precision", "postgres", DataType.NUMBER),
        ("money", "postgres", DataType.NUMBER),
        ("int unsigned", "mysql", DataType.NUMBER),
        ("int(10) unsigned zerofill", "mysql", DataType.NUMBER),
        ("NUMBER(38,0)", "snowflake", DataType.NUMBER),
        ("Nullable(Decimal(10, 2))", "clickhouse", DataType.NUMBER),
        ("character varying(40)", "postgres", DataType.STRING),
        ("uuid", "postgres", DataType.STRING),
        ("inet", "postgres", DataType.STRING),
        ("enum('a','b')", "mysql", DataType.STRING),
        ("LowCardinality(Nullable(String))", "clickhouse", DataType.STRING),
        ("Enum8('a' = 1)", "clickhouse", DataType.STRING),
        ("time without time zone", "postgres", DataType.STRING),
        ("boolean", "postgres", DataType.BOOLEAN),
        ("tinyint(1)", "mysql", DataType.BOOLEAN),
        ("tinyint(4)", "mysql", DataType.NUMBER),
        ("bit(1)", "mysql", DataType.BOOLEAN),
        ("bit", "mssql", DataType.BOOLEAN),
        ("bit", "postgres", DataType.STRING),
        ("date", "postgres", DataType.DATE),
        ("DATE", "oracle", DataType.TIMESTAMP),
        ("timestamp(3) without time zone", "postgres", DataType.TIMESTAMP),
        ("timestamp with time zone", "postgres", DataType.TIMESTAMP_TZ),
        ("timestamp(6) with time zone", "trino", DataType.TIMESTAMP_TZ),
        ("TIMESTAMP", "bigquery", DataType.TIMESTAMP_TZ),
        ("timestamp", "mssql", DataType.OTHER_UNGROUPABLE),
        ("smalldatetime", "mssql", DataType.TIMESTAMP),
        ("datetimeoffset(7)", "mssql", DataType.TIMESTAMP_TZ),
        ("DateTime64(3)", "clickhouse", DataType.TIMESTAMP),
        ("DateTime('Europe/Paris')", "clickhouse", DataType.TIMESTAMP_TZ),
        ("TIMESTAMP_NTZ(9)", "snowflake", DataType.TIMESTAMP),
        ("interval", "postgres", DataType.INTERVAL),
        ("INTERVAL DAY(2) TO SECOND(6)", "oracle", DataType.INTERVAL),
        ("integer[]", "postgres", DataType.ARRAY),
        ("STRUCT(a INTEGER)[]", "duckdb", DataType.ARRAY),
        ("ARRAY<STRUCT<a INT64>>", "bigquery", DataType.ARRAY),
        ("Array(String)", "clickhouse", DataType.ARRAY),
        ("jsonb", "postgres", DataType.JSON),
        ("VARIANT", "snowflake", DataType.JSON),
        ("STRUCT<a INT64, b ARRAY<STRING>>", "bigquery", DataType.JSON),
        ("map<string,int>", "databricks", DataType.JSON),
        ("row(a bigint)", "trino", DataType.JSON),
        ("bytea", "postgres", DataType.OTHER_UNGROUPABLE),
        ("varbinary(16)", "mysql", DataType.OTHER_UNGROUPABLE),
        ("GEOGRAPHY", "snowflake", DataType.OTHER_UNGROUPABLE),
        ("mood", "postgres", DataType.UNKNOWN),
        ("", "postgres", DataType.UNKNOWN),
    ],
)
def test_types(written: str, dialect: str, kind: DataType) -> None:
    assert data_type(written, dialect) is kind


def test_grains_come_with_the_type() -> None:
    """A time column has no list of its own: the model's `default_timeframes` hold for it."""
    made = view(table("t(day date, at timestamptz, text_day text)"))
    times = {name: DataType(kind).is_time for name, kind in made.column_types.items()}
    assert times == {"day": True, "at": True, "text_day": False}
    assert all("timeframes" not in each for each in made.definition["dimensions"].values())


def test_keys_of_other_kinds_are_not_compared() -> None:
    assert comparable(DataType.NUMBER, DataType.NUMBER)
    assert not comparable(DataType.NUMBER, DataType.STRING)
    assert not comparable(DataType.UNKNOWN, DataType.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("distribution_centers", "Distribution Centers"),
        ("DISTRIBUTION_CENTERS", "Distribution Centers"),
        ("distributionCenters", "Distribution Centers"),
        ("Größe", "Größe"),
        ("_", "_"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert title(name) == label
