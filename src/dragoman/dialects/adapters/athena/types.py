"""Athena's types as Arrow types. All values come as text.

| Athena | Arrow |
|---|---|
| tinyint, smallint, integer, bigint | int8, int16, int32, int64 |
| float, real, double | float32, float64 |
| decimal | decimal128(p, s) |
| boolean | bool |
| date, time, timestamp, timestamp with time zone | as Trino's |
| varbinary | binary |
| json | string (metadata `dragoman:type` = json) |
| varchar, char, string, array, map, row, all else | string, as Athena writes it |

The text of an array or row is not JSON and cannot be read back without doubt: cast it to json in
the statement where its parts matter.
"""

from __future__ import annotations

from typing import Any

from dragoman.dialects.adapters.trino.types import Types as TrinoTypes
from dragoman.dialects.arrow import Array, pyarrow
from dragoman.dialects.arrow_rows import Column, Values, parsed, values

_NUMBERS = {
    "tinyint": "int8", "smallint": "int16", "int": "int32", "integer": "int32", "bigint": "int64",
    "float": "float32", "real": "float32", "double": "float64", "boolean": "bool_",
}  # fmt: skip
_AS_TRINO = frozenset({"date", "time", "timestamp", "timestamp with time zone", "json"})


class Types:
    """Columns of one answer; notes in `notices` what had no equal."""

    def __init__(self, timezone: str, notices: list[str]) -> None:
        """`timezone`: in which instants are shown, an IANA name."""
        self._trino = TrinoTypes(timezone, notices)

    def column(self, described: dict[str, Any]) -> Column:
        """The column of one `ColumnInfo` of Athena."""
        pa, name, kind = pyarrow(), str(described["Name"]), str(described["Type"]).lower()
        if kind in _NUMBERS:
            return parsed(name, getattr(pa, _NUMBERS[kind])())
        if kind == "decimal":
            exact = pa.decimal128(int(described["Precision"]), int(described["Scale"]))
            return parsed(name, exact)
        if kind == "varbinary":
            return Column(pa.field(name, pa.binary()), _binary)
        if kind in _AS_TRINO:
            signature: dict[str, Any] = {"rawType": kind, "arguments": []}
            return self._trino.column({"name": name, "typeSignature": signature})
        return values(name, pa.string())


def _binary(given: Values) -> Array:
    """Pairs of hexadecimal digits with blanks between."""
    return pyarrow().array([None if v is None else bytes.fromhex(v) for v in given])
