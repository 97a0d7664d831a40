"""Circuit breakers, one per connection: a database that is down is not dialled by every query.

After some failures to connect in a row the circuit opens: for a while nobody dials, and whoever
asks hears the last failure at once. Then one attempt is let through (half-open); when it fails, the
pause is doubled. A changed connection begins with a closed circuit. Errors of statements never
count: the database answered. Source: Nygard, "Release It!", 2nd ed., "Circuit Breaker".
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Final

from dragoman.dialects.failures import Cause, DatabaseFailure

THRESHOLD: Final = 5
FIRST_PAUSE: Final = 10.0
LAST_PAUSE: Final = 120.0
# Found on this machine before anything is dialled, or no word about the database.
_NOT_COUNTED: Final = frozenset(
    {
        Cause.SETTINGS_INVALID,
        Cause.SECRET_UNRESOLVED,
        Cause.DRIVER_MISSING,
        Cause.NOT_LIVE,
        Cause.ADDRESS_DENIED,
        Cause.CANCELLED,
        Cause.SIGN_IN_NEEDED,
    }
)


class CircuitOpen(Exception):
    """Nothing was dialled. `failure`: the last one; `failures` in a row; `seconds` to wait."""

    def __init__(self, failure: DatabaseFailure, failures: int, seconds: float) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.failures = failures
        self.seconds = seconds


@dataclass(slots=True)
class _Circuit:
    """The failures in a row of one version of a connection."""

    version: Hashable
    failures: int = 0
    last: DatabaseFailure | None = None
    pause: float = 0.0
    opened: float | None = None
    probing: bool = False


class Circuits:
    """The circuits of all connections; only those with failures take room.

    `watch(label, opened)` hears of each circuit that opens (True) or ceases to be open (False).
    """

    def __init__(
        self,
        watch: Callable[[str, bool], object] | None = None,
        threshold: int = THRESHOLD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._threshold = threshold
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[str, tuple[str, _Circuit]] = {}

    @contextlib.contextmanager
    def attempt(self, connection: str, version: Hashable, label: str) -> Generator[None]:
        """One attempt to connect, made inside the block. Raises `CircuitOpen` instead.

        `version`: changes whenever the connection does. `label`: for `watch`.
        """
        self._admit(connection, version)
        try:
            yield
        except DatabaseFailure as failure:
            self._failed(connection, version, label, failure)
            raise
        except BaseException:
            self._undecided(connection, version)
            raise
        self.close(connection)

    def close(self, connection: str) -> None:
        """Forget a connection's failures: it answered, it changed, or it is gone."""
        with self._lock:
            label, circuit = self._circuits.pop(connection, ("", None))
        if circuit is not None and circuit.opened is not None:
            self._tell(label, False)

    def _tell(self, label: str, opened: bool) -> None:
        if self._watch is not None:
            self._watch(label, opened)

    def _admit(self, connection: str, version: Hashable) -> None:
        changed = False
        with self._lock:
            _, circuit = self._circuits.get(connection, ("", None))
            if circuit is None or circuit.opened is None or circuit.last is None:
                return
            changed = circuit.version != version
            if not changed:
                left = circuit.opened + circuit.pause - self._clock()
                if left > 0 or circuit.probing:
                    raise CircuitOpen(circuit.last, circuit.failures, max(left, 1.0))
                circuit.probing = True
        if changed:
            self.close(connection)

    def _failed(
        self, connection: str, version: Hashable, label: str, failure: DatabaseFailure
    ) -> None:
        if failure.cause in _NOT_COUNTED:
            self._undecided(connection, version)
            return
        with self._lock:
            _, circuit = self._circuits.get(connection, ("", None))
            before = circuit is not None and circuit.opened is not None
            if circuit is None or circuit.version != version:
                circuit = _Circuit(version)
                self._circuits[connection] = (label, circuit)
            circuit.failures += 1
            circuit.last = failure
            enough = circuit.failures >= self._threshold and circuit.opened is None
            if circuit.probing or enough:
                circuit.pause = min(circuit.pause * 2, LAST_PAUSE) or FIRST_PAUSE
                circuit.opened = self._clock()
                circuit.probing = False
            after = circuit.opened is not None
        if after != before:
            self._tell(label, after)

    def _undecided(self, connection: str, version: Hashable) -> None:
        """The attempt said nothing of the database: the next one probes."""
        with self._lock:
            _, circuit = self._circuits.get(connection, ("", None))
            if circuit is not None and circuit.version == version:
                circuit.probing = False
