"""MetricFlow's compiler, asked the question of `bench_compile`; run by a Python that has it."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import serve
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.snowflake import SnowflakeSqlPlanRenderer
from metricflow_semantic_interfaces.parsing.dir_to_model import (
    parse_directory_of_yaml_files_to_semantic_manifest as parsed,
)
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

NAMES = ["count", *(f"m{k}" for k in range(9))]
SPINE = {"node_relation": {"schema_name": "s", "alias": "spine"}}
DAYS = {"primary_column": {"name": "ds", "time_granularity": "day"}}


class NoDatabase:
    """Says which SQL is wanted, and runs none."""

    sql_engine_type = SqlEngine.SNOWFLAKE
    sql_plan_renderer = SnowflakeSqlPlanRenderer()

    def render_bind_parameter_key(self, key: str) -> str:
        return f"%({key})s"


def model(n: int, views: int) -> dict[str, Any]:
    time = {"name": "created_at", "type": "time", "type_params": {"time_granularity": "day"}}
    others = [{"name": f"d{k}", "type": "categorical", "expr": f"v{n}_d{k}"} for k in range(5)]
    made: dict[str, Any] = {
        "name": f"v{n}",
        "node_relation": {"schema_name": "s", "alias": f"v{n}"},
        "defaults": {"agg_time_dimension": "created_at"},
        "dimensions": [time, *others],
        "entities": [{"name": f"v{n}_id", "type": "primary", "expr": "id"}],
    }
    if n == 0:
        made["entities"] += [
            {"name": f"v{k}_id", "type": "foreign", "expr": f"v0_d{k % 5}"} for k in range(1, views)
        ]
        made["measures"] = [{"name": "count", "agg": "sum", "expr": "1"}] + [
            {
                "name": f"m{k}",
                "agg": "sum",
                "expr": f"case when v0_d2 = 'x' then v0_d{k % 2} * 2 + {k} end",
            }
            for k in range(9)
        ]
    return {"semantic_model": made}


def engine(views: int) -> MetricFlowEngine:
    """The star: v0 joined to the others, measures on v0."""
    documents = [model(n, views) for n in range(views)]
    documents += [
        {"metric": {"name": name, "type": "simple", "type_params": {"measure": name}}}
        for name in NAMES
    ]
    documents.append({"project_configuration": {"time_spines": [SPINE | DAYS]}})
    with tempfile.TemporaryDirectory() as folder:
        for n, document in enumerate(documents):
            # JSON is YAML too.
            (Path(folder) / f"{n}.yaml").write_text(json.dumps(document))
        manifest = parsed(folder).semantic_manifest
    return MetricFlowEngine(SemanticManifestLookup(manifest), NoDatabase())


def main() -> None:
    made = engine(7)
    numbers = itertools.count()
    day = "{{ TimeDimension('v0_id__created_at', 'day') }}"

    def ask() -> str:
        request = MetricFlowQueryRequest.create(
            metric_names=NAMES,
            group_by_names=["v0_id__created_at__month", "v1_id__d3", "v2_id__d3", "v3_id__d4"],
            where_constraints=[
                f"{{{{ Dimension('v4_id__d3') }}}} IN ('a{next(numbers)}', 'b')",
                f"{day} >= '2025-04-01' AND {day} < '2026-04-01'",
                "{{ Dimension('v5_id__d0') }} > 1",
                "{{ Dimension('v6_id__d3') }} LIKE '%z%'",
                "{{ Dimension('v1_id__d2') }} = 'y'",
            ],
            order_by_names=["-m0"],
            limit=1000,
        )
        return made.explain(request).sql_statement.sql

    assert ask().count(" JOIN") == 6
    serve.rounds(f"MetricFlow {version('metricflow')}", ask, sys.stdin)


if __name__ == "__main__":
    main()
