"""Filters of a question, typed: the eight kinds of the contract (4.3), read from JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar, cast

K = TypeVar("K", bound=StrEnum)


class BadQuery(ValueError):
    """A question that cannot be read: `key` leads to the place, the message is for a person."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message


class TextKind(StrEnum):
    """How texts are compared."""

    EQUALS = "EQUALS"
    CONTAINS = "CONTAINS"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    SQL_LIKE = "SQL_LIKE"
    IS_EMPTY = "IS_EMPTY"


class NumberKind(StrEnum):
    """How numbers are compared. BETWEEN has its lower bound, and its upper one if inclusive."""

    EQUALS = "EQUALS"
    LESS_THAN = "LESS_THAN"
    GREATER_THAN = "GREATER_THAN"
    BETWEEN = "BETWEEN"


class DateKind(StrEnum):
    """How times are compared (modeling reference 3.3)."""

    BETWEEN = "BETWEEN"
    ON_OR_AFTER = "ON_OR_AFTER"
    BEFORE = "BEFORE"
    TIME_FOR_INTERVAL_DURATION = "TIME_FOR_INTERVAL_DURATION"
    TIME_FOR_UNIT_DURATION = "TIME_FOR_UNIT_DURATION"
    IS_ON_DAY_OF_WEEK = "IS_ON_DAY_OF_WEEK"
    IS_ON_DAY_OF_MONTH = "IS_ON_DAY_OF_MONTH"
    IS_ON_DAY_OF_QUARTER = "IS_ON_DAY_OF_QUARTER"
    IS_ON_DAY_OF_YEAR = "IS_ON_DAY_OF_YEAR"
    IS_IN_WEEK_OF_YEAR = "IS_IN_WEEK_OF_YEAR"
    IS_IN_MONTH_OF_YEAR = "IS_IN_MONTH_OF_YEAR"
    IS_IN_QUARTER_OF_YEAR = "IS_IN_QUARTER_OF_YEAR"
    IS_AT_HOUR_OF_DAY = "IS_AT_HOUR_OF_DAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What all kinds have. `negative`: the rows that the filter leaves out, those without a value
    included (docs/decisions/0013)."""

    negative: bool = False
    ignore_if_unjoinable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFilter(Filter):
    """Any of the values; none given: no filter."""

    kind: TextKind
    values: tuple[str, ...] = ()
    case_insensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter(Filter):
    """`inclusive`: the bound counts too; of BETWEEN, whose lower bound always does, the upper."""

    kind: NumberKind
    values: tuple[Decimal, ...] = ()
    inclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DateFilter(Filter):
    """`left`, `right`: words for times (`dates`); `numbers`: of the kinds that compare a part."""

    kind: DateKind
    left: str | None = None
    right: str | None = None
    numbers: tuple[int, ...] = ()
    fiscal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BooleanFilter(Filter):
    """True, or false with `negative`; `nothing`: no filter at all."""

    nothing: bool = False
    treat_nulls_as_false: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NullFilter(Filter):
    """No value, or any value with `negative`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeFilter(Filter):
    """All of the filters, or any of them, on one field."""

    any_of: bool
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFilter(Filter):
    """One of the values that the asker's attribute has."""

    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFilter(Filter):
    """A value that another question's column has. `of_model`: the question is written as the query
    of a view is, in a model file."""

    query: Mapping[str, Any]
    column: str | None = None
    disregard_limit: bool = False
    of_model: bool = False


_DATE_ALIASES = {"WITHIN_RANGE": "BETWEEN"}
_TEXT_ALIASES = {"STRING_IS": "EQUALS", "IS": "EQUALS"}
_COMMON = {"type", "is_negative", "cancel_query_filter", "ignore_if_unjoinable"}
_KEYS: dict[str, set[str]] = {
    "string": {"kind", "values", "case_insensitive", "appliedLabels"},
    "number": {"kind", "values", "is_inclusive"},
    "date": {
        *("kind", "left_side", "right_side", "values", "ui_type"),
        *("isFiscal", "is_fiscal", "offset_interval_string", "is_inclusive"),
    },
    "boolean": {"treat_nulls_as_false"},
    "null": set(),
    "composite": {"conjunction", "filters"},
    "user_attribute": {"user_attribute_name"},
    "query": {"query_id", "view_query", "field_name", "disregard_limit"},
}
MAX_DEPTH = 20
MAX_VALUES = 20_000
# The contract's filters are those of measures too; a question's own have nothing to go by there.
_OF_MEASURES = "it is for the filters of a measure, in the model"


def read_filter(
    key: str, given: object, queries: Mapping[str, Any] | None = None, depth: int = 0
) -> Filter:
    """A filter of the wire. `queries`: the questions that `query` filters may name.

    Raises `BadQuery` that names the key.
    """
    if not isinstance(given, dict):
        raise BadQuery(key, 'a filter is an object, such as {"type": "string", "kind": "EQUALS"}')
    body = cast("dict[str, Any]", given)
    kind = body.get("type")
    if kind not in _KEYS:
        raise BadQuery(f"{key}.type", f"one of {', '.join(_KEYS)} is expected, not {kind!r:.40}")
    if depth > MAX_DEPTH:
        raise BadQuery(key, f"filters stand in each other at most {MAX_DEPTH} deep")
    for name in body:
        if name not in _KEYS[kind] and name not in _COMMON:
            raise BadQuery(f"{key}.{name[:60]}", f"a filter of type {kind} has no such key")
    if _flag(key, body, "cancel_query_filter"):
        raise BadQuery(f"{key}.cancel_query_filter", _OF_MEASURES)
    common = {
        "negative": _flag(key, body, "is_negative"),
        "ignore_if_unjoinable": _flag(key, body, "ignore_if_unjoinable"),
    }
    return _READERS[kind](key, body, common, _Context(queries or {}, depth))


@dataclass(frozen=True, slots=True)
class _Context:
    """`queries`: the questions that filters may name; `depth`: how deep this one stands."""

    queries: Mapping[str, Any]
    depth: int


Common = Mapping[str, Any]


def _boolean(key: str, body: Mapping[str, Any], common: Common, _: _Context) -> BooleanFilter:
    nothing = body.get("is_negative", False) is None
    as_false = _flag(key, body, "treat_nulls_as_false")
    return BooleanFilter(nothing=nothing, treat_nulls_as_false=as_false, **common)


def _null(_key: str, _body: Mapping[str, Any], common: Common, _: _Context) -> NullFilter:
    return NullFilter(**common)


def _attribute(key: str, body: Mapping[str, Any], common: Common, _: _Context) -> AttributeFilter:
    return AttributeFilter(attribute=_name(key, body, "user_attribute_name"), **common)


def _text(key: str, body: Mapping[str, Any], common: Common, _: _Context) -> TextFilter:
    kind = _kind(key, body, TextKind, _TEXT_ALIASES)
    values = [_string(f"{key}.values", each) for each in _values(key, body)]
    return TextFilter(
        kind=kind,
        values=tuple(values),
        case_insensitive=_flag(key, body, "case_insensitive"),
        **common,
    )


def _number(key: str, body: Mapping[str, Any], common: Common, _: _Context) -> NumberFilter:
    kind = _kind(key, body, NumberKind, {})
    values = tuple(number(f"{key}.values", each) for each in _values(key, body))
    wanted = {NumberKind.BETWEEN: 2, NumberKind.EQUALS: len(values)}.get(kind, 1)
    if len(values) != wanted:
        raise BadQuery(f"{key}.values", f"{kind.value} takes {wanted}")
    return NumberFilter(
        kind=kind, values=values, inclusive=_flag(key, body, "is_inclusive"), **common
    )


def _date(key: str, body: Mapping[str, Any], common: Common, _: _Context) -> DateFilter:
    if body.get("kind") == "QUERY_OFFSET":
        raise BadQuery(f"{key}.kind", f"QUERY_OFFSET: {_OF_MEASURES} (date_offset_from_query)")
    if _flag(key, body, "is_inclusive"):
        raise BadQuery(f"{key}.is_inclusive", "a time ends before its right side, always")
    if not _NO_OFFSET.fullmatch(str(body.get("offset_interval_string") or "")):
        raise BadQuery(
            f"{key}.offset_interval_string",
            "a filter of a question is not moved: write the time itself in left_side",
        )
    kind = _kind(key, body, DateKind, _DATE_ALIASES)
    values = _values(key, body) if body.get("values") is not None else []
    sides = [body.get("left_side"), body.get("right_side")]
    fiscal = _flag(key, body, "isFiscal") or _flag(key, body, "is_fiscal")
    if kind in DATE_PARTS:
        found = values or [side for side in sides if side is not None]
        numbers = tuple(date_part(f"{key}.values", kind, each) for each in found)
        if not numbers:
            raise BadQuery(f"{key}.left_side", f"{kind.value} needs a value")
        return DateFilter(kind=kind, numbers=numbers, fiscal=fiscal, **common)
    left, right = _sides(kind, sides, values)
    for side, needed in (("left_side", left), ("right_side", right)):
        if needed is not None and not isinstance(needed, str):
            raise BadQuery(f"{key}.{side}", "a text is expected")
    if left is None and kind is not DateKind.BEFORE:
        raise BadQuery(f"{key}.left_side", f"{kind.value} needs it")
    if right is None and kind in _TWO_SIDED:
        raise BadQuery(f"{key}.right_side", f"{kind.value} needs it")
    return DateFilter(kind=kind, left=left, right=right, fiscal=fiscal, **common)


_NO_OFFSET = re.compile(r"\s*(0+\s*\w*\s*)?")
_TWO_SIDED = (DateKind.BEFORE, DateKind.BETWEEN, DateKind.TIME_FOR_INTERVAL_DURATION)


def _sides(kind: DateKind, sides: list[Any], values: Sequence[Any]) -> tuple[Any, Any]:
    """The two sides. BEFORE is written with either; some clients write `values`."""
    given = [side for side in sides if side is not None] or list(values)
    if kind is DateKind.BEFORE:
        return None, (sides[1] if sides[1] is not None else (given[0] if given else None))
    if sides == [None, None]:
        padded = [*given, None, None]
        return padded[0], padded[1]
    return sides[0], sides[1]


# The least and the greatest number of each part.
DATE_PARTS = {
    DateKind.IS_ON_DAY_OF_WEEK: (0, 6),
    DateKind.IS_ON_DAY_OF_MONTH: (1, 31),
    DateKind.IS_ON_DAY_OF_QUARTER: (1, 92),
    DateKind.IS_ON_DAY_OF_YEAR: (1, 366),
    DateKind.IS_IN_WEEK_OF_YEAR: (1, 53),
    DateKind.IS_IN_MONTH_OF_YEAR: (1, 12),
    DateKind.IS_IN_QUARTER_OF_YEAR: (1, 4),
    DateKind.IS_AT_HOUR_OF_DAY: (0, 23),
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def date_part(key: str, kind: DateKind, value: object) -> int:
    """The number of a part; days of the week are told by name, Monday is 0, or by number."""
    least, most = DATE_PARTS[kind]
    text = str(value).strip().lower()
    names = {DateKind.IS_ON_DAY_OF_WEEK: _DAYS, DateKind.IS_IN_MONTH_OF_YEAR: _MONTHS}.get(kind, ())
    found = [n for n, name in enumerate(names) if len(text) > 2 and name.startswith(text)]
    if len(found) == 1:
        return found[0] + least
    text = text.removeprefix("q") if kind is DateKind.IS_IN_QUARTER_OF_YEAR else text
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 4):
        raise BadQuery(key, f"{kind.value} takes numbers from {least} to {most}")
    if not least <= int(text) <= most:
        raise BadQuery(key, f"{kind.value} takes numbers from {least} to {most}")
    return int(text)


def _composite(
    key: str,
    body: Mapping[str, Any],
    common: Common,
    context: _Context,
) -> CompositeFilter:
    conjunction = body.get("conjunction")
    if conjunction not in ("AND", "OR"):
        raise BadQuery(f"{key}.conjunction", "AND or OR is expected")
    inner = body.get("filters")
    if not isinstance(inner, list):
        raise BadQuery(f"{key}.filters", "an array is expected")
    filters = tuple(
        read_filter(f"{key}.filters[{n}]", each, context.queries, context.depth + 1)
        for n, each in enumerate(cast("list[object]", inner))
    )
    return CompositeFilter(any_of=conjunction == "OR", filters=filters, **common)


def _query(key: str, body: Mapping[str, Any], common: Common, context: _Context) -> QueryFilter:
    query = body.get("view_query")
    if query is None:
        name = body.get("query_id")
        reference = context.queries.get(name) if isinstance(name, str) else None
        if not isinstance(reference, dict):
            raise BadQuery(f"{key}.query_id", "no such query in staticQueryReferences")
        query = cast("dict[str, Any]", reference).get("query", cast("Any", reference))
    if not isinstance(query, dict):
        raise BadQuery(f"{key}.view_query", "an object is expected")
    column = body.get("field_name")
    if column is not None and not isinstance(column, str):
        raise BadQuery(f"{key}.field_name", "a text is expected")
    disregard = _flag(key, body, "disregard_limit")
    found = cast("dict[str, Any]", query)
    return QueryFilter(query=found, column=column, disregard_limit=disregard, **common)


def number(key: str, value: object) -> Decimal:
    """A number of the wire, exact; texts are numbers too. Raises `BadQuery`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadQuery(key, "a number is expected")
    text = str(value).strip().replace("_", "x")
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise BadQuery(key, f"{text[:40]!r} is not a number") from None
    if not found.is_finite() or len(text) > 100 or abs(found.adjusted()) > 400:
        raise BadQuery(key, f"{text[:40]!r} is not a number that a database holds")
    return found


def _flag(key: str, body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadQuery(f"{key}.{name}", "true or false is expected")
    return bool(value)


def _values(key: str, body: Mapping[str, Any]) -> list[Any]:
    values = body.get("values")
    if not isinstance(values, list):
        raise BadQuery(f"{key}.values", "an array is expected")
    found = cast("list[Any]", values)
    if len(found) > MAX_VALUES:
        raise BadQuery(f"{key}.values", f"at most {MAX_VALUES} values")
    return found


def _string(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadQuery(key, "texts are expected")
    text = str(value)
    if "\0" in text:
        raise BadQuery(key, "a text must not have the character NUL")
    return text


def _name(key: str, body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadQuery(f"{key}.{name}", "a name is expected")
    return value


def _kind(key: str, body: Mapping[str, Any], kinds: type[K], aliases: Mapping[str, str]) -> K:
    value = body.get("kind")
    text = aliases.get(value, value) if isinstance(value, str) else ""
    if text not in kinds.__members__:
        names = ", ".join(kinds.__members__)
        raise BadQuery(f"{key}.kind", f"one of {names} is expected, not {value!r:.40}")
    return kinds(text)


_READERS = {
    "string": _text,
    "number": _number,
    "date": _date,
    "boolean": _boolean,
    "null": _null,
    "composite": _composite,
    "user_attribute": _attribute,
    "query": _query,
}
