"""Links by which a person chooses a password: for their first, or in place of one they lost.

A link holds 256 random bits, works once and for a while; the store has its SHA-256. A new link of
a person ends the older ones.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, insert, select

from dragoman import audit, clock
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.identity import service as identity
from dragoman.identity.service import Kind, User
from dragoman.secret import SecretStr
from dragoman.settings import Settings
from dragoman.signin.tables import links
from dragoman.store import UnitOfWork

Purpose = Literal["invite", "reset"]
LIFE: dict[Purpose, timedelta] = {"invite": timedelta(hours=72), "reset": timedelta(hours=1)}
PAUSE = timedelta(minutes=2)
PAGE = "/signin"
_USELESS = "Bad Request: the link was used, is too old, or was never made; ask for a new one"


def make(unit: UnitOfWork, actor: Principal, user: User, purpose: Purpose) -> SecretStr:
    """The secret of a new link. Raises `BadRequest` for who may not sign in."""
    if user.disabled_at is not None or user.kind != Kind.MEMBER:
        raise BadRequest(f"Bad Request: {user.email} is suspended, or no member")
    secret = SecretStr(secrets.token_urlsafe(32))
    unit.db.execute(delete(links).where(links.c.user_id == user.id))
    row = {
        "digest": _digest(secret),
        "user_id": user.id,
        "purpose": purpose,
        "created_at": unit.now,
        "expires_at": clock.wire(unit.moment + LIFE[purpose]),
    }
    unit.db.execute(insert(links).values(row))
    audit.record(unit, actor, f"link.{purpose}", ("user", user.id))
    return secret


def hours(purpose: Purpose) -> int:
    """How long a link of that purpose works."""
    return int(LIFE[purpose].total_seconds() // 3600)


def is_fresh(unit: UnitOfWork, user: User) -> bool:
    """Whether a link of this person was made a moment ago: one more mail would only annoy."""
    young = links.c.created_at > clock.wire(unit.moment - PAUSE)
    return (
        unit.db.execute(select(links.c.user_id).where(links.c.user_id == user.id, young)).first()
        is not None
    )


def address(settings: Settings, secret: SecretStr) -> SecretStr:
    """The link as a person opens it. What stands after `#` reaches no server and no log."""
    return SecretStr(f"{settings.base_url}{PAGE}#link={secret.reveal()}")


def owner(unit: UnitOfWork, secret: SecretStr) -> User:
    """Whose living link it is. Raises `BadRequest`."""
    statement = select(links.c.user_id).where(
        links.c.digest == _digest(secret), links.c.expires_at > unit.now
    )
    user = identity.user_of(unit, unit.db.execute(statement).scalar())
    if user is None or user.disabled_at is not None or user.kind != Kind.MEMBER:
        raise BadRequest(_USELESS)
    return user


def consume(unit: UnitOfWork, secret: SecretStr) -> User:
    """As `owner`, and the link is used up."""
    user = owner(unit, secret)
    # Of two at the same moment one finds it gone.
    if unit.db.execute(delete(links).where(links.c.digest == _digest(secret))).rowcount == 0:
        raise BadRequest(_USELESS)
    return user


def _digest(secret: SecretStr) -> bytes:
    return hashlib.sha256(secret.reveal().encode(errors="surrogatepass")).digest()
