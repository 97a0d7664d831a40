"""A stub of a Databricks workspace for Lakebase: it makes tokens and lists its instances."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.engines.support.athena import certificate
from tests.support.engines import HOST

WORKSPACE = "dbc-1.cloud.databricks.com"
PRINCIPAL, SECRET = "b7c1-principal", "canary-of-a-client-secret"


@dataclass
class Workspace:
    """`port` of the stub and the `ca_file` of its certificate.

    `on_token` is told each token for a database. `refusals`: path to a status and a body in the
    place of the answer. `asked`: method, path and body of each request.
    """

    port: int
    ca_file: Path
    instances: list[dict[str, str]]
    on_token: Callable[[str], None]
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    refusals: dict[str, tuple[int, Any]] = field(default_factory=dict)
    issued: int = 0

    def paths(self) -> list[str]:
        return [urlsplit(path).path.rsplit("/", 1)[-1] for _, path, _ in self.asked]

    def answer(self, method: str, path: str, sent: bytes, authorization: str) -> tuple[int, Any]:
        where = urlsplit(path)
        body: Any = parse_qs(sent.decode()) if "oidc" in path else json.loads(sent or b"{}")
        self.asked.append((method, path, body))
        if where.path in self.refusals:
            return self.refusals[where.path]
        if where.path == "/oidc/v1/token":
            return self._signed_in(body, authorization)
        if authorization != "Bearer workspace-token":
            return 401, {"message": "no"}
        if where.path == "/api/2.0/database/instances":
            return 200, self._page(parse_qs(where.query))
        if where.path in {"/api/2.0/database/credentials", "/api/2.0/postgres/credentials"}:
            return 200, self._token(body)
        return 404, {"message": "no such path"}

    @staticmethod
    def _signed_in(body: Any, authorization: str) -> tuple[int, Any]:
        pair = base64.b64encode(f"{PRINCIPAL}:{SECRET}".encode()).decode()
        wanted = {"grant_type": ["client_credentials"], "scope": ["all-apis"]}
        if authorization != f"Basic {pair}" or body != wanted:
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": "workspace-token", "expires_in": 3600}

    def _page(self, query: dict[str, list[str]]) -> Any:
        """One instance a page."""
        place = int(query.get("page_token", ["0"])[0])
        page: dict[str, Any] = {"database_instances": self.instances[place : place + 1]}
        if place + 1 < len(self.instances):
            page["next_page_token"] = str(place + 1)
        return page

    def _token(self, body: dict[str, Any]) -> Any:
        self.issued += 1
        token = f"canary-token-{self.issued}-" + "x" * 900  # as long as a real one
        self.on_token(token)
        expires = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        name = "expire_time" if "endpoint" in body else "expiration_time"
        return {"token": token, name: expires}


@contextlib.contextmanager
def workspace(
    directory: Path, instances: list[dict[str, str]], on_token: Callable[[str], None]
) -> Generator[Workspace]:
    """Runs the stub, with a certificate for its name."""
    ca_file, pair = certificate(directory, (WORKSPACE,))
    made = Workspace(0, ca_file, instances, on_token)
    server = ThreadingHTTPServer((HOST, 0), _handler(made))
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


def _handler(made: Workspace) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            authorization = self.headers.get("Authorization", "")
            status, told = made.answer(self.command, self.path, sent, authorization)
            answer = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer  # noqa: N815 - the names are the base class's

        def log_message(self, *_: Any) -> None:
            return

    return Handler
