"""Rows as Snowflake's information_schema and Unity Catalog give them, written down from the
published examples of both; no account of either was asked."""

from __future__ import annotations

from typing import Any

VIEWS = [("SALES", "TPCH_REVENUE", "Revenue by customer")]
TABLES = [
    ("SALES", "TPCH_REVENUE", "CUSTOMERS", '["C_CUSTKEY"]', "Main customers", '["clients"]'),
    ("SALES", "TPCH_REVENUE", "LINE_ITEMS", '["L_ORDERKEY", "L_LINENUMBER"]', None, None),
    ("SALES", "TPCH_REVENUE", "ORDERS", '["O_ORDERKEY"]', "All orders", "[]"),
]
DIMENSIONS = [
    ("SALES", "TPCH_REVENUE", "CUSTOMERS", "CUSTOMER_NAME", "c_name", "VARCHAR(25)", "Name", None),
    ("SALES", "TPCH_REVENUE", "ORDERS", "ORDER_DATE", "o_orderdate", "DATE", None, '["day"]'),
]
FACTS = [
    (
        *("SALES", "TPCH_REVENUE", "LINE_ITEMS", "DISCOUNTED_PRICE"),
        *("l_extendedprice * (1 - l_discount)", "NUMBER(25,4)", None, None),
    ),
]
METRICS = [
    (
        *("SALES", "TPCH_REVENUE", "ORDERS", "ORDER_AVERAGE_VALUE"),
        *("AVG(orders.o_totalprice)", "NUMBER(30,8)", "Average value", '["aov"]'),
    ),
]
RELATIONSHIPS: list[tuple[Any, ...]] = [
    ("SALES", "TPCH_REVENUE", "LINE_ITEMS", '["L_ORDERKEY"]', "ORDERS", '["O_ORDERKEY"]'),
    ("SALES", "TPCH_REVENUE", "ORDERS", '["O_CUSTKEY"]', "CUSTOMERS", '["C_CUSTKEY"]'),
    (
        *("SALES", "TPCH_REVENUE", "ORDERS", '["O_CUSTKEY", "O_ORDERDATE"]', "CUSTOMERS"),
        '["C_CUSTKEY", {"column": "C_SINCE", "type": "ASOF"}]',
    ),
]
SNOWFLAKE = {
    "semantic_views": VIEWS,
    "semantic_tables": TABLES,
    "semantic_dimensions": DIMENSIONS,
    "semantic_facts": FACTS,
    "semantic_metrics": METRICS,
    "semantic_relationships": RELATIONSHIPS,
}
METRIC_VIEW = """
version: 1.1
comment: "Orders KPIs"
source: samples.tpch.orders
filter: o_orderdate > '1990-01-01'
dimensions:
  - name: Order Month
    expr: DATE_TRUNC('MONTH', o_orderdate)
    display_name: Month of the order
  - name: order_status
    expr: CASE WHEN o_orderstatus = 'O' THEN 'Open' END
    comment: Open or fulfilled
    synonyms: [state]
measures:
  - name: total_revenue
    expr: SUM(o_totalprice)
"""
