"""A bounded pool of open sessions, shared by all threads of the server.

A session is leased to one user at a time, reset when it comes back, and kept for the next one with
the same owner (the connection, its version, as whom it signs in) and the same variant (the options
of the session). One that was idle for a while is asked for a sign of life before it is lent.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Final

from dragoman.dialects.base import Session
from dragoman.dialects.bounded import within

Key = tuple[Hashable, ...]
Opener = Callable[[], Session]

# What a driver leaks, and what a name meant when it was looked up, ends with the session.
MAX_AGE_SECONDS: Final = 3600.0
# A session that was used a moment ago is not asked whether it lives.
FRESH_SECONDS: Final = 2.0
PING_SECONDS: Final = 5.0


class PoolClosed(Exception):
    """The pool was closed: the server is stopping."""


class PoolTimeout(Exception):
    """No session came free in time, or too many are waiting already."""


@dataclass(slots=True)
class _Idle:
    """A session, since when nobody uses it, when it was opened, and with which options."""

    since: float
    born: float
    variant: Hashable
    session: Session


@dataclass(slots=True)
class _Shelf:
    """The sessions of one owner. `open` counts those lent out, those idle and those being opened.

    `idle`: the one used last comes last.
    """

    idle: list[_Idle] = field(default_factory=list[_Idle])
    open: int = 0
    waiting: int = 0
    dropped: bool = False

    def take(self, variant: Hashable) -> _Idle | None:
        """The session of that variant that was used last, off the shelf."""
        for place in range(len(self.idle) - 1, -1, -1):
            if self.idle[place].variant == variant:
                return self.idle.pop(place)
        return None


class SessionPool:
    """At most `max_per_owner` sessions of an owner; idle ones end after `idle_seconds`,
    and each one when it comes back at the age of an hour.

    At most `max_waiting` callers of an owner wait for one; a further caller is refused at once.
    """

    def __init__(
        self,
        max_per_owner: int = 5,
        idle_seconds: float = 300.0,
        max_waiting: int = 50,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max = max_per_owner
        self._idle_seconds = idle_seconds
        self._max_waiting = max_waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._shelves: dict[Key, _Shelf] = {}
        self._closed = False

    @contextlib.contextmanager
    def lease(
        self, owner: Key, opener: Opener, timeout: float = 30.0, *, variant: Hashable = None
    ) -> Generator[Session]:
        """A session of that owner and variant; `opener` makes one when none is idle.

        Raises `PoolTimeout` (after `timeout` seconds), `PoolClosed`, and what `opener` raises.
        """
        shelf, lent = self._take(owner, variant, timeout)
        if lent is None:
            session = self._opened(owner, shelf, opener)
            lent = _Idle(0.0, self._clock(), variant, session)
        try:
            yield lent.session
        finally:
            self._give_back(owner, shelf, lent)

    def drop(self, prefix: Key) -> None:
        """Forget the sessions whose owner begins so; those lent out end when they come back."""
        with self._changed:
            gone = [owner for owner in self._shelves if owner[: len(prefix)] == prefix]
            shelves = [self._shelves.pop(owner) for owner in gone]
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

    def _take(self, owner: Key, variant: Hashable, timeout: float) -> tuple[_Shelf, _Idle | None]:
        """An idle session that lives, or a place for a new one (None)."""
        while True:
            shelf, found, ended = self._pick(owner, variant, timeout)
            _close(ended)
            if found is None:
                return shelf, None
            if self._clock() - found.since < FRESH_SECONDS or _lives(found.session):
                return shelf, found
            _close([found.session])
            self._release(owner, shelf)

    def _pick(
        self, owner: Key, variant: Hashable, timeout: float
    ) -> tuple[_Shelf, _Idle | None, list[Session]]:
        """An idle session or a place, and the session that had to go for the place."""
        with self._changed:
            self._refuse_closed()
            shelf = self._shelf(owner)
            if not self._free(shelf):
                shelf = self._wait(owner, timeout)
            if (found := shelf.take(variant)) is not None:
                return shelf, found, []
            if shelf.open < self._max:
                shelf.open += 1
                return shelf, None, []
            # All are open and this one is idle with other options: its place is taken.
            return shelf, None, [shelf.idle.pop(0).session]

    def _wait(self, owner: Key, timeout: float) -> _Shelf:
        """Wait for a free place. The shelf may be another one afterwards: `drop` replaces it."""
        counted = self._shelf(owner)
        if counted.waiting >= self._max_waiting:
            raise PoolTimeout("too many queries are waiting for this connection")
        counted.waiting += 1
        try:
            ready = self._changed.wait_for(
                lambda: self._closed or self._free(self._shelf(owner)), timeout
            )
        finally:
            counted.waiting -= 1
        self._refuse_closed()
        if not ready:
            raise PoolTimeout(f"no session of this connection came free in {timeout:g} seconds")
        return self._shelf(owner)

    def _opened(self, owner: Key, shelf: _Shelf, opener: Opener) -> Session:
        try:
            return opener()
        except BaseException:
            self._release(owner, shelf)
            raise

    def _give_back(self, owner: Key, shelf: _Shelf, lent: _Idle) -> None:
        young = self._clock() - lent.born < MAX_AGE_SECONDS
        usable = young and self._usable(shelf, lent.session)
        with self._changed:
            usable = usable and not (self._closed or shelf.dropped)
            if usable:
                lent.since = self._clock()
                shelf.idle.append(lent)
                self._changed.notify_all()
            ended = self._expired()
        _close(ended)
        if not usable:
            _close([lent.session])
            self._release(owner, shelf)

    def _usable(self, shelf: _Shelf, session: Session) -> bool:
        if session.broken or shelf.dropped or self._closed:
            return False
        try:
            within(PING_SECONDS, session.reset)
        except Exception:  # noqa: BLE001 - whatever it is, the session is not lent again
            return False
        return not session.broken

    def _release(self, owner: Key, shelf: _Shelf) -> None:
        with self._changed:
            shelf.open -= 1
            self._forget_if_empty(owner, shelf)
            self._changed.notify_all()

    def _expired(self) -> list[Session]:
        limit = self._clock() - self._idle_seconds
        ended: list[Session] = []
        for owner, shelf in list(self._shelves.items()):
            old = [idle.session for idle in shelf.idle if idle.since <= limit]
            if old:
                shelf.idle = [idle for idle in shelf.idle if idle.since > limit]
                shelf.open -= len(old)
                self._forget_if_empty(owner, shelf)
                ended += old
        if ended:
            self._changed.notify_all()
        return ended

    def _retire(self, shelf: _Shelf) -> list[Session]:
        shelf.dropped = True
        ended = [idle.session for idle in shelf.idle]
        shelf.open -= len(ended)
        shelf.idle.clear()
        self._changed.notify_all()
        return ended

    def _forget_if_empty(self, owner: Key, shelf: _Shelf) -> None:
        if shelf.open == 0 and shelf.waiting == 0 and self._shelves.get(owner) is shelf:
            del self._shelves[owner]

    def _free(self, shelf: _Shelf) -> bool:
        return bool(shelf.idle) or shelf.open < self._max

    def _shelf(self, owner: Key) -> _Shelf:
        return self._shelves.setdefault(owner, _Shelf())

    def _refuse_closed(self) -> None:
        if self._closed:
            raise PoolClosed("the server is stopping")


def _lives(session: Session) -> bool:
    try:
        within(PING_SECONDS, session.ping)
    except Exception:  # noqa: BLE001 - whatever it is, the session is not lent again
        return False
    return not session.broken


def _close(sessions: list[Session]) -> None:
    """A session that does not close in its time is left to a thread of its own."""
    for session in sessions:
        with contextlib.suppress(Exception):
            within(PING_SECONDS, session.close)
