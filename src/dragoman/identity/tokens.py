"""Tokens: made once, shown once, stored as a SHA-256, looked up on every request."""

from __future__ import annotations

import contextlib
import uuid
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.scope import Scope
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity import tokenformat
from dragoman.identity.sightings import Sightings, acts_as
from dragoman.identity.tables import tokens, users
from dragoman.identity.users import User
from dragoman.secret import SecretStr
from dragoman.store import Origin, Store, UnitOfWork
from dragoman.store.moments import Moments
from dragoman.store.prepared import Prepared

Kind = Literal["organization", "personal", "mcp"]
"""`mcp`: what a person gave to an application of theirs; it acts as a personal token does."""
LONGEST_OVERLAP = 7 * 24
USUAL_OVERLAP = 24


class Token(msgspec.Struct, rename="camel"):
    """A token as lists show it: never its text, only a hint. Times are ISO 8601 UTC.

    `user`: the owner of a personal token, the maker of an organization key.
    """

    id: str
    kind: str
    name: str
    hint: str
    user: str | None
    enabled: bool
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    scope: Scope | None


def issue(
    unit: UnitOfWork,
    actor: Principal,
    kind: Kind,
    user: User | None,
    name: str,
    expires: datetime | None = None,
    scope: Scope | None = None,
) -> tuple[str, SecretStr]:
    """Make a token; returns its id and its text, which cannot be had again.

    `user` owns a personal token and makes an organization key, which takes its attributes.
    Raises `BadRequest` when a personal token names no user, or the end is past.
    """
    if kind != "organization" and user is None:
        raise BadRequest("Bad Request: a personal token belongs to a user")
    if expires is not None and expires <= unit.moment:
        raise BadRequest("Bad Request: the token would expire in the past")
    token_id, secret = str(uuid.uuid4()), _generate(kind)
    row = {
        "id": token_id,
        "kind": kind,
        "name": name,
        "hint": tokenformat.hint(secret),
        "maker_id" if kind == "organization" else "user_id": user.id if user else None,
        "scope": msgspec.json.encode(scope).decode() if scope else None,
        "created_at": unit.now,
        "expires_at": clock.wire(expires) if expires else None,
    }
    unit.db.execute(insert(tokens).values(**row, digest=tokenformat.digest(secret), enabled=True))
    audit.record(unit, actor, "token.create", ("token", token_id), after=row)
    return token_id, secret


def rotate(
    unit: UnitOfWork, actor: Principal, token_id: str, hours: int = USUAL_OVERLAP
) -> SecretStr:
    """Give a token a new secret; the one it had stays good for so many hours, 0 to a week.

    A secret that an earlier rotation left ends at once: a token has two at most.
    Raises `BadRequest`, `NotFound`, and `Conflict` for a token that has expired.
    """
    if not 0 <= hours <= LONGEST_OVERLAP:
        raise BadRequest(f"Bad Request: overlapHours: must be 0 to {LONGEST_OVERLAP}")
    live = (tokens.c.id == token_id) & tokens.c.revoked_at.is_(None)
    # Locked: of two rotations at once, the later one sees the secret of the earlier.
    found = unit.db.execute(_ROTATED.where(live).with_for_update()).first()
    if found is None:
        raise NotFound(f"No token {token_id[:80]}")
    if found.expires_at is not None and found.expires_at <= unit.now:
        raise Conflict("The token has expired: make another")
    secret = _generate(found.kind)
    until = clock.wire(unit.moment + timedelta(hours=hours)) if hours else None
    values = {
        "digest": tokenformat.digest(secret),
        "hint": tokenformat.hint(secret),
        "previous_digest": found.digest if hours else None,
        "previous_until": until,
    }
    unit.db.execute(update(tokens).where(live).values(values))
    before, after = {"hint": found.hint}, {"hint": values["hint"], "previous_until": until}
    audit.record(unit, actor, "token.rotate", ("token", token_id), before, after)
    return secret


def renew(unit: UnitOfWork, actor: Principal, token_id: str, expires: datetime) -> SecretStr:
    """Another secret and another end for a token, which may have expired; the secret that it had is
    good no longer. Raises `NotFound` for one that was revoked."""
    secret = _generate("mcp")
    values = {"digest": tokenformat.digest(secret), "hint": tokenformat.hint(secret)}
    live = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    renewed = live.values({**values, "expires_at": clock.wire(expires)})
    if unit.db.execute(renewed).rowcount == 0:
        raise NotFound(f"No token {token_id[:80]}")
    after = {"hint": values["hint"], "expires_at": clock.wire(expires)}
    audit.record(unit, actor, "token.renew", ("token", token_id), after=after)
    return secret


def _generate(kind: Kind) -> SecretStr:
    return tokenformat.generate("organization" if kind == "organization" else "personal")


_ROTATED = select(tokens.c.kind, tokens.c.digest, tokens.c.hint, tokens.c.expires_at)


def set_enabled(unit: UnitOfWork, actor: Principal, token_id: str, *, enabled: bool) -> None:
    """Let a token work or not; what is so already is no change."""
    other = (tokens.c.id == token_id) & (tokens.c.enabled != enabled)
    if unit.db.execute(update(tokens).where(other).values(enabled=enabled)).rowcount:
        action = "token.enable" if enabled else "token.disable"
        audit.record(unit, actor, action, ("token", token_id))


def revoke(unit: UnitOfWork, actor: Principal, token_id: str) -> None:
    """End a token for good. Raises `NotFound` when there is no such live token."""
    ended = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    if unit.db.execute(ended.values(revoked_at=unit.now)).rowcount == 0:
        raise NotFound(f"No token {token_id[:80]}")
    audit.record(unit, actor, "token.revoke", ("token", token_id))


def end(unit: UnitOfWork, actor: Principal, token_id: str) -> None:
    """As `revoke`; one that has ended already is left alone."""
    with contextlib.suppress(NotFound):
        revoke(unit, actor, token_id)


def forget(unit: UnitOfWork, days: int) -> int:
    """Delete tokens that were revoked or expired more than so many days ago; returns how many."""
    oldest = clock.wire(unit.moment - timedelta(days=days))
    ended = or_(tokens.c.revoked_at < oldest, tokens.c.expires_at < oldest)
    return unit.db.execute(delete(tokens).where(ended)).rowcount


PERSON = func.coalesce(tokens.c.user_id, tokens.c.maker_id)
"""The owner of a personal token, the maker of an organization key."""


def list_tokens(unit: UnitOfWork) -> list[Token]:
    """All tokens, newest first, ended ones included."""
    statement = select(
        tokens.c.id,
        tokens.c.kind,
        tokens.c.name,
        tokens.c.hint,
        users.c.email,
        tokens.c.enabled,
        tokens.c.created_at,
        tokens.c.expires_at,
        tokens.c.revoked_at,
        tokens.c.last_used_at,
        tokens.c.scope,
    ).outerjoin_from(tokens, users, users.c.id == PERSON)
    newest_first = statement.order_by(tokens.c.created_at.desc())
    return [_token(*row) for row in unit.db.execute(newest_first)]


def _token(*values: Any) -> Token:
    shown: list[Any] = [*values[:-1], scope_of(values[-1])]
    return Token(*shown)


def scope_of(text: str | None) -> Scope | None:
    """A stored scope; None for a token that was not narrowed."""
    return None if text is None else msgspec.json.decode(text, type=Scope)


_PRINCIPAL = (
    select(
        tokens.c.id,
        tokens.c.kind,
        tokens.c.name,
        PERSON,
        users.c.email,
        users.c.organization_admin,
        tokens.c.scope,
    )
    .outerjoin_from(tokens, users, users.c.id == tokens.c.user_id)
    .where(
        tokens.c.enabled,
        tokens.c.revoked_at.is_(None),
        or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("now")),
        users.c.disabled_at.is_(None),
    )
)
_LOOK_UP = Prepared(_PRINCIPAL.where(tokens.c.digest == bindparam("digest")))
_LOOK_UP_ROTATED = Prepared(
    _PRINCIPAL.where(
        tokens.c.previous_digest == bindparam("digest"),
        tokens.c.previous_until > bindparam("now"),
    )
)


class TokenDirectory:
    """The house's authenticator."""

    def __init__(self) -> None:
        self._used = Moments(_USED)
        self._sightings = Sightings()

    def recognise(self, token: str) -> bytes | None:
        """The digest of a well-formed token; None for anything else, without a look-up."""
        return tokenformat.digest(token) if tokenformat.parse(token) else None

    def principal(self, unit: UnitOfWork, digest: bytes) -> Principal | None:
        """Whom the token stands for; None when unknown, revoked, disabled or expired."""
        row = _LOOK_UP.first(unit, digest=digest, now=unit.now)
        # A second look-up, and only then: nearly every request comes with the newest secret.
        row = row or _LOOK_UP_ROTATED.first(unit, digest=digest, now=unit.now)
        if row is None:
            return None
        token_id, kind, token_name, user_id, email, is_admin, scope = row
        if acts_as(kind) is PrincipalKind.ORGANIZATION:
            found = Principal(PrincipalKind.ORGANIZATION, token_name, token_id, user_id, True)
        else:
            found = Principal(PrincipalKind.PERSONAL, email, token_id, user_id, bool(is_admin))
        return found if scope is None else found.narrowed(scope_of(scope))

    def used(self, principal: Principal, origin: Origin) -> None:
        """Note that the principal's token was used now."""
        if principal.token_id is not None:
            self._used.note(principal.token_id)
            self._sightings.used(principal, origin)

    def refused(self, unit: UnitOfWork, digest: bytes, origin: Origin) -> None:
        """Note an attempt with what stands for nobody."""
        self._sightings.refused(unit, digest, origin)

    def flush(self, store: Store) -> int:
        """Write the noted uses; returns how many. What cannot be written is kept for later."""
        self._sightings.flush(store)  # before the times of use, by which it knows a first one
        return self._used.flush(store)


_USED = update(tokens).where(tokens.c.id == bindparam("used")).values(last_used_at=bindparam("at"))
