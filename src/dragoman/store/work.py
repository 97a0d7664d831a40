"""A unit of work: one open transaction, the time, and where the request came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from dragoman import clock


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from, for the audit: request id and client address."""

    request_id: str = ""
    address: str = ""


class Signer(Protocol):
    """Keys for hashes that only who holds the key ring can make."""

    def current(self) -> tuple[str, bytes]:
        """The id of the key in force, and the key."""
        ...

    def find(self, key_id: str) -> bytes | None:
        """The key of that id, or None."""
        ...


Step = Callable[["UnitOfWork", list[Any]], None]


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """What a service works with. Leaving it commits; an exception rolls all of it back."""

    db: Connection
    moment: datetime
    origin: Origin
    signer: Signer | None = None
    _left: dict[Step, list[Any]] = field(default_factory=dict[Step, list[Any]])
    # The time in the stored form; the same for all rows that the unit writes.
    now: str = field(init=False)

    def __post_init__(self) -> None:
        """Put the time into words once: each row asks for it."""
        object.__setattr__(self, "now", clock.wire(self.moment))

    def leave(self, step: Step, item: Any) -> None:
        """Leave work for the end: just before the commit, each step is called once, with the items
        of all units of work that the commit holds."""
        self._left.setdefault(step, []).append(item)


def finish(units: Sequence[UnitOfWork]) -> None:
    """Do what these units of one transaction left for the end, in their order."""
    left: dict[Step, list[Any]] = {}
    for unit in units:
        for step, items in unit._left.items():  # pyright: ignore[reportPrivateUsage]
            left.setdefault(step, []).extend(items)
    for step, items in left.items():
        step(units[-1], items)
