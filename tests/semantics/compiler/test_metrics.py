"""Questions on metrics that the database defines: rendered here, run on Spark by its own tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from dragoman.dialects.adapters.databricks.metric_views import metric_view
from dragoman.dialects.sql import table
from dragoman.dialects.statements import single_reading_statement
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.inference.semantic_objects import Meaning, meaning
from tests.dialects.recorded_semantic_rows import METRIC_VIEW
from tests.dialects.test_semantic_objects import read
from tests.semantics.compiler.support import MemoryLayer, ask, asking, changed
from tests.semantics.inference.tables import conventions

TOPIC = "sales__tpch_revenue"
DAY, NAME = f"{TOPIC}__orders.order_date", f"{TOPIC}__customers.customer_name"
AVERAGE = f"{TOPIC}__orders.order_average_value"
KPIS = "sales__order_kpis"


def layer_of(made: Meaning) -> MemoryLayer:
    topics = {made.topic.name: made.topic.definition} if made.topic else {}
    return MemoryLayer(
        {view.name: view.definition for view in made.views},
        made.relationships,
        topics,
        types={view.name: view.column_types for view in made.views},
    )


def semantic_view() -> MemoryLayer:
    how = conventions(dialect="snowflake", catalog="SHOP", schema="PUBLIC", multi_catalog=True)
    return layer_of(meaning(read()[0], how, topics=True))


def kpis() -> MemoryLayer:
    found = metric_view("main", "sales", "order_kpis", None, METRIC_VIEW)
    assert found is not None
    how = conventions(dialect="databricks", catalog="main", quote=table("databricks").name)
    return layer_of(meaning(found, how, topics=False))


def sql_of(layer: MemoryLayer, dialect: str, fields: list[str], **more: Any) -> str:
    place = {"join_paths_from_topic_name": TOPIC} if layer.the_topics else {"table": KPIS}
    question = {"modelId": "m", **place, "fields": fields, "limit": None, **more}
    sql = ask(layer, question, asking(dialect, timezone="Europe/Berlin")).sql
    assert single_reading_statement(sql, dialect)
    assert sqlglot.parse_one(sql, read=dialect)
    return " ".join(sql.split())


def test_a_semantic_view_joins_by_itself() -> None:
    after = {"type": "date", "kind": "ON_OR_AFTER", "left_side": "2024-01-01"}
    found = sql_of(
        semantic_view(), "snowflake", [f"{DAY}[month]", NAME, AVERAGE], limit=10,
        filters={DAY: after}, sorts=[{"column_name": AVERAGE, "sort_descending": True}],
    )  # fmt: skip
    assert found == (
        'WITH "asked" AS ( SELECT * FROM SEMANTIC_VIEW( "SHOP"."SALES"."TPCH_REVENUE"'
        ' DIMENSIONS CAST(DATE_TRUNC(\'month\', "ORDERS"."ORDER_DATE") AS DATE) AS "g0",'
        ' "CUSTOMERS"."CUSTOMER_NAME" AS "g1" METRICS "ORDERS"."ORDER_AVERAGE_VALUE" AS "m0"'
        ' WHERE ("ORDERS"."ORDER_DATE" >= DATE \'2024-01-01\') ) )'
        ' SELECT "g0" AS "c0", "g1" AS "c1", MAX("m0") AS "c2" FROM "asked"'
        ' GROUP BY "g0", "g1" ORDER BY MAX("m0") DESC NULLS LAST LIMIT 10'
    )


def test_its_dimensions_alone_and_its_metrics_alone() -> None:
    found = sql_of(semantic_view(), "snowflake", [NAME])
    assert 'SEMANTIC_VIEW( "SHOP"."SALES"."TPCH_REVENUE" DIMENSIONS "CUSTOMERS"' in found
    assert "METRICS" not in found
    assert found.endswith('FROM "asked" GROUP BY "g0"')
    found = sql_of(semantic_view(), "snowflake", [AVERAGE])
    assert "DIMENSIONS" not in found
    assert found.endswith('SELECT MAX("m0") AS "c0" FROM "asked"')


def test_arithmetic_and_conditions_on_metrics_come_outside() -> None:
    layer = changed(
        semantic_view(), f"{TOPIC}__orders",
        measures={"half": {"sql": "${order_average_value} / 2"}},
    )  # fmt: skip
    more = {"type": "number", "kind": "GREATER_THAN", "values": [5]}
    fields = [NAME, f"{TOPIC}__orders.half"]
    found = sql_of(layer, "snowflake", fields, filters={AVERAGE: more})
    assert 'METRICS "ORDERS"."ORDER_AVERAGE_VALUE" AS "m0" )' in found
    assert '((MAX("m0")) / 2) AS "c1"' in found
    assert 'HAVING (MAX("m0") > 5)' in found


def test_totals_are_asked_for_anew() -> None:
    totals = {"::total::": {"type": "aggregation"}}
    question = {
        "modelId": "m", "join_paths_from_topic_name": TOPIC, "fields": [NAME, AVERAGE],
        "column_totals": totals,
    }  # fmt: skip
    [total] = ask(semantic_view(), question, asking("snowflake")).totals
    assert "DIMENSIONS" not in total.sql
    assert 'MAX("m0")' in total.sql
    more = {"type": "number", "kind": "GREATER_THAN", "values": [5]}
    with pytest.raises(PlanError, match="no total of groups"):
        ask(semantic_view(), {**question, "filters": {AVERAGE: more}}, asking("snowflake"))


def test_hostile_values_stay_literals() -> None:
    hostile = "a' ) ) ; DROP TABLE t; --\\"
    given = {"type": "string", "kind": "EQUALS", "values": [hostile]}
    found = sql_of(semantic_view(), "snowflake", [AVERAGE], filters={NAME: given})
    [text] = [
        each.this
        for each in sqlglot.parse_one(found, read="snowflake").find_all(exp.Literal)
        if each.is_string
    ]
    assert text == hostile


def test_a_masked_group_is_null_outside() -> None:
    layer = changed(
        semantic_view(), f"{TOPIC}__customers",
        dimensions={"customer_name": {
            "sql": '"CUSTOMER_NAME"', "mask_unless_access_grants": ["nobody"],
        }},
    )  # fmt: skip
    grants = {"nobody": {"user_attribute": "team", "allowed_values": ["x"]}}
    layer = replace(layer, the_settings={"access_grants": grants})
    found = sql_of(layer, "snowflake", [NAME, AVERAGE])
    assert "CUSTOMER_NAME" not in found
    assert 'SELECT a.*, NULL AS "g0" FROM "asked" a' in found
    with pytest.raises(PlanError, match="shows nothing"):
        sql_of(layer, "snowflake", [NAME])


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ({"sql": '"ORDER_DATE"', "aggregate_type": "max"}, "aggregates rows, and stands beside"),
        (
            {
                "sql": '"ORDER_AVERAGE_VALUE"',
                "aggregate_type": "semantic_view_agg",
                "filters": {"order_date": {"before": "2024"}},
            },
            "a filter of one measure cannot be asked",
        ),
    ],
)
def test_what_the_database_cannot_be_asked(measure: dict[str, Any], said: str) -> None:
    layer = changed(semantic_view(), f"{TOPIC}__orders", measures={"other": measure})
    with pytest.raises(PlanError, match=said):
        sql_of(layer, "snowflake", [NAME, f"{TOPIC}__orders.other"])


def test_other_tables_are_not_joined_to_it() -> None:
    layer = semantic_view()
    plain: dict[str, Any] = {"table_name": "regions", "dimensions": {"name": {}}}
    join = {
        "join_from_view": f"{TOPIC}__customers",
        "join_to_view": "regions",
        "relationship_type": "many_to_one",
        "on_sql": f"${{{NAME}}} = ${{regions.name}}",
    }
    layer = replace(
        layer,
        the_views={**layer.the_views, "regions": plain},
        the_relationships=[*layer.the_relationships, join],
        the_topics={},
    )
    question = {"modelId": "m", "table": f"{TOPIC}__customers", "fields": ["regions.name", NAME]}
    with pytest.raises(PlanError, match="cannot be joined with other tables"):
        ask(layer, question, asking("snowflake"))
    with pytest.raises(PlanError, match="no rows to show"):
        sql_of(semantic_view(), "snowflake", [NAME], default_group_by=False)


def test_what_orders_must_be_asked_for() -> None:
    with pytest.raises(PlanError, match="is not in the question"):
        sql_of(semantic_view(), "snowflake", [AVERAGE], sorts=[{"column_name": NAME}])


def test_a_metric_view_is_asked_for_its_measures() -> None:
    found = sql_of(kpis(), "databricks", [f"{KPIS}.order_status", f"{KPIS}.total_revenue"])
    assert found == (
        f"WITH `asked` AS ( SELECT `{KPIS}`.`order_status` AS `g0`,"
        f" MEASURE(`{KPIS}`.`total_revenue`) AS `m0` FROM `main`.`sales`.`order_kpis` `{KPIS}`"
        f" GROUP BY `{KPIS}`.`order_status` )"
        " SELECT `g0` AS `c0`, (MAX(`m0`)) AS `c1` FROM `asked` GROUP BY `g0`"
    )


def test_other_databases_have_none() -> None:
    with pytest.raises(PlanError, match="no metrics of its own"):
        ask(kpis(), {"modelId": "m", "table": KPIS, "fields": [f"{KPIS}.total_revenue"]})
