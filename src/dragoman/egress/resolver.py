"""DNS look-ups under a deadline. `getaddrinfo` has none of its own, so it runs in a thread."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence

from dragoman.dialects.network import Deadline

Resolver = Callable[[str], Sequence[str]]
"""Gives the addresses of a name as texts. Raises `OSError` when there are none."""

# A look-up that never returns keeps its thread; this bounds how many such threads there can be.
_SLOTS = threading.BoundedSemaphore(64)


def system_resolver(name: str) -> Sequence[str]:
    """Addresses of a name by the C library (hosts file, DNS), in its order of preference."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def resolve_within(resolver: Resolver, name: str, seconds: float) -> Sequence[str]:
    """Run the resolver once. Raises what it raises, and `TimeoutError` after `seconds`."""
    answer: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()
    deadline = Deadline(seconds)
    if not _SLOTS.acquire(timeout=seconds):
        raise TimeoutError("too many look-ups under way")

    def look_up() -> None:
        try:
            answer.put(resolver(name))
        except Exception as error:  # noqa: BLE001 - raised in the thread that asked
            answer.put(error)
        finally:
            _SLOTS.release()

    try:
        threading.Thread(target=look_up, name="dns", daemon=True).start()
    except RuntimeError as error:  # the machine has no thread left to give
        _SLOTS.release()
        raise OSError("no thread for the look-up") from error
    try:
        result = answer.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("no answer from DNS") from None
    if isinstance(result, Exception):
        raise result
    return result
