"""Requests to a provider: checked address, verified TLS, no redirect, bounded bytes and seconds.

Plain http is spoken to this machine only, and only where the egress policy lets loopback be
dialled. Nothing of the environment counts (proxies, CA files, .netrc).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Generator, Mapping
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from dragoman import __version__
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Network, probe_tls
from dragoman.signin.oidc.refusals import Reason, Refused

MAX_BYTES = 512 * 1024
SECONDS = 10.0
_MAX_URL = 2000


def check_url(url: str) -> None:
    """Raise `ValueError` unless a provider may have this address: https, or http on loopback."""
    if (
        len(url) > _MAX_URL
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' \\"<>')
    ):
        raise ValueError("it has characters that an address cannot have")
    parts = urlsplit(url)
    _ = parts.port  # raises when it is no number
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("it must name a host, and have no user name and no #")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("it must begin with https://")


def host_of(url: str) -> str:
    """The host that an address names."""
    return urlsplit(url).hostname or ""


def get(network: Network, url: str, bearer: str | None = None) -> dict[str, Any]:
    """A JSON object. Blocks; raises `Refused`."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    status, said = _exchange(network, "GET", url, headers, None)
    if status != 200:
        raise Refused(Reason.UNREACHABLE, f"{_place(url)} answered with HTTP status {status}")
    return _object(url, said)


def post(
    network: Network, url: str, form: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """The status, and the JSON object that came with it. Blocks; raises `Refused`."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(form).encode()
    status, said = _exchange(network, "POST", url, {**kind, **headers}, body)
    return status, _object(url, said)


def _exchange(
    network: Network, method: str, url: str, headers: Mapping[str, str], body: bytes | None
) -> tuple[int, bytes]:
    try:
        check_url(url)
    except ValueError as error:
        raise Refused(Reason.UNREACHABLE, f"{_place(url)}: {error}") from None
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"Accept": "application/json", "User-Agent": f"dragoman-{__version__}"}
    try:
        with _connected(network, url) as connection:
            connection.request(method, target, body, {**own, "Connection": "close", **headers})
            answer = connection.getresponse()
            said = answer.read(MAX_BYTES + 1)
    except DatabaseFailure as failure:
        raise Refused(Reason.UNREACHABLE, failure.message) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(
            Reason.UNREACHABLE, f"{_place(url)} gave no whole answer ({type(error).__name__})"
        ) from None
    if 300 <= answer.status < 400:
        raise Refused(Reason.UNREACHABLE, f"{_place(url)} redirects, which is not followed")
    if len(said) > MAX_BYTES:
        raise Refused(Reason.UNREACHABLE, f"{_place(url)} answers more than {MAX_BYTES} bytes")
    return answer.status, said


@contextlib.contextmanager
def _connected(network: Network, url: str) -> Generator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    sock, address = network.connect(host, port, SECONDS)
    if not secure and not ip_address(address.ip).is_loopback:
        sock.close()
        raise ValueError("plain http to another machine")
    if secure:
        sock = probe_tls(sock, address.host, network.tls, timeout=SECONDS)
    connection = http.client.HTTPConnection(parts.hostname or "", port)
    if secure and port == 443:  # the port of the scheme is not told in the header Host
        connection.default_port = 443
    connection.sock = sock
    # A trickle passes every time-out of a socket; this ends the whole exchange.
    alarm = threading.Timer(SECONDS, _hang_up, (sock,))
    alarm.daemon = True
    alarm.start()
    try:
        sock.settimeout(SECONDS)
        yield connection
    finally:
        alarm.cancel()
        sock.close()


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # SSLSocket's own would pull the TLS state from under a thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _object(url: str, said: bytes) -> dict[str, Any]:
    found: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(said)
    if not isinstance(found, dict):
        raise Refused(Reason.UNREACHABLE, f"{_place(url)} answers no JSON object")
    return cast("dict[str, Any]", found)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _place(url: str) -> str:
    """An address without its query, as a message may show it."""
    return "".join(c for c in url.partition("?")[0] if c.isprintable())[:200]
