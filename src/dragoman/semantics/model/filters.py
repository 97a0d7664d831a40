"""Filters as files write them: a map of operators for each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.references import FieldRef, field_ref
from dragoman.semantics.plain import is_list, is_map

Scalar = str | int | float | bool | None


class Operator(StrEnum):
    """What a condition asks. The value is its key in a file."""

    IS = "is"
    GREATER_THAN = "greater_than"
    GREATER_THAN_OR_EQUAL_TO = "greater_than_or_equal_to"
    LESS_THAN = "less_than"
    LESS_THAN_OR_EQUAL_TO = "less_than_or_equal_to"
    BETWEEN = "between"  # both ends included
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    BEFORE = "before"
    ON_OR_AFTER = "on_or_after"
    BETWEEN_DATES = "between_dates"  # the end excluded
    TIME_FOR_DURATION = "time_for_duration"  # a start and a length
    DATE_OFFSET_FROM_QUERY = "date_offset_from_query"
    DAY_OF_WEEK = "day_of_week"
    DAY_OF_MONTH = "day_of_month"
    DAY_OF_QUARTER = "day_of_quarter"
    DAY_OF_YEAR = "day_of_year"
    HOUR_OF_DAY = "hour_of_day"
    MONTH_OF_YEAR = "month_of_year"
    QUARTER_OF_YEAR = "quarter_of_year"


_PAIRS = (Operator.BETWEEN, Operator.BETWEEN_DATES, Operator.TIME_FOR_DURATION)
_NUMBERS = (
    *(Operator.GREATER_THAN, Operator.GREATER_THAN_OR_EQUAL_TO),
    *(Operator.LESS_THAN, Operator.LESS_THAN_OR_EQUAL_TO),
)
NUMERIC = frozenset((*_NUMBERS, Operator.BETWEEN))
TEXTUAL = frozenset((Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH))
TIMELY = frozenset(set(Operator) - NUMERIC - TEXTUAL - {Operator.IS})
FLAGS = ("case_insensitive", "cancel_query_filter", "exclude_from_bind_all")
_OPERATORS = {
    **{operator.value: (operator, False) for operator in Operator},
    **{f"not_{o.value}": (o, True) for o in Operator if o is not Operator.IS},
    "not": (Operator.IS, True),
}
# Values of another question's column: whether it is turned around.
_IN_QUERY = {"field_name_in_query": False, "field_name_not_in_query": True}
_STRUCTURE = "query_structure"
KEYS = (*_OPERATORS, *_IN_QUERY, _STRUCTURE, "and", "or", "bind", *FLAGS)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. Several values: any of them; two for the operators with two ends.

    A value None is NULL; the text `falsey` with `IS` means false or NULL.
    """

    operator: Operator
    values: tuple[Scalar, ...]
    negated: bool = False
    case_insensitive: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of them."""

    parts: tuple[FilterExpression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of them."""

    parts: tuple[FilterExpression, ...]


@dataclass(frozen=True, slots=True)
class InQuery:
    """A value that a column of another question has. `query`: as the query of a view."""

    column: FieldRef
    query: Mapping[str, Any]
    negated: bool = False


FilterExpression = Condition | AllOf | AnyOf | InQuery


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """The filter on one field. `expression` None: it says nothing about values.

    `cancel_query_filter`: of a measure's filter: the query's filter on the field does not count.
    `bind`: of a query view: the outer filter on that field applies here.
    """

    field: FieldRef
    expression: FilterExpression | None
    cancel_query_filter: bool = False
    exclude_from_bind_all: bool = False
    bind: FieldRef | None = None


def field_filters(value: object) -> tuple[FieldFilter, ...]:
    """A map of fields to operator maps. Raises `BadDefinition` with the path inside."""
    if value is None:
        return ()
    if not is_map(value):
        raise BadDefinition((), "Filters are a map of fields", "Write `field: {is: value}`.")
    return tuple(field_filter(name, spec) for name, spec in value.items())


def field_filter(name: str, spec: object) -> FieldFilter:
    """The filter on one field. `true` alone, as imports from dbt write it, means `is: true`."""
    field = field_ref(name)
    if field is None:
        raise BadDefinition((name,), f'"{name}" names no field', "Write `field` or `view.field`.")
    if isinstance(spec, bool):
        return FieldFilter(field, Condition(Operator.IS, (spec,)))
    if not is_map(spec) or not spec:
        fix = f"Write `{name}: {{is: {spec}}}`."
        raise BadDefinition((name,), f'The filter on "{name}" must be a map of operators', fix)
    bound = spec.get("bind")
    bind = field_ref(str(bound)) if bound is not None else None
    if bound is not None and bind is None:
        raise BadDefinition((name, "bind"), f'"{bound}" names no field', "Write `view.field`.")
    return FieldFilter(
        field,
        _inside(name, spec),
        spec.get("cancel_query_filter") is True,
        spec.get("exclude_from_bind_all") is True,
        bind,
    )


def filter_expression(spec: object) -> FilterExpression | None:
    """An operator map without a field (`default_filter`). Raises `BadDefinition`."""
    if not is_map(spec):
        raise BadDefinition((), "A filter must be a map of operators", "Write `is: value`.")
    folded = spec.get("case_insensitive") is True
    parts: list[FilterExpression] = []
    for key, value in spec.items():
        if key in ("and", "or"):
            parts.extend(_combined(key, value))
        elif key in _IN_QUERY:
            parts.append(_in_query(key, value, spec.get(_STRUCTURE)))
        elif key == _STRUCTURE:
            _check_asked(spec)
        elif key not in FLAGS and key != "bind":
            parts.append(_condition(key, value, folded))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _inside(name: str, spec: object) -> FilterExpression | None:
    try:
        return filter_expression(spec)
    except BadDefinition as bad:
        raise bad.under(name) from None


def _combined(key: str, value: object) -> list[FilterExpression]:
    if not is_list(value):
        raise BadDefinition((key,), f"`{key}` takes a list of filters", "Write `- is: value`.")
    made: list[FilterExpression] = []
    for at, one in enumerate(value):
        if is_map(one) and one.get("cancel_query_filter") is True:
            fix = f"Write it beside `{key}`."
            raise BadDefinition(
                (key, at), "`cancel_query_filter` is of the whole filter on a field", fix
            )
        try:
            inner = filter_expression(one)
        except BadDefinition as bad:
            raise bad.under(key, at) from None
        if inner is not None:
            made.append(inner)
    if not made:
        return []
    return [AllOf(tuple(made)) if key == "and" else AnyOf(tuple(made))]


def _in_query(key: str, value: object, query: object) -> InQuery:
    column = field_ref(value) if isinstance(value, str) else None
    if column is None:
        raise BadDefinition((key,), f'"{value}" names no field', "Write `view.field`.")
    if not is_map(query):
        fix = f"Write `{_STRUCTURE}: {{fields: [{column}], base_view: …}}` beside it."
        raise BadDefinition((key,), f"`{key}` is of a question, which `{_STRUCTURE}` says", fix)
    return InQuery(column, query, _IN_QUERY[key])


def _check_asked(spec: Mapping[str, Any]) -> None:
    if not any(key in spec for key in _IN_QUERY):
        fix = "Write `field_name_in_query: view.field` beside it."
        raise BadDefinition((_STRUCTURE,), f"`{_STRUCTURE}` says a question, and no column", fix)


def _condition(key: str, value: object, folded: bool) -> Condition:
    if key not in _OPERATORS:
        raise BadDefinition((key,), f'No filter operator "{key}"', "Use `is`, `contains`, ….")
    operator, negated = _OPERATORS[key]
    values: list[Any] = value if is_list(value) else [value]
    if any(is_map(one) or is_list(one) for one in values):
        raise BadDefinition((key,), f"`{key}` takes values", "Write a value or a list of them.")
    if operator in _PAIRS and len(values) != 2:
        raise BadDefinition((key,), f"`{key}` takes two values", f"Write `{key}: [from, to]`.")
    if operator in _NUMBERS and len(values) != 1:
        raise BadDefinition((key,), f"`{key}` takes one value", f"Write `{key}: 5`.")
    return Condition(operator, tuple(values), negated, folded)
