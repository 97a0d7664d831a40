"""What a dialect may lack: data that the conformance suite, the documentation and people read."""

from __future__ import annotations

from enum import StrEnum


class Feature(StrEnum):
    """Something that every dialect has unless its declaration says no (`Declaration.lacks`).

    The types count as had when a value reaches Arrow with a type of that kind.
    """

    DECIMAL = "decimal"
    TIMESTAMP = "timestamp"
    TIMESTAMP_TZ = "timestamp with time zone"
    DATE = "date"
    TIME = "time"
    BOOLEAN = "boolean"
    JSON = "json"
    BINARY = "binary"
    ARRAY = "array"
    SESSION_TIME_ZONE = "session time zone"
    READ_ONLY_SESSION = "read-only session"
    ROLLED_BACK = "rolled back"
    LASTING_CONNECTION = "lasting connection"


TYPES = (
    Feature.DECIMAL,
    Feature.TIMESTAMP,
    Feature.TIMESTAMP_TZ,
    Feature.DATE,
    Feature.TIME,
    Feature.BOOLEAN,
    Feature.JSON,
    Feature.BINARY,
    Feature.ARRAY,
)

MEANINGS = {
    Feature.SESSION_TIME_ZONE: "Dates and times are cut in the time zone that was asked for.",
    Feature.READ_ONLY_SESSION: "The database itself refuses what would write.",
    Feature.ROLLED_BACK: "Nothing that a statement changed would stay.",
    Feature.LASTING_CONNECTION: "A session is one connection: its loss shows at once.",
}
