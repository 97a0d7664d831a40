"""Metrics of MetricFlow as measures: simple, ratio and derived ones, with their filters.

Left out, with a note each: cumulative and conversion metrics, offsets in time, filters over other
metrics, metrics of the kind before MetricFlow. Source: docs.getdbt.com/docs/build (metrics).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dragoman.dbt import semantic
from dragoman.dbt.expressions import Unreadable, referenced
from dragoman.dbt.manifest import Filters, Manifest, Metric, MetricInput, SemanticMeasure
from dragoman.dbt.metadata import Definition
from dragoman.dbt.semantic import Note, Semantics

_CALL = re.compile(
    r"\{\{\s*(Dimension|TimeDimension|Entity|Metric)\s*\(\s*(.*?)\s*\)"
    r"(?:\.grain\(\s*['\"](\w+)['\"]\s*\))?\s*\}\}",
    re.DOTALL,
)
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Unsupported(ValueError):
    """Something that measures of a view cannot say."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a metric became a measure."""

    owner: Semantics
    measure: str

    def seen_from(self, owner: Semantics) -> str:
        """As a measure of another view names it; in its own view without the view's name, so that
        views that extend it mean their own."""
        own = owner.view.name == self.owner.view.name
        return f"${{{self.measure}}}" if own else f"${{{self.owner.view.name}.{self.measure}}}"


def add(
    manifest: Manifest, models: list[Semantics], dialect: str | None, notes: list[Note]
) -> None:
    """Add the measure of each metric to the view it belongs to."""
    builder = _Builder(manifest, models, dialect, notes)
    for metric in sorted(manifest.metrics.values(), key=lambda each: each.unique_id):
        try:
            builder.place(metric.name)
        except (Unsupported, Unreadable) as error:
            notes.append(Note(metric.name, str(error)))


class _Builder:
    def __init__(
        self,
        manifest: Manifest,
        models: list[Semantics],
        dialect: str | None,
        notes: list[Note],
    ) -> None:
        self._metrics = {metric.name: metric for metric in manifest.metrics.values()}
        self._models = models
        self._dialect = dialect
        self._notes = notes
        self._places: dict[str, Place] = {}
        self._under_way: list[str] = []

    def place(self, name: str) -> Place:
        """Where the metric of that name is a measure; made when it is asked for first."""
        if name in self._places:
            return self._places[name]
        metric = self._metrics.get(name)
        if metric is None:
            raise Unsupported(f"the metric {name} is not there")
        if name in self._under_way:
            raise Unsupported(f"it is made of itself: {' > '.join([*self._under_way, name])}")
        self._under_way.append(name)
        try:
            made = self._places[name] = self._make(metric)
        finally:
            self._under_way.pop()
        return made

    def _make(self, metric: Metric) -> Place:
        if metric.type == "simple":
            return self._simple(metric, metric.name, [metric.filter], hidden=False)
        if metric.type == "ratio":
            return self._ratio(metric)
        if metric.type == "derived":
            return self._derived(metric)
        raise Unsupported(f"{metric.type or 'old'} metrics are not imported")

    def _simple(
        self, metric: Metric, name: str, filters: list[Filters | None], *, hidden: bool
    ) -> Place:
        owner, own_name, base, inner = self._base(metric)
        params = metric.type_params
        given = [params.measure, params]
        if any(each and (each.fill_nulls_with is not None) for each in given):
            self._notes.append(Note(metric.name, "empty values are not filled"))
        templates = [t for each in [*filters, inner] if each for t in each.templates]
        definition = dict(base)
        semantic.described(definition, metric.label, None, None)
        if metric.description and not metric.description.startswith("Metric created from measure"):
            definition["description"] = metric.description.strip()
        if templates:
            flag = f"_filter_{name}"
            sql = " AND ".join(f"({self._rendered(owner, each)})" for each in templates)
            owner.dimensions[flag] = {"sql": sql, "hidden": True}
            definition["filters"] = {flag: {"is": True}}
        if hidden:
            definition["hidden"] = True
        if not templates and not hidden and name == own_name:
            # `create_metric: true`: the measure is the metric.
            name = owner.measure_names[own_name]
        else:
            name = owner.name_of(name, "metric")
        owner.measures[name] = definition
        return Place(owner, name)

    def _base(self, metric: Metric) -> tuple[Semantics, str, Definition, Filters | None]:
        """The model, the measure's own name, its definition, and the filter of the input."""
        measure, params = metric.type_params.measure, metric.type_params.metric_aggregation_params
        if measure is not None:
            for owner in self._models:
                if measure.name in owner.measure_names:
                    own = owner.measures[owner.measure_names[measure.name]]
                    return owner, measure.name, own, measure.filter
            raise Unsupported(f"its measure {measure.name} was not imported")
        if params is None:
            raise Unsupported("it has no measure")
        owner = next((m for m in self._models if m.model.name == params.semantic_model), None)
        if owner is None:
            raise Unsupported(f"its semantic model {params.semantic_model} was not imported")
        made = SemanticMeasure(
            name=metric.name,
            agg=params.agg,
            expr=params.expr or metric.type_params.expr,
            agg_params=params.agg_params,
            agg_time_dimension=params.agg_time_dimension,
            non_additive_dimension=params.non_additive_dimension,
        )
        definition = semantic.measure_definition(owner, made, self._dialect, self._notes)
        if definition is None:
            raise Unsupported("its aggregation was not imported")
        return owner, "", definition, None

    def _ratio(self, metric: Metric) -> Place:
        numerator, denominator = metric.type_params.numerator, metric.type_params.denominator
        if numerator is None or denominator is None:
            raise Unsupported("it lacks a numerator or a denominator")
        above = self._input(metric, numerator, "numerator")
        below = self._input(metric, denominator, "denominator")
        # Two whole numbers would give a whole number in several databases.
        owner = above.owner
        sql = f"1.0 * {above.seen_from(owner)} / NULLIF({below.seen_from(owner)}, 0)"
        return self._formula(metric, owner, sql)

    def _derived(self, metric: Metric) -> Place:
        inputs = metric.type_params.metrics or []
        if not inputs or not metric.type_params.expr:
            raise Unsupported("it has no expression over metrics")
        named = [each.alias or each.name for each in inputs]
        places = [self._input(metric, *pair) for pair in zip(inputs, named, strict=True)]
        owner = places[0].owner
        seen = [place.seen_from(owner) for place in places]
        names = dict(zip(map(str.lower, named), seen, strict=True))
        sql = referenced(metric.type_params.expr, names, self._dialect)
        return self._formula(metric, owner, sql)

    def _formula(self, metric: Metric, owner: Semantics, sql: str) -> Place:
        name = owner.name_of(metric.name, "metric")
        owner.measures[name] = semantic.described(
            {"sql": sql}, metric.label, metric.description, None
        )
        return Place(owner, name)

    def _input(self, metric: Metric, given: MetricInput, role: str) -> Place:
        """An input of another metric; one with a filter is a hidden measure of its own."""
        if given.offset_window is not None or given.offset_to_grain is not None:
            raise Unsupported("offsets in time are not imported")
        filters = [each for each in (given.filter, metric.filter) if each and each.templates]
        if not filters:
            return self.place(given.name)
        base = self._metrics.get(given.name)
        if base is None or base.type != "simple":
            raise Unsupported(f"a filter over {given.name}, which is no simple metric")
        return self._simple(base, f"_{metric.name}_{role}", [*filters, base.filter], hidden=True)

    def _rendered(self, owner: Semantics, template: str) -> str:
        """A condition with references in place of its calls."""
        rest = _CALL.sub(lambda call: self._called(owner, call), template)
        if "{{" in rest or "{%" in rest:
            raise Unsupported("its filter has a template that is not known")
        return rest.strip()

    def _called(self, owner: Semantics, call: re.Match[str]) -> str:
        kind, arguments, grain = call[1], _arguments(call[2]), call[3]
        if kind == "Metric" or not arguments:
            raise Unsupported("a filter over another metric")
        path = arguments[0].split("__")
        if kind == "TimeDimension" and len(arguments) > 1:
            grain = arguments[1]
        try:
            if kind == "Entity":
                found, field = self._entity(owner, path)
            else:
                found, field = semantic.lookup(self._models, owner, path)
        except KeyError:
            raise Unsupported(f"its filter names {arguments[0]}, which was not imported") from None
        own = found.view.name == owner.view.name
        where = field if own else f"{found.view.name}.{field}"
        return f"${{{where}[{grain.lower()}]}}" if grain else f"${{{where}}}"

    def _entity(self, owner: Semantics, path: list[str]) -> tuple[Semantics, str]:
        for entity in owner.model.entities:
            if entity.name == path[-1]:
                return semantic.lookup(self._models, owner, [entity.sql])
        raise KeyError(path[-1])


def _arguments(text: str) -> list[str]:
    """The texts among the arguments of a call, in order."""
    return [a or b for a, b in _TEXT.findall(text)]


def skipped(notes: Iterable[Note]) -> list[dict[str, str]]:
    """Notes as the API gives them."""
    return [{"subject": note.subject, "message": note.message} for note in notes]
