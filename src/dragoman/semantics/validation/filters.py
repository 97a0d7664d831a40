"""Operator maps: the fields they are on, and whether the operators suit the values."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Field, FilterField, FilterType, Measure
from dragoman.semantics.model.filters import (
    NUMERIC,
    TEXTUAL,
    TIMELY,
    AllOf,
    AnyOf,
    Condition,
    FieldFilter,
    FilterExpression,
)
from dragoman.semantics.model.views import View
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import Place

_TIMES = frozenset((DataType.DATE, DataType.TIMESTAMP, DataType.TIMESTAMP_TZ))
_SUIT: tuple[tuple[frozenset[object], frozenset[DataType], str], ...] = (
    (frozenset(NUMERIC), frozenset((DataType.STRING, DataType.BOOLEAN)), "numbers"),
    (frozenset(TEXTUAL), frozenset((DataType.NUMBER, DataType.BOOLEAN)) | _TIMES, "text"),
    (
        frozenset(TIMELY),
        frozenset((DataType.NUMBER, DataType.STRING, DataType.BOOLEAN)),
        "moments",
    ),
)


def check_field(field: Field, view: View, context: Context, place: Place, path: YamlPath) -> None:
    """The filters inside a field."""
    if isinstance(field, Measure):
        check(field.filters, view.name, context, place, (*path, "filters"), field.name)
    elif isinstance(field, FilterField) and field.default_filter is not None:
        kinds = {FilterType.STRING: DataType.STRING, FilterType.NUMBER: DataType.NUMBER}
        kind = kinds.get(field.type, DataType.UNKNOWN)
        at = (*path, "default_filter")
        _suits(field.default_filter, kind, field.name, context, place, at)


def check(
    said: tuple[FieldFilter, ...],
    view: str,
    context: Context,
    place: Place,
    path: YamlPath,
    field: str | None = None,
) -> None:
    """A map of fields to operators; a bare name is of `view`. `field`: the measure that has it."""
    for one in said:
        at = (*path, str(one.field))
        if field is None:
            check_flags(one, context, place, at)
        wrong = context.lookup.wrong(one.field, view)
        if wrong is not None:
            context.report.add(place, at, *wrong, field=field)
            continue
        target = context.lookup.field(one.field, view)
        bare = one.field.bracket is None
        if bare and isinstance(target, Dimension) and one.expression is not None:
            _suits(one.expression, target.type, field or target.name, context, place, at)


def check_flags(said: FieldFilter, context: Context, place: Place, path: YamlPath) -> None:
    """What only the filters of measures have."""
    if said.cancel_query_filter:
        message = "`cancel_query_filter` is for the filters of measures; it does nothing here"
        at = (*path, "cancel_query_filter")
        context.report.warn(place, at, "misplaced_key", message, "Leave it out.")


def _suits(
    expression: FilterExpression,
    kind: DataType,
    field: str,
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    for condition in _conditions(expression):
        for operators, unfit, meant in _SUIT:
            if condition.operator in operators and kind in unfit:
                message = f"`{condition.operator}` is for {meant}; the field has {kind.value}"
                fix = "Use an operator for its values, such as `is`."
                at = (*path, condition.operator.value)
                context.report.add(place, at, "wrong_operator", message, fix, field=field)


def _conditions(expression: FilterExpression) -> Iterator[Condition]:
    if isinstance(expression, Condition):
        yield expression
    elif isinstance(expression, AllOf | AnyOf):
        for part in expression.parts:
            yield from _conditions(part)
