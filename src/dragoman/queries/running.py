"""The queries that this process runs now, so that a stopping server can end them."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from dragoman.api.errors import Unavailable

# Fewer than the house's threads for blocking work: a diagnosis or a list of schemas still finds
# one when every query is held up by its reader.
MAX_AT_ONCE = 24
CANCEL_SECONDS = 5.0
_STEP = 0.05


class Cancellable(Protocol):
    """A query that can be told to stop."""

    def cancel(self) -> None:
        """Stop the query; harmless at any time, returns at once."""
        ...


class Running:
    """A register of running queries, each with its owner (the house that runs it)."""

    def __init__(self, limit: int = MAX_AT_ONCE) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._owners: dict[Cancellable, object] = {}

    def enter(self, query: Cancellable, owner: object) -> None:
        """Note a query as running. Raises `Unavailable` when too many are."""
        with self._lock:
            if self._count(owner) >= self._limit:
                raise Unavailable(
                    f"The server runs {self._limit} queries now; try again later.",
                    headers={"Retry-After": "5"},
                )
            self._owners[query] = owner

    def leave(self, query: Cancellable) -> None:
        """Note that a query runs no more; harmless when it was never noted."""
        with self._lock:
            self._owners.pop(query, None)

    def count(self, owner: object) -> int:
        """How many queries of the owner run."""
        with self._lock:
            return self._count(owner)

    async def stop(self, owner: object, seconds: float) -> int:
        """Give the owner's queries so many seconds, then cancel them; returns how many were.

        Comes back when all have ended, at most `CANCEL_SECONDS` after the cancelling.
        """
        await self._wait(owner, seconds)
        with self._lock:
            late = [query for query, other in self._owners.items() if other is owner]
        for query in late:
            query.cancel()
        await self._wait(owner, CANCEL_SECONDS)
        return len(late)

    async def _wait(self, owner: object, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # The last query may leave in any thread; looking now and then is simpler than a wake-up.
        while self.count(owner) and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_STEP)

    def _count(self, owner: object) -> int:
        return sum(1 for other in self._owners.values() if other is owner)


RUNNING = Running()
