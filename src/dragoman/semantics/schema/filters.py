"""Operator maps of filters."""

from __future__ import annotations

from dragoman.semantics.model.filters import NUMERIC, TEXTUAL, TIMELY, Operator
from dragoman.semantics.schema.shapes import (
    FIELD_PATTERN,
    Schema,
    field_ref,
    flag,
    listing,
    map_of,
    record,
    ref,
)

_SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
_VALUES: Schema = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}
_PAIR: Schema = {"type": "array", "items": _SCALAR, "minItems": 2, "maxItems": 2}
_MEANINGS = {
    Operator.IS: "Equal to the value, or to one of a list. `null`: no value; `falsey`: false or no "
    "value.",
    Operator.GREATER_THAN: "Greater than a number.",
    Operator.GREATER_THAN_OR_EQUAL_TO: "Greater than a number, or equal to it.",
    Operator.LESS_THAN: "Less than a number.",
    Operator.LESS_THAN_OR_EQUAL_TO: "Less than a number, or equal to it.",
    Operator.BETWEEN: "From the first number to the second, both included.",
    Operator.CONTAINS: "Has the text (one of the texts) in it.",
    Operator.STARTS_WITH: "Begins with the text (one of the texts).",
    Operator.ENDS_WITH: "Ends with the text (one of the texts).",
    Operator.BEFORE: "Before a moment, which is not included: `2024-01-01`, `7 days ago`.",
    Operator.ON_OR_AFTER: "At a moment or later.",
    Operator.BETWEEN_DATES: "From the first moment up to the second, which is not included.",
    Operator.TIME_FOR_DURATION: "From a start, for a length: `[7 days ago, 7 days]`.",
    Operator.DATE_OFFSET_FROM_QUERY: "The query's own period, moved back: `1 year`.",
    Operator.DAY_OF_WEEK: "On one of these week days.",
    Operator.DAY_OF_MONTH: "On one of these days of the month.",
    Operator.DAY_OF_QUARTER: "On one of these days of the quarter.",
    Operator.DAY_OF_YEAR: "On one of these days of the year.",
    Operator.HOUR_OF_DAY: "In one of these hours, 0 to 23.",
    Operator.MONTH_OF_YEAR: "In one of these months.",
    Operator.QUARTER_OF_YEAR: "In one of these quarters, 1 to 4.",
}
_PAIRS = (Operator.BETWEEN, Operator.BETWEEN_DATES, Operator.TIME_FOR_DURATION)
_SINGLE = NUMERIC - {Operator.BETWEEN} | {Operator.BEFORE, Operator.ON_OR_AFTER}


def _operators() -> dict[str, Schema]:
    made: dict[str, Schema] = {}
    for operator in Operator:
        meaning = _MEANINGS[operator]
        made[operator.value] = {**_values(operator), "description": meaning}
        negated = "not" if operator is Operator.IS else f"not_{operator.value}"
        made[negated] = {**_values(operator), "description": f"The opposite of `{operator.value}`."}
    return made


def _values(operator: Operator) -> Schema:
    if operator in _PAIRS:
        return _PAIR
    return _SCALAR if operator in _SINGLE else _VALUES


assert set(_MEANINGS) == set(Operator) >= NUMERIC | TEXTUAL | TIMELY  # noqa: S101  # each is told

FILTER: Schema = {
    **record(
        {
            **_operators(),
            "field_name_in_query": field_ref(
                "One of the values that this column has in the answer of `query_structure`."
            ),
            "field_name_not_in_query": field_ref("The opposite of `field_name_in_query`."),
            "query_structure": ref("query"),
            "and": listing("All of these.", ref("filter")),
            "or": listing("At least one of these.", ref("filter")),
            "case_insensitive": flag("Compare without regard to case."),
            "cancel_query_filter": flag(
                "In a measure: the query's own filter on this field does not count for it."
            ),
            "exclude_from_bind_all": flag("In a query view: `bind_all_filters` leaves this alone."),
            "bind": {
                "type": "string",
                "pattern": FIELD_PATTERN,
                "description": "In a query view: the outer filter on that field applies here.",
            },
        },
        "Operators and their values; several are combined with AND.",
    ),
    "minProperties": 1,
}
FILTER_MAP = map_of(
    "Fields (`status`, `users.city`, `created_at[month]`) and the filters on them.",
    {"anyOf": [ref("filter"), {"type": "boolean"}]},
    FIELD_PATTERN,
)
DEFINITIONS: dict[str, Schema] = {"filter": FILTER, "filters": FILTER_MAP}
