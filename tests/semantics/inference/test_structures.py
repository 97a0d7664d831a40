"""Columns of structures: each field with a name and one value is a dimension."""

from __future__ import annotations

import pytest

from dragoman.semantics.inference.structures import parts
from dragoman.semantics.inference.views import view_source
from tests.semantics.inference.tables import conventions, table

NESTED = [(("n",), "NUMBER"), (("deep", "word"), "STRING")]


@pytest.mark.parametrize(
    ("dialect", "written", "found"),
    [
        ("bigquery", "STRUCT<n INT64, deep STRUCT<word STRING>>", "INT64 STRING"),
        (
            "bigquery",
            "STRUCT<n INT64, many ARRAY<STRUCT<x INT64>>>",
            "INT64 ARRAY<STRUCT<x INT64>>",
        ),
        ("databricks", "struct<n:int,`a b`:struct<word:string>>", "INT STRING"),
        ("trino", 'row(n integer, "a b" row(word varchar(3)))', "INTEGER VARCHAR(3)"),
        ("athena", "struct<n:int,word:string>", "INTEGER VARCHAR"),
        ("duckdb", 'STRUCT(n INTEGER, "a b" STRUCT(words VARCHAR[]))', "INT TEXT[]"),
        (
            "clickhouse",
            "Tuple(n Int64, deep Tuple(word Nullable(String)))",
            "Int64 Nullable(String)",
        ),
        ("starrocks", "struct<n int(11), word varchar(20)>", "INT(11) VARCHAR(20)"),
        ("bigquery", "STRUCT<INT64, STRING>", ""),  # fields without names
        ("clickhouse", "Tuple(Int64, String)", ""),
        ("bigquery", "ARRAY<STRUCT<n INT64>>", "INT64"),
        ("duckdb", "STRUCT(n INTEGER)[]", "INT"),
        ("duckdb", "VARCHAR[]", ""),
        ("clickhouse", "Array(Tuple(n Int64))", ""),  # there is no way to its elements
        ("bigquery", "JSON", ""),
        ("bigquery", "STRUCT<n INT64", ""),
        ("snowflake", "OBJECT(n NUMBER)", ""),
        ("duckdb", "STRUCT(a " * 200 + "INTEGER" + ")" * 200, ""),
    ],
)
def test_fields_of_types(dialect: str, written: str, found: str) -> None:
    assert " ".join(part.type for part in parts(written, dialect)) == found


def test_each_field_is_a_dimension_and_the_column_is_kept_hidden() -> None:
    columns = "id INT64; geo STRUCT<city_id INT64, at STRUCT<Zone STRING>>; geo__city_id STRING"
    made = view_source(
        table(f"visits({columns})"), "visits", conventions(dialect="bigquery", quote="`{}`".format)
    )
    dimensions = made.definition["dimensions"]
    assert list(dimensions) == [
        *("id", "geo", "geo_city_id", "geo__city_id", "geo__at__zone"),
    ]
    assert dimensions["geo"] == {"sql": "`geo`", "label": "Geo", "hidden": True}
    assert dimensions["geo__city_id"] == {
        "sql": "`geo`.`city_id`",
        "label": "Geo City Id",
        "format": "ID",
        "parent_field": "geo",
    }
    assert dimensions["geo__at__zone"] == {
        "sql": "`geo`.`at`.`Zone`",
        "label": "Geo At Zone",
        "parent_field": "geo",
    }
    assert made.column_types["geo__at__zone"] == "STRING"


def test_fields_of_an_arrays_elements_are_nested_on_it() -> None:
    columns = "id INT64; lines ARRAY<STRUCT<n INT64, at STRUCT<Zone STRING>>>"
    made = view_source(
        table(f"orders({columns})"), "orders", conventions(dialect="bigquery", quote="`{}`".format)
    )
    dimensions = made.definition["dimensions"]
    assert list(dimensions) == ["id", "lines", "lines__n", "lines__at__zone"]
    assert "hidden" not in dimensions["lines"]
    assert dimensions["lines__at__zone"] == {
        "sql": "`at`.`Zone`",
        "label": "Lines At Zone",
        "parent_field": "lines",
        "nested_on_field": "lines",
    }
