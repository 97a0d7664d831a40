"""A unit of work: one open transaction, the time, and where the request came from."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    # The time in the stored form; the same for all rows that the unit writes.
    now: str = field(init=False)

    def __post_init__(self) -> None:
        """Put the time into words once: each row asks for it."""
        object.__setattr__(self, "now", clock.wire(self.moment))
