"""Sessions of browsers: a random secret in a cookie, its SHA-256 in the store, looked up on every
request together with the person it stands for. A session ends by signing out, by age, by idleness,
with the password it was opened with, and when its person is suspended."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from datetime import timedelta

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import NotFound
from dragoman.identity import service as identity
from dragoman.identity.service import Kind, User
from dragoman.secret import SecretStr
from dragoman.settings import Settings
from dragoman.signin import throttle, totp
from dragoman.signin.oidc import hints
from dragoman.signin.tables import (
    embed_nonces,
    embed_pending,
    grants,
    links,
    sessions,
    used_answers,
)
from dragoman.store import Origin, Store, UnitOfWork
from dragoman.store.moments import Moments
from dragoman.store.prepared import Prepared

SECRET_CHARACTERS = 43  # 256 random bits in base64url
PROVIDER_CHARACTERS = 255
_AGENT_CHARACTERS = 200
_TIDY_SECONDS = 600.0


class Session(msgspec.Struct, rename="camel"):
    """A session as its owner sees it. Times are ISO 8601 UTC; `seen_at` may lag some seconds."""

    id: str
    created_at: str
    seen_at: str
    expires_at: str
    address: str
    agent: str
    current: bool = False


def open_session(
    unit: UnitOfWork, user: User, settings: Settings, agent: str, *, enrolling: bool = False
) -> tuple[SecretStr, Principal]:
    """A new session of a person who proved who they are; its secret is not kept. `enrolling`: it
    is good for setting up a second factor only."""
    secret = SecretStr(secrets.token_urlsafe(32))
    principal = _principal(str(uuid.uuid4()), user, enrolling)
    embedded = principal.kind is PrincipalKind.EMBED
    hours = settings.embed_session_hours if embedded else settings.session_hours
    row = {
        "id": principal.token_id,
        "digest": _digest(secret.reveal()),
        "user_id": user.id,
        "created_at": unit.now,
        "seen_at": unit.now,
        "expires_at": clock.wire(unit.moment + timedelta(hours=hours)),
        "address": unit.origin.address,
        "agent": _printable(agent),
        "enrolling": enrolling,
    }
    unit.db.execute(insert(sessions).values(row))
    return secret, principal


def renew(unit: UnitOfWork, principal: Principal) -> SecretStr:
    """Another secret for the same session: after a change of what its holder may do."""
    secret = SecretStr(secrets.token_urlsafe(32))
    values: dict[str, object] = {"digest": _digest(secret.reveal())}
    enrolling = principal.kind is PrincipalKind.ENROLLING
    if enrolling and totp.is_enrolled(unit, principal.user_id or ""):
        values["enrolling"] = False
    mine = update(sessions).where(sessions.c.id == principal.token_id)
    if unit.db.execute(mine.values(values)).rowcount == 0:
        raise NotFound("Not Found: the session has ended")
    return secret


def end(unit: UnitOfWork, principal: Principal, session_id: str) -> None:
    """End one of one's own sessions. Raises `NotFound` for any other."""
    mine = (sessions.c.id == session_id) & (sessions.c.user_id == principal.user_id)
    if unit.db.execute(delete(sessions).where(mine)).rowcount == 0:
        raise NotFound(f"No session {session_id}")
    audit.record(unit, principal, "session.end", ("session", session_id))


def end_all(unit: UnitOfWork, user_id: str, but: str | None = None) -> int:
    """End the sessions of a person, but the one of that id; returns how many."""
    theirs = sessions.c.user_id == user_id
    if but is not None:
        theirs &= sessions.c.id != but
    return unit.db.execute(delete(sessions).where(theirs)).rowcount


def end_secret(unit: UnitOfWork, secret: SecretStr | None) -> None:
    """End the session of this secret, if it is one: a browser that signs in anew leaves none
    behind."""
    if secret is not None:
        mine = sessions.c.digest == _digest(secret.reveal())
        unit.db.execute(delete(sessions).where(mine))


def provide(unit: UnitOfWork, principal: Principal, provider_id: str, named: str | None) -> None:
    """Note which identity provider vouched for who opened the session, and its name for it."""
    values = {"provider_id": provider_id, "provider_session": named}
    unit.db.execute(update(sessions).where(sessions.c.id == principal.token_id).values(values))


def provider_of(unit: UnitOfWork, principal: Principal) -> str | None:
    """The id of the identity provider that vouched for who opened the session."""
    mine = sessions.c.id == principal.token_id
    return unit.db.execute(select(sessions.c.provider_id).where(mine)).scalar()


def end_provided(unit: UnitOfWork, provider_id: str, user_id: str | None, named: str | None) -> int:
    """End the sessions by a provider, of that user and of that name; returns how many."""
    theirs = sessions.c.provider_id == provider_id
    if user_id is not None:
        theirs &= sessions.c.user_id == user_id
    if named is not None:
        theirs &= sessions.c.provider_session == named
    return unit.db.execute(delete(sessions).where(theirs)).rowcount


def list_own(unit: UnitOfWork, principal: Principal, settings: Settings) -> list[Session]:
    """The living sessions of a person, newest first."""
    names = ("id", "created_at", "seen_at", "expires_at", "address", "agent")
    living = (sessions.c.expires_at > unit.now) & (sessions.c.seen_at > _idle(unit, settings))
    statement = (
        select(*(sessions.c[name] for name in names))
        .where(sessions.c.user_id == principal.user_id, living)
        .order_by(sessions.c.created_at.desc())
    )
    rows = unit.db.execute(statement).mappings()
    return [Session(**row, current=row["id"] == principal.token_id) for row in rows]


_LOOK_UP = Prepared(
    select(sessions.c.id, sessions.c.user_id, sessions.c.enrolling).where(
        sessions.c.digest == bindparam("digest"),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.seen_at > bindparam("idle"),
    )
)
_SEEN = update(sessions).where(sessions.c.id == bindparam("used")).values(seen_at=bindparam("at"))


class SessionDirectory:
    """The house's authenticator of browsers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = Moments(_SEEN)
        self._tidied = 0.0

    def recognise(self, token: str) -> bytes | None:
        """The digest of what may be a session's secret."""
        return _digest(token) if len(token) == SECRET_CHARACTERS else None

    def principal(self, unit: UnitOfWork, digest: bytes) -> Principal | None:
        """Whose session it is; None when it is unknown or over, or its person suspended."""
        idle = _idle(unit, self._settings)
        row = _LOOK_UP.first(unit, digest=digest, now=unit.now, idle=idle)
        if row is None:
            return None
        session_id, user_id, enrolling = row
        user = identity.user_of(unit, user_id)
        if user is None or user.disabled_at is not None or user.kind == Kind.EMAIL_ONLY:
            return None
        return _principal(session_id, user, bool(enrolling))

    def used(self, principal: Principal, origin: Origin) -> None:
        """Note that the session was used now; its address is that of its sign-in."""
        del origin
        if principal.token_id is not None:
            self._seen.note(principal.token_id)

    def flush(self, store: Store) -> int:
        """Write the noted uses and, now and then, forget what is over; returns how many uses."""
        now = time.monotonic()
        if now - self._tidied <= _TIDY_SECONDS:
            return self._seen.flush(store)
        count = self._seen.flush(store, lambda unit: tidy(unit, self._settings))
        self._tidied = now
        return count


def tidy(unit: UnitOfWork, settings: Settings) -> None:
    """Delete sessions, links and counts that are over."""
    over = (sessions.c.expires_at <= unit.now) | (sessions.c.seen_at <= _idle(unit, settings))
    unit.db.execute(delete(sessions).where(over))
    unit.db.execute(delete(links).where(links.c.expires_at <= unit.now))
    unit.db.execute(delete(embed_pending).where(embed_pending.c.expires_at <= unit.now))
    unit.db.execute(delete(embed_nonces).where(embed_nonces.c.expires_at <= unit.now))
    unit.db.execute(delete(used_answers).where(used_answers.c.expires_at <= unit.now))
    hints.tidy(unit)
    unit.db.execute(delete(grants).where(grants.c.ends_at <= unit.now))
    throttle.forget(unit)


def _principal(session_id: str, user: User, enrolling: bool) -> Principal:
    kind = PrincipalKind.ENROLLING if enrolling else PrincipalKind.SESSION
    if user.kind == Kind.EMBED:
        kind = PrincipalKind.EMBED
    return Principal(kind, user.email, session_id, user.id, user.organization_admin)


def _idle(unit: UnitOfWork, settings: Settings) -> str:
    return clock.wire(unit.moment - timedelta(minutes=settings.session_idle_minutes))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _printable(agent: str) -> str:
    return "".join(c for c in agent if c.isprintable())[:_AGENT_CHARACTERS]
