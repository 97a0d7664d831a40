"""What a recorded project of dbt 1.10 becomes, and what of it is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.dbt.expressions import referenced
from dragoman.dbt.facts import ViewFacts, facts_of
from dragoman.dbt.importing import Options, applied, applied_joins, read_project
from dragoman.dbt.manifest import Manifest, ManifestError, read_catalog, read_manifest
from dragoman.dbt.service import edits
from dragoman.dbt.virtual import Target, relocated
from dragoman.semantics.files import edit, read, write
from dragoman.semantics.layers import ViewSource
from tests.dbt.conftest import MANIFEST

MAIN, DEV = Target("main"), Target("dev", "scratch")


def project(manifest: Manifest, facts: list[ViewFacts], **options: Any) -> Any:
    given = {"dialect": "duckdb", "compiled": MAIN, "target": MAIN, **options}
    return read_project(manifest, facts, Options(**given))


def test_descriptions_tags_and_declared_keys(manifest: Manifest, facts: list[ViewFacts]) -> None:
    made = project(manifest, facts).files
    assert made["main/customers.view"] == {
        "description": "One row a customer, with what they ordered.",
        "tags": ["mart"],
        "dimensions": {
            "customer_id": {
                "description": "This is a unique identifier for a customer", "primary_key": True
            },
            "first_name": {"description": "Customer's first name. PII.", "tags": ["pii"]},
            "last_name": {"tags": ["pii"]},
        },
    }  # fmt: skip
    # A column that the table does not have is no dimension; a key may have several columns.
    assert "nowhere" not in str(made)
    keys = made["main/order_lines.view"]["dimensions"]
    assert keys == {"order_id": {"primary_key": True}, "line_no": {"primary_key": True}}
    # unique and not_null tests are no primary key
    assert "main_staging/stg_orders.view" not in made


def test_relationships(manifest: Manifest, facts: list[ViewFacts]) -> None:
    assert project(manifest, facts).relationships == [
        {
            "join_from_view": "orders", "join_to_view": "customers", "join_type": "always_left",
            "on_sql": "${orders.customer_id} = ${customers.customer_id}",
            "relationship_type": "many_to_one",
        },
        {
            "join_from_view": "order_lines", "join_to_view": "orders", "join_type": "always_left",
            "on_sql": "${order_lines.order_id} = ${orders.order_id}",
            "relationship_type": "many_to_one",
        },
    ]  # fmt: skip
    assert project(manifest, facts, relationships=False).relationships == []


def test_a_unique_foreign_key_is_one_to_one(manifest: Manifest, facts: list[ViewFacts]) -> None:
    for node in manifest.nodes.values():
        if node.name.startswith("unique_orders"):
            node.column_name = "customer_id"
    kinds = {
        j["join_from_view"]: j["relationship_type"] for j in project(manifest, facts).relationships
    }
    assert kinds["orders"] == "one_to_one"


def test_semantic_models_and_metrics(manifest: Manifest, facts: list[ViewFacts]) -> None:
    made = project(manifest, facts, semantic_layer=True)
    orders = made.files["main/orders.view"]
    assert orders["dimensions"]["is_large"] == {
        "sql": "${amount} > 50", "description": "Whether the order is a large one"
    }  # fmt: skip
    assert orders["dimensions"]["status"] == {"label": "Order status"}
    measures = orders["measures"]
    kinds = {name: m["aggregate_type"] for name, m in measures.items() if "aggregate_type" in m}
    assert kinds == {
        "order_total": "sum", "order_count": "sum", "customers_with_orders": "count_distinct",
        "median_amount": "median", "p95_amount": "percentile", "last_order": "max",
        "ever_large": "sum", "average_amount": "average", "revenue": "sum",
        "large_revenue": "sum", "smith_revenue": "sum",
    }  # fmt: skip
    assert measures["p95_amount"]["percentile"] == 95
    assert measures["ever_large"]["sql"] == "CASE WHEN ${amount} > 50 THEN 1 ELSE 0 END"
    assert measures["order_total"]["description"] == "Sum of amounts. Over order_date."
    assert measures["revenue"] == {
        "sql": "${amount}", "aggregate_type": "sum", "label": "Revenue",
        "description": "All that was paid",
    }  # fmt: skip
    assert measures["revenue_per_order"]["sql"] == "1.0 * ${revenue} / NULLIF(${order_count}, 0)"
    assert measures["revenue_in_cents"] == {
        "sql": "${revenue} * 100", "label": "Revenue in cents"
    }  # fmt: skip
    assert measures["large_revenue"]["filters"] == {"_filter_large_revenue": {"is": True}}
    assert orders["dimensions"]["_filter_large_revenue"] == {
        "sql": "(${is_large} = true)", "hidden": True
    }  # fmt: skip
    assert orders["dimensions"]["_filter_smith_revenue"]["sql"] == (
        "(${customers.last_name} = 'Smith')"
    )
    assert {note.subject: note.message for note in made.notes} == {
        "revenue_growth": "offsets in time are not imported",
        "running_revenue": "cumulative metrics are not imported",
    }


def test_entities_join_where_nothing_else_does(manifest: Manifest, facts: list[ViewFacts]) -> None:
    found = project(manifest, facts, relationships=False, semantic_layer=True).relationships
    assert [(j["join_from_view"], j["join_to_view"], j["relationship_type"]) for j in found] == [
        ("orders", "customers", "many_to_one")
    ]


def test_ratio_of_filtered_inputs(manifest: Manifest, facts: list[ViewFacts]) -> None:
    ratio = next(m for m in manifest.metrics.values() if m.name == "large_share")
    large = next(m for m in manifest.metrics.values() if m.name == "large_revenue")
    ratio.type_params.numerator.name = "revenue"  # pyright: ignore[reportOptionalMemberAccess]
    ratio.type_params.numerator.filter = large.filter  # pyright: ignore[reportOptionalMemberAccess]
    measures = project(manifest, facts, semantic_layer=True).files["main/orders.view"]["measures"]
    hidden = measures["_large_share_numerator"]
    assert hidden["hidden"] is True
    assert hidden["filters"] == {"_filter__large_share_numerator": {"is": True}}
    assert measures["large_share"]["sql"].startswith("1.0 * ${_large_share_numerator} /")


def test_metrics_that_go_in_circles(manifest: Manifest, facts: list[ViewFacts]) -> None:
    derived = next(m for m in manifest.metrics.values() if m.name == "revenue_in_cents")
    derived.type_params.metrics[0].name = "revenue_in_cents"  # pyright: ignore[reportOptionalSubscript]
    notes = {n.subject: n.message for n in project(manifest, facts, semantic_layer=True).notes}
    assert "made of itself" in notes["revenue_in_cents"]


def test_virtual_schemas(manifest: Manifest, facts: list[ViewFacts]) -> None:
    made = project(manifest, facts, virtual_schemas=True, target=DEV)
    assert made.files["omni_dbt/omni_dbt__orders.view"] == {
        "schema": "dev", "table_name": "orders", "extends": ["orders"], "catalog": "scratch"
    }  # fmt: skip
    staging = made.files["omni_dbt/omni_dbt_staging__stg_orders.view"]
    assert staging["schema"] == "dev_staging"
    ends = [(j["join_from_view"], j["join_to_view"]) for j in made.relationships]
    assert ("omni_dbt__orders", "omni_dbt__customers") in ends
    assert relocated("other", MAIN, DEV) == "other"


def test_tables_without_a_view_are_told(manifest: Manifest, facts: list[ViewFacts]) -> None:
    made = project(manifest, [f for f in facts if f.table != "orders"], semantic_layer=True)
    assert "main/orders.view" not in made.files
    told = {note.subject for note in made.notes}
    assert {"model.jaffle.orders", "orders", "revenue"} <= told


def test_names_in_any_case(manifest: Manifest, facts: list[ViewFacts]) -> None:
    shouting = [
        ViewFacts(f.name, f.path, f.schema.upper(), f.table.upper(), "JAFFLE", f.columns, {})
        for f in facts
    ]
    assert project(manifest, shouting).files.keys() == project(manifest, facts).files.keys()


def test_facts_of_the_schema_layer() -> None:
    definition = {
        "schema": "public", "table_name": "Users", "dimensions": {
            "id": {}, "city": {"sql": '"CITY"'}, "odd": {"sql": '"a ""b"""'}, "sum": {"sql": "a+b"}
        },
    }  # fmt: skip
    found = facts_of(ViewSource("users", "public/users.view", definition))
    assert found is not None
    assert (found.schema, found.table) == ("public", "Users")
    assert found.columns == {"id": "id", "city": "city", 'a "b"': "odd", "sum": "sum"}
    assert facts_of(ViewSource("q", "q.query.view", {"sql": "select 1"})) is None


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("amount > 50", "${a} > 50"),
        ("AMOUNT + \"amount\"", "${a} + ${a}"),
        ("t.amount + amount(1) + amount.x", "t.amount + amount(1) + amount.x"),
        ("'amount' || other", "'amount' || other"),
        ("case when amount is null then 0 end", "case when ${a} is null then 0 end"),
        ("sum(amount) -- amount", "sum(${a}) -- amount"),
    ],
)  # fmt: skip
def test_columns_in_expressions(sql: str, made: str) -> None:
    assert referenced(sql, {"amount": "${a}"}, "duckdb") == made


# What people wrote stands


@pytest.mark.parametrize(
    ("current", "last", "new", "inherited", "made"),
    [
        ({}, {}, {"description": "a"}, {}, {"description": "a"}),
        ({}, {}, {"description": "a"}, {"description": "a"}, {}),
        ({"description": "mine"}, {}, {"description": "a"}, {}, {"description": "mine"}),
        ({"label": "a"}, {"label": "a"}, {"label": "b"}, {}, {"label": "b"}),
        ({"description": "a"}, {"description": "a"}, {}, {}, {}),
        ({"description": "mine"}, {"description": "a"}, {}, {}, {"description": "mine"}),
        ({}, {"description": "a"}, {"description": "a"}, {}, {}),
        ({}, {"description": "a"}, {"description": "b"}, {}, {"description": "b"}),
        ({"tags": ["x"]}, {}, {"tags": ["y"]}, {}, {"tags": ["x", "y"]}),
        ({"tags": ["x", "y"]}, {"tags": ["y"]}, {"tags": ["z"]}, {}, {"tags": ["x", "z"]}),
        ({"tags": ["y"]}, {"tags": ["y"]}, {}, {}, {}),
        ({}, {}, {"tags": ["y"]}, {"tags": ["PII"]}, {"tags": ["PII", "y"]}),
        ({}, {}, {"tags": ["y"]}, {"tags": ["y", "PII"]}, {}),
        ({"dimensions": {"a": {"label": "A"}}}, {}, {"dimensions": {"a": {"description": "d"}}}, {},
         {"dimensions": {"a": {"label": "A", "description": "d"}}}),
        ({"dimensions": {"a": {"sql": "d"}}}, {"dimensions": {"a": {"sql": "d"}}}, {}, {}, {}),
    ],
)  # fmt: skip
def test_applied(current: Any, last: Any, new: Any, inherited: Any, made: Any) -> None:
    assert applied(current, last, new, inherited) == made


def test_applied_joins() -> None:
    def join(a: str, b: str, **more: Any) -> dict[str, Any]:
        return {"join_from_view": a, "join_to_view": b, **more}

    mine, theirs, changed = (
        join("a", "b", on_sql="mine"),
        join("c", "d"),
        join("c", "d", on_sql="x"),
    )
    assert applied_joins([mine], [], [join("a", "b"), theirs], []) == [mine, theirs]
    assert applied_joins([mine, theirs], [theirs], [changed], []) == [mine, changed]
    assert applied_joins([mine, theirs], [theirs], [], []) == [mine]
    assert applied_joins([mine], [theirs], [theirs], []) == [mine]  # taken away by hand
    assert applied_joins([], [], [theirs], [{**theirs, "id": "c_d"}]) == [theirs]
    assert applied_joins([], [], [theirs], [{**theirs, "reversible": True}]) == []


def test_an_import_twice_changes_nothing(manifest: Manifest, facts: list[ViewFacts]) -> None:
    made = project(manifest, facts, semantic_layer=True).files
    for said in made.values():
        first = applied({}, {}, said, {})
        assert applied(first, said, said, {}) == first == said


def test_edits_keep_comments() -> None:
    text = "# ours\nlabel: L # why\ndimensions:\n  a:\n    label: A # kept\n"
    current = read("x.view", text).data
    new = applied(current, {}, {"description": "d", "dimensions": {"a": {"tags": ["t"]}}}, {})
    changed = edit(text, edits(current, new))
    assert read("x.view", changed).data == new
    for comment in ("# ours", "# why", "# kept"):
        assert comment in changed
    assert read("x.view", write(new)).data == new


# Files that are no manifests


def versioned(number: int) -> bytes:
    said = json.loads(MANIFEST)
    schema = f"https://schemas.getdbt.com/dbt/manifest/v{number}.json"
    said["metadata"]["dbt_schema_version"] = schema
    return json.dumps(said).encode()


@pytest.mark.parametrize("number", [9, 10, 11, 12, 13])
def test_versions_that_are_read(number: int) -> None:
    assert len(read_manifest(versioned(number)).tables()) == 10


def test_a_filter_of_version_10_is_one_condition(facts: list[ViewFacts]) -> None:
    said = json.loads(versioned(10))

    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(each) for each in value]
        if not isinstance(value, dict):
            return value
        if "where_filters" in value:
            (condition,) = value["where_filters"]
            return {"where_sql_template": condition["where_sql_template"]}
        return {key: one(each) for key, each in value.items()}

    old = read_manifest(json.dumps({**said, "metrics": one(said["metrics"])}))
    found = project(old, facts, semantic_layer=True)
    assert found.files == project(read_manifest(MANIFEST), facts, semantic_layer=True).files
    assert "where_filters" not in json.dumps(one(said["metrics"]))


def test_metrics_of_version_9_are_noted(facts: list[ViewFacts]) -> None:
    said = json.loads(versioned(9))
    metric = {"name": "old", "unique_id": "metric.shop.old", "calculation_method": "sum",
              "expression": "amount", "filters": [], "time_grains": ["day"]}  # fmt: skip
    old = {**said, "semantic_models": {}, "metrics": {"metric.shop.old": metric}}
    made = project(read_manifest(json.dumps(old)), facts, semantic_layer=True)
    assert [(n.subject, n.message) for n in made.notes] == [("old", "old metrics are not imported")]
    assert made.files["main/orders.view"]["description"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (versioned(8), "version 8"),
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"{}", "cannot be read"),
        (b'{"metadata": {"dbt_schema_version": "x"}}', "no dbt manifest"),
        (MANIFEST.replace(b'"nodes": {', b'"nodes": [', 1), "cannot be read"),
    ],
)
def test_refused(content: bytes, told: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_manifest(content)
    assert told in caught.value.message
    with pytest.raises(ManifestError):
        read_catalog(b"[]")
