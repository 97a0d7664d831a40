"""PATCH: operations on a document, in every form that identity providers send (RFC 7644 section
3.5.2): with a path, without one and an object of paths, with a filter in brackets, on the parts of
complex attributes, on attributes of extensions."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

from dragoman.scim.attributes import Attribute, Kind
from dragoman.scim.documents import Document, coerced, extension, put
from dragoman.scim.errors import bad_path, bad_syntax, bad_value, no_target, read_only
from dragoman.scim.grammar import Compare, Filter, Logic, Target, parse_target
from dragoman.scim.matching import fits_value

_OPS = ("add", "replace", "remove")


def patched(kind: Kind, document: Document, body: Mapping[str, Any]) -> Document:
    """The document after all operations of a PATCH. Raises `BadRequest`; the document stays."""
    operations = _of(body, "operations")
    if not isinstance(operations, list) or not operations:
        raise bad_syntax("Operations: at least one is expected")
    found = copy.deepcopy(document)
    for operation in cast("list[object]", operations):
        if not isinstance(operation, Mapping):
            raise bad_syntax("an operation is an object")
        _operate(kind, found, cast("Mapping[str, Any]", operation))
    return found


def _of(body: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in body.items() if key.lower() == name), None)


def _operate(kind: Kind, document: Document, operation: Mapping[str, Any]) -> None:
    op, path, value = (_of(operation, name) for name in ("op", "path", "value"))
    op = op.lower() if isinstance(op, str) else ""
    if op not in _OPS:
        raise bad_syntax("op: add, replace or remove is expected")
    if path is not None and not isinstance(path, str):
        raise bad_path("a path is text")
    if path:
        if not _apply(kind, document, op, path, value, named=True):
            raise bad_path(f"there is no attribute '{path[:80]}'")
        return
    if op == "remove":
        raise no_target("remove needs a path")
    if not isinstance(value, Mapping):
        raise bad_value("an operation without a path has an object as its value")
    for key, each in cast("Mapping[str, Any]", value).items():
        _apply(kind, document, op, key, each, named=False)


def _apply(
    kind: Kind, document: Document, op: str, path: str, value: object, *, named: bool
) -> bool:
    """Do an operation; whether the attribute is known. `named`: the client asked for this one."""
    urn, rest = _split(kind, path)
    if urn is not None and not rest:
        _extend(kind, document, op, urn, value)
        return True
    if urn is not None and urn == kind.any_name:
        return _defined(document.setdefault(urn, {}), op, rest, value)
    target = parse_target(rest)
    if urn is None:
        known, place = kind.attribute(target.path.name), document
    else:
        wanted = target.path.name.lower()
        known = next((a for a in kind.extensions[urn] if a.name.lower() == wanted), None)
        place = document.setdefault(urn, {})
    if known is None:
        return False
    if not known.writable:
        if named:
            raise read_only(f"'{known.name}' cannot be changed")
        return True
    _change(place, known, target, op, value)
    return True


def _split(kind: Kind, path: str) -> tuple[str | None, str]:
    """The extension that a path begins with, and the rest; None for the core schema."""
    lowered = path.lower()
    for urn in (*kind.extensions, kind.any_name, kind.schema):
        if lowered == urn.lower() and urn != kind.schema:
            return urn, ""
        if lowered.startswith(urn.lower() + ":"):
            return (None if urn == kind.schema else urn), path[len(urn) + 1 :]
    return None, path


def _extend(kind: Kind, document: Document, op: str, urn: str, value: object) -> None:
    """An operation on a whole extension: what is given counts, the rest stays."""
    if op == "remove" or value is None:
        document[urn] = {}
        return
    document[urn] = {**document.get(urn, {}), **extension(kind, urn, value)}


def _defined(place: Document, op: str, name: str, value: object) -> bool:
    """An operation on an attribute that the organization defined."""
    place[name] = None if op == "remove" else value
    return True


def _change(place: Document, known: Attribute, target: Target, op: str, value: object) -> None:
    sub = target.sub or target.path.sub
    part = known.sub(sub) if sub else None
    if sub and part is None:
        raise bad_path(f"'{known.name}' has no '{sub}'")
    if target.which is not None:
        _change_some(place, known, target.which, part, op, value)
    elif part is not None:
        _change_part(place, known, part, op, value)
    elif op == "remove":
        _remove(place, known, value)
    elif op == "add" and known.several:
        _add(place, known, value)
    elif known.type == "complex" and not known.several and value is not None:
        place[known.name] = {**place.get(known.name, {}), **(coerced(known, value) or {})}
    else:
        put(place, known, value)


def _remove(place: Document, known: Attribute, value: object) -> None:
    """Remove all values, or those that are listed (as Entra ID does with members)."""
    if not known.several or value in (None, []):
        if known.several and known.name in place:
            place[known.name] = []  # said to be none, which is not the same as not said
        else:
            place.pop(known.name, None)
        return
    gone = {_identity(known, item) for item in _items(known, value)}
    kept = [item for item in place.get(known.name, []) if _identity(known, item) not in gone]
    place[known.name] = kept


def _add(place: Document, known: Attribute, value: object) -> None:
    there = list(place.get(known.name, []))
    mine = {_identity(known, item) for item in there}
    for item in _items(known, value):
        if _identity(known, item) not in mine:
            mine.add(_identity(known, item))
            _demote(there, item)
            there.append(item)
    place[known.name] = there


def _demote(there: list[Any], newcomer: object) -> None:
    """One value at most is the primary one (RFC 7643 section 2.4)."""
    if isinstance(newcomer, dict) and cast("Document", newcomer).get("primary") is True:
        for other in there:
            other.pop("primary", None)


def _items(known: Attribute, value: object) -> list[Any]:
    """The values of an attribute of several."""
    return cast("list[Any]", coerced(known, value) or [])


def _identity(known: Attribute, item: Any) -> str:
    """What tells values apart: `value`, with `type` where a value may have two (an address for work
    and at home); all of it where there is no `value`."""
    parts = cast("Document", item) if isinstance(item, dict) else {}
    if "value" not in parts:
        return repr(cast("object", item))
    return repr((parts["value"], parts.get("type") if known.sub("primary") else None))


def _change_part(
    place: Document, known: Attribute, part: Attribute, op: str, value: object
) -> None:
    if known.several:
        for item in place.get(known.name, []):
            put(item, part, None if op == "remove" else value)
        return
    inside = dict(place.get(known.name, {}))
    put(inside, part, None if op == "remove" else value)
    if inside:
        place[known.name] = inside
    else:
        place.pop(known.name, None)


def _change_some(
    place: Document,
    known: Attribute,
    which: Filter,
    part: Attribute | None,
    op: str,
    value: object,
) -> None:
    if not known.several:
        raise bad_path(f"'{known.name}' has one value: no brackets")
    items: list[Any] = list(place.get(known.name, []))
    chosen = [item for item in items if fits_value(known, item, which)]
    if op == "remove" and part is None:
        place[known.name] = [item for item in items if item not in chosen]
        return
    if not chosen and op != "remove":
        chosen = [_made(known, which)]
        items += chosen
    for item in chosen:
        if part is not None:
            put(item, part, None if op == "remove" else value)
            continue
        for new in _items(known, value):
            item.update(new)
    for item in chosen:
        _demote([other for other in items if other is not item], item)
    place[known.name] = items


def _made(known: Attribute, which: Filter) -> Document:
    """A new value that fits the brackets: `type eq "work"` makes one of type work."""
    made: Document = {}
    parts = which.parts if isinstance(which, Logic) and which.word == "and" else (which,)
    for each in parts:
        part = known.sub(each.path.name) if isinstance(each, Compare) else None
        if part is None or not isinstance(each, Compare) or each.op != "eq":
            raise no_target(f"no value of '{known.name}' fits the filter")
        put(made, part, each.value)
    return made
