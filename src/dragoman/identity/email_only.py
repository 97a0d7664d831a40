"""E-mail-only users: they get what schedules send, and never sign in (contract §5.10)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec
from sqlalchemy import and_, func, or_, select

from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.identity.attribute_values import Texts, set_attributes, values_of_users
from dragoman.identity.tables import users
from dragoman.identity.users import Kind, User, create_user, find_address
from dragoman.store import UnitOfWork


class EmailOnlyPage(msgspec.Struct, frozen=True):
    """One page: users with their attribute values. `total` counts all that the filter finds."""

    records: list[tuple[str, str, Texts]]
    total: int
    next_cursor: str | None


def save_email_only(
    unit: UnitOfWork, actor: Principal, email: str, attributes: Mapping[str, object]
) -> User:
    """Add an e-mail-only user, or give the one there is these attribute values.

    Raises `BadRequest` for a bad or a member's address and for values that an attribute does not
    take.
    """
    user = find_address(unit, email)
    if user is None:
        user = create_user(unit, actor, email, kind=Kind.EMAIL_ONLY)
    elif user.kind != Kind.EMAIL_ONLY:
        raise BadRequest(f"Bad Request: {user.email} is a member of the organization")
    set_attributes(unit, actor, user.id, attributes, strict=True)
    return user


def email_only_page(
    unit: UnitOfWork,
    *,
    size: int,
    cursor: str | None = None,
    email: str | None = None,
    descending: bool = True,
) -> EmailOnlyPage:
    """A page of e-mail-only users, by when they were made. Raises `BadRequest` for a bad cursor."""
    mine = [users.c.kind == Kind.EMAIL_ONLY.value]
    if email is not None:
        mine.append(users.c.email == email.strip().lower())
    counted = select(func.count()).select_from(users).where(*mine)
    total = unit.db.execute(counted).scalar_one()
    if cursor is not None:
        mine.append(_beyond(*_read(cursor), descending=descending))
    order = [users.c.created_at, users.c.id]
    statement = select(users.c.id, users.c.email, users.c.created_at).where(*mine)
    statement = statement.order_by(*(each.desc() if descending else each for each in order))
    rows = unit.db.execute(statement.limit(size + 1)).all()
    shown = rows[:size]
    values = values_of_users(unit, [row.id for row in shown])
    records = [(row.id, row.email, values.get(row.id, {})) for row in shown]
    last = shown[-1] if len(rows) > size else None
    return EmailOnlyPage(records, total, _written(last.created_at, last.id) if last else None)


def _beyond(at: str, user_id: str, *, descending: bool):
    made, own = users.c.created_at, users.c.id
    if descending:
        return or_(made < at, and_(made == at, own < user_id))
    return or_(made > at, and_(made == at, own > user_id))


def _written(at: str, user_id: str) -> str:
    return base64.urlsafe_b64encode(f"{at} {user_id}".encode()).decode()


def _read(cursor: str) -> tuple[str, str]:
    try:
        at, user_id = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
    except (ValueError, binascii.Error):
        raise BadRequest("Bad Request: cursor: Invalid cursor") from None
    return at, user_id
