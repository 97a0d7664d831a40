"""Argon2id, at a bounded cost: one hash at a time, so many waiting, the rest is told to wait.

The parameters are the second recommendation of RFC 9106, section 4 (64 MiB, 3 passes, 4 lanes);
a hash of other parameters is verified with its own. cryptography computes with the interpreter's
lock released, so that the event loop goes on (docs/decisions).
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from dragoman.api.errors import Unavailable

T = TypeVar("T")
# OpenSSL computes the lanes of a hash on threads that all hashes of the process share, and gives
# them back with the whole hash: two that each hold some, and need more, wait for each other.
AT_ONCE = 1
WAITING = 32
SALT_BYTES, HASH_BYTES = 16, 32


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters of Argon2id; `memory` in KiB."""

    memory: int = 65_536
    passes: int = 3
    lanes: int = 4


class Hasher:
    """Hashes and verifies on a thread of its own: memory stays under `AT_ONCE` times the cost. A
    process has one."""

    def __init__(self, cost: Cost | None = None) -> None:
        self.cost = cost or Cost()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)

    async def hash(self, password: str) -> str:
        """The hash of a normalised password in the PHC string format. Raises `Unavailable`."""
        return await self._run(functools.partial(hash_password, password, self.cost))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is the password of the stored hash. For None the same work is done, so that
        an account that is not there takes as long as one that is. Raises `Unavailable`."""
        decoy = await self._run(functools.partial(_decoy, self.cost))
        fits = await self._run(functools.partial(_verify, stored or decoy, password))
        return fits and stored is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Unavailable(
                "Too many people are signing in; try again.", headers={"Retry-After": "5"}
            )
        running = self._threads.submit(work)
        # Not when the asker goes away: the thread works on.
        running.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(running)


def hash_password(password: str, cost: Cost) -> str:
    """The hash of a normalised password, in the PHC string format."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    made = Argon2id(
        salt=os.urandom(SALT_BYTES),
        length=HASH_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory,
    )
    return made.derive_phc_encoded(password.encode())


@functools.lru_cache(maxsize=4)
def _decoy(cost: Cost) -> str:
    """A hash that no password has."""
    return hash_password(os.urandom(16).hex(), cost)


def _verify(stored: str, password: str) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(password.encode(), stored)
    except InvalidKey:
        return False
    return True


HASHER = Hasher()
