"""Columns as JSON texts, made by Arrow's own kernels.

They let go of the interpreter, which the event loop needs for everybody else, and take half of the
processor time that values of Python take. Nested values, bytes and periods come by those
(`plain`). The rules of `plain` hold for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.dialects.arrow import Array, pyarrow
from dragoman.queries.formats.plain import iso, values

ENCODER = msgspec.json.Encoder(decimal_format="number")
_ESCAPED = r'[\x00-\x1f"\\]'
# The backslash comes first: the others bring more of them.
_ESCAPES = (
    *(("\\", "\\\\"), ('"', '\\"'), ("\b", "\\b"), ("\f", "\\f")),
    *(("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")),
)


def json_texts(array: Array) -> Array:
    """A string array: each value as JSON writes it, null for null."""
    kind = array.type
    types = pyarrow().types
    for matches, write in () if hasattr(kind, "storage_type") else _RULES:
        if any(getattr(types, f"is_{name}")(kind) for name in matches):
            return write(array)
    found = [None if each is None else ENCODER.encode(each).decode() for each in values(array)]
    return pyarrow().array(found, pyarrow().string())


def _plain(array: Array) -> Array:
    return array.cast(pyarrow().string())


def _temporal(array: Array) -> Array:
    return _quoted(iso(array))


def _float(array: Array) -> Array:
    """Whole numbers keep `.0`, so that readers take them for what they are."""
    pa = pyarrow()
    pc = pa.compute
    array = array.cast(pa.float32()) if pa.types.is_float16(array.type) else array
    text = array.cast(pa.string())
    fraction = pc.match_substring_regex(text, "[.e]")
    text = pc.if_else(fraction, text, pc.binary_join_element_wise(text, ".0", ""))
    return pc.if_else(pc.is_finite(array), text, pa.scalar(None, pa.string()))


def _text(array: Array) -> Array:
    pc = pyarrow().compute
    array = _plain(array)
    if pc.any(pc.match_substring_regex(array, _ESCAPED)).as_py():
        for plain, written in _ESCAPES:
            array = pc.replace_substring(array, plain, written)
        for code in range(0x20):
            if pc.any(pc.match_substring(array, chr(code))).as_py():
                array = pc.replace_substring(array, chr(code), f"\\u{code:04x}")
    return _quoted(array)


def _quoted(array: Array) -> Array:
    return pyarrow().compute.binary_join_element_wise('"', array, '"', "")


def _decoded(array: Array) -> Array:
    return json_texts(array.dictionary_decode())


_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], Any]], ...] = (
    (("integer", "boolean", "decimal", "null"), _plain),
    (("floating",), _float),
    (("date", "time", "timestamp"), _temporal),
    (("string", "large_string", "string_view"), _text),
    (("dictionary",), _decoded),
)
