"""Semantic models of MetricFlow as fields and relationships of views.

Source: docs.getdbt.com/docs/build (semantic models, entities, dimensions, measures).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dragoman.dbt.expressions import Unreadable, is_name, name_in, referenced
from dragoman.dbt.facts import ViewFacts, Views
from dragoman.dbt.manifest import (
    AggParams,
    Entity,
    Manifest,
    SemanticDimension,
    SemanticMeasure,
    SemanticModel,
)
from dragoman.dbt.metadata import Definition, join
from dragoman.semantics.plain import mapping

# MetricFlow's aggregations; sum_boolean counts what is true.
AGGREGATES = {
    "sum": "sum",
    "sum_boolean": "sum",
    "min": "min",
    "max": "max",
    "average": "average",
    "count": "count",
    "count_distinct": "count_distinct",
    "median": "median",
    "percentile": "percentile",
}
_ONE = ("primary", "unique", "natural")


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was left out, or read otherwise than one may think."""

    subject: str
    message: str


@dataclass
class Semantics:
    """A semantic model over its view; `fields` maps dimension names (lower case) to fields."""

    model: SemanticModel
    view: ViewFacts
    fields: dict[str, str] = field(default_factory=dict[str, str])
    dimensions: dict[str, Definition] = field(default_factory=dict[str, Definition])
    measures: dict[str, Definition] = field(default_factory=dict[str, Definition])
    # A measure's own name to what it is called in the view.
    measure_names: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def definition(self) -> Definition:
        """What is added to the view."""
        made: Definition = {}
        if self.model.description:
            made["description"] = self.model.description.strip()
        if self.dimensions:
            made["dimensions"] = self.dimensions
        if self.measures:
            made["measures"] = self.measures
        return made

    def name_of(self, wanted: str, suffix: str) -> str:
        """A name that no column, dimension or measure of the view has."""
        taken = {*self.view.columns.values(), *self.dimensions, *self.measures, "count"}
        return wanted if wanted not in taken else f"{wanted}_{suffix}"


def build(
    manifest: Manifest, views: Views, dialect: str | None, notes: list[Note]
) -> list[Semantics]:
    """Every semantic model whose table has a view, in the order of their ids."""
    found: list[Semantics] = []
    for model in sorted(manifest.semantic_models.values(), key=lambda m: m.unique_id):
        view = _view(manifest, model, views)
        if view is None:
            notes.append(Note(model.name, "its table has no view in this model"))
            continue
        made = Semantics(model, view)
        _add_dimensions(made, dialect, notes)
        _add_keys(made)
        _add_measures(made, dialect, notes)
        found.append(made)
    return found


def _view(manifest: Manifest, model: SemanticModel, views: Views) -> ViewFacts | None:
    relation = model.node_relation
    if relation is not None:
        return views.at(relation.schema_name, relation.alias, relation.database)
    nodes = (manifest.nodes.get(each) for each in model.depends_on.nodes)
    return next((views.of(node) for node in nodes if node is not None), None)


def _add_dimensions(made: Semantics, dialect: str | None, notes: list[Note]) -> None:
    for dimension in made.model.dimensions:
        try:
            name, definition = _dimension(made, dimension, dialect)
        except Unreadable as error:
            notes.append(Note(f"{made.model.name}.{dimension.name}", str(error)))
            continue
        made.fields[dimension.name.lower()] = name
        if definition:
            made.dimensions.setdefault(name, {}).update(definition)


def _dimension(
    made: Semantics, dimension: SemanticDimension, dialect: str | None
) -> tuple[str, Definition]:
    definition: Definition = {}
    if dimension.label:
        definition["label"] = dimension.label
    if dimension.description:
        definition["description"] = dimension.description.strip()
    sql = dimension.expr or dimension.name
    column = made.view.columns.get(name_in(sql)) if is_name(sql) else None
    if column is not None and name_in(sql) == dimension.name.lower():
        return column, definition
    definition = {"sql": expression(made, sql, dialect), **definition}
    return made.name_of(dimension.name, "dimension"), definition


def expression(made: Semantics, sql: str, dialect: str | None) -> str:
    """SQL over the columns of the semantic model's table. Raises `Unreadable`."""
    return referenced(sql, {c: f"${{{d}}}" for c, d in made.view.columns.items()}, dialect)


def _add_keys(made: Semantics) -> None:
    """A primary entity that is one column is the key, unless the view has another."""
    stated = mapping(made.view.definition.get("dimensions")).values()
    if any(mapping(each).get("primary_key") for each in stated):
        return
    for entity in made.model.entities:
        column = _column(made, entity)
        if entity.type == "primary" and column is not None:
            made.dimensions.setdefault(column, {})["primary_key"] = True


def _column(made: Semantics, entity: Entity) -> str | None:
    return made.view.columns.get(name_in(entity.sql)) if is_name(entity.sql) else None


def _add_measures(made: Semantics, dialect: str | None, notes: list[Note]) -> None:
    for measure in made.model.measures:
        definition = measure_definition(made, measure, dialect, notes)
        if definition is None:
            continue
        name = made.name_of(measure.name, measure.agg)
        made.measures[name] = definition
        made.measure_names[measure.name] = name


def measure_definition(
    made: Semantics, measure: SemanticMeasure, dialect: str | None, notes: list[Note]
) -> Definition | None:
    """The measure; None, with a note, for one that cannot be said."""
    subject = f"{made.model.name}.{measure.name}"
    if measure.agg not in AGGREGATES:
        notes.append(Note(subject, f"the aggregation {measure.agg} is not known"))
        return None
    if measure.non_additive_dimension is not None:
        notes.append(Note(subject, "non-additive measures are not imported"))
        return None
    try:
        sql = expression(made, _sql(measure), dialect)
    except Unreadable as error:
        notes.append(Note(subject, str(error)))
        return None
    return described(
        {**aggregated(measure.agg, sql, measure.agg_params)},
        measure.label,
        measure.description,
        measure.agg_time_dimension or _default_time(made),
    )


def aggregated(agg: str, sql: str, params: AggParams | None) -> Definition:
    """`aggregate_type` and `sql` of an aggregation."""
    if agg == "sum_boolean":
        sql = f"CASE WHEN {sql} THEN 1 ELSE 0 END"
    made: Definition = {"sql": sql, "aggregate_type": AGGREGATES[agg]}
    if agg == "percentile":
        share = params.percentile if params and params.percentile is not None else 0.5
        percent = round(share * 100, 6)
        made["percentile"] = int(percent) if percent == int(percent) else percent
    return made


def described(
    made: Definition, label: str | None, description: str | None, time: str | None
) -> Definition:
    """With its label and description; the latter says over which time it is meant."""
    said = [description.strip().rstrip(".") + "."] if description and time else []
    said += [f"Over {time}."] if time else [description.strip()] if description else []
    if label:
        made["label"] = label
    if said:
        made["description"] = " ".join(said)
    return made


def _sql(measure: SemanticMeasure) -> str:
    expr = measure.expr
    if isinstance(expr, bool):
        return str(expr).lower()
    return measure.name if expr is None else str(expr)


def _default_time(made: Semantics) -> str | None:
    return made.model.defaults.agg_time_dimension if made.model.defaults else None


def relationships(models: Iterable[Semantics]) -> list[Definition]:
    """Joins of foreign entities to the model whose key is the entity of that name."""
    known = list(models)
    owners = {
        entity.name: (made, entity)
        for made in reversed(known)
        for entity in made.model.entities
        if entity.type in _ONE
    }
    return [found for made in known for found in _joins(made, owners)]


def _joins(made: Semantics, owners: dict[str, tuple[Semantics, Entity]]) -> Iterator[Definition]:
    for entity in made.model.entities:
        owner = owners.get(entity.name)
        if owner is None or owner[0].view.name == made.view.name:
            continue
        pair = (_column(made, entity), _column(*owner))
        if None in pair:
            continue
        kind = "one_to_one" if entity.type in _ONE else "many_to_one"
        yield join(made.view.name, owner[0].view.name, [pair], kind)


def lookup(models: Iterable[Semantics], start: Semantics, path: list[str]) -> tuple[Semantics, str]:
    """The model and the field that `entity__dimension` names, seen from `start`.

    Raises `KeyError` when there is none.
    """
    *entities, name = path
    here = start
    for entity in entities:
        here = _across(models, here, entity)
    own = here.fields.get(name.lower()) or here.view.columns.get(name.lower())
    if own is None:
        raise KeyError(name)
    return here, own


def _across(models: Iterable[Semantics], here: Semantics, entity: str) -> Semantics:
    own: dict[str, Any] = {each.name: each for each in here.model.entities}
    if here.model.primary_entity == entity or (entity in own and own[entity].type in _ONE):
        return here
    for other in models:
        for each in other.model.entities:
            if each.name == entity and each.type in _ONE and entity in own:
                return other
    raise KeyError(entity)
