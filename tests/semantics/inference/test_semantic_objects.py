"""Semantic views and metric views as views, measures and topics."""

from __future__ import annotations

from dragoman.dialects.adapters.databricks.metric_views import metric_view
from dragoman.semantics.inference.semantic_objects import meaning
from tests.dialects.recorded_semantic_rows import METRIC_VIEW
from tests.dialects.test_semantic_objects import read
from tests.semantics.inference.tables import conventions

SNOWFLAKE = conventions(dialect="snowflake", catalog="SHOP", schema="PUBLIC", multi_catalog=True)


def test_a_view_for_each_logical_table() -> None:
    made = meaning(read()[0], SNOWFLAKE, topics=False)
    assert [view.name for view in made.views] == [
        "sales__tpch_revenue__customers",
        "sales__tpch_revenue__line_items",
        "sales__tpch_revenue__orders",
    ]
    orders = made.views[2]
    assert orders.path == "SALES.tpch_revenue/orders.view"
    assert orders.definition == {
        "catalog": "SHOP",
        "schema": "SALES",
        "table_name": "TPCH_REVENUE",
        "semantic_table": "ORDERS",
        "label": "Orders",
        "description": "All orders",
        "dimensions": {
            "order_date": {"sql": '"ORDER_DATE"', "label": "Order Date", "synonyms": ["day"]},
            "o_orderkey": {"sql": '"O_ORDERKEY"', "label": "O Orderkey", "hidden": True},
            "o_custkey": {"sql": '"O_CUSTKEY"', "label": "O Custkey", "hidden": True},
        },
        "measures": {
            "order_average_value": {
                "sql": '"ORDER_AVERAGE_VALUE"',
                "aggregate_type": "semantic_view_agg",
                "label": "Order Average Value",
                "description": "Average value",
                "synonyms": ["aov"],
            }
        },
    }
    assert orders.column_types == {"order_date": "DATE"}
    assert made.topic is None


def test_its_joins_are_many_to_one() -> None:
    made = meaning(read()[0], SNOWFLAKE, topics=False)
    assert [(each["relationship_type"], each["on_sql"]) for each in made.relationships] == [
        (
            "many_to_one",
            "${sales__tpch_revenue__line_items.l_orderkey} = "
            "${sales__tpch_revenue__orders.o_orderkey}",
        ),
        (
            "many_to_one",
            "${sales__tpch_revenue__orders.o_custkey} = "
            "${sales__tpch_revenue__customers.c_custkey}",
        ),
    ]


def test_its_topic_where_the_connection_asks() -> None:
    made = meaning(read()[0], SNOWFLAKE, topics=True)
    assert made.topic is not None
    assert made.topic.name == "sales__tpch_revenue"
    assert made.topic.definition == {
        "base_view": "sales__tpch_revenue__line_items",
        "label": "Tpch Revenue",
        "description": "Revenue by customer",
        "joins": {
            "sales__tpch_revenue__orders": {"sales__tpch_revenue__customers": {}},
        },
    }


def test_a_metric_view_is_asked_by_measure() -> None:
    found = metric_view("main", "sales", "order_kpis", None, METRIC_VIEW)
    assert found is not None
    how = conventions(
        dialect="databricks",
        quote=lambda name: f"`{name}`",
        catalog="main",
        schema="sales",
        multi_catalog=True,
    )
    made = meaning(found, how, topics=True)
    [view] = made.views
    assert (view.name, view.path) == ("order_kpis", "sales/order_kpis.view")
    assert view.definition["measures"] == {
        "total_revenue": {"sql": "MEASURE(`total_revenue`)", "label": "Total Revenue"}
    }
    assert view.definition["dimensions"]["order_month"] == {
        "sql": "`Order Month`",
        "label": "Month of the order",
    }
    assert made.topic is not None
    assert made.topic.definition["base_view"] == "order_kpis"
