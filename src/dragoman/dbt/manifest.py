"""Reading dbt's `manifest.json` and `catalog.json`: what of them matters here, checked.

Source: the published JSON Schemas `schemas.getdbt.com/dbt/manifest/v9.json` to `v12.json` (dbt 1.5
to 1.11) and `catalog/v1.json`. Later versions only added keys so far and are read the same way.
Metrics of version 9 are of the kind before MetricFlow, without a `type`.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

OLDEST = 9
MODEL_KINDS = ("model", "seed", "snapshot")


class ManifestError(ValueError):
    """The file is no manifest that can be read. `fix` says what would do."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Constraint(msgspec.Struct):
    """A constraint as the project declares it. `to`, `to_columns`: of a foreign key."""

    type: str
    columns: list[str] | None = None
    to: str | None = None
    to_columns: list[str] | None = None


class Settings(msgspec.Struct):
    """The part of `config` that is read."""

    enabled: bool = True
    materialized: str | None = None
    tags: list[str] | str | None = None


class ColumnNode(msgspec.Struct):
    """A column as the project describes it."""

    name: str
    description: str | None = None
    tags: list[str] = []
    constraints: list[Constraint] = []
    config: Settings | None = None


class TestMetadata(msgspec.Struct):
    """Which generic test it is, and its arguments."""

    name: str
    kwargs: dict[str, Any] = {}


class Depends(msgspec.Struct):
    """What a node is made of."""

    nodes: list[str] = []


class Node(msgspec.Struct):
    """A model, seed, snapshot, source or test."""

    name: str
    resource_type: str
    unique_id: str
    package_name: str = ""
    database: str | None = None
    schema: str | None = None
    alias: str | None = None
    identifier: str | None = None
    relation_name: str | None = None
    description: str | None = None
    columns: dict[str, ColumnNode] = {}
    tags: list[str] = []
    constraints: list[Constraint] = []
    config: Settings | None = None
    depends_on: Depends = msgspec.field(default_factory=Depends)
    test_metadata: TestMetadata | None = None
    column_name: str | None = None
    attached_node: str | None = None
    version: str | float | None = None

    @property
    def table(self) -> str:
        """The name of its table."""
        return self.identifier or self.alias or self.name

    @property
    def has_table(self) -> bool:
        """Whether there is a table of it in the database."""
        kind = self.config.materialized if self.config else None
        return bool(self.schema) and kind != "ephemeral"


class Entity(msgspec.Struct):
    """A key that joins semantic models of the same name of entity."""

    name: str
    type: str
    expr: str | None = None
    description: str | None = None

    @property
    def sql(self) -> str:
        """The expression."""
        return self.expr or self.name


class TimeParams(msgspec.Struct):
    """Of a time dimension."""

    time_granularity: str | None = None


class SemanticDimension(msgspec.Struct):
    """A dimension of a semantic model."""

    name: str
    type: str
    expr: str | None = None
    label: str | None = None
    description: str | None = None
    type_params: TimeParams | None = None


class AggParams(msgspec.Struct):
    """Of a percentile: `percentile` lies between 0 and 1."""

    percentile: float | None = None
    use_discrete_percentile: bool = False


class SemanticMeasure(msgspec.Struct):
    """A measure of a semantic model."""

    name: str
    agg: str
    expr: str | int | float | bool | None = None
    label: str | None = None
    description: str | None = None
    agg_params: AggParams | None = None
    agg_time_dimension: str | None = None
    non_additive_dimension: dict[str, Any] | None = None


class Defaults(msgspec.Struct):
    """What holds for all measures of a semantic model."""

    agg_time_dimension: str | None = None


class Relation(msgspec.Struct):
    """The table of a semantic model."""

    alias: str
    schema_name: str
    database: str | None = None


class SemanticModel(msgspec.Struct):
    """A semantic model over one dbt model."""

    name: str
    unique_id: str
    model: str = ""
    description: str | None = None
    label: str | None = None
    node_relation: Relation | None = None
    defaults: Defaults | None = None
    entities: list[Entity] = []
    dimensions: list[SemanticDimension] = []
    measures: list[SemanticMeasure] = []
    primary_entity: str | None = None
    depends_on: Depends = msgspec.field(default_factory=Depends)
    config: Settings | None = None


class WhereFilter(msgspec.Struct):
    """One condition with calls such as `{{ Dimension('order__status') }}`."""

    where_sql_template: str


class Filters(msgspec.Struct):
    """Conditions that all hold. Version 10 has one condition here itself."""

    where_filters: list[WhereFilter] = []
    where_sql_template: str | None = None

    @property
    def templates(self) -> list[str]:
        """Their texts."""
        found = [each.where_sql_template for each in self.where_filters]
        return [*found, self.where_sql_template] if self.where_sql_template else found


class MetricInput(msgspec.Struct):
    """A measure or a metric that another metric is made of."""

    name: str
    alias: str | None = None
    filter: Filters | None = None
    offset_window: Any = None
    offset_to_grain: Any = None
    fill_nulls_with: Any = None
    join_to_timespine: bool = False


class Aggregation(msgspec.Struct):
    """A simple metric that aggregates by itself (dbt 1.12), with no measure between."""

    semantic_model: str
    agg: str
    expr: str | None = None
    agg_params: AggParams | None = None
    agg_time_dimension: str | None = None
    non_additive_dimension: dict[str, Any] | None = None


class MetricParams(msgspec.Struct):
    """What a metric is made of; which fields count depends on its type."""

    measure: MetricInput | None = None
    numerator: MetricInput | None = None
    denominator: MetricInput | None = None
    expr: str | None = None
    metrics: list[MetricInput] | None = None
    metric_aggregation_params: Aggregation | None = None
    fill_nulls_with: Any = None
    join_to_timespine: bool = False


class Metric(msgspec.Struct):
    """A metric."""

    name: str
    unique_id: str
    type: str = ""
    type_params: MetricParams = msgspec.field(default_factory=MetricParams)
    label: str | None = None
    description: str | None = None
    filter: Filters | None = None
    config: Settings | None = None


class Metadata(msgspec.Struct):
    """About the file itself."""

    dbt_schema_version: str
    dbt_version: str = ""
    generated_at: str = ""
    project_name: str | None = None
    adapter_type: str | None = None


class Manifest(msgspec.Struct):
    """A project as dbt compiled it."""

    metadata: Metadata
    nodes: dict[str, Node] = {}
    sources: dict[str, Node] = {}
    metrics: dict[str, Metric] = {}
    semantic_models: dict[str, SemanticModel] = {}

    def tables(self) -> list[Node]:
        """Every model, seed, snapshot and source that has a table, in order of its id."""
        found = [
            node
            for node in [*self.nodes.values(), *self.sources.values()]
            if node.resource_type in (*MODEL_KINDS, "source") and node.has_table
        ]
        return sorted(found, key=lambda node: node.unique_id)

    def tests(self) -> list[Node]:
        """Every generic test."""
        return [node for node in self.nodes.values() if node.test_metadata is not None]


class CatalogColumn(msgspec.Struct):
    """A column as the database described it."""

    name: str
    type: str = ""
    comment: str | None = None


class CatalogTable(msgspec.Struct):
    """A table as the database described it."""

    columns: dict[str, CatalogColumn] = {}


class Catalog(msgspec.Struct):
    """What `dbt docs generate` read from the database."""

    nodes: dict[str, CatalogTable] = {}
    sources: dict[str, CatalogTable] = {}

    def columns(self, unique_id: str) -> list[CatalogColumn]:
        """The columns of a node's table; empty where it is not there."""
        table = self.nodes.get(unique_id) or self.sources.get(unique_id)
        return list(table.columns.values()) if table else []


def read_manifest(content: bytes | str) -> Manifest:
    """Read a manifest. Raises `ManifestError`."""
    manifest = _decode(content, Manifest, "manifest.json")
    version = _version(manifest.metadata.dbt_schema_version, "manifest")
    if version < OLDEST:
        raise ManifestError(
            f"The manifest has version {version}; it is read from version {OLDEST} on.",
            "Compile the project with dbt 1.5 or later.",
        )
    return manifest


def read_catalog(content: bytes | str) -> Catalog:
    """Read a catalog. Raises `ManifestError`."""
    return _decode(content, Catalog, "catalog.json")


def _version(schema: str, kind: Literal["manifest", "catalog"]) -> int:
    found = re.search(rf"/{kind}/v(\d+)\.json$", schema)
    if found is None:
        raise ManifestError(
            f"This is no dbt {kind}: dbt_schema_version is {schema[:80]!r}.",
            f"Send target/{kind}.json as dbt wrote it.",
        )
    return int(found[1])


def _decode(content: bytes | str, shape: Any, name: str) -> Any:
    try:
        return msgspec.json.decode(content, type=shape, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fix = f"Send target/{name} as dbt wrote it."
        raise ManifestError(f"{name} cannot be read: {str(error)[:200]}", fix) from None
