"""The kinds of values that a field can have, as the language tells them apart."""

from __future__ import annotations

from enum import StrEnum


class DataType(StrEnum):
    """What a column or an expression gives.

    `DATE`: a day without a time. `TIMESTAMP`: a moment without a time zone of its own.
    `TIMESTAMP_TZ`: an instant. The contract has one name, TIMESTAMP, for the three: `wire`.
    `OTHER_UNGROUPABLE`: values that no GROUP BY takes (bytes, geography, vectors).
    """

    ARRAY = "ARRAY"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    INTERVAL = "INTERVAL"
    JSON = "JSON"
    NUMBER = "NUMBER"
    OTHER_UNGROUPABLE = "OTHER_UNGROUPABLE"
    STRING = "STRING"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"
    UNKNOWN = "UNKNOWN"

    @property
    def is_time(self) -> bool:
        """Whether grains (`[month]`) make sense."""
        return self in (DataType.DATE, DataType.TIMESTAMP, DataType.TIMESTAMP_TZ)

    @property
    def wire(self) -> str:
        """The contract's name of it."""
        return "TIMESTAMP" if self.is_time else self.value
