"""What the server says of itself: ServiceProviderConfig, ResourceTypes, Schemas (RFC 7643 sections
5 to 7). Made from the attributes; the organization's own are among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dragoman.identity.service import Definition, Type
from dragoman.scim.attributes import (
    ENTERPRISE,
    ENTERPRISE_ATTRIBUTES,
    GROUP,
    GROUP_ATTRIBUTES,
    USER,
    USER_ATTRIBUTE,
    USER_ATTRIBUTES,
    Attribute,
)
from dragoman.scim.bulk import MOST_OPERATIONS
from dragoman.scim.documents import Document
from dragoman.scim.requests import MOST

PREFIX = "/api/scim/v2"
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
CONFIG, TYPE, SCHEMA = (
    _CORE + name for name in ("ServiceProviderConfig", "ResourceType", "Schema")
)


def service_provider_config(base: str, most_bytes: int) -> Document:
    """What of the protocol is there. `most_bytes`: of one body."""
    bulk = {"maxOperations": MOST_OPERATIONS, "maxPayloadSize": most_bytes}
    return {
        "schemas": [CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": True, **bulk},
        "filter": {"supported": True, "maxResults": MOST},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Organization key",
                "description": "An organization key of this server as a bearer token.",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
                "primary": True,
            }
        ],
        "meta": _meta("ServiceProviderConfig", f"{base}{PREFIX}/ServiceProviderConfig"),
    }


def resource_types(base: str) -> list[Document]:
    """Users and groups, and where they are."""
    extensions = {"User": (ENTERPRISE, USER_ATTRIBUTE), "Group": (USER_ATTRIBUTE,)}
    return [
        {
            "schemas": [TYPE],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "description": description,
            "schema": schema,
            "schemaExtensions": [{"schema": urn, "required": False} for urn in extensions[name]],
            "meta": _meta("ResourceType", f"{base}{PREFIX}/ResourceTypes/{name}"),
        }
        for name, schema, description in (
            ("User", USER, "Members of the organization."),
            ("Group", GROUP, "Groups of members."),
        )
    ]


def schemas(definitions: Iterable[Definition], base: str) -> list[Document]:
    """Every schema; that of user attributes has what the organization defined."""
    own = tuple(_defined(definition) for definition in definitions)
    known = (
        (USER, "User", "A member of the organization.", USER_ATTRIBUTES),
        (GROUP, "Group", "A group of members.", GROUP_ATTRIBUTES),
        (ENTERPRISE, "EnterpriseUser", "Where a member works.", ENTERPRISE_ATTRIBUTES),
        (USER_ATTRIBUTE, "UserAttribute", "The organization's user attributes.", own),
        (CONFIG, "ServiceProviderConfig", "What of the protocol is there.", _CONFIG),
        (TYPE, "ResourceType", "A kind of resource.", _TYPE),
        (SCHEMA, "Schema", "The attributes of a resource.", _SCHEMA),
    )
    return [
        {
            "schemas": [SCHEMA],
            "id": urn,
            "name": name,
            "description": description,
            "attributes": [_attribute(each) for each in attributes],
            "meta": _meta("Schema", f"{base}{PREFIX}/Schemas/{urn}"),
        }
        for urn, name, description, attributes in known
    ]


def _meta(kind: str, location: str) -> Document:
    return {"resourceType": kind, "location": location}


def _defined(definition: Definition) -> Attribute:
    kind = "decimal" if definition.type is Type.NUMBER else "string"
    text = definition.description or definition.label
    return Attribute(definition.name, text, kind, definition.multiple_values, exact=True)


def _attribute(known: Attribute) -> Document:
    shown: dict[str, Any] = {
        "name": known.name,
        "type": known.type,
        "multiValued": known.several,
        "description": known.description or known.name,
        "required": known.required,
        "caseExact": known.exact,
        "mutability": "readWrite" if known.writable else "readOnly",
        "returned": "default",
        "uniqueness": "server" if known.unique else "none",
    }
    if known.canonical:
        shown["canonicalValues"] = list(known.canonical)
    if known.refers:
        shown["referenceTypes"] = list(known.refers)
    if known.subs:
        shown["subAttributes"] = [_attribute(sub) for sub in known.subs]
    return shown


# The schemas of the schemas (RFC 7643 section 8.7.2): read, never written.


def _read(name: str, kind: str = "string", *subs: Attribute, several: bool = False) -> Attribute:
    refers = ("uri",) if kind == "reference" else ()
    return Attribute(
        name, type=kind, several=several, writable=False, subs=subs, refers=refers, exact=True
    )


def _supported(name: str, *more: Attribute) -> Attribute:
    return _read(name, "complex", _read("supported", "boolean"), *more)


_CONFIG = (
    _read("documentationUri", "reference"),
    _supported("patch"),
    _supported("bulk", _read("maxOperations", "integer"), _read("maxPayloadSize", "integer")),
    _supported("filter", _read("maxResults", "integer")),
    _supported("changePassword"),
    _supported("sort"),
    _supported("etag"),
    _read(
        "authenticationSchemes",
        "complex",
        _read("type"),
        _read("name"),
        _read("description"),
        _read("specUri", "reference"),
        _read("documentationUri", "reference"),
        _read("primary", "boolean"),
        several=True,
    ),
)
_TYPE = (
    _read("id"),
    _read("name"),
    _read("description"),
    _read("endpoint", "reference"),
    _read("schema", "reference"),
    _read(
        "schemaExtensions",
        "complex",
        _read("schema", "reference"),
        _read("required", "boolean"),
        several=True,
    ),
)
_PARTS = (
    _read("name"),
    _read("type"),
    _read("multiValued", "boolean"),
    _read("description"),
    _read("required", "boolean"),
    _read("canonicalValues", several=True),
    _read("caseExact", "boolean"),
    _read("mutability"),
    _read("returned"),
    _read("uniqueness"),
    _read("referenceTypes", several=True),
)
_SCHEMA = (
    _read("id"),
    _read("name"),
    _read("description"),
    _read(
        "attributes",
        "complex",
        *_PARTS,
        _read("subAttributes", "complex", *_PARTS, several=True),
        several=True,
    ),
)
