"""A bounded pool of open sessions, shared by all threads of the server.

A session is leased to one user at a time, reset when it comes back, and kept for the next one with
the same key (the connection, its version, the options of the session).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field

from dragoman.dialects.base import Session

Key = tuple[Hashable, ...]
Opener = Callable[[], Session]


class PoolClosed(Exception):
    """The pool was closed: the server is stopping."""


class PoolTimeout(Exception):
    """No session came free in time, or too many are waiting already."""


@dataclass(slots=True)
class _Shelf:
    """The sessions of one key. `open` counts those lent out, those idle and those being opened."""

    idle: list[tuple[float, Session]] = field(default_factory=list[tuple[float, Session]])
    open: int = 0
    waiting: int = 0
    dropped: bool = False


class SessionPool:
    """At most `max_per_key` sessions of a key; idle ones end after `idle_seconds`.

    At most `max_waiting` callers of a key wait for one; a further caller is refused at once.
    """

    def __init__(
        self,
        max_per_key: int = 5,
        idle_seconds: float = 300.0,
        max_waiting: int = 50,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max = max_per_key
        self._idle_seconds = idle_seconds
        self._max_waiting = max_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._shelves: dict[Key, _Shelf] = {}
        self._closed = False

    @contextlib.contextmanager
    def lease(self, key: Key, opener: Opener, timeout: float = 30.0) -> Generator[Session]:
        """A session of that key; `opener` makes one when none is idle.

        Raises `PoolTimeout` (after `timeout` seconds), `PoolClosed`, and what `opener` raises.
        """
        shelf, session = self._take(key, timeout)
        if session is None:
            session = self._opened(key, shelf, opener)
        try:
            yield session
        finally:
            self._give_back(key, shelf, session)

    def drop(self, prefix: Key) -> None:
        """Forget the sessions whose key begins so; those lent out end when they come back."""
        with self._changed:
            gone = [key for key in self._shelves if key[: len(prefix)] == prefix]
            shelves = [self._shelves.pop(key) for key in gone]
            ended = [session for shelf in shelves for session in self._retire(shelf)]
        _close(ended)

    def close_idle(self) -> None:
        """End the sessions that have been idle too long (also done whenever one comes back)."""
        with self._changed:
            ended = self._expired()
        _close(ended)

    def close(self) -> None:
        """End all idle sessions and lend no more; those lent out end when they come back."""
        with self._changed:
            self._closed = True
            ended = [s for shelf in self._shelves.values() for s in self._retire(shelf)]
            self._shelves.clear()
            self._changed.notify_all()
        _close(ended)

    def _take(self, key: Key, timeout: float) -> tuple[_Shelf, Session | None]:
        """An idle session, or a place for a new one (None)."""
        with self._changed:
            self._refuse_closed()
            shelf = self._shelf(key)
            if not self._free(shelf):
                shelf = self._wait(key, timeout)
            if shelf.idle:
                return shelf, shelf.idle.pop()[1]
            shelf.open += 1
            return shelf, None

    def _wait(self, key: Key, timeout: float) -> _Shelf:
        """Wait for a free place. The shelf may be another one afterwards: `drop` replaces it."""
        counted = self._shelf(key)
        if counted.waiting >= self._max_waiting:
            raise PoolTimeout("too many queries are waiting for this connection")
        counted.waiting += 1
        try:
            ready = self._changed.wait_for(
                lambda: self._closed or self._free(self._shelf(key)), timeout
            )
        finally:
            counted.waiting -= 1
        self._refuse_closed()
        if not ready:
            raise PoolTimeout(f"no session of this connection came free in {timeout:g} seconds")
        return self._shelf(key)

    def _opened(self, key: Key, shelf: _Shelf, opener: Opener) -> Session:
        try:
            return opener()
        except BaseException:
            self._release(key, shelf)
            raise

    def _give_back(self, key: Key, shelf: _Shelf, session: Session) -> None:
        usable = self._usable(shelf, session)
        with self._changed:
            usable = usable and not (self._closed or shelf.dropped)
            if usable:
                shelf.idle.append((self._clock(), session))
                self._changed.notify_all()
            ended = self._expired()
        _close(ended)
        if not usable:
            _close([session])
            self._release(key, shelf)

    def _usable(self, shelf: _Shelf, session: Session) -> bool:
        if session.broken or shelf.dropped or self._closed:
            return False
        try:
            session.reset()
        except Exception:  # noqa: BLE001 - whatever it is, the session is not lent again
            return False
        return not session.broken

    def _release(self, key: Key, shelf: _Shelf) -> None:
        with self._changed:
            shelf.open -= 1
            self._forget_if_empty(key, shelf)
            self._changed.notify_all()

    def _expired(self) -> list[Session]:
        limit = self._clock() - self._idle_seconds
        ended: list[Session] = []
        for key, shelf in list(self._shelves.items()):
            old = [session for since, session in shelf.idle if since <= limit]
            if old:
                shelf.idle = [entry for entry in shelf.idle if entry[0] > limit]
                shelf.open -= len(old)
                self._forget_if_empty(key, shelf)
                ended += old
        if ended:
            self._changed.notify_all()
        return ended

    def _retire(self, shelf: _Shelf) -> list[Session]:
        shelf.dropped = True
        ended = [session for _, session in shelf.idle]
        shelf.open -= len(ended)
        shelf.idle.clear()
        self._changed.notify_all()
        return ended

    def _forget_if_empty(self, key: Key, shelf: _Shelf) -> None:
        if shelf.open == 0 and shelf.waiting == 0 and self._shelves.get(key) is shelf:
            del self._shelves[key]

    def _free(self, shelf: _Shelf) -> bool:
        return bool(shelf.idle) or shelf.open < self._max

    def _shelf(self, key: Key) -> _Shelf:
        return self._shelves.setdefault(key, _Shelf())

    def _refuse_closed(self) -> None:
        if self._closed:
            raise PoolClosed("the server is stopping")


def _close(sessions: list[Session]) -> None:
    for session in sessions:
        session.close()
