"""How groups are made and changed."""

from __future__ import annotations

from functools import partial

from dragoman.access.principal import Principal
from dragoman.identity import service as identity
from dragoman.identity.service import Group
from dragoman.scim.attributes import GROUPS, USER_ATTRIBUTE
from dragoman.scim.documents import Document
from dragoman.scim.errors import bad_value
from dragoman.scim.resources import group_document, member_ids
from dragoman.scim.writing import Ways
from dragoman.store import UnitOfWork


def create(unit: UnitOfWork, actor: Principal, document: Document, at: str) -> Document:
    """A new group as the document says. Raises `BadRequest`, `Conflict`."""
    group = identity.create_group(
        unit, actor, _name(document), member_ids(document), document.get("externalId")
    )
    values = document.get(USER_ATTRIBUTE)
    if values:
        identity.set_group_attributes(unit, actor, group, values)
    return shown(unit, group, at)


def save(unit: UnitOfWork, actor: Principal, group: Group, document: Document, at: str) -> Document:
    """Make the group what the document says; what it does not say is unset."""
    group = identity.rename_group(unit, actor, group, _name(document))
    group = identity.set_external_id(unit, actor, group, document.get("externalId"))
    identity.set_members(unit, actor, group, member_ids(document))
    values = document.get(USER_ATTRIBUTE, {})
    identity.set_group_attributes(unit, actor, group, values, replace=True)
    return shown(unit, identity.get_group(unit, group.id), at)


def _name(document: Document) -> str:
    name = document.get("displayName")
    if not name:
        raise bad_value("displayName: Required")
    return name


def shown(unit: UnitOfWork, group: Group, at: str, *, members: bool = True) -> Document:
    """The document of a group."""
    detail = identity.group_detail(unit, group, members=members)
    return group_document(detail, identity.custom(unit), at)


def _check(document: Document) -> None:
    if "members" not in document:
        raise bad_value("members: Required")


WAYS = Ways(
    GROUPS,
    create,
    partial(identity.get_group, hold=True),
    shown,
    shown,
    save,
    identity.delete_group,
    _check,
)
