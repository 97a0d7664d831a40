"""Keys for hashes that only who holds the key ring can make, one derived from each of its keys."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.vault.seal import RingSource


class Signer:
    """The keys of one purpose. Thread-safe; the ring is read when a key is first asked for."""

    def __init__(self, source: Callable[[], RingSource], purpose: str) -> None:
        self._open = source
        self._purpose = purpose
        self._source: RingSource | None = None
        self._derived: dict[str, bytes] = {}

    def current(self) -> tuple[str, bytes]:
        """The id of the primary key, and the key derived from it. Runs no key command after the
        first time: it is asked for on the way of every change."""
        key = self._ring().current().primary
        derived = self._derived.get(key.id)
        if derived is None:
            derived = self._derived[key.id] = key.derive(self._purpose)
        return key.id, derived

    def find(self, key_id: str) -> bytes | None:
        """The key derived from the ring's key of that id; None when the ring has no such key."""
        ring = self._ring()
        key = ring.current().find(key_id) or ring.refreshed().find(key_id)
        return None if key is None else key.derive(self._purpose)

    def _ring(self) -> RingSource:
        if self._source is None:
            self._source = self._open()
        return self._source
