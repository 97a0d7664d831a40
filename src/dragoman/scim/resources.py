"""Users and groups as SCIM shows them, and what a document says of them."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.identity import service as identity
from dragoman.identity.service import Definition, GroupDetail, Provided, UserDetail
from dragoman.scim.attributes import ENTERPRISE, GROUP, USER, USER_ATTRIBUTE
from dragoman.scim.documents import Document
from dragoman.scim.errors import bad_value
from dragoman.scim.versions import version_of

PREFIX = "/api/scim/v2"
# What has a place of its own; all else that is known is kept as the profile.
_PLACED = {
    "id", "externalId", "schemas", "meta", "userName", "displayName", "active", "groups",
    "embedExternalId", "embedEntity", USER_ATTRIBUTE,
}  # fmt: skip
Definitions = Mapping[str, Definition]


def user_document(
    detail: UserDetail, definitions: Definitions, base: str, *, stored: bool = False
) -> Document:
    """A user as SCIM has it. `stored`: only what was said, without the e-mail address that stands
    in for none; that is what a PATCH works on."""
    user, profile = detail.user, detail.profile
    shown: Document = {
        "schemas": [USER, *([ENTERPRISE] if ENTERPRISE in profile else [])],
        "id": user.id,
        "userName": user.email,
        "displayName": user.name,
        "active": user.disabled_at is None,
    }
    if user.external_id is not None:
        shown["externalId"] = user.external_id
    if not stored and "emails" not in profile:
        shown["emails"] = [{"primary": True, "value": user.email}]
    shown |= {name: value for name, value in profile.items() if value != [] or stored}
    if user.embed_external_id is not None:
        shown |= {"embedExternalId": user.embed_external_id, "embedEntity": user.embed_entity}
    shown["groups"] = [
        {"value": g.mini_id, "display": g.name, "$ref": f"{base}{PREFIX}/Groups/{g.mini_id}"}
        for g in detail.groups
    ]
    _add_values(shown, detail.attributes, definitions)
    place = "embed/Users" if user.embed_external_id is not None else "Users"
    times = (user.created_at, user.updated_at)
    version = version_of(detail)
    shown["meta"] = _meta("User", f"{base}{PREFIX}/{place}/{user.id}", times, version)
    return shown


def group_document(detail: GroupDetail, definitions: Definitions, base: str) -> Document:
    """A group as SCIM has it."""
    group = detail.group
    shown: Document = {"schemas": [GROUP], "id": group.mini_id, "displayName": group.name}
    if group.external_id is not None:
        shown["externalId"] = group.external_id
    if detail.members is not None:
        shown["members"] = [
            {
                "value": member.id,
                "display": member.name,
                "type": "User",
                "$ref": f"{base}{PREFIX}/Users/{member.id}",
            }
            for member in detail.members
        ]
    _add_values(shown, detail.attributes, definitions)
    place = f"{base}{PREFIX}/Groups/{group.mini_id}"
    times = (group.created_at, group.updated_at)
    # Members are part of the version: where nobody read them, it is not known.
    version = None if detail.members is None else version_of(detail)
    shown["meta"] = _meta("Group", place, times, version)
    return shown


def _meta(kind: str, location: str, times: tuple[str, str], version: str | None) -> Document:
    created, changed = times
    return {
        "resourceType": kind,
        "created": created,
        "lastModified": changed,
        "location": location,
        **({"version": version} if version else {}),
    }


def _add_values(shown: Document, texts: Mapping[str, list[str]], definitions: Definitions) -> None:
    """Values by name; the system's own attributes are not shown (as on a live instance)."""
    values = {
        name: identity.shown_value(definitions[name], values)
        for name, values in sorted(texts.items())
        if name in definitions
    }
    if values:
        shown["schemas"].append(USER_ATTRIBUTE)
        shown[USER_ATTRIBUTE] = values


def user_name(document: Document) -> str:
    """The e-mail address of a document. Raises `BadRequest`."""
    name = document.get("userName")
    if not name:
        raise bad_value("userName: Required")
    return name


def shown_name(document: Document) -> str:
    """The name to show: `displayName`, or what the parts of the name make; otherwise empty."""
    parts = document.get("name", {})
    both = " ".join(filter(None, (parts.get("givenName"), parts.get("familyName"))))
    return document.get("displayName") or parts.get("formatted") or both


def provided(document: Document, *, active: bool = True) -> Provided:
    """What the document says besides. `active`: what holds where it does not say."""
    profile = {name: value for name, value in document.items() if name not in _PLACED}
    profile = {name: value for name, value in profile.items() if value != {}}
    return Provided(document.get("externalId"), profile, document.get("active", active))


def member_ids(document: Document) -> list[str]:
    """The user ids of a group's document. Raises `BadRequest`."""
    if any(str(each.get("type", "")).lower() == "group" for each in document.get("members", [])):
        raise bad_value("members: a group has users as members, no groups")
    ids = [member.get("value") for member in document.get("members", [])]
    if not all(ids):
        raise bad_value("members: value: Required")
    return [str(each) for each in ids]
