"""A unit of work: one open transaction, the time, and where the request came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from dragoman import clock


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from, for the audit: request id and client address."""

    request_id: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """What a service works with. Leaving it commits; an exception rolls all of it back."""

    db: Connection
    moment: datetime
    origin: Origin

    @property
    def now(self) -> str:
        """The unit's time in the stored form; the same for all rows it writes."""
        return clock.wire(self.moment)
