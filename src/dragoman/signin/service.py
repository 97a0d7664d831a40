"""Accounts with a password: which hash a person has, and what setting a new one ends."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.identity.events import Event
from dragoman.identity.service import Kind, User
from dragoman.settings import Settings
from dragoman.signin import passwords, sessions, throttle, totp
from dragoman.signin.tables import links, subjects
from dragoman.signin.tables import passwords as table
from dragoman.store import UnitOfWork

PRODUCT = "dragoman"


def password_hash(unit: UnitOfWork, user_id: str) -> str | None:
    """The hash of a person's password; None when they have none."""
    return unit.db.execute(select(table.c.hash).where(table.c.user_id == user_id)).scalar()


def check_password(password: str, user: User, settings: Settings) -> None:
    """Refuse a new password that the rules do not take. Raises `BadRequest`."""
    host = urlsplit(settings.base_url).hostname or ""
    context = (user.email, user.name, PRODUCT, host)
    passwords.check(password, context, second_factor=settings.second_factor == "required")


def set_password(
    unit: UnitOfWork, actor: Principal, user: User, hashed: str, keep: str | None = None
) -> None:
    """Give a person another password: their sessions end, but the one of id `keep`, and their
    links, and what was counted against them."""
    unit.db.execute(delete(table).where(table.c.user_id == user.id))
    row = {"user_id": user.id, "hash": hashed, "changed_at": unit.now}
    unit.db.execute(insert(table).values(row))
    unit.db.execute(delete(links).where(links.c.user_id == user.id))
    sessions.end_all(unit, user.id, but=keep)
    throttle.clear(unit, user.email)
    audit.record(unit, actor, "password.set", ("user", user.id))


def is_of_provider(unit: UnitOfWork, user: User) -> bool:
    """Whether an identity provider lets the person in, and no password does."""
    theirs = select(subjects.c.user_id).where(subjects.c.user_id == user.id).limit(1)
    known = unit.db.execute(theirs).first() is not None
    return known and password_hash(unit, user.id) is None


def may_enter(user: User | None) -> bool:
    """Whether somebody may sign in here at all: a member who is not suspended."""
    return user is not None and user.disabled_at is None and user.kind == Kind.MEMBER


def follow_user(unit: UnitOfWork, user: User, event: Event) -> None:
    """A suspended person's sessions and links end at once, and stay ended; nothing is left of the
    second factor of one who is deleted."""
    if event is Event.RESUMED:
        return
    sessions.end_all(unit, user.id)
    unit.db.execute(delete(links).where(links.c.user_id == user.id))
    if event is Event.DELETED:
        totp.forget(unit, user.id)
