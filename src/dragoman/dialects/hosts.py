"""What may stand in `host`: one host name or one IP address, nothing that says more to a driver.

Drivers take much more in that place: socket paths, lists, URLs, connection descriptors, options.
None of it reaches them (CVE classes "connection string injection" and "second host").
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from dragoman.dialects.values import BadValue

_MAX = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_WITH_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):([0-9]{1,5})")
_ONE_NAME = "Give one host name or one IP address."
# In this order: the first sign that is found explains the mistake best.
_SIGNS: tuple[tuple[str, str, str], ...] = (
    ("://", "Must be a host name, not a URL", "Leave out the scheme and the path."),
    ("/", "Must not have a path", "Socket files and paths are not taken; " + _ONE_NAME),
    ("\\", "Must not have a backslash", "Give the port in place of an instance name."),
    ("@", "Must not have a user name", "Use username and passwordUnencrypted."),
    (",", "Must be one host, not a list", _ONE_NAME),
    ("(", "Must not be a connection descriptor", "Use host, port and database."),
)


def check_host(text: str) -> str:
    """The host as it is stored: an IPv6 address without brackets, all else as written.

    Raises `BadValue`. Whether the address may be dialled is the egress policy's question.
    """
    for sign, message, fix in _SIGNS:
        if sign in text:
            raise BadValue(message, fix)
    with_port = _WITH_PORT.fullmatch(text)
    if with_port:
        raise BadValue("Must not have a port", f"Send host {with_port[1]} and port {with_port[2]}.")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or bare != text:
        return _ipv6(bare)
    if len(text) > _MAX or not _NAME.fullmatch(_ascii(text)):
        raise BadValue("Not a host name", _ONE_NAME)
    return text


def _ascii(text: str) -> str:
    """International names in the form DNS knows; look-alikes of `/` or `@` are unmasked by it."""
    if text.isascii():
        return text
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadValue("Not a host name", "The international name is not valid.") from error


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError as error:
        raise BadValue("Not a host name or an IP address", _ONE_NAME) from error
    if address.scope_id is not None:
        raise BadValue("Must not have a zone", "Link-local addresses are not dialled.")
    return text
