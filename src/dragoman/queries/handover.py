"""The bounded way of pieces from one thread to the event loop.

A piece costs the loop at most one wake-up: the thread wakes it only when it found nothing before.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator

CAPACITY_BYTES = 4 * 1024 * 1024
PART_BYTES = 65_536


def parts(piece: bytes) -> Iterator[bytes]:
    """The piece in parts, between whose sendings the loop turns to others; none of nothing."""
    for at in range(0, len(piece), PART_BYTES):
        yield piece[at : at + PART_BYTES]


class Abandoned(Exception):
    """One side has given up."""


class Handover:
    """One thread puts, one task takes. A full handover makes the thread wait (back-pressure).

    `capacity`: bytes that may wait to be taken. One piece always fits, however large.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int = CAPACITY_BYTES) -> None:
        self._loop = loop
        self._capacity = capacity
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._abandoned = False
        self._error: BaseException | None = None
        self._wake = asyncio.Event()

    def put(self, piece: bytes) -> None:
        """Hand a piece over, waiting for room. For the thread. Raises `Abandoned`."""
        with self._changed:
            while self._waiting and self._waiting + len(piece) > self._capacity:
                if self._abandoned:
                    break
                self._changed.wait()
            if self._abandoned:
                raise Abandoned
            self._pieces.append(piece)
            self._waiting += len(piece)
            if len(self._pieces) == 1:
                self._notify()

    def end(self, error: BaseException | None = None) -> None:
        """No more pieces; with an error, the taker meets it after them. The first call counts."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
                self._notify()

    def abandon(self) -> None:
        """Give up, from any thread: both sides meet `Abandoned`, and what waits is forgotten."""
        with self._changed:
            self._abandoned = True
            self._pieces.clear()
            self._waiting = 0
            self._changed.notify_all()
            self._notify()

    async def take(self) -> tuple[list[bytes], bool]:
        """All pieces that wait (at least one, unless at the end), and whether it is the end.

        Raises the error of `end` once the pieces before it were taken, and `Abandoned`.
        """
        while True:
            with self._changed:
                self._wake.clear()
                if self._abandoned:
                    raise Abandoned
                pieces = list(self._pieces)
                self._pieces.clear()
                self._waiting = 0
                self._changed.notify_all()
                if not pieces and self._error is not None:
                    raise self._error
                if pieces or self._ended:
                    return pieces, self._ended and self._error is None
            await self._wake.wait()

    def _notify(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            # The loop is closed: the server is gone, and with it everybody who could take.
            self._abandoned = True
