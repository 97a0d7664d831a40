"""What a database keeps of meaning itself: Snowflake's semantic views, Databricks' metric views."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ObjectKind(StrEnum):
    """Which of the two it is: they are asked in different words."""

    SEMANTIC_VIEW = "semantic view"
    METRIC_VIEW = "metric view"


@dataclass(frozen=True, slots=True)
class SemanticField:
    """A dimension, fact or metric. `table`: the logical table it belongs to.

    `expression`: in the database's own words. `type`: likewise, empty where it does not say.
    """

    table: str
    name: str
    expression: str
    type: str = ""
    comment: str | None = None
    synonyms: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True)
class SemanticTable:
    """A logical table. `primary_key`: columns of the table beneath it."""

    name: str
    primary_key: tuple[str, ...] = ()
    comment: str | None = None
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SemanticJoin:
    """`columns[i]` of `table` refers to `other_columns[i]` of `other`: many to one."""

    table: str
    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]


@dataclass(slots=True)
class SemanticObject:
    """One semantic view or metric view. A metric view has one table, called as itself."""

    kind: ObjectKind
    catalog: str | None
    schema: str
    name: str
    comment: str | None = None
    tables: list[SemanticTable] = field(default_factory=list[SemanticTable])
    dimensions: list[SemanticField] = field(default_factory=list[SemanticField])
    facts: list[SemanticField] = field(default_factory=list[SemanticField])
    metrics: list[SemanticField] = field(default_factory=list[SemanticField])
    joins: list[SemanticJoin] = field(default_factory=list[SemanticJoin])
