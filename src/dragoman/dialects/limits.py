"""The time limit of a statement as those keep it who wait for a driver that they cannot stop.

The driver's own limits come first. This is for when they fail: whoever waits gives up then.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.streaming import cancelled, timed_out


class StatementClock:
    """Numbers the statements of a session, and knows until when an answer is waited for.

    `limit`: of a statement, in seconds. `grace`: what a driver gets beyond it, or after a cancel.
    """

    def __init__(self, limit: float, grace: float) -> None:
        self.number = 0
        self._limit = limit
        self._grace = grace
        self._until: float | None = None
        self._cancelled_at: float | None = None

    @contextlib.contextmanager
    def started(self) -> Generator[int]:
        """A new statement, with its number; its time begins now."""
        self.number += 1
        self._cancelled_at = None
        self._until = time.monotonic() + self._limit
        try:
            yield self.number
        except BaseException:
            self.over(self.number)
            raise

    def over(self, number: int) -> None:
        """That statement is at its end; harmless when another one has begun."""
        if self.number == number:
            self._until = self._cancelled_at = None

    def cancel(self) -> bool:
        """Note that the statement is to stop; False when none runs, or that is known already."""
        if self._until is None or self._cancelled_at is not None:
            return False
        self._cancelled_at = time.monotonic()
        return True

    def seconds(self) -> float:
        """How long the answer to the next call under the statement's limit may take."""
        now = time.monotonic()
        left = self._limit if self._until is None else self._until - now
        return max(left, 0) + self._grace

    def cut(self, end: float) -> float:
        """The point in time at which waiting ends: `end`, or earlier after a cancel."""
        if self._cancelled_at is None:
            return end
        return min(end, self._cancelled_at + self._grace)

    def verdict(self) -> DatabaseFailure | None:
        """Why a statement that was given up ended; None when none ran."""
        if self._cancelled_at is not None:
            return cancelled()
        return timed_out(self._limit) if self._until is not None else None

    @property
    def cancelled(self) -> bool:
        """Whether the statement is to stop."""
        return self._cancelled_at is not None
