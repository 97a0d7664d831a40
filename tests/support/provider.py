"""A stub of an OAuth provider with TLS: it gives tokens for codes and for refresh tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from dragoman.dialects.network import Address, TlsPolicy
from dragoman.egress import EgressPolicy
from tests.engines.support.athena import certificate

LOGIN = "login.example.test"
CLIENT, SECRET = "client-of-the-connection=", "canary-of-a-client-secret"


@dataclass(frozen=True)
class Named(EgressPolicy):
    """The real policy, but names are of servers of this test, each at a port here."""

    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    dialled: list[str] = field(default_factory=list[str])

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        self.dialled.append(host)
        return super().connect(host, self.ports.get(host, port), timeout)

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        return super().resolve(host, self.ports.get(host, port))


def named(ca_file: Path, **ports: int) -> Named:
    tls = TlsPolicy(ca_file=ca_file)
    return Named(loopback=True, tls=tls, resolver=lambda _: ["127.0.0.1"], ports=ports)


@dataclass
class Provider:
    """`life`: seconds that access tokens hold. `on_token` is told each. `asked`: the forms, with
    the client that asked as `client`. `rotates`: a refresh token works once. `answer`: status and
    headers in the place of tokens."""

    port: int
    ca_file: Path
    life: float = 3600
    rotates: bool = True
    on_token: Callable[[str], None] = lambda _: None
    asked: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    answer: tuple[int, dict[str, str], dict[str, Any]] | None = None
    _challenges: dict[str, str] = field(default_factory=dict[str, str])
    _refresh: set[str] = field(default_factory=set[str])

    def allow(self, address: str) -> dict[str, str]:
        """What a browser does that was sent here, whose person allows it: the query to go back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._challenges)}"
        self._challenges[code] = asked["code_challenge"]
        return {"code": code, "state": asked["state"]}

    def revoke(self) -> None:
        self._refresh.clear()

    def give(self, form: dict[str, str]) -> tuple[int, dict[str, str], dict[str, Any]]:
        self.asked.append(form)
        if self.answer is not None:
            return self.answer
        if form["client"] != f"{CLIENT}:{SECRET}":
            return 401, {}, {"error": "invalid_client", "error_description": "Who are you?"}
        if form["grant_type"] == "refresh_token":
            right = form["refresh_token"] in self._refresh
        else:
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            right = self._challenges.pop(form["code"], "") == challenge
        if not right:
            said = f"No: {form.get('refresh_token', '')}"
            return 400, {}, {"error": "invalid_grant", "error_description": said}
        number = len(self.asked)
        told = {"access_token": f"access-{number}", "expires_in": self.life}
        if self.rotates or form["grant_type"] != "refresh_token":
            if self.rotates:
                self._refresh.clear()
            self._refresh.add(f"refresh-{number}")
            told["refresh_token"] = f"refresh-{number}"
        self.on_token(told["access_token"])
        return 200, {}, told


@contextlib.contextmanager
def provider(directory: Path, name: str = LOGIN) -> Generator[Provider]:
    """Runs the stub, with a certificate for its name."""
    ca_file, pair = certificate(directory, (name,))
    made = Provider(0, ca_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def _handler(made: Provider) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            basic = self.headers.get("Authorization", " ").split(" ")[1]
            form = {**dict(parse_qsl(sent)), "client": base64.b64decode(basic).decode()}
            status, headers, told = made.give({**form, "path": self.path})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            return

    return Handler
