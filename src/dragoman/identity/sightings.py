"""What tokens are used for, as far as the audit tells it: the first use, uses from an address that
is new for the token, and attempts with one that is not good any more.

A request only notes it in memory; rows are written by the housekeeping, seconds later. Nobody can
fill the log by it: a token has so many rows of addresses a day, and one row an hour of attempts,
which tells how many there were. A text that is no token that was ever made leaves no row.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.identity.tables import token_addresses, tokens, users
from dragoman.store import Origin, Store, UnitOfWork
from dragoman.store.prepared import Prepared

ADDRESSES_A_DAY = 20
MOST_ADDRESSES = 1000
QUIET_SECONDS = 3600.0
# Pairs that one process keeps in mind; with more it asks the store again.
_MOST_KNOWN = 20_000
_Pair = tuple[str, str]


def acts_as(kind: str) -> PrincipalKind:
    """What a token of this kind acts as: an application's as its person's own."""
    organization = kind == PrincipalKind.ORGANIZATION.value
    return PrincipalKind.ORGANIZATION if organization else PrincipalKind.PERSONAL


@dataclass(slots=True)
class _Attempts:
    """Attempts with one token that is not good. `due`: when the next row may be written."""

    count: int = 0
    due: float = 0.0
    origin: Origin = field(default_factory=Origin)


class Sightings:
    """What one process saw and has not written yet. `seconds` is a clock for the quiet time."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._known: set[_Pair] = set()
        self._new: dict[_Pair, tuple[Principal, Origin]] = {}
        self._attempts: dict[bytes, _Attempts] = {}
        self._lock = threading.Lock()

    def used(self, principal: Principal, origin: Origin) -> None:
        """Note that a token was used from an address."""
        pair = (principal.token_id or "", origin.address)
        if pair in self._known:
            return
        if len(self._known) >= _MOST_KNOWN:
            self._known = set()
        self._known.add(pair)
        self._new[pair] = (principal, origin)

    def refused(self, unit: UnitOfWork, digest: bytes, origin: Origin) -> None:
        """Note an attempt with a token that was refused, if it is one that there was."""
        attempts = self._attempts.get(digest)
        if attempts is None:
            if _refusal(unit, digest) is None:
                return
            attempts = self._attempts.setdefault(digest, _Attempts())
        attempts.count += 1
        attempts.origin = origin

    def flush(self, store: Store) -> int:
        """Write what was noted and is due; returns how many rows. What cannot be written is kept
        for later."""
        with self._lock:
            new, self._new = self._new, {}
            due = [(digest, each.count) for digest, each in self._due()]
            if not new and not due:
                return 0
            try:
                with store.begin() as unit:
                    count = _write_uses(unit, new.values())
                    count += sum(self._write_attempts(unit, *each) for each in due)
            except Exception:
                self._new = {**new, **self._new}
                raise
            for digest, written in due:
                self._attempts[digest].count -= written
                self._attempts[digest].due = self._seconds() + QUIET_SECONDS
            return count

    def _due(self) -> list[tuple[bytes, _Attempts]]:
        """Attempts to be told now; those that were told, and none since, are forgotten."""
        now = self._seconds()
        over = [(key, each) for key, each in list(self._attempts.items()) if each.due <= now]
        for key, each in over:
            if each.count == 0:
                del self._attempts[key]
        return [(key, each) for key, each in over if each.count]

    def _write_attempts(self, unit: UnitOfWork, digest: bytes, count: int) -> int:
        found = _refusal(unit, digest)
        if found is None:  # deleted meanwhile, or good again
            return 0
        principal, reason = found
        token, after = ("token", principal.token_id or ""), {"reason": reason, "attempts": count}
        origin = self._attempts[digest].origin
        audit.record(unit, principal, "token.refuse", token, after=after, origin=origin)
        return 1


def _write_uses(unit: UnitOfWork, new: Iterable[tuple[Principal, Origin]]) -> int:
    count = 0
    for principal, origin in new:
        action = _new_use(unit, principal.token_id or "", origin.address)
        if action is not None:
            token = ("token", principal.token_id or "")
            audit.record(unit, principal, action, token, origin=origin)
            count += 1
    return count


def _new_use(unit: UnitOfWork, token_id: str, address: str) -> str | None:
    """The action of the audit for a use from this address; None for one that is known, or beyond
    what a token may have in a day."""
    # Locked: of two processes that saw the same, one tells it.
    mine = select(tokens.c.last_used_at).where(tokens.c.id == token_id).with_for_update()
    token = unit.db.execute(mine).first()
    if token is None:
        return None
    table = token_addresses
    theirs = table.c.token_id == token_id
    there = table.c.address == address
    if unit.db.execute(select(table.c.address).where(theirs, there)).first() is not None:
        return None
    day = clock.wire(unit.moment - timedelta(days=1))
    recent = func.count().filter(table.c.first_seen_at > day)
    statement = select(func.count(), recent).select_from(table).where(theirs)
    total, today = unit.db.execute(statement).one()
    if total >= MOST_ADDRESSES or today >= ADDRESSES_A_DAY:
        return None
    row = {"token_id": token_id, "address": address, "first_seen_at": unit.now}
    unit.db.execute(insert(table).values(row))
    # A token of a version that kept no addresses may have been used before.
    first = total == 0 and token.last_used_at is None
    return "token.first_use" if first else "token.new_address"


_REFUSED = Prepared(
    select(
        tokens.c.id,
        tokens.c.kind,
        tokens.c.name,
        func.coalesce(tokens.c.user_id, tokens.c.maker_id),
        users.c.email,
        tokens.c.revoked_at,
        tokens.c.expires_at,
        tokens.c.enabled,
        users.c.disabled_at,
        tokens.c.digest,
        tokens.c.previous_until,
    )
    .outerjoin_from(tokens, users, users.c.id == tokens.c.user_id)
    .where(
        or_(
            tokens.c.digest == bindparam("digest"),
            tokens.c.previous_digest == bindparam("digest"),
        )
    )
)


def _refusal(unit: UnitOfWork, digest: bytes) -> tuple[Principal, str] | None:
    """The token of that digest and why it is not good; None where it is, or there is none."""
    row: Any = _REFUSED.first(unit, digest=digest)
    if row is None:
        return None
    token_id, kind, name, user_id, email, revoked, expires, enabled, suspended, newest, until = row
    ended = until is None or until <= unit.now
    reasons = {
        "revoked": revoked is not None,
        "expired": expires is not None and expires <= unit.now,
        "disabled": not enabled,
        "suspended": suspended is not None,
        "rotated": bytes(newest) != digest and ended,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if reason is None:
        return None
    return Principal(acts_as(kind), email or name, token_id, user_id), reason
