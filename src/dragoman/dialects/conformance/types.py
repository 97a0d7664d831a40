"""Checks of values: each type reaches Arrow with a type of its kind, and exactly."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from dragoman.dialects.arrow import DataType, pyarrow
from dragoman.dialects.conformance.subject import Subject, Unasked, Unmet
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.features import Feature

_NOON = dt.datetime(2024, 2, 29, 12, 34, 56, tzinfo=dt.UTC)
_VALUES: Mapping[Feature, Any] = {
    Feature.DECIMAL: Decimal("12.34"),
    Feature.TIMESTAMP: _NOON.replace(tzinfo=None, microsecond=789_000),
    Feature.TIMESTAMP_TZ: _NOON,
    Feature.DATE: dt.date(2024, 2, 29),
    Feature.TIME: dt.time(12, 34, 56),
    Feature.BOOLEAN: True,
    Feature.JSON: {"a": [1, None]},
    Feature.BINARY: b"\x00\xff",
    Feature.ARRAY: [1, 2],
}


def arrives(kind: Feature) -> Callable[[Subject], str]:
    """The check of one type: its value, and a null of it."""

    def check(subject: Subject) -> str:
        arrow, value, null = _asked(subject, kind)
        if not _is(kind, arrow):
            raise Unmet(f"It arrives as {arrow}.")
        if _read(kind, value) != _VALUES[kind]:
            raise Unmet(f"{value!r} arrived.")
        if null not in (None, []):
            raise Unmet(f"Null arrived as {null!r}.")
        return f"As {arrow}."

    return check


def is_not_there(kind: Feature) -> Callable[[Subject], str]:
    """What a declared no means: the database does not know the type, or it arrives as another."""

    def check(subject: Subject) -> str:
        try:
            arrow, _, _ = _asked(subject, kind)
        except DatabaseFailure as failure:
            if failure.stage is not Stage.QUERY or failure.cause in _NOT_AN_ANSWER:
                raise
            return "The database refuses it."
        if _is(kind, arrow):
            raise Unmet(f"It arrives, as {arrow}.")
        return f"It arrives as {arrow}."

    return check


_NOT_AN_ANSWER = {Cause.CONNECTION_LOST, Cause.QUERY_TIMEOUT, Cause.CANCELLED, Cause.READ_ONLY}


def _asked(subject: Subject, kind: Feature) -> tuple[DataType, Any, Any]:
    """The Arrow type, the value and the null."""
    spelling = subject.spelling
    expression = spelling.value(kind)
    if not expression:
        raise Unasked("No expression of every version has this type; columns may.")
    with subject.session() as session:
        answer = session.run(f"SELECT {expression} AS v, {spelling.null(kind)} AS w{spelling.end}")
        arrow = answer.schema.field(0).type
        (row,) = (row for batch in answer.batches for row in batch.to_pylist())
    return arrow, *row.values()


def _is(kind: Feature, arrow: DataType) -> bool:
    """Whether a type of Arrow is one of that kind."""
    types: Any = pyarrow().types
    wanted: Mapping[Feature, Callable[[Any], bool]] = {
        Feature.DECIMAL: types.is_decimal,
        Feature.TIMESTAMP: lambda t: types.is_timestamp(t) and t.tz is None,
        Feature.TIMESTAMP_TZ: lambda t: types.is_timestamp(t) and t.tz is not None,
        Feature.DATE: types.is_date,
        Feature.TIME: types.is_time,
        Feature.BOOLEAN: types.is_boolean,
        Feature.JSON: lambda t: types.is_string(t) or types.is_large_string(t) or _is_json(t),
        Feature.BINARY: lambda t: (
            types.is_binary(t) or types.is_large_binary(t) or types.is_fixed_size_binary(t)
        ),
        Feature.ARRAY: lambda t: types.is_list(t) or types.is_large_list(t),
    }
    return bool(wanted[kind](arrow))


def _is_json(arrow: Any) -> bool:
    return getattr(arrow, "extension_name", "") == "arrow.json"


def _read(kind: Feature, value: Any) -> Any:
    return json.loads(value) if kind is Feature.JSON else value
