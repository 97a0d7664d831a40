"""Passwords that are made at sign-in and hold for a while: tokens of a cloud for its databases.

An open session outlives its token: databases ask for it at sign-in only. A new session, and one
that signs in again (to cancel, or with its second driver), gets a token that holds for a while.
Tokens live in memory only.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.secret import SecretStr

if TYPE_CHECKING:
    from dragoman.dialects.network import Network

# The rest of a token's life is for signing in and for clocks that differ.
_USED_LIFE: Final = 0.8
_MOST_KEPT: Final = 256
_KEY: Final = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Minted:
    """A password that signs in as `username` during the next `seconds`."""

    username: str
    password: SecretStr
    seconds: float


class Minter(Protocol):
    """Makes passwords. `advice`: what to check when the database refuses one of them."""

    @property
    def advice(self) -> str:
        """See the class."""
        ...

    def mint(self, network: Network, seconds: float) -> Minted:
        """A new password; `seconds` is the limit of each step. Raises `DatabaseFailure`."""
        ...


@dataclass(slots=True)
class _Place:
    lock: threading.Lock = field(default_factory=threading.Lock)
    minted: Minted | None = None
    until: float = 0.0


class Kept:
    """Minted passwords for as long as they are good for new sessions, by what they are made of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._places: OrderedDict[bytes, _Place] = OrderedDict()

    def get(self, target: Target, mint: Callable[[], Minted]) -> Minted:
        """The password for the target, made when there is none or it is near its end.

        Those who ask for the same wait for one another. Raises what `mint` raises.
        """
        place = self._place(target)
        with place.lock:
            if place.minted is None or self._clock() >= place.until:
                place.minted = None
                made = mint()
                place.minted, place.until = made, self._clock() + made.seconds * _USED_LIFE
            return place.minted

    def forget(self, target: Target) -> bool:
        """Drop the password of the target, since it was refused; whether there was one."""
        place = self._place(target)
        with place.lock:
            had, place.minted = place.minted is not None, None
            return had

    def _place(self, target: Target) -> _Place:
        key = _fingerprint(target)
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            if len(self._places) > _MOST_KEPT:
                self._places.popitem(last=False)
            return place


_KEPT: Final = Kept()


def signed_in(
    minter: Minter | None,
    target: Target,
    network: Network,
    options: SessionOptions,
    opened: Callable[[Target], Session],
    kept: Kept = _KEPT,
) -> Session:
    """The session that `opened` gives; with a minter for a target whose password is minted.

    Raises what `opened` raises; a minted password that the database refuses is not used again.
    """
    if minter is None:
        return opened(target)

    def mint() -> Minted:
        try:
            return minter.mint(network, options.connect_seconds)
        except DatabaseFailure as failure:
            raise _not_minted(failure) from None

    def renew() -> Target:
        made = kept.get(target, mint)
        return replace(
            target,
            settings={**target.settings, "username": made.username},
            secrets={**target.secrets, "passwordUnencrypted": made.password},
            renew=renew,
        )

    try:
        return opened(replace(target, renew=renew))
    except DatabaseFailure as failure:
        if failure.cause is Cause.AUTHENTICATION_FAILED and kept.forget(target):
            raise DatabaseFailure(
                failure.stage, failure.cause, failure.message, minter.advice, failure.code
            ) from None
        raise


def _not_minted(failure: DatabaseFailure) -> DatabaseFailure:
    """Whatever failed on the way to a password: to the database it is a sign-in that failed."""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        failure.cause,
        f"No password could be made to sign in with: {failure.message}",
        failure.fix,
        failure.code,
    )


def _fingerprint(target: Target) -> bytes:
    """What a password is made of; keyed, so that no secret can be guessed from it."""
    told = hashlib.blake2b(key=_KEY, digest_size=32)
    parts = [target.dialect, *(f"{n}={target.settings[n]!r}" for n in sorted(target.settings))]
    parts += [f"{n}={target.secrets[n].reveal()!r}" for n in sorted(target.secrets)]
    for part in parts:
        data = part.encode(errors="surrogatepass")
        told.update(len(data).to_bytes(8, "big") + data)
    return told.digest()
