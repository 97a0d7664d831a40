"""Reading semantic views and metric views, from recorded rows."""

from __future__ import annotations

import re

import pytest

from dragoman.dialects.adapters.databricks import catalog as unity
from dragoman.dialects.adapters.databricks.metric_views import metric_view
from dragoman.dialects.adapters.snowflake.semantic_views import objects
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns
from dragoman.dialects.semantic_objects import ObjectKind, SemanticJoin, SemanticObject
from tests.dialects.recorded_semantic_rows import METRIC_VIEW, SNOWFLAKE


def read(wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
    def ask(sql: str, _: list[str] | None) -> list[tuple]:
        found = re.search(r"FROM SHOP\.information_schema\.(\w+) ORDER BY", sql)
        assert found is not None
        return SNOWFLAKE[found.group(1)]

    return list(objects(ask, "SHOP", wanted, []))


def test_a_semantic_view_of_snowflake() -> None:
    [found] = read()
    assert (found.kind, found.catalog, found.schema) == (ObjectKind.SEMANTIC_VIEW, "SHOP", "SALES")
    assert (found.name, found.comment) == ("TPCH_REVENUE", "Revenue by customer")
    assert [table.name for table in found.tables] == ["CUSTOMERS", "LINE_ITEMS", "ORDERS"]
    assert found.tables[0].primary_key == ("C_CUSTKEY",)
    assert found.tables[0].synonyms == ("clients",)
    assert found.metrics[0].expression == "AVG(orders.o_totalprice)"
    assert found.dimensions[1].type == "DATE"
    # The join by time is no equality, so it is not one of ours.
    assert found.joins == [
        SemanticJoin("LINE_ITEMS", ("L_ORDERKEY",), "ORDERS", ("O_ORDERKEY",)),
        SemanticJoin("ORDERS", ("O_CUSTKEY",), "CUSTOMERS", ("C_CUSTKEY",)),
    ]


def test_schemas_that_are_not_wanted() -> None:
    assert read(CatalogFilter(compile_patterns("OTHER"))) == []


def test_semantic_views_that_may_not_be_read_are_a_notice() -> None:
    def refused(*_: object) -> list[tuple]:
        raise DatabaseFailure(Stage.QUERY, Cause.OTHER, "Object does not exist.")

    notices: list[str] = []
    assert list(objects(refused, "SHOP", EVERYTHING, notices)) == []
    assert notices == ["The semantic views of SHOP could not be read: Object does not exist."]


def test_a_metric_view_of_databricks() -> None:
    found = metric_view("main", "sales", "order_kpis", None, METRIC_VIEW)
    assert found is not None
    assert (found.kind, found.comment) == (ObjectKind.METRIC_VIEW, "Orders KPIs")
    assert [each.name for each in found.dimensions] == ["Order Month", "order_status"]
    assert found.dimensions[0].label == "Month of the order"
    assert found.dimensions[1].synonyms == ("state",)
    assert found.metrics[0].expression == "SUM(o_totalprice)"


@pytest.mark.parametrize("written", ["", "- a", "a: [", "x: &x [*x]", "a: !!python/name:os.system"])
def test_yaml_that_is_none(written: str) -> None:
    found = metric_view("main", "sales", "v", None, written)
    assert found is None or (found.dimensions == [] and found.metrics == [])


def test_metric_views_are_asked_for_with_the_schemas_in_the_statement() -> None:
    wanted = CatalogFilter(compile_patterns("sa'les"))
    sql = unity.metric_views("main", wanted)
    assert "`main`.information_schema.views" in sql
    assert r"t.table_schema LIKE 'sa\'les'" in sql
