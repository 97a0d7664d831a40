"""Whether a document fits a filter (RFC 7644 section 3.4.2.2).

A comparison with an absent value is false, and `ne`, `not` are the opposite of what they deny.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from dragoman import clock
from dragoman.scim.attributes import Attribute, Kind
from dragoman.scim.documents import TRUTHS
from dragoman.scim.errors import bad_filter
from dragoman.scim.grammar import Compare, Filter, Logic, Negation, Path, Within

# What an attribute of a user-defined extension is compared as.
_ANY = Attribute("value")
Values = list[Any]
# The values of a path in a document, and the attribute they are of.
Reader = Callable[[Path], tuple[Attribute, Values]]


def fits(kind: Kind, document: Mapping[str, Any], wanted: Filter) -> bool:
    """Whether a resource fits. Raises `BadRequest` for an attribute that is not there."""

    def within(path: Path, part: Filter) -> bool:
        known = kind.attribute(path.name)
        if known is None or not known.several:
            raise bad_filter(f"there is no attribute '{path.name}' of several values")
        return any(fits_value(known, value, part) for value in document.get(known.name, ()))

    return _fits(wanted, lambda path: values_at(kind, document, path), within)


def fits_value(known: Attribute, value: object, wanted: Filter) -> bool:
    """Whether one value of an attribute fits the filter in its brackets."""

    def read(path: Path) -> tuple[Attribute, Values]:
        if known.type != "complex":
            return known, [value]
        part = known.sub(path.name)
        if part is None and path.name == "display":  # of members: shown, not stored
            part = _ANY
        if part is None:
            raise bad_filter(f"{known.name} has no '{path.name}'")
        found = cast("Mapping[str, Any]", value).get(part.name)
        return part, [] if found is None else [found]

    return _fits(wanted, read, _nested)


def values_at(kind: Kind, document: Mapping[str, Any], path: Path) -> tuple[Attribute, Values]:
    """The attribute of a path and its values in a document. Raises `BadRequest`."""
    urn = kind.extension(path.schema) if path.schema else None
    if urn is not None and urn == kind.any_name:
        return _ANY, _items(document.get(urn, {}).get(path.name))
    if urn is not None:
        known = next((a for a in kind.extensions[urn] if a.name.lower() == path.name.lower()), None)
        document = document.get(urn, {})
    else:
        known = None
        if path.schema is None or path.schema.lower() == kind.schema.lower():
            known = kind.attribute(path.name)
    if known is None:
        raise bad_filter(f"there is no attribute '{path.name}'")
    items = _items(document.get(known.name))
    if known.type != "complex":
        return known, items
    part = known.sub(path.sub or "value")
    if part is None:
        raise bad_filter(f"'{known.name}' needs one of its parts")
    return part, [item[part.name] for item in items if item.get(part.name) is not None]


def moment(value: object) -> str:
    """A time of a filter in the stored form. Raises `BadRequest`."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        raise bad_filter(f"{str(value)[:40]!r} is not a time (ISO 8601)") from None
    return clock.wire(read if read.tzinfo else read.replace(tzinfo=UTC))


def _fits(wanted: Filter, read: Reader, within: Callable[[Path, Filter], bool]) -> bool:
    match wanted:
        case Logic(word, parts):
            # All of them are looked at: a mistake in the last one is told as well.
            held = [_fits(part, read, within) for part in parts]
            return all(held) if word == "and" else any(held)
        case Negation(part):
            return not _fits(part, read, within)
        case Within(path, part):
            return within(path, part)
        case Compare(path, op, value):
            known, values = read(path)
            return _compared(known, values, op, value)


def _nested(path: Path, part: Filter) -> bool:
    del path, part
    raise bad_filter("brackets within brackets are not read")


def _items(found: object) -> Values:
    if isinstance(found, list):
        return cast("Values", found)
    return [] if found is None else [found]


def _compared(known: Attribute, values: Values, op: str, wanted: object) -> bool:
    if op == "ne":
        return not _compared(known, values, "eq", wanted)
    if op == "pr":
        return any(value not in ("", None) for value in values)
    if wanted is None:
        if op != "eq":
            raise bad_filter("null is compared with eq and ne only")
        return not values
    test = _TESTS[op]
    right = comparable(known, wanted, op)
    return any(test(_left(known, value), right) for value in values)


def comparable(known: Attribute, wanted: object, op: str) -> Any:
    """The value of a filter as it is compared. Raises `BadRequest`."""
    if known.type == "boolean":
        truth = TRUTHS.get(str(wanted).lower())
        if truth is None or op not in ("eq", "ne"):
            raise bad_filter(f"'{known.name}' is compared with eq and ne, to true or false")
        return truth
    if known.type == "dateTime":
        return moment(wanted)
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    return text if known.exact else text.casefold()


def _left(known: Attribute, value: Any) -> Any:
    if known.type in ("boolean", "dateTime"):
        return value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if known.exact else text.casefold()


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "co": lambda a, b: b in a,
    "sw": lambda a, b: a.startswith(b),
    "ew": lambda a, b: a.endswith(b),
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}
