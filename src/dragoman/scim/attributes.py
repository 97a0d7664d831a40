"""The attributes that users and groups have here (RFC 7643 sections 4 and 8.7), as data.

What identity providers map by default is here; the rest of a body is not kept. An attribute that
every answer has is `required`, though a request may leave it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER_ATTRIBUTE = "urn:omni:params:1.0:UserAttribute"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `subs`: those of a complex one. `refers`: resource types of a reference."""

    name: str
    description: str = ""
    type: str = "string"
    several: bool = False
    required: bool = False
    exact: bool = False
    writable: bool = True
    unique: bool = False
    subs: tuple[Attribute, ...] = ()
    refers: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()

    def sub(self, name: str) -> Attribute | None:
        """The sub-attribute of that name, in any case."""
        return next((each for each in self.subs if each.name.lower() == name.lower()), None)


def _text(*names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name) for name in names)


def _several(name: str, *canonical: str) -> Attribute:
    """An attribute of several values with the usual parts (RFC 7643 section 2.4)."""
    kind = Attribute("type", canonical=canonical)
    subs = (*_text("value", "display"), kind, Attribute("primary", type="boolean"))
    return Attribute(name, type="complex", several=True, subs=subs)


_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
_PERSON = ("formatted", "familyName", "givenName", "middleName")
_TITLES = ("honorificPrefix", "honorificSuffix")
EXTERNAL_ID = Attribute("externalId", "What the identity provider calls it.", exact=True)

USER_ATTRIBUTES = (
    Attribute("userName", "The e-mail address.", required=True, unique=True),
    Attribute("displayName", "The name that is shown.", required=True),
    Attribute("name", type="complex", subs=_text(*_PERSON, *_TITLES)),
    *_text("nickName", "title", "userType", "preferredLanguage", "locale", "timezone"),
    Attribute("active", "Whether the user may sign in.", type="boolean", required=True),
    _several("emails", "work", "home", "other"),
    _several("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other"),
    Attribute(
        "addresses",
        type="complex",
        several=True,
        subs=(
            *_text(*_ADDRESS),
            Attribute("type", canonical=("work", "home", "other")),
            Attribute("primary", type="boolean"),
        ),
    ),
    _several("roles"),
    _several("entitlements"),
    Attribute(
        "groups",
        "The groups that the user is in; changed by changing the groups.",
        type="complex",
        several=True,
        writable=False,
        subs=(
            Attribute("value", exact=True, writable=False),
            Attribute("$ref", type="reference", refers=("Group",), writable=False),
            Attribute("display", writable=False),
        ),
    ),
)
EMBED_ATTRIBUTES = (
    Attribute("embedExternalId", exact=True, writable=False),
    Attribute("embedEntity", exact=True, writable=False),
)
GROUP_ATTRIBUTES = (
    Attribute("displayName", "The group's name.", required=True, unique=True),
    Attribute(
        "members",
        "The users in the group.",
        type="complex",
        several=True,
        subs=(
            Attribute("value", "The user's id.", exact=True),
            Attribute("$ref", type="reference", refers=("User",)),
            Attribute("type", canonical=("User",)),
            Attribute("display", "The user's name.", writable=False),
        ),
    ),
)
ENTERPRISE_ATTRIBUTES = (
    *_text("employeeNumber", "costCenter", "organization", "division", "department"),
    Attribute(
        "manager",
        type="complex",
        subs=(
            *_text("value"),
            Attribute("$ref", type="reference", refers=("User",)),
            Attribute("displayName", writable=False),
        ),
    ),
)
# Of every resource (RFC 7643 section 3.1); they are in no schema.
_COMMON = (
    Attribute("id", exact=True, writable=False),
    EXTERNAL_ID,
    Attribute(
        "meta",
        type="complex",
        writable=False,
        subs=(
            Attribute("resourceType", exact=True, writable=False),
            Attribute("created", type="dateTime", writable=False),
            Attribute("lastModified", type="dateTime", writable=False),
            Attribute("location", type="reference", refers=("uri",), writable=False),
            Attribute("version", exact=True, writable=False),
        ),
    ),
    Attribute("schemas", several=True, exact=True, writable=False),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: its core schema, and its extensions by their URN.

    `any_name`: the extension whose attributes the organization defines.
    """

    name: str
    schema: str
    core: tuple[Attribute, ...]
    extensions: Mapping[str, tuple[Attribute, ...]]
    any_name: str = USER_ATTRIBUTE

    def attribute(self, name: str) -> Attribute | None:
        """The core or common attribute of that name, in any case."""
        wanted = name.lower()
        known = (*self.core, *_COMMON)
        return next((each for each in known if each.name.lower() == wanted), None)

    def extension(self, urn: str) -> str | None:
        """The URN of an extension as it is written here; URNs have no regard to case."""
        wanted = urn.lower()
        known = (*self.extensions, self.any_name)
        return next((each for each in known if each.lower() == wanted), None)


USERS = Kind("User", USER, USER_ATTRIBUTES, {ENTERPRISE: ENTERPRISE_ATTRIBUTES})
EMBED_USERS = Kind("User", USER, (*USER_ATTRIBUTES, *EMBED_ATTRIBUTES), {})
GROUPS = Kind("Group", GROUP, GROUP_ATTRIBUTES, {})
