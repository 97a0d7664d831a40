"""The egress policy: the one object that decides whether an address may be dialled.

Rules, in order: metadata, link-local, multicast, unspecified and broadcast addresses never;
loopback only while the server itself listens on loopback, or where an entry names it; then the
operator's entries; then the mode. Where the server listens on loopback, modes `any` and `private`
may dial it, `public` and `list` still need an entry.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, Deadline, IPAddress, TlsPolicy
from dragoman.egress.addresses import NEVER, Kind, kind_of, unwrap
from dragoman.egress.allowlist import AllowList
from dragoman.egress.dialling import dial
from dragoman.egress.hosts import Host, parse_host
from dragoman.egress.resolver import Resolver, resolve_within, system_resolver

Mode = Literal["any", "public", "private", "list"]

# The rule for loopback still comes first in the modes that have it here.
_MODES: dict[Mode, frozenset[Kind]] = {
    "any": frozenset({Kind.PUBLIC, Kind.PRIVATE, Kind.RESERVED, Kind.LOOPBACK}),
    "public": frozenset({Kind.PUBLIC}),
    "private": frozenset({Kind.PRIVATE, Kind.LOOPBACK}),
    "list": frozenset(),
}
_DNS_SECONDS = 5.0
_MOST_TAKEN = 1000
_MAX_ADDRESSES = 8  # enough for any real name; more would leave each too little of the deadline


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """Implements `dragoman.dialects.network.Network`. Immutable; safe to share between threads.

    `mode`: any, public, private, or list (only `allow`). `allow`: exceptions to the mode.
    `loopback`: whether the server listens on loopback only, and so may dial it.
    """

    mode: Mode = "any"
    allow: AllowList = field(default_factory=AllowList)
    loopback: bool = False
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    resolver: Resolver = system_resolver
    dns_seconds: float = _DNS_SECONDS
    # Host texts that `check_name` took: what the same policy says of one is always the same.
    _taken: set[str] = field(default_factory=set[str], init=False, repr=False, compare=False)

    @classmethod
    def build(
        cls,
        mode: Mode = "any",
        allow: Iterable[str] = (),
        *,
        loopback: bool = False,
        tls: TlsPolicy | None = None,
        resolver: Resolver = system_resolver,
    ) -> EgressPolicy:
        """From settings. Raises `ValueError` for an unknown mode or an entry it cannot read."""
        if mode not in _MODES:
            raise ValueError(f"egress mode {mode!r} is none of {', '.join(_MODES)}")
        return cls(mode, AllowList.parse(allow), loopback, tls or TlsPolicy(), resolver)

    def check_name(self, host: str) -> None:
        """Judge a host text without DNS, when it is saved. A name is judged again when dialled.

        Raises `DatabaseFailure` (settings): settings_invalid or address_denied.
        """
        if host in self._taken:
            return
        parsed = parse_host(host)
        if parsed.ip is not None:
            reason = self._denial(parsed, parsed.ip)
        else:
            reason = self._localhost_denial() if parsed.is_localhost else None
        if reason is not None:
            raise self._denied(Stage.SETTINGS, parsed, reason)
        if len(self._taken) >= _MOST_TAKEN:
            self._taken.clear()
        self._taken.add(host)

    def check_url(self, url: str) -> None:
        """Judge an address such as an OAuth token URL: https, no user name in it, host as above.

        Raises `DatabaseFailure` (settings): settings_invalid or address_denied.
        """
        parts = _split_url(url)
        if parts.scheme != "https" or not parts.hostname:
            raise _bad_url("must begin with https:// and name a host")
        if "@" in parts.netloc:
            raise _bad_url("must not carry a user name or password")
        self.check_name(parts.hostname)

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See `Network.resolve`. Addresses that are denied are left out; none left is a failure."""
        return self._resolve(host, port, Deadline(self.dns_seconds))

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        """See `Network.connect`."""
        deadline = Deadline(timeout)
        return dial(self._resolve(host, port, Deadline(min(timeout, self.dns_seconds))), deadline)

    def describe(self) -> str:
        """The policy in force as one line, for the start of the server."""
        listed = self.allow.describe()
        kinds = sorted(kind.value for kind in _MODES[self.mode] - {Kind.LOOPBACK})
        return "; ".join(
            (
                f"egress {self.mode}: "
                + (f"{', '.join(kinds)} addresses" if kinds else "no others"),
                "loopback " + ("allowed" if self._mode_allows_loopback() else "denied"),
                f"listed: {listed or 'nothing'}",
                "never: cloud metadata, link-local, multicast",
                f"databases without TLS: {_PLAINTEXT[self.tls.plaintext]}",
            )
        )

    def _resolve(self, host: str, port: int, deadline: Deadline) -> Sequence[Address]:
        parsed = parse_host(host)
        if not 1 <= port <= 65535:
            raise _bad_port(port)
        if parsed.is_localhost and (reason := self._localhost_denial()):
            raise self._denied(Stage.DNS, parsed, reason)
        allowed: list[Address] = []
        denials: list[str] = []
        for ip in self._look_up(parsed, deadline):
            denial = self._denial(parsed, ip)
            if denial is None:
                allowed.append(Address(parsed.name, str(ip), port))
            else:
                denials.append(denial)
        if not allowed:
            raise self._denied(Stage.DNS, parsed, denials[0])
        return tuple(allowed[:_MAX_ADDRESSES])

    def _look_up(self, host: Host, deadline: Deadline) -> Sequence[IPAddress]:
        if host.ip is not None:
            return (host.ip,)
        try:
            texts = resolve_within(self.resolver, host.lookup, deadline.left())
            # A zone ("%eth0") comes with link-local addresses only; the rest decides.
            addresses = [ip_address(text.partition("%")[0]) for text in texts]
        except TimeoutError as error:
            raise _dns(Cause.TIMEOUT, f"DNS did not answer in time for {host.name}.") from error
        except (OSError, ValueError) as error:
            raise _not_found(host, error) from error
        if not addresses:
            raise _not_found(host)
        return addresses

    def _denial(self, host: Host, ip: IPAddress) -> str | None:
        """Why `ip` may not be dialled; None when it may. Every address inside it must pass."""
        listed = self.allow.holds_name(host) or self.allow.holds_address(ip)
        for inner in unwrap(ip):
            kind = kind_of(inner)
            if not self._permits(kind, inner, listed):
                return (
                    f"{ip} is {kind.value}" if inner == ip else f"{ip} hides {inner}, {kind.value}"
                )
        return None

    def _permits(self, kind: Kind, ip: IPAddress, listed: bool) -> bool:
        if kind in NEVER:
            return False
        if kind is Kind.LOOPBACK:
            return self._mode_allows_loopback() or self.allow.holds_loopback(ip)
        return listed or self.allow.holds_address(ip) or kind in _MODES[self.mode]

    def _mode_allows_loopback(self) -> bool:
        return self.loopback and Kind.LOOPBACK in _MODES[self.mode]

    def _localhost_denial(self) -> str | None:
        """Names of loopback need no look-up to be refused."""
        listed = any(self.allow.holds_loopback(ip_address(ip)) for ip in ("127.0.0.1", "::1"))
        return None if listed or self._mode_allows_loopback() else "it is a name of loopback"

    def _denied(self, stage: Stage, host: Host, reason: str) -> DatabaseFailure:
        return DatabaseFailure(
            stage,
            Cause.ADDRESS_DENIED,
            f"This server may not connect to {host.name}: {reason}.",
            "Use another host, or ask the operator to allow it (settings egress and egress_allow).",
        )


_PLAINTEXT = {"loopback": "on loopback", "private": "in private networks", "never": "refused"}


def _split_url(url: str) -> SplitResult:
    # urlsplit drops tabs and line ends, and browsers read a backslash as a slash.
    if not url.isprintable() or any(c in url for c in " \\"):
        raise _bad_url("has characters that an address cannot have")
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError as error:
        raise _bad_url("cannot be read") from error
    return parts


def _bad_url(why: str) -> DatabaseFailure:
    fix = "Give a full address such as https://login.example.com/oauth/token."
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, f"The URL {why}.", fix)


def _bad_port(port: int) -> DatabaseFailure:
    message = f"The port {port} is not between 1 and 65535."
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message)


def _not_found(host: Host, error: Exception | None = None) -> DatabaseFailure:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return _dns(Cause.HOST_NOT_FOUND, f"DNS could not look up {host.name} just now.")
    return _dns(Cause.HOST_NOT_FOUND, f"No host named {host.name} was found.")


def _dns(cause: Cause, message: str) -> DatabaseFailure:
    fix = "Check the spelling, and that this server's DNS knows the name."
    return DatabaseFailure(Stage.DNS, cause, message, fix)
