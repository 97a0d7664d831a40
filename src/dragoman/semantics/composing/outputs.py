"""The columns of a query view as its dimensions: those that its files do not write out, and the
types of all (modeling reference 2.8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Aggregate, Dimension, Field, Measure
from dragoman.semantics.model.grains import Grain
from dragoman.semantics.model.references import FieldRef, Reference
from dragoman.semantics.model.views import QueryField, QuerySpec, View

COUNT = "count"
_DAYS = frozenset(
    (
        *(Grain.DATE, Grain.WEEK, Grain.MONTH, Grain.QUARTER, Grain.YEAR),
        *(Grain.FISCAL_QUARTER, Grain.FISCAL_YEAR),
    )
)
_TEXTS = frozenset((Grain.DAY_OF_WEEK_NAME, Grain.MONTH_NAME, Grain.TIME_OF_DAY))
# Finds a field of the views that a query asks; None where there is none.
Find = Callable[[FieldRef], "Field | None"]


def output_name(each: QueryField) -> str:
    """The name of a column of a query view."""
    if each.output:
        return each.output
    return f"{each.field.name}_{each.field.bracket}" if each.field.bracket else each.field.name


def with_outputs(view: View, query: QuerySpec, written: Callable[[str], bool], find: Find) -> View:
    """The view with a dimension for each column of its query, and a measure that counts its rows.
    `written`: whether its files have a field of that name, were it one that they ignore."""
    dimensions = dict(view.dimensions)
    for each in query.fields:
        name = output_name(each)
        own = dimensions.get(name)
        if own is None and not written(name):
            own = Dimension(view=view.name, name=name)
        if own is not None and own.sql is None and own.type is DataType.UNKNOWN:
            dimensions[name] = replace(own, type=_type_of(each.field, find))
    measures = dict(view.measures)
    if not written(COUNT) and COUNT not in dimensions:
        kind = Aggregate.COUNT
        measures[COUNT] = Measure(
            view=view.name, name=COUNT, aggregate_type=kind, format="NUMBER_0"
        )
    return replace(view, dimensions=dimensions, measures=measures)


def _type_of(ref: FieldRef, find: Find) -> DataType:
    found = find(ref)
    if isinstance(found, Measure):
        return _of_measure(found, find)
    if not isinstance(found, Dimension):
        return DataType.UNKNOWN
    if found.duration is not None:
        return DataType.NUMBER
    grains = [grain for grain in Grain if grain == ref.bracket] if found.type.is_time else []
    return _of_grain(grains[0], found.type) if grains else found.type


def _of_grain(grain: Grain, raw: DataType) -> DataType:
    if grain is Grain.RAW:
        return raw
    if grain in _DAYS:
        return DataType.DATE
    if grain in _TEXTS:
        return DataType.STRING
    return DataType.TIMESTAMP if grain.truncates else DataType.NUMBER


def _of_measure(found: Measure, find: Find) -> DataType:
    match found.aggregate_type:
        case None:
            return DataType.UNKNOWN
        case Aggregate.LIST:
            return DataType.STRING
        case Aggregate.MIN | Aggregate.MAX:
            return _of_value(found, find)
        case _:
            return DataType.NUMBER


def _of_value(found: Measure, find: Find) -> DataType:
    """Of the field that is aggregated, where it is one."""
    only = found.sql.parts if found.sql is not None else ()
    if len(only) != 1 or not isinstance(only[0], Reference) or only[0].field is None:
        return DataType.UNKNOWN
    return _type_of(only[0].field.within(found.view), find)
