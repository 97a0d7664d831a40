"""Views, and what their rows come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.semantics.model.fields import Dimension, Field, FilterField, Measure
from dragoman.semantics.model.filters import FieldFilter
from dragoman.semantics.model.references import FieldRef, SqlText


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table or view of the database, by its names as the catalog has them. `logical`: the logical
    table that is meant, where it is a semantic view of Snowflake."""

    catalog: str | None
    schema: str | None
    table: str
    logical: str | None = None


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A SELECT."""

    sql: SqlText


@dataclass(frozen=True, slots=True)
class QuerySource:
    """A question over the model; its columns are the view's dimensions."""

    query: QuerySpec


@dataclass(frozen=True, slots=True)
class UploadSource:
    """A table that was uploaded."""

    table: str


@dataclass(frozen=True, slots=True)
class ElementsSource:
    """The elements of an array in rows of another view. `array`: the dimension that holds it;
    `parent`: the view whose rows have it, which may be one of elements itself."""

    array: Dimension
    parent: str


@dataclass(frozen=True, slots=True)
class NoSource:
    """A template: there to be extended, with no rows of its own."""


Source = TableSource | SqlSource | QuerySource | UploadSource | ElementsSource | NoSource


@dataclass(frozen=True, slots=True)
class QueryField:
    """A field of a query view. `output`: the name of its column; None: made of the field's."""

    field: FieldRef
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """An order by one field."""

    field: FieldRef
    desc: bool = False


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """The question of a query view or an aggregate table."""

    fields: tuple[QueryField, ...]
    base_view: str | None = None
    topic: str | None = None
    filters: tuple[FieldFilter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    limit: int | None = None
    pivots: tuple[FieldRef, ...] = ()
    calculations: tuple[Mapping[str, Any], ...] = ()
    fill_fields: tuple[FieldRef, ...] = ()
    column_limit: int | None = None
    bind_all_filters: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view with everything merged and inherited.

    `alias_of`: the view that a join's alias stands for. `compound_primary_key`: names of fields or
    expressions that identify a row together; used where no dimension is marked. `broken`: fields
    that the files define in a way that cannot be understood, with the reason; they are in none of
    the maps of fields. `extra`: everything else the files say, for user interfaces.
    """

    name: str
    path: str
    source: Source
    alias_of: str | None = None
    label: str | None = None
    description: str | None = None
    schema_label: str | None = None
    folder: str | None = None
    display_order: float | None = None
    tags: tuple[str, ...] = ()
    hidden: bool = False
    template: bool = False
    aliases: tuple[str, ...] = ()
    required_access_grants: tuple[str, ...] = ()
    compound_primary_key: tuple[SqlText, ...] = ()
    default_drill_fields: tuple[str, ...] = ()
    fill_fields: tuple[str, ...] = ()
    materialized_query: QuerySpec | None = None
    dimensions: Mapping[str, Dimension]
    measures: Mapping[str, Measure]
    filters: Mapping[str, FilterField]
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def field(self, name: str) -> Field | None:
        """A field by its name, or by a name it had before (`aliases`)."""
        found = self.dimensions.get(name) or self.measures.get(name) or self.filters.get(name)
        if found is not None:
            return found
        return next((f for f in self.fields() if name in f.aliases), None)

    def fields(self) -> list[Field]:
        """Dimensions, then measures, then filter-only fields, in the order of the files."""
        return [*self.dimensions.values(), *self.measures.values(), *self.filters.values()]

    @property
    def primary_key(self) -> tuple[Dimension, ...]:
        """The dimensions that are marked as the key, together one key."""
        return tuple(d for d in self.dimensions.values() if d.primary_key)

    @property
    def has_key(self) -> bool:
        """Whether its rows can be told apart."""
        return bool(self.compound_primary_key) or bool(self.primary_key)
