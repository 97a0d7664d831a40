"""The house services that one server process shares, put together by `app.py`."""

from __future__ import annotations

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.access.principal import Principal
from dragoman.api.ratelimit import Limit
from dragoman.dialects.breaker import Circuits
from dragoman.dialects.pool import SessionPool
from dragoman.egress import EgressPolicy
from dragoman.jobs import Jobs
from dragoman.settings import Settings
from dragoman.store import Origin, Store, StoreBusy, UnitOfWork
from dragoman.vault import KeyRingSource, Vault

if TYPE_CHECKING:
    from dragoman.api.routing import Route


NICENESS = 5


def give_way() -> None:
    """Have this thread, and those that it starts, wait for others where the processor is short.

    Only Linux knows that of a thread. More would let one that holds the interpreter wait too long
    for a processor, and with it everybody (docs/decisions/0032).
    """
    if sys.platform == "linux":
        os.nice(NICENESS)


class Authenticator(Protocol):
    """Knows tokens, or sessions. `recognise` needs no store: what has the wrong form, or a token
    with a wrong checksum, is not looked up."""

    def recognise(self, token: str) -> bytes | None:
        """The digest to look up, or None when the text cannot be a token."""
        ...

    def principal(self, unit: UnitOfWork, digest: bytes) -> Principal | None:
        """Whom the token stands for; None when unknown, revoked or expired."""
        ...

    def used(self, principal: Principal, origin: Origin) -> None:
        """Note that the token was used; written to the store now and then."""
        ...

    def flush(self, store: Store) -> int:
        """Write the noted uses; returns how many."""
        ...


class TokenAuthenticator(Authenticator, Protocol):
    """Knows tokens, and of those that are refused which ones there were."""

    def refused(self, unit: UnitOfWork, digest: bytes, origin: Origin) -> None:
        """Note an attempt with a token that stands for nobody; written as `used` is."""
        ...


@dataclass(slots=True)
class House:
    """What handlers reach through `Call.house`. `blocking` runs database work off the loop,
    `reading` the statements of questions, whose rows it writes: its threads give way to the loop.
    `authenticator` knows tokens, `visitors` the sessions of browsers; `refusals` limits how often
    an address may fail to sign in."""

    settings: Settings
    store: Store
    keys: KeyRingSource
    vault: Vault
    network: EgressPolicy
    sessions: SessionPool
    circuits: Circuits
    authenticator: TokenAuthenticator
    visitors: Authenticator
    refusals: Limit
    blocking: ThreadPoolExecutor
    reading: ThreadPoolExecutor
    jobs: Jobs
    routes: tuple[Route, ...]

    def key_problem(self) -> str | None:
        """Why the key ring could not be read again, if it could not; the last good one is used."""
        self.keys.current()  # a key file that changed is read now, not when a secret is next used
        problem = self.keys.problem
        return None if problem is None else problem.message

    def connection_changed(self, connection_id: str) -> None:
        """Drop what was kept of a connection: its sessions, and the failures of its circuit."""
        self.sessions.drop((connection_id,))
        self.circuits.close(connection_id)

    def close(self) -> None:
        """Give everything back, in the order that lets running work end."""
        for threads in (self.blocking, self.reading):
            threads.shutdown(wait=False, cancel_futures=True)
        self.sessions.close()
        # A store that is away costs the last seconds of last-used times, not an orderly end.
        with contextlib.suppress(StoreBusy):
            self.authenticator.flush(self.store)
            self.visitors.flush(self.store)
        self.store.close()
