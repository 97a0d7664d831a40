"""Smart HTTP over sockets of our own: checked address, verified TLS, no redirect to another host.

Nothing of the environment counts (proxies, CA files, .netrc), and the token goes to the host of the
clone URL only. Source: gitprotocol-http(5).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
from collections.abc import Callable, Generator, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from dulwich.client import AbstractHttpGitClient

from dragoman import __version__
from dragoman.dialects.network import Network
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.failures import (
    GitFailure,
    forbidden,
    lost,
    missing,
    nonsense,
    refused,
    silent,
    untrusted,
)
from dragoman.gitremote.wire import Budget, dial_tls, hang_up
from dragoman.secret import SecretStr

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_CHUNK = 65536


class Answer:
    """What dulwich wants to know of a response."""

    def __init__(self, response: http.client.HTTPResponse, sock: socket.socket, place: str) -> None:
        self._response = response
        self._sock = sock
        self.status = response.status
        self.content_type = response.headers.get("Content-Type")
        self.redirect_location = place

    def read(self, size: int | None = None) -> bytes:
        """At most `size` bytes."""
        return self._response.read(size)

    def wait(self, seconds: float) -> None:
        """How long the next read may be silent."""
        self._sock.settimeout(seconds)

    def location(self) -> str:
        """Where a redirect points."""
        return self._response.headers.get("Location") or ""

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()
        self._sock.close()


class HttpsClient(AbstractHttpGitClient):
    """dulwich's client with our own requests. `scheme` is basic, or bearer for servers that want
    it."""

    def __init__(
        self,
        network: Network,
        address: RepositoryAddress,
        token: SecretStr | None,
        scheme: str,
        budget: Budget,
    ) -> None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        self._origin = f"https://{host}:{address.port}"
        super().__init__(self._origin + address.path)
        # What to fall back to when a server is not smart: nothing.
        self.dumb = False
        self._network = network
        self._address = address
        self._token = token
        self._scheme = scheme
        self.budget = budget
        self._sock: socket.socket | None = None
        self.seen: str | None = None

    @contextlib.contextmanager
    def conversation(self) -> Generator[None]:
        """Bounds everything inside in time, and closes what it opened."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise self.told(error) from None
        finally:
            if self._sock is not None:
                self._sock.close()

    def told(self, error: Exception) -> GitFailure:
        """What ended the conversation, in words."""
        return silent() if self.budget.cut or isinstance(error, TimeoutError) else lost()

    def complaint(self) -> str:
        """HTTP servers say it in the status."""
        return ""

    def hang_up(self) -> None:
        """End the conversation from another thread."""
        if self._sock is not None:
            hang_up(self._sock)

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        place = url
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._send(place, dict(headers or {}), data)
            if answer.status not in _REDIRECTS or data is not None:
                break
            place = self._followed(place, answer)
        else:
            raise nonsense("The git server sends clients on and on.")
        self._judge(answer)
        if data is None and not (answer.content_type or "").startswith("application/x-git-"):
            answer.close()
            raise nonsense("The address is not one of a git server that speaks smart HTTP.")
        answer.redirect_location = place if place != url else ""

        def read(size: int) -> bytes:
            answer.wait(self.budget.patience())
            return self.budget.took(answer.read(size))

        return answer, read

    def _send(
        self, url: str, headers: dict[str, str], data: bytes | Iterator[bytes] | None
    ) -> Answer:
        if not self._is_home(url):
            raise nonsense("The git server names another host for its objects.")
        sock = self._sock = self._open()
        connection = http.client.HTTPConnection(self._address.host, self._address.port)
        connection.sock = sock
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers |= {"User-Agent": f"git/dragoman-{__version__}", "Pragma": "no-cache"}
        headers |= {"Connection": "close", **self._authorization()}
        method = "GET" if data is None else "POST"
        sock.settimeout(self.budget.patience())
        chunked = data is not None and not isinstance(data, bytes)
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        connection.request(method, target, data, headers, encode_chunked=chunked)
        sock.settimeout(self.budget.patience())
        return Answer(connection.getresponse(), sock, "")

    def _open(self) -> socket.socket:
        if self._sock is not None:
            self._sock.close()
        return dial_tls(self._network, self._address, self.budget)

    def _authorization(self) -> dict[str, str]:
        if self._token is None:
            return {}
        token = self._token.reveal()
        if self._scheme == "bearer":
            return {"Authorization": f"Bearer {token}"}
        pair = base64.b64encode(f"{self._address.user}:{token}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def _followed(self, url: str, answer: Answer) -> str:
        """Where a redirect leads, within the same host and port only."""
        place = urljoin(url, answer.location())
        answer.close()
        if not self._is_home(place):
            raise untrusted(
                "The git server sends clients on to another host; nothing is sent there.",
                "Give the address it means as the clone URL, if you trust it.",
            )
        return place

    def _is_home(self, url: str) -> bool:
        parts, own = urlsplit(url), urlsplit(self._origin)
        try:
            place = (parts.scheme, parts.hostname, parts.port or 443)
        except ValueError:
            return False
        return place == (own.scheme, own.hostname, own.port)

    def _judge(self, answer: Answer) -> None:
        if answer.status == 200:
            return
        status = answer.status
        answer.close()
        if status == 401:
            raise refused("The git server does not accept the token.", "Send a valid token.")
        if status == 403:
            raise forbidden(
                "The git server refuses access with this token (403).",
                "Give the token read and write access to the repository.",
            )
        if status == 404:
            raise missing(
                "There is no such repository, or the token may not see it (404).",
                "Check the clone URL and the token.",
            )
        raise nonsense(f"The git server answered with HTTP status {status}.")
