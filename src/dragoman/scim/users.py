"""How users are made and changed."""

from __future__ import annotations

from functools import partial

from dragoman.access.principal import Principal
from dragoman.identity import service as identity
from dragoman.identity.service import Kind, User, UserDetail
from dragoman.scim.attributes import EMBED_USERS, USER_ATTRIBUTE, USERS
from dragoman.scim.documents import Document
from dragoman.scim.resources import provided, shown_name, user_document, user_name
from dragoman.scim.writing import Ways
from dragoman.store import UnitOfWork


def create(unit: UnitOfWork, actor: Principal, document: Document, at: str) -> Document:
    """A new member as the document says. Raises `BadRequest`, `Conflict`."""
    name, said = shown_name(document), provided(document)
    user, new = identity.make_user(unit, actor, user_name(document), name, provided=said)
    values = document.get(USER_ATTRIBUTE)
    if values:
        identity.set_attributes(unit, actor, user.id, values)
    elif new:  # no group, no value: nothing to read
        return user_document(UserDetail(user, dict(said.profile or {}), [], {}), {}, at)
    return shown(unit, user, at)


def save(unit: UnitOfWork, actor: Principal, user: User, document: Document, at: str) -> Document:
    """Make the user what the document says; what it does not say is unset. Nobody who is suspended
    is let back by what is not said."""
    said = provided(document, active=user.disabled_at is None)
    changed = identity.change_user(
        unit, actor, user, user_name(document), shown_name(document), said
    )
    if (user.disabled_at is None) != said.active:
        identity.set_disabled(unit, actor, changed, disabled=not said.active)
    values = document.get(USER_ATTRIBUTE, {})
    identity.set_attributes(unit, actor, user.id, values, replace=True)
    return shown(unit, identity.get_of_kind(unit, user.id, Kind.MEMBER), at)


def shown(unit: UnitOfWork, user: User, at: str) -> Document:
    """The document of a user."""
    return user_document(identity.user_detail(unit, user), identity.custom(unit), at)


def _stored(unit: UnitOfWork, user: User, at: str) -> Document:
    detail, known = identity.user_detail(unit, user), identity.custom(unit)
    return user_document(detail, known, at, stored=True)


def _hold(unit: UnitOfWork, user_id: str, kind: Kind) -> User:
    # What is no UUID is nobody's id, in whatever case it is written (RFC 7644 section 3.4.1).
    return identity.get_of_kind(unit, user_id.lower(), kind, hold=True)


WAYS = Ways(
    USERS, create, partial(_hold, kind=Kind.MEMBER), shown, _stored, save, identity.delete_user
)
# Nothing but deletion is offered of them.
EMBED_WAYS = Ways(
    EMBED_USERS, create, partial(_hold, kind=Kind.EMBED), shown, _stored, save, identity.delete_user
)
