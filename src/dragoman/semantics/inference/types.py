"""From a column's type in the database's own words to the kind of its values."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from dragoman.semantics.datatypes import DataType

_WRAPPED: Final = re.compile(r"(?:nullable|lowcardinality)\((.*)\)")
_ARGUMENTS: Final = re.compile(r"[(<].*[)>]")
_FLAGS: Final = re.compile(r" (?:unsigned|signed|zerofill)\b")

_WORDS: Final = {
    DataType.BOOLEAN: "bool boolean",
    DataType.NUMBER: (
        "bigint bigdecimal bignumeric byteint byte dec decimal double double_precision fixed float"
        " float4 float8 float16 float32 float64 bfloat16 hugeint int int1 int2 int3 int4 int8 int16"
        " int32 int64 int128 int256 integer largeint long mediumint money number numeric real"
        " serial bigserial smallserial shortdecimal short smalldecimal smallint smallmoney tinyint"
        " ubigint uhugeint uinteger usmallint utinyint uint8 uint16 uint32 uint64 uint128 uint256"
        " binary_float binary_double oid year decfloat decimal32 decimal64 decimal128 decimal256"
    ),
    DataType.STRING: (
        "alphanum bpchar char character character_varying charlist cidr citext clob enum enum8"
        " enum16 fixedstring hashtype inet ipv4 ipv6 ipaddress long_varchar longtext macaddr"
        " macaddr8 mediumtext name nchar nclob ntext nvarchar nvarchar2 rowid set shorttext string"
        " sysname text time time_with_time_zone time_without_time_zone timetz time64 tinytext"
        " uniqueidentifier uuid varchar varchar2 nstring bit bit_varying"
    ),
    DataType.DATE: "date date32",
    DataType.TIMESTAMP: (
        "datetime datetime2 datetime64 longdate seconddate smalldatetime timestamp timestamp_ntz"
        " timestamp_without_time_zone timestamp_s timestamp_ms timestamp_ns timestampntz"
    ),
    DataType.TIMESTAMP_TZ: (
        "datetimeoffset timestamp_ltz timestamp_tz timestamp_with_local_time_zone"
        " timestamp_with_time_zone timestampltz timestamptz"
    ),
    DataType.INTERVAL: "interval intervalyear intervalday",
    DataType.ARRAY: "array list",
    DataType.JSON: (
        "json jsonb map nested object record row struct super tuple variant dynamic union"
    ),
    DataType.OTHER_UNGROUPABLE: (
        "aggregatefunction bfile binary bitmap blob box bytea bytes circle geography geometry hll"
        " hyperloglog image line long_raw longblob lseg mediumblob path point polygon raw"
        " rowversion sdo_geometry st_geometry st_point sketch tinyblob tsquery tsvector varbinary"
        " varbyte vector xml xmltype percentile"
    ),
}
_TYPES: Final = {word: kind for kind, words in _WORDS.items() for word in words.split()}
# The same word means something else here.
_SPECIAL: Final[dict[tuple[str, str], DataType]] = {
    ("oracle", "date"): DataType.TIMESTAMP,  # it has a time of day
    ("mssql", "timestamp"): DataType.OTHER_UNGROUPABLE,  # a row version
    ("mssql", "bit"): DataType.BOOLEAN,
    ("bigquery", "timestamp"): DataType.TIMESTAMP_TZ,
    ("databricks", "timestamp"): DataType.TIMESTAMP_TZ,
    ("databricks", "long"): DataType.NUMBER,
    ("oracle", "long"): DataType.STRING,
}
_ONE_BIT: Final = frozenset({"bit(1)", "tinyint(1)"})


@lru_cache(maxsize=8_192)
def data_type(written: str, dialect: str = "") -> DataType:
    """The kind of values of a column.

    `written`: the type as the catalog has it (`character varying(40)`, `Nullable(DateTime64(3))`,
    `STRUCT<a INT64>`). `dialect`: its wire name. A type that is not known is `UNKNOWN`.
    """
    text = " ".join(written.lower().split())
    while (wrapped := _WRAPPED.fullmatch(text)) is not None:
        text = wrapped.group(1)
    if text in _ONE_BIT:
        return DataType.BOOLEAN
    if text.endswith("]") or text.startswith("array"):
        return DataType.ARRAY
    zoned = text.startswith("datetime") and "'" in text  # ClickHouse: DateTime('UTC')
    bare = _FLAGS.sub("", _ARGUMENTS.sub("", text)).strip()
    word = " ".join(bare.split()).replace(" ", "_")
    if word.startswith("interval"):
        return DataType.INTERVAL
    found = _SPECIAL.get((dialect, word)) or _TYPES.get(word, DataType.UNKNOWN)
    return DataType.TIMESTAMP_TZ if found is DataType.TIMESTAMP and zoned else found


def comparable(one: DataType, other: DataType) -> bool:
    """Whether values of the two can be equal: keys of different kinds are not joined."""
    return one is other and one not in (DataType.UNKNOWN, DataType.OTHER_UNGROUPABLE)
