"""A unit of work: one open transaction, the time, and where the request came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect

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


class Rows(Protocol):
    """A statement that writes many rows at once (`PreparedInsert`)."""

    @property
    def rank(self) -> int:
        """Tables that others refer to come before those."""
        ...

    def write(self, unit: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows now."""
        ...


Step = Callable[["UnitOfWork", list[Any]], None]
Before = Callable[["UnitOfWork"], None]


class UnitOfWork:
    """What a service works with. Leaving it commits; an exception rolls all of it back.

    Rows that nobody reads in the unit need not be written one by one: `leave_row` keeps them until
    the first statement on `db`, or until the end.
    """

    __slots__ = (
        *("_before", "_db", "_driver", "_left", "_now", "_rows"),
        *("moment", "origin", "signer"),
    )

    def __init__(
        self,
        db: Connection,
        moment: datetime,
        origin: Origin,
        signer: Signer | None = None,
        before: Before | None = None,
    ) -> None:
        """`before` is called once, before the first use of the database."""
        self.moment = moment
        self.origin = origin
        self.signer = signer
        self._db = db
        self._before = before
        self._driver: Any = None
        self._now: str | None = None
        self._left: dict[Step, list[Any]] = {}
        self._rows: list[tuple[Rows, dict[str, Any]]] = []

    @property
    def now(self) -> str:
        """The time in the stored form; the same for all rows that the unit writes."""
        if self._now is None:
            self._now = clock.wire(self.moment)
        return self._now

    @property
    def db(self) -> Connection:
        """The open transaction; what was left before is in it."""
        if self._before is not None:
            before, self._before = self._before, None
            before(self)
        if self._rows:
            write_rows([self])
        return self._db

    @property
    def driver(self) -> Any:
        """The driver's own connection, in the same transaction as `db`."""
        db = self.db
        if self._driver is None:
            self._driver = db.connection.dbapi_connection
        return self._driver

    @property
    def dialect(self) -> Dialect:
        """What the database speaks; asking for it uses nothing."""
        return self._db.dialect

    def close(self) -> None:
        """The unit's own work is done: what is written from now on is the transaction's."""
        self._before = None

    def leave_row(self, rows: Rows, row: dict[str, Any]) -> None:
        """Leave a row to be written with others of its kind, before anybody can look for it."""
        self._rows.append((rows, row))

    def leave(self, step: Step, item: Any) -> None:
        """Leave work for the end: just before the commit, each step is called once, with the items
        of all units of work that the commit holds."""
        self._left.setdefault(step, []).append(item)


def write_rows(units: Sequence[UnitOfWork]) -> None:
    """Write what these units of one transaction left, table by table."""
    rows: dict[Rows, list[dict[str, Any]]] = {}
    for unit in units:
        left, unit._rows = unit._rows, []  # pyright: ignore[reportPrivateUsage]
        for kind, row in left:
            rows.setdefault(kind, []).append(row)
    for kind in sorted(rows, key=lambda kind: kind.rank):
        kind.write(units[-1], rows[kind])


def finish(units: Sequence[UnitOfWork]) -> None:
    """Do what these units of one transaction left for the end, in their order."""
    write_rows(units)
    left: dict[Step, list[Any]] = {}
    for unit in units:
        for step, items in unit._left.items():  # pyright: ignore[reportPrivateUsage]
            left.setdefault(step, []).extend(items)
    for step, items in left.items():
        step(units[-1], items)
