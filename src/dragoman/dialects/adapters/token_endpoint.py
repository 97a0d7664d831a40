"""A provider's token endpoint: one form sent, one answer read, over the checked network.

No redirect is followed, no proxy or CA file of the environment is used, and the answer is bounded.
Source: RFC 6749, sections 2.3.1, 5.1 and 5.2.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from dragoman.dialects.adapters.https import Door, Interrupted
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_MAX_ANSWER: Final = 1 << 18
_SECONDS: Final = 3600.0  # where the answer does not say how long the token holds


@dataclass(frozen=True, slots=True)
class Granted:
    """What an endpoint gave. `seconds`: how long the access token holds."""

    access_token: SecretStr
    seconds: float
    refresh_token: SecretStr | None


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as the provider knows it."""

    id: str
    secret: SecretStr

    def header(self) -> dict[str, str]:
        """HTTP Basic. The parts are sent as they are: section 2.3.1 would have them form-encoded,
        and Snowflake, whose client ids end in "=", documents that it takes them bare."""
        pair = f"{self.id}:{self.secret.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


class Refused(Exception):
    """The endpoint gives no token. `error`: its code (`invalid_grant` …); `said`: in its words,
    without secrets."""

    def __init__(self, status: int, error: str, said: str) -> None:
        super().__init__(f"{error or 'no token'} (HTTP {status})")
        self.status = status
        self.error = error
        self.said = said

    def failure(self, who: str, fix: str) -> DatabaseFailure:
        """What it means for a sign-in. `who`: whose endpoint it is."""
        why = self.said or self.error or f"HTTP {self.status}"
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
            f"{who} gives no token: {why}",
            fix,
            self.error or str(self.status),
        )


def ask(
    network: Network,
    url: str,
    form: Mapping[str, str | SecretStr],
    client: Client | None,
    seconds: float,
) -> Granted:
    """Send the form, as the client where there is one. `seconds`: the limit of each step.

    Raises `Refused`, and `DatabaseFailure` when the endpoint cannot be reached.
    """
    door = Door(network, seconds)
    try:
        with door.at_most(3 * seconds):
            status, body = _sent(door, url, form, client, seconds)
    except Interrupted as stopped:
        raise stopped.failure from None
    except (OSError, http.client.HTTPException, ValueError):
        host = urlsplit(url).hostname
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.CONNECTION_LOST,
            f"{host} did not answer as a token endpoint does.",
            "Check the address of the token endpoint.",
        ) from None
    finally:
        door.hang_up()
    return _read(status, body, [*form.values(), *((client.secret,) if client else ())])


def _sent(
    door: Door,
    url: str,
    form: Mapping[str, str | SecretStr],
    client: Client | None,
    seconds: float,
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": "dragoman",
        **(client.header() if client else {}),
    }
    bare = {n: v.reveal() if isinstance(v, SecretStr) else v for n, v in form.items()}
    # The socket comes encrypted: to http.client it is a plain one, and it opens none itself.
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    with contextlib.closing(connection):
        connection.sock = door.open(host, port)
        connection.sock.settimeout(seconds)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, urlencode(bare), headers)
        answer = connection.getresponse()
        body = answer.read(_MAX_ANSWER + 1)
        if len(body) > _MAX_ANSWER:
            raise ValueError("too long")
        return answer.status, body


def _read(status: int, body: bytes, sent: list[str | SecretStr]) -> Granted:
    try:
        found: Any = json.loads(body)
        told: dict[str, Any] = dict(found)
    except (ValueError, TypeError):
        told = {}
    if status == http.client.OK and isinstance(told.get("access_token"), str):
        refresh = told.get("refresh_token")
        return Granted(
            SecretStr(told["access_token"]),
            _number(told.get("expires_in")),
            SecretStr(refresh) if isinstance(refresh, str) and refresh else None,
        )
    secrets = {str(n): s for n, s in enumerate(sent) if isinstance(s, SecretStr)}
    said = str(told.get("error_description") or told.get("message") or "")
    raise Refused(status, str(told.get("error") or "")[:60], tidy(said, secrets))


def _number(given: Any) -> float:
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        return _SECONDS
    return seconds if 0 < seconds < 10 * 86_400 else _SECONDS
