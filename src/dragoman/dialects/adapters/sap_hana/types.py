"""SAP HANA's types as Arrow types.

| SAP HANA | Arrow |
|---|---|
| TINYINT, SMALLINT, INTEGER, BIGINT | int16, int16, int32, int64 |
| DECIMAL(p, s) | decimal128(p, s); without a scale: string |
| REAL, DOUBLE | float32, float64 |
| BOOLEAN | bool |
| DATE, TIME, SECONDDATE, TIMESTAMP | date32, time64[us], timestamp[us] twice |
| BINARY, VARBINARY, BLOB | binary |
| all else | string |

Source: SAP, "SAP HANA SQL Command Network Protocol Reference", type codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from dragoman.dialects.arrow import Array, DataType, pyarrow
from dragoman.dialects.arrow_rows import Column, Values, decimal_type, values

_DECIMAL: Final = 5
_MOST_DIGITS: Final = 38
_SIMPLE: Final = {
    1: "int16",
    2: "int16",
    3: "int32",
    4: "int64",
    6: "float32",
    7: "float64",
    28: "bool_",
    12: "binary",
    13: "binary",
    27: "binary",
    14: "date32",
    63: "date32",
}
_TIMES: Final = frozenset({15, 64})
_TIMESTAMPS: Final = frozenset({16, 61, 62})


def column(described: Sequence[Any]) -> Column:
    """The column of one description of the driver (PEP 249: name, type, ..., precision, scale)."""
    pa, name, code = pyarrow(), str(described[0]), int(described[1])
    if code in _SIMPLE:
        kind = getattr(pa, _SIMPLE[code])()
        return _each(name, kind, bytes) if kind == pa.binary() else values(name, kind)
    if code in _TIMES:
        return values(name, pa.time64("us"))
    if code in _TIMESTAMPS:
        return values(name, pa.timestamp("us"))
    if code == _DECIMAL and (kind := _decimal(described[4], described[5])) is not None:
        return values(name, kind)
    return _each(name, pa.string(), str)


def _decimal(precision: Any, scale: Any) -> DataType | None:
    """None for a decimal whose point floats."""
    if precision is None or scale is None or not 0 <= int(scale) <= _MOST_DIGITS:
        return None
    return decimal_type(int(precision), int(scale))


def _each(name: str, kind: DataType, turn: Callable[[Any], Any]) -> Column:
    pa = pyarrow()

    def convert(given: Values) -> Array:
        return pa.array([None if value is None else turn(value) for value in given], kind)

    return Column(pa.field(name, kind), convert)
