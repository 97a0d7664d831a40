"""Work that may hang where no time-out of ours reaches: it is left behind when its time is up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TooLate(Exception):
    """The work did not end in its time; whatever it still does, nobody waits for it."""


class _Work(Generic[T]):
    """One piece of work in a thread of its own, and who gets what it gives."""

    def __init__(self, work: Callable[[], T], late: Callable[[T], None] | None) -> None:
        self._work = work
        self._late = late
        self._lock = threading.Lock()
        self._left = False
        self._over = threading.Event()
        self._given: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            given = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        else:
            with self._lock:
                self._given.append(given)
                left = self._left
            if left and self._late is not None:
                self._late(given)
        self._over.set()

    def wait(self, seconds: float) -> T:
        if not self._over.wait(seconds):
            with self._lock:
                if not self._given:
                    self._left = True
                    raise TooLate
        if self._error is not None:
            raise self._error
        return self._given[0]


def within(seconds: float, work: Callable[[], T], late: Callable[[T], None] | None = None) -> T:
    """What `work` gives. Raises `TooLate` after so many seconds, and what `work` raises.

    `late` takes what comes too late, in the thread of the work: to close it, say.
    """
    task = _Work(work, late)
    threading.Thread(target=task.run, name="bounded", daemon=True).start()
    return task.wait(seconds)
