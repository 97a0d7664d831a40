"""Time on the wire and in the store: UTC, ISO 8601 with milliseconds (contract §1.9)."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment in UTC. The only place that reads the clock for data."""
    return datetime.now(UTC)


def wire(moment: datetime) -> str:
    """A moment as `2026-01-15T10:00:00.000Z`; texts of this form sort by time."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def parse(text: str) -> datetime:
    """The moment that `wire` wrote. Raises `ValueError`."""
    return datetime.fromisoformat(text)
