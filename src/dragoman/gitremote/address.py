"""Clone URLs: what is accepted, and what it means.

Forms (git-clone(1), "GIT URLS"): `user@host:path`, `ssh://user@host[:port]/path` and
`https://[user@]host[:port]/path`. Nothing else: no file paths, no plain http, no git://.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from dragoman.gitremote.failures import invalid

Transport = Literal["ssh", "https"]

# A leading dash could be read as an option by the program that the other side runs.
_SCP = re.compile(r"(?P<user>[\w.][\w.-]*)@(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+):(?P<path>.+)")
_USER = re.compile(r"[\w.][\w.@+-]*", re.ASCII)
_PORTS: dict[Transport, int] = {"ssh": 22, "https": 443}
_MAX = 1000
_FORMS = "Give git@host:path, ssh://user@host/path or https://host/path."


@dataclass(frozen=True, slots=True)
class RepositoryAddress:
    """Where a repository is. `path` is as the server wants it; `user` may be empty for https."""

    transport: Transport
    user: str
    host: str
    port: int
    path: str

    @property
    def destination(self) -> dict[str, str | int | None]:
        """What a secret for this repository is sealed for. The path does not count: a key or a
        token opens the same things whatever is asked of that server."""
        return {
            "transport": self.transport,
            "user": self.user,
            "host": self.host.lower(),
            "port": self.port,
        }


def parse_address(text: str) -> RepositoryAddress:
    """Read a clone URL. Raises `GitFailure` (settings)."""
    if not text or len(text) > _MAX or not text.isprintable() or any(c in text for c in " \\'\"`"):
        raise invalid("The clone URL has characters that it cannot have, or none.", _FORMS)
    address = _from_url(text) if "://" in text else _from_scp(text)
    _check_path(address.path)
    return address


def _from_scp(text: str) -> RepositoryAddress:
    found = _SCP.fullmatch(text)
    if found is None:
        raise invalid("The clone URL is not in a form that is understood.", _FORMS)
    host = found["host"].strip("[]")
    _check_host(host)
    return RepositoryAddress("ssh", found["user"], host, 22, found["path"])


def _from_url(text: str) -> RepositoryAddress:
    parts, port = _split(text)
    transport: Transport | None = None
    if parts.scheme == "ssh":
        transport = "ssh"
    elif parts.scheme == "https":
        transport = "https"
    if transport is None:
        raise invalid(f"A clone URL does not begin with {parts.scheme[:20]}://.", _FORMS)
    if parts.password is not None:
        raise invalid("The clone URL must not carry a password.", "Send it as the token.")
    if parts.query or parts.fragment:
        raise invalid("The clone URL has a query or a fragment.", _FORMS)
    user = unquote(parts.username or "")
    if not parts.hostname or (transport == "ssh" and not user):
        raise invalid("The clone URL names no host, or no user for SSH.", _FORMS)
    if user and not _USER.fullmatch(user):
        raise invalid("The user name of the clone URL has characters it cannot have.", _FORMS)
    _check_host(parts.hostname)
    path = unquote(parts.path) if transport == "ssh" else parts.path
    # As git does: /~user/… is relative to a home directory.
    path = path[1:] if transport == "ssh" and path.startswith("/~") else path
    return RepositoryAddress(transport, user, parts.hostname, port or _PORTS[transport], path)


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError:
        raise invalid("The clone URL cannot be read.", _FORMS) from None


def _check_host(host: str) -> None:
    if host.startswith("-") or not host.isascii():
        raise invalid("The host of the clone URL has characters it cannot have.", _FORMS)


def _check_path(path: str) -> None:
    parts = path.strip("/").split("/")
    bad = not path.strip("/") or path.startswith("-") or ".." in parts
    if bad or not path.isprintable() or any(c in path for c in "'\\"):
        raise invalid("The path of the clone URL is not one of a repository.", _FORMS)
