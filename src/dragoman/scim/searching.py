"""Filters and sorting of lists as conditions of the identity room, where it can look for them.

It knows columns; what is in a profile, in the parts of an address or in user attributes is looked
for in the documents themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.identity import service as identity
from dragoman.identity.service import Condition, Field, Op
from dragoman.scim.attributes import Kind
from dragoman.scim.grammar import Compare, Filter, Logic, Negation, Path, Within
from dragoman.scim.matching import comparable

_COMMON = {
    "id": Field.ID,
    "externalid": Field.EXTERNAL_ID,
    "displayname": Field.NAME,
    "meta.created": Field.CREATED,
    "meta.lastmodified": Field.UPDATED,
}
_USERS = {
    **_COMMON,
    "username": Field.EMAIL,
    "active": Field.ACTIVE,
    "groups": Field.GROUP,
    "groups.value": Field.GROUP,
    "embedexternalid": Field.EMBED_EXTERNAL_ID,
    "embedentity": Field.EMBED_ENTITY,
}
_GROUPS = {**_COMMON, "members": Field.MEMBER, "members.value": Field.MEMBER}
FIELDS: Mapping[str, Mapping[str, Field]] = {"User": _USERS, "Group": _GROUPS}
# Fields of several values: two tests in the same brackets are on the same value.
_SEVERAL = (Field.GROUP, Field.MEMBER)


class _NotThere(Exception):
    """The store has no column for it."""


def condition(kind: Kind, wanted: Filter | None) -> Condition | None:
    """The condition that finds what fits. Raises `LookupError` where documents must be read, and
    `BadRequest` for what cannot be compared."""
    if wanted is None:
        return None
    try:
        return _condition(kind, wanted)
    except _NotThere:
        raise LookupError from None


def field(kind: Kind, path: Path) -> Field:
    """The field of an attribute. Raises `LookupError`."""
    found = _field(kind, path)
    if found is None or found in _SEVERAL:
        raise LookupError
    return found


def _field(kind: Kind, path: Path) -> Field | None:
    if path.schema is not None and path.schema.lower() != kind.schema.lower():
        return None
    name = f"{path.name}.{path.sub}" if path.sub else path.name
    if kind.attribute(path.name) is None:
        return None
    return FIELDS[kind.name].get(name.lower())


def _condition(kind: Kind, wanted: Filter) -> Condition:
    match wanted:
        case Logic(word, parts):
            made = tuple(_condition(kind, part) for part in parts)
            return identity.All(made) if word == "and" else identity.Either(made)
        case Negation(part):
            return identity.Not(_condition(kind, part))
        case Within(path, Compare(inner, op, value)) if inner.sub is None and op != "ne":
            return _test(kind, Path(path.name, inner.name, path.schema), op, value)
        case Within():
            raise _NotThere
        case Compare(path, op, value):
            return _test(kind, path, op, value)


def _test(kind: Kind, path: Path, op: str, value: Any) -> Condition:
    found = _field(kind, path)
    known = kind.attribute(path.name)
    if found is None or known is None:
        raise _NotThere
    if known.type == "complex":
        known = known.sub(path.sub or "value") or known
    if value is None and op in ("eq", "ne"):
        there = identity.Test(found, Op.PR)
        return there if op == "ne" else identity.Not(there)
    if op == "pr":
        # Everybody is active or not.
        return identity.All(()) if found is Field.ACTIVE else identity.Test(found, Op.PR)
    if value is None:
        raise _NotThere  # the documents say what is wrong
    made = comparable(known, value, op)
    if isinstance(made, bool):
        return identity.Test(found, Op.EQ, made if op == "eq" else not made)
    return identity.Test(found, Op(op), made)
