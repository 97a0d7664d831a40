"""What a run of the suite found, as data that can be kept, sent and compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended. Only `FAILED` is bad."""

    PASSED = "passed"
    FAILED = "failed"
    DECLARED = "declared"  # the dialect says no to it, and it failed in the expected way
    GAP = "gap"  # the stand-in of the tests cannot show it
    SKIPPED = "skipped"  # not asked for, or there is nothing to ask


@dataclass(frozen=True, slots=True)
class Result:
    """One check: how it ended, what was found in words, and how long it took."""

    check: str
    status: Status
    found: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "check": self.check,
            "status": self.status.value,
            "found": self.found,
            "seconds": round(self.seconds, 2),
        }


@dataclass(slots=True)
class Report:
    """All results of one database. No secret is in it.

    Words of a check that failed may be the database's own, and name a host, a user or a schema.
    """

    dialect: str
    dragoman: str
    driver: str
    results: list[Result] = field(default_factory=list[Result])

    @property
    def good(self) -> bool:
        """Whether no check failed."""
        return all(result.status is not Status.FAILED for result in self.results)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "dialect": self.dialect,
            "dragoman": self.dragoman,
            "driver": self.driver,
            "good": self.good,
            "results": [result.as_json() for result in self.results],
        }
