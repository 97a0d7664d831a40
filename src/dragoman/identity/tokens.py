"""Tokens: made once, shown once, stored as a SHA-256, looked up on every request."""

from __future__ import annotations

import threading
import uuid
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, insert, or_, select, update

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import BadRequest, NotFound
from dragoman.identity import tokenformat
from dragoman.identity.service import User
from dragoman.identity.tables import tokens, users
from dragoman.secret import SecretStr
from dragoman.store import Store, UnitOfWork
from dragoman.store.prepared import Prepared


class Token(msgspec.Struct, rename="camel"):
    """A token as lists show it: never its text, only a hint. Times are ISO 8601 UTC."""

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


def issue(
    unit: UnitOfWork,
    actor: Principal,
    kind: tokenformat.TokenKind,
    user: User | None,
    name: str,
    expires: datetime | None = None,
) -> tuple[str, SecretStr]:
    """Make a token; returns its id and its text, which cannot be had again.

    Raises `BadRequest` when a personal token names no user, or the end is past.
    """
    if kind == "personal" and user is None:
        raise BadRequest("Bad Request: a personal token belongs to a user")
    if expires is not None and expires <= unit.moment:
        raise BadRequest("Bad Request: the token would expire in the past")
    token_id, secret = str(uuid.uuid4()), tokenformat.generate(kind)
    row = {
        "id": token_id,
        "kind": kind,
        "name": name,
        "hint": tokenformat.hint(secret),
        "user_id": user.id if user else None,
        "created_at": unit.now,
        "expires_at": clock.wire(expires) if expires else None,
    }
    unit.db.execute(insert(tokens).values(**row, digest=tokenformat.digest(secret), enabled=True))
    audit.record(unit, actor, "token.create", ("token", token_id), after=row)
    return token_id, secret


def revoke(unit: UnitOfWork, actor: Principal, token_id: str) -> None:
    """End a token for good. Raises `NotFound` when there is no such live token."""
    ended = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    if unit.db.execute(ended.values(revoked_at=unit.now)).rowcount == 0:
        raise NotFound(f"No token {token_id[:80]}")
    audit.record(unit, actor, "token.revoke", ("token", token_id))


def list_tokens(unit: UnitOfWork) -> list[Token]:
    """All tokens, newest first, ended ones included."""
    columns = (
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
    )
    statement = select(*columns).outerjoin_from(tokens, users).order_by(tokens.c.created_at.desc())
    return [Token(*row) for row in unit.db.execute(statement)]


_LOOK_UP = Prepared(
    select(
        tokens.c.id,
        tokens.c.kind,
        tokens.c.name,
        tokens.c.user_id,
        users.c.email,
        users.c.organization_admin,
    )
    .outerjoin_from(tokens, users)
    .where(
        tokens.c.digest == bindparam("digest"),
        tokens.c.enabled,
        tokens.c.revoked_at.is_(None),
        or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("now")),
        users.c.disabled_at.is_(None),
    )
)


class TokenDirectory:
    """The house's authenticator. Last use is kept in memory and written now and then, since a
    write on every request would cost more than the request."""

    def __init__(self) -> None:
        self._used: dict[str, str] = {}
        self._lock = threading.Lock()

    def recognise(self, token: str) -> bytes | None:
        """The digest of a well-formed token; None for anything else, without a look-up."""
        return tokenformat.digest(token) if tokenformat.parse(token) else None

    def principal(self, unit: UnitOfWork, digest: bytes) -> Principal | None:
        """Whom the token stands for; None when unknown, revoked, disabled or expired."""
        row = _LOOK_UP.first(unit, digest=digest, now=unit.now)
        if row is None:
            return None
        token_id, kind, token_name, user_id, email, is_admin = row
        if kind == PrincipalKind.ORGANIZATION.value:
            return Principal(PrincipalKind.ORGANIZATION, token_name, token_id, user_id, True)
        return Principal(PrincipalKind.PERSONAL, email, token_id, user_id, bool(is_admin))

    def used(self, principal: Principal) -> None:
        """Note that the principal's token was used now."""
        if principal.token_id is not None:
            self._used[principal.token_id] = clock.wire(clock.now())

    def flush(self, store: Store) -> int:
        """Write the noted uses; returns how many. What cannot be written is kept for later."""
        with self._lock:
            noted, self._used = self._used, {}
            if not noted:
                return 0
            rows = [{"token": token_id, "at": at} for token_id, at in list(noted.items())]
            try:
                with store.begin() as unit:
                    unit.db.execute(_USED, rows)
            except Exception:
                self._used = {**noted, **self._used}
                raise
            return len(rows)


_USED = update(tokens).where(tokens.c.id == bindparam("token")).values(last_used_at=bindparam("at"))
