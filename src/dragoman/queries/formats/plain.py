"""Arrow values as JSON knows them; the rules of JSON and NDJSON, and of nested values in CSV.

| Arrow | JSON |
|---|---|
| integers | number, also beyond 2^53 |
| decimals | number with every digit |
| floats | number; NaN and infinities are null |
| date | "2024-05-17" |
| timestamp | "2024-05-17T10:00:00.000000"; with a zone it is UTC and ends with Z |
| time | "10:00:00.000000" |
| duration, interval | ISO 8601: "P1M2DT3.5S" |
| binary | base64 (RFC 4648 §4) |
| list | array |
| struct | object |
| map | array of {"key": …, "value": …} |
| UUID | "3f2b…" with hyphens |

Fractions of a second have as many digits as the column's unit. A timestamp outside of the years
-32767 to 32767 is the text "<value out of range: N>", N being Arrow's number.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from dragoman.dialects.arrow import Array, pyarrow

# Of a timestamp with a year of four digits, without a zone.
_MOMENT_LENGTHS = {"s": 19, "ms": 23, "us": 26, "ns": 29}
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def values(array: Array) -> list[Any]:
    """The array's values as JSON knows them, None for null."""
    kind = array.type
    if hasattr(kind, "storage_type"):
        return _extension(array)
    types = pyarrow().types
    for matches, convert in _RULES:
        if any(getattr(types, f"is_{name}")(kind) for name in matches):
            return convert(array)
    return array.to_pylist()


def iso(array: Array) -> Array:
    """A string array of a date, time or timestamp array, as ISO 8601 writes it."""
    pa = pyarrow()
    kind = array.type
    if pa.types.is_date64(kind):
        array = array.cast(pa.date32())
    if not pa.types.is_timestamp(kind):
        return array.cast(pa.string())
    if kind.tz is not None:
        array = array.cast(pa.timestamp(kind.unit, "UTC"))
    text = array.cast(pa.string())
    usual = _MOMENT_LENGTHS[kind.unit] + (kind.tz is not None)
    lengths = pa.compute.min_max(pa.compute.binary_length(text)).as_py()
    if lengths["min"] == lengths["max"] == usual:  # years of four digits: a tenth of the time
        return pa.compute.binary_replace_slice(text, 10, 11, "T")
    return pa.compute.replace_substring_regex(text, pattern=r"^(\S+-\S+) ", replacement=r"\1T")


def unique(names: Iterable[str]) -> list[str]:
    """The names with `_2`, `_3` … added to those that came before."""
    every = list(names)
    taken: set[str] = set()
    found: list[str] = []
    for name in every:
        chosen, number = name, 1
        while chosen in taken or (number > 1 and chosen in every):
            number += 1
            chosen = f"{name}_{number}"
        taken.add(chosen)
        found.append(chosen)
    return found


def _extension(array: Array) -> list[Any]:
    storage = array.storage
    if array.type.extension_name == "arrow.uuid":
        return _each(storage, lambda raw: str(uuid.UUID(bytes=raw)))
    return values(storage)


def _each(array: Array, convert: Callable[[Any], Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _temporal(array: Array) -> list[Any]:
    return iso(array).to_pylist()


def _binary(array: Array) -> list[Any]:
    return _each(array, lambda raw: base64.b64encode(raw).decode())


def _short_float(array: Array) -> list[Any]:
    """The shortest number that stands for the 32-bit or 16-bit float, not its 64-bit tail."""
    pa = pyarrow()
    return _each(array.cast(pa.float32()).cast(pa.string()), float)


def _duration(array: Array) -> list[Any]:
    factor = _NANOS[array.type.unit]
    return _each(array.cast(pyarrow().int64()), lambda count: period(0, 0, count * factor))


def _interval(array: Array) -> list[Any]:
    return _each(array, lambda value: period(value.months, value.days, value.nanoseconds))


def period(months: int, days: int, nanos: int) -> str:
    """An ISO 8601 duration; parts of either sign: `P1M-2DT3.5S`."""
    text = (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if not nanos and text:
        return f"P{text}"
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"P{text}T{'-' if nanos < 0 else ''}{seconds}{fraction}S"


def _decoded(array: Array) -> list[Any]:
    return values(array.dictionary_decode())


def _run_ends(array: Array) -> list[Any]:
    return values(pyarrow().compute.run_end_decode(array))


def _struct(array: Array) -> list[Any]:
    names = unique(field.name for field in array.type)
    if not names:
        return [{} if there else None for there in array.is_valid().to_pylist()]
    columns = [values(column) for column in array.flatten()]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    valid = array.is_valid().to_pylist()
    return [row if there else None for row, there in zip(rows, valid, strict=True)]


def _list(array: Array) -> list[Any]:
    flat = iter(values(array.flatten()))
    lengths = pyarrow().compute.list_value_length(array).to_pylist()
    return [None if length is None else [next(flat) for _ in range(length)] for length in lengths]


def _list_view(array: Array) -> list[Any]:
    # Views may overlap and come in any order, so each is read by itself.
    return [values(view.values) if view.is_valid else None for view in array]


def _map(array: Array) -> list[Any]:
    pa = pyarrow()
    kind = array.type
    entry = pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
    return _list(array.cast(pa.list_(entry)))


_RULES: tuple[tuple[tuple[str, ...], Callable[[Array], list[Any]]], ...] = (
    (("date", "time", "timestamp"), _temporal),
    (("binary", "large_binary", "fixed_size_binary", "binary_view"), _binary),
    (("float16", "float32"), _short_float),
    (("duration",), _duration),
    (("interval",), _interval),
    (("dictionary",), _decoded),
    (("run_end_encoded",), _run_ends),
    (("struct",), _struct),
    (("map",), _map),
    (("list", "large_list", "fixed_size_list"), _list),
    (("list_view", "large_list_view"), _list_view),
)
