"""Host texts: what counts as a host name, and the one spelling in which it is checked and dialled.

Everything that is not a plain name or address is refused, so that no host text can smuggle a second
host, a socket path, a user name or an option into a driver.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import IPAddress

MAX_HOST = 253
# RFC 1123 labels, plus the underscore of container and Windows names. `fullmatch` only.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# What inet_aton may read as an address: each part decimal, octal or hexadecimal.
_NUMERIC_PART = re.compile(r"0x[0-9a-f]*|[0-9]+")


@dataclass(frozen=True, slots=True)
class Host:
    """A host in canonical spelling. `ip` is set when the text was an address: no look-up."""

    name: str
    ip: IPAddress | None
    rooted: bool = False

    @property
    def is_localhost(self) -> bool:
        """Whether the name is reserved for loopback (RFC 6761 6.3)."""
        return self.name == "localhost" or self.name.endswith(".localhost")

    @property
    def lookup(self) -> str:
        """The name as asked of DNS: a dot written at the end keeps search domains out."""
        return f"{self.name}." if self.rooted else self.name


def parse_host(text: str) -> Host:
    """Canonical form: lower case, IDNA, no dot at the end, addresses in standard notation.

    Decimal, octal, hexadecimal and short IPv4 forms are read as inet_aton reads them, because the
    C library would. Raises `DatabaseFailure` (settings, settings_invalid).
    """
    if not text or len(text) > MAX_HOST or not text.isprintable():
        raise _not_a_host("is empty, too long, or has characters that cannot be printed")
    if ":" in text:
        return _ipv6(text)
    name = _ascii(text)
    if not _NAME.fullmatch(name):
        raise _not_a_host("is not a host name")
    rooted = name.endswith(".")
    name = name.rstrip(".")
    if _NUMERIC_PART.fullmatch(name.rpartition(".")[2]):
        ip = _ipv4(name)
        return Host(str(ip), ip)
    return Host(name, None, rooted)


def _ascii(text: str) -> str:
    """IDNA folds full-width digits and dots too, so it runs before anything is judged."""
    if text.isascii():
        return text.lower()
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _not_a_host("is not a valid international name") from error


def _ipv6(text: str) -> Host:
    try:
        ip = IPv6Address(text)
    except ValueError as error:
        raise _not_a_host("is not a host name; the port has a field of its own") from error
    if ip.scope_id is not None:
        raise _not_a_host("has a zone, and only link-local addresses have zones")
    return Host(str(ip), ip)


def _ipv4(name: str) -> IPv4Address:
    """A name whose last part is a number is an address or nothing (as in the WHATWG URL rules)."""
    try:
        return IPv4Address(socket.inet_aton(name))
    except OSError as error:
        raise _not_a_host("looks like an IPv4 address but is none") from error


def _not_a_host(why: str) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.SETTINGS,
        Cause.SETTINGS_INVALID,
        f"The host {why}.",
        "Give one host name or one IP address, with no port, path, user or list.",
    )
