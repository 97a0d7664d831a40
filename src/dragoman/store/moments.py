"""Moments of use that are kept in memory and written now and then: a write on every request would
cost more than the request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Update

from dragoman import clock
from dragoman.store.engine import Store
from dragoman.store.work import UnitOfWork


class Moments:
    """When each of many things was last used. `statement` writes one: its parameters are `used`,
    the id, and `at`."""

    def __init__(self, statement: Update) -> None:
        self._statement = statement
        self._noted: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def note(self, used: str) -> None:
        """Note that the thing of that id was used now."""
        self._noted[used] = clock.now()

    def flush(self, store: Store, also: Callable[[UnitOfWork], None] | None = None) -> int:
        """Write what was noted, and do what else is due, in one unit of work; returns how many
        moments. What cannot be written is kept for later."""
        with self._lock:
            noted, self._noted = self._noted, {}
            if not noted and also is None:
                return 0
            rows = [{"used": used, "at": clock.wire(at)} for used, at in list(noted.items())]
            try:
                with store.begin() as unit:
                    if rows:
                        unit.db.execute(self._statement, rows)
                    if also is not None:
                        also(unit)
            except Exception:
                self._noted = {**noted, **self._noted}
                raise
            return len(rows)
