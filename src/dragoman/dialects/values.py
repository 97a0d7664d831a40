"""Checks of single values, by the kind of property."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

from dragoman.dialects.names import BadNames, quote_name, split_names
from dragoman.dialects.properties import Kind, Property
from dragoman.secret import Secret, SecretReference, SecretStr

MAX_TEXT = 4096
MAX_LIST = 65536
MAX_SECRET = 65536
# The same role under the name that other operations of the contract use.
_ROLE_ALIASES = {"RESTRICTED_QUERIER": "QUERY_TOPICS"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REFERENCE = re.compile(r"(env|file):([A-Za-z0-9_][A-Za-z0-9_.\-/]{0,254})")


class BadValue(Exception):
    """A value that its property does not take."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def check(known: Property, value: object) -> str | int | bool:
    """The value in its stored form. Raises `BadValue`."""
    return _CHECKS[known.kind](known, value)


def secret(value: object) -> Secret:
    """A secret's text (white space kept), or a reference `{"$secret": "env:NAME"}`."""
    if isinstance(value, SecretStr | SecretReference):
        return value
    if isinstance(value, str):
        if len(value) > MAX_SECRET:
            raise BadValue(f"Must have at most {MAX_SECRET} characters")
        if "\0" in _well_formed(value):
            raise BadValue("Must not have the character NUL")
        return SecretStr(value)
    if isinstance(value, Mapping):
        return _reference(cast("Mapping[object, object]", value))
    expected = 'Send text, or {"$secret": "env:NAME"}.'
    raise BadValue(f"Expected string, received {_type(value)}", expected)


def _reference(value: Mapping[object, object]) -> SecretReference:
    text = value.get("$secret")
    found = _REFERENCE.fullmatch(text) if isinstance(text, str) and len(value) == 1 else None
    if found is None or ".." in found[2].split("/"):
        raise BadValue(
            "Not a secret reference", 'Use {"$secret": "env:NAME"} or {"$secret": "file:NAME"}.'
        )
    return SecretReference("env" if found[1] == "env" else "file", found[2])


def _raw(value: object, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise BadValue(f"Expected string, received {_type(value)}")
    if len(value) > limit:
        raise BadValue(f"Must have at most {limit} characters")
    if _CONTROL.search(value):
        raise BadValue("Must not have control characters")
    return _well_formed(value)


def _well_formed(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadValue("Must be well-formed Unicode text") from error
    return value


def _text(known: Property, value: object) -> str:
    stripped = _raw(value).strip()
    if known.name == "name" and not stripped:
        raise BadValue("Must not be empty", "Give the connection a name.")
    if known.name == "baseRole":
        return _ROLE_ALIASES.get(stripped, stripped)
    return stripped


def _boolean(_known: Property, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"Expected boolean, received {_type(value)}", "Use true or false.")
    return value


def _integer(known: Property, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        fix = "Use a number without quotes and without a fraction."
        raise BadValue(f"Expected integer, received {_type(value)}", fix)
    low, high = known.minimum, known.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadValue(f"Must be from {low} to {high}")
    return value


def _digits(_known: Property, value: object) -> str:
    """At most 19 digits and a 64-bit signed number, as databases count bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 < value < 2**63 else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value) and 0 < int(value) < 2**63:
        return str(int(value))
    raise BadValue("Must be a positive whole number as text", 'For example "1000000000".')


def _timezone(known: Property, value: object) -> str:
    zone = _raw(value).strip()
    if known.name == "queryTimezone" and zone.upper() == "NONE":
        return "NONE"
    if zone and zone not in _zones():
        fix = "Use an IANA name such as Europe/Berlin."
        raise BadValue(f"Unknown time zone '{zone[:60]}'", fix)
    return zone


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _url(_known: Property, value: object) -> str:
    text = _raw(value).strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.username is None and not re.search(r"[\s\\]", text)
    except ValueError:
        usable = False
    if text and not usable:
        raise BadValue("Must be an https URL", "For example https://login.example.com/token.")
    return text


def _list(_known: Property, value: object) -> str:
    """Comma-separated text; an array is joined. Each name is trimmed; empty ones are refused."""
    if isinstance(value, list):
        items = [quote_name(_raw(item)) for item in cast("list[object]", value)]
        value = ",".join(items)
    try:
        return ",".join(split_names(_raw(value, MAX_LIST)))
    except BadNames as bad:
        raise BadValue(bad.message, bad.fix) from bad


def _type(value: object) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    return _TYPES.get(type(value), "object")


_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
}


_CHECKS: dict[Kind, Callable[[Property, object], str | int | bool]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.TIMEZONE: _timezone,
    Kind.LIST: _list,
    Kind.DIGITS: _digits,
    Kind.URL: _url,
}
