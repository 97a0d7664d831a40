"""Filters of model files as the typed filters of questions: one meaning for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.filters import (
    AllOf,
    AnyOf,
    Condition,
    FilterExpression,
    InQuery,
    Operator,
    Scalar,
)
from dragoman.semantics.query import dates
from dragoman.semantics.query.dates import BadDate, Length
from dragoman.semantics.query.filters import (
    BadQuery,
    BooleanFilter,
    CompositeFilter,
    DateFilter,
    DateKind,
    Filter,
    NullFilter,
    NumberFilter,
    NumberKind,
    QueryFilter,
    TextFilter,
    TextKind,
    date_part,
)

_COMPARED = {
    Operator.GREATER_THAN: (NumberKind.GREATER_THAN, False),
    Operator.GREATER_THAN_OR_EQUAL_TO: (NumberKind.GREATER_THAN, True),
    Operator.LESS_THAN: (NumberKind.LESS_THAN, False),
    Operator.LESS_THAN_OR_EQUAL_TO: (NumberKind.LESS_THAN, True),
}
_TEXTS = {
    Operator.CONTAINS: TextKind.CONTAINS,
    Operator.STARTS_WITH: TextKind.STARTS_WITH,
    Operator.ENDS_WITH: TextKind.ENDS_WITH,
}
_DATES = {
    Operator.BEFORE: DateKind.BEFORE,
    Operator.ON_OR_AFTER: DateKind.ON_OR_AFTER,
    Operator.BETWEEN_DATES: DateKind.BETWEEN,
    Operator.TIME_FOR_DURATION: DateKind.TIME_FOR_INTERVAL_DURATION,
}
_PARTS = {
    Operator.DAY_OF_WEEK: DateKind.IS_ON_DAY_OF_WEEK,
    Operator.DAY_OF_MONTH: DateKind.IS_ON_DAY_OF_MONTH,
    Operator.DAY_OF_QUARTER: DateKind.IS_ON_DAY_OF_QUARTER,
    Operator.DAY_OF_YEAR: DateKind.IS_ON_DAY_OF_YEAR,
    Operator.HOUR_OF_DAY: DateKind.IS_AT_HOUR_OF_DAY,
    Operator.MONTH_OF_YEAR: DateKind.IS_IN_MONTH_OF_YEAR,
    Operator.QUARTER_OF_YEAR: DateKind.IS_IN_QUARTER_OF_YEAR,
}
FALSEY = "falsey"


def to_filter(expression: FilterExpression, of: DataType) -> Filter:
    """The filter on a field of that type. Raises `PlanError`."""
    match expression:
        case AllOf() | AnyOf():
            inner = tuple(to_filter(part, of) for part in expression.parts)
            return CompositeFilter(any_of=isinstance(expression, AnyOf), filters=inner)
        case InQuery():
            query, column = expression.query, str(expression.column)
            return QueryFilter(
                query=query, column=column, of_model=True, negative=expression.negated
            )
        case Condition():
            return _condition(expression, of)


def is_offset(expression: FilterExpression | None) -> bool:
    """Whether it is the question's own time, moved back."""
    return (
        isinstance(expression, Condition) and expression.operator is Operator.DATE_OFFSET_FROM_QUERY
    )


def earlier(expression: FilterExpression | None, start: datetime, end: datetime) -> Filter:
    """The time from `start` to `end`, moved back by the condition's length. Raises `BadDate`."""
    if not isinstance(expression, Condition):
        raise BadDate("it names no length")
    back = dates.length(str(expression.values[0]))
    left, right = (
        dates.add(each, Length(-back.count, back.unit)).isoformat(" ") for each in (start, end)
    )
    return DateFilter(kind=DateKind.BETWEEN, left=left, right=right, negative=expression.negated)


def _condition(given: Condition, of: DataType) -> Filter:
    operator, values = given.operator, given.values
    if operator is Operator.IS:
        return _is(given, of)
    if operator in {*_COMPARED, Operator.BETWEEN} and of.is_time:
        return _compared_time(given)
    if operator in _COMPARED:
        kind, inclusive = _COMPARED[operator]
        found = tuple(_decimal(value) for value in values)
        return NumberFilter(kind=kind, values=found, inclusive=inclusive, negative=given.negated)
    if operator is Operator.BETWEEN:
        found = tuple(_decimal(value) for value in values)
        return NumberFilter(
            kind=NumberKind.BETWEEN, values=found, inclusive=True, negative=given.negated
        )
    if operator in _TEXTS:
        return TextFilter(
            kind=_TEXTS[operator],
            values=tuple(str(value) for value in values),
            case_insensitive=given.case_insensitive,
            negative=given.negated,
        )
    return _time(given)


def _time(given: Condition) -> Filter:
    operator, values = given.operator, given.values
    if operator in _PARTS:
        kind = _PARTS[operator]
        try:
            numbers = tuple(date_part(operator.value, kind, value) for value in values)
        except BadQuery as bad:
            raise PlanError(f"{bad}.") from None
        return DateFilter(kind=kind, numbers=numbers, negative=given.negated)
    kind = _DATES.get(operator)
    if kind is None:
        raise PlanError(f"The operator {operator.value} cannot stand here.")
    texts = [str(value) for value in values]
    left = None if kind is DateKind.BEFORE else texts[0]
    right = texts[0] if kind is DateKind.BEFORE else (texts[1] if len(texts) > 1 else None)
    return DateFilter(kind=kind, left=left, right=right, negative=given.negated)


def _compared_time(given: Condition) -> Filter:
    """`greater_than: 2024-03` of a time: from the end of that month on."""
    if given.operator is Operator.BETWEEN:
        return _between_times(given)
    kind, inclusive = _COMPARED[given.operator]
    word = str(given.values[0])
    if kind is NumberKind.GREATER_THAN:
        if inclusive:
            return DateFilter(kind=DateKind.ON_OR_AFTER, left=word, negative=given.negated)
        from_start = DateFilter(kind=DateKind.ON_OR_AFTER, left=word)
        inside = DateFilter(kind=DateKind.TIME_FOR_UNIT_DURATION, left=word, negative=True)
        parts = (from_start, inside)
        return CompositeFilter(any_of=False, filters=parts, negative=given.negated)
    before = DateFilter(kind=DateKind.BEFORE, right=word)
    if not inclusive:
        return DateFilter(kind=DateKind.BEFORE, right=word, negative=given.negated)
    inside = DateFilter(kind=DateKind.TIME_FOR_UNIT_DURATION, left=word)
    return CompositeFilter(any_of=True, filters=(before, inside), negative=given.negated)


def _between_times(given: Condition) -> Filter:
    """`between` has both ends: the last one is the whole day, or month, that it names."""
    first, last = (replace(given, values=(value,), negated=False) for value in given.values)
    since = _compared_time(replace(first, operator=Operator.GREATER_THAN_OR_EQUAL_TO))
    until = _compared_time(replace(last, operator=Operator.LESS_THAN_OR_EQUAL_TO))
    return CompositeFilter(any_of=False, filters=(since, until), negative=given.negated)


def _is(given: Condition, of: DataType) -> Filter:
    """`is` compares by the kinds of its values; several kinds: any of them."""
    found = _by_kind(given, of)
    if len(found) == 1:
        return _turned(found[0], given.negated)
    if given.negated:
        # None of them: each alone is turned, so that NULL is left out only where it is named.
        return CompositeFilter(any_of=False, filters=tuple(_turned(each, True) for each in found))
    return CompositeFilter(any_of=True, filters=tuple(found))


def _turned(found: Filter, negated: bool) -> Filter:
    return replace(found, negative=found.negative != negated) if negated else found


def _by_kind(given: Condition, of: DataType) -> list[Filter]:
    nulls = any(value is None for value in given.values)
    rest = [value for value in given.values if value is not None]
    found: list[Filter] = [NullFilter()] if nulls else []
    if not rest:
        return found or [TextFilter(kind=TextKind.EQUALS)]
    if rest == [FALSEY]:
        return [BooleanFilter(negative=True, treat_nulls_as_false=True)]
    if all(isinstance(value, bool) for value in rest):
        return found + [BooleanFilter(negative=not value) for value in rest]
    if of.is_time:
        texts = [str(value) for value in rest]
        return found + [
            DateFilter(kind=DateKind.TIME_FOR_UNIT_DURATION, left=text) for text in texts
        ]
    if of is not DataType.STRING and _all_numbers(rest):
        numbers = tuple(_decimal(value) for value in rest)
        return [*found, NumberFilter(kind=NumberKind.EQUALS, values=numbers)]
    texts = [_text(value) for value in rest]
    return [
        *found,
        TextFilter(
            kind=TextKind.EQUALS, values=tuple(texts), case_insensitive=given.case_insensitive
        ),
    ]


def _all_numbers(values: Sequence[Scalar]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decimal(value: Scalar) -> Decimal:
    try:
        if isinstance(value, bool) or value is None:
            raise InvalidOperation
        return Decimal(str(value))
    except InvalidOperation:
        raise PlanError(f"{str(value)[:40]!r} is not a number.") from None
