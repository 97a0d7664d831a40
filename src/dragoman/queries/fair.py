"""Which of the waiting questions runs next, so that nobody's many keep others from having one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may run at once: in all, of one user, on one connection; 0 is no limit."""

    total: int
    user: int = 0
    connection: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """One question. `house`: the server that runs it, each with room of its own. `start`: called
    once, when it is its turn; must not block."""

    house: Hashable
    user: str
    connection: str
    limits: Limits
    start: Callable[[], None]


class FairQueue:
    """Turns that wait and turns that run. Not safe for threads by itself: the caller holds a lock.

    The next one is of the user of whom the fewest run; among equals, of the one whose turn is
    longest ago. A user's own come in their order, but one whose connection is busy lets those for
    others pass.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[Hashable, str], deque[Turn]] = {}
        self._served: dict[tuple[Hashable, str], int] = {}  # when each user's last turn began
        self._turns = 0
        self._running: set[Turn] = set()
        self._total: Counter[Hashable] = Counter()
        self._users: Counter[tuple[Hashable, str]] = Counter()
        self._connections: Counter[tuple[Hashable, str]] = Counter()

    def waits(self, house: Hashable, user: str) -> int:
        """How many of a user's wait."""
        return len(self._waiting.get((house, user), ()))

    def add(self, turn: Turn) -> None:
        """Put a turn at the end of its user's; `ready` says when it runs."""
        self._waiting.setdefault((turn.house, turn.user), deque()).append(turn)

    def ready(self) -> Iterator[Turn]:
        """The turns that may run now, each noted as running."""
        while (turn := self._next()) is not None:
            yield turn

    def remove(self, turn: Turn) -> bool:
        """Take back a turn that waits; false for one that does not."""
        key = (turn.house, turn.user)
        mine = self._waiting.get(key)
        if mine is None or turn not in mine:
            return False
        mine.remove(turn)
        if not mine:
            del self._waiting[key]
        return True

    def end(self, turn: Turn) -> None:
        """Note that a turn runs no more; harmless for one that does not run."""
        if turn in self._running:
            self._running.remove(turn)
            self._count(turn, -1)
            key = (turn.house, turn.user)
            if key not in self._waiting and not self._users[key]:
                self._served.pop(key, None)  # who comes back is as good as new

    def _next(self) -> Turn | None:
        served = self._served
        for key in sorted(self._waiting, key=lambda key: (self._users[key], served.get(key, 0))):
            turn = next((each for each in self._waiting[key] if self._fits(each)), None)
            if turn is not None:
                self.remove(turn)
                self._turns += 1
                served[key] = self._turns
                self._running.add(turn)
                self._count(turn, 1)
                return turn
        return None

    def _fits(self, turn: Turn) -> bool:
        limits, house = turn.limits, turn.house
        counts = (
            (limits.total, self._total[house]),
            (limits.user, self._users[house, turn.user]),
            (limits.connection, self._connections[house, turn.connection]),
        )
        return all(not most or now < most for most, now in counts)

    def _count(self, turn: Turn, by: int) -> None:
        _add(self._total, turn.house, by)
        _add(self._users, (turn.house, turn.user), by)
        _add(self._connections, (turn.house, turn.connection), by)


def _add(counter: Counter[Any], key: Hashable, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
