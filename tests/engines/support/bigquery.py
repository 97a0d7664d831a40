"""BigQuery for tests: local-bigquery (its REST and its gRPC) behind TLS, and a stub of OAuth.

The adapter dials Google's real names on port 443. `Mapped` answers for them with local ports, where
threads of the test end TLS and pass the bytes on, so names, certificates and ports are the real
ones. The token endpoint is a stub that checks the signed request.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dragoman.dialects import registry
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject
from tests.engines.support.snowflake import Mapped
from tests.support.certificates import Authority, _pem, _write, _write_pair
from tests.support.engines import HOST, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

FRONT = Path(__file__).parent / "bigquery_front.py"
PYTHON = Path(__file__).parents[3] / ".engines" / "local-bigquery" / "bin" / "python"
API, STORAGE, TOKEN = (
    f"{name}.googleapis.com" for name in ("bigquery", "bigquerystorage", "oauth2")
)
STS, IAM = (f"{name}.googleapis.com" for name in ("sts", "iamcredentials"))
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x"
MACHINE_TOKEN = "token-of-the-machine"
PROJECT = "my-project"
EMAIL = f"dragoman@{PROJECT}.iam.gserviceaccount.com"

SLEEP = (
    "SELECT COUNTIF(MOD(a * b, 7) = 3) AS n FROM UNNEST(GENERATE_ARRAY(1, 100000)) a,"
    " UNNEST(GENERATE_ARRAY(1, 30000)) b"
)


@dataclass
class BigQuery:
    """A running emulator. `requests`: what the token endpoint was asked; `exchanged`: what the
    endpoints of federation were."""

    ports: dict[str, int]
    rest: int
    ca_file: Path
    key: rsa.RSAPrivateKey
    requests: list[dict[str, Any]] = field(default_factory=list)
    clients: set[socket.socket] = field(default_factory=set)
    exchanged: list[dict[str, Any]] = field(default_factory=list)

    def drop(self) -> None:
        """Ends every conversation under way."""
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(client, socket.SHUT_RDWR)

    def sever(self) -> None:
        """As `drop`, for a while: a client that just waits to ask again is cut off, too."""
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            self.drop()
            time.sleep(0.02)

    def network(self, **ports: int) -> Mapped:
        return Mapped(self.ports | ports, TlsPolicy(ca_file=self.ca_file))

    def target(self, key: rsa.RSAPrivateKey | None = None, **settings: Any) -> Target:
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key": pem.decode(),
            "client_email": EMAIL,
            # What such a file may say besides; none of it may be obeyed.
            "token_uri": "https://elsewhere.example.test/token",
            "universe_domain": "elsewhere.example.test",
        }
        given = {"database": PROJECT, "username": EMAIL, "region": "us", **settings}
        secret = SecretStr(json.dumps(account))
        return Target("bigquery", given, {"passwordUnencrypted": secret})

    @contextlib.contextmanager
    def session(
        self, target: Target | None = None, network: Mapped | None = None, **options: Any
    ) -> Generator[Session]:
        given = SessionOptions(**{"timeout_seconds": 60.0, **options})
        dialect = registry.get("bigquery")
        session = dialect.connect(target or self.target(), network or self.network(), given)
        try:
            yield session
        finally:
            session.close()

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The emulator's REST, without the code under test."""
        address = f"http://{HOST}:{self.rest}/bigquery/v2/projects/{PROJECT}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return json.load(answer)

    def execute(self, sql: str) -> None:
        self.ask("/queries", {"query": sql, "useLegacySql": False, "location": "US"})


@contextlib.contextmanager
def run_bigquery() -> Generator[BigQuery]:
    """The emulator with a project and the dataset `shop`, which holds the table `victim`."""
    if not PYTHON.exists():
        raise Unavailable("local-bigquery is not installed (make engines; it needs Python 3.13)")
    rest, storage = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory(prefix="dragoman-bigquery-") as home,
        contextlib.ExitStack() as stack,
    ):
        directory = Path(home)
        process = subprocess.Popen(
            [str(part) for part in (PYTHON, "-P", FRONT, directory, rest, storage)],
            env={**os.environ, "HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        authority = Authority.create("Test CA of Google")
        now = datetime.now(UTC)
        names = (API, STORAGE, TOKEN, STS, IAM)
        signed = authority.sign(names, now - timedelta(1), now + timedelta(1))
        pair = _write_pair(directory, "server", *signed)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        spoken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        spoken.load_cert_chain(pair.certificate, pair.key)
        spoken.set_alpn_protocols(["h2"])
        key = rsa.generate_private_key(65537, 2048)
        requests: list[dict[str, Any]] = []
        clients: set[socket.socket] = set()
        exchanged: list[dict[str, Any]] = []
        federation = stack.enter_context(_serving(context, _federation(exchanged)))
        ports = {
            API: stack.enter_context(_ended_tls(context, rest, clients)),
            STORAGE: stack.enter_context(_ended_tls(spoken, storage, clients)),
            TOKEN: stack.enter_context(_serving(context, _token(key, requests))),
            STS: federation,
            IAM: federation,
        }
        ca_file = _write(directory / "ca.pem", _pem(authority.certificate))
        found = BigQuery(ports, rest, ca_file, key, requests, clients, exchanged)
        _wait(process, found)
        found.execute("CREATE TABLE shop.victim (a INT64)")
        found.execute("INSERT INTO shop.victim VALUES (1)")
        yield found


def bigquery_subject(emulator: BigQuery) -> Subject:
    """For the common suite; the default dataset is `shop`."""
    return Subject(
        registry.get("bigquery"),
        emulator.target(defaultSchema="shop"),
        cast("EgressPolicy", emulator.network()),
        writes=(
            *PLAIN_WRITES,
            "EXPORT DATA OPTIONS (uri='gs://b/*', format='CSV') AS SELECT 1",
            "CREATE TEMP FUNCTION f() AS (1); SELECT f()",
            "DECLARE x INT64; SELECT x",
            "EXECUTE IMMEDIATE 'DELETE FROM shop.victim WHERE TRUE'",
            "MERGE shop.victim USING shop.victim ON FALSE WHEN NOT MATCHED THEN INSERT ROW",
            "CALL meddle()",
            "SET @@time_zone = 'UTC'",
        ),
        sever=emulator.sever,
        schema="shop",
        # The emulator's engine is slow enough for less work, and goes on with it.
        respelled=replace(
            registry.get("bigquery").spelling, slow=SLEEP.replace("AS n", "AS {mark}")
        ),
        refused=("DELETE FROM victim WHERE TRUE", "SELECT 1; SELECT 2"),
    )


@contextlib.contextmanager
def _ended_tls(context: ssl.SSLContext, behind: int, clients: set[socket.socket]) -> Generator[int]:
    """Ends TLS and passes the bytes on to a plain port."""

    def serve(client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(client, server_side=True) as near,
            socket.create_connection((HOST, behind)) as far,
        ):
            back = threading.Thread(target=_pass_on, args=(far, near), daemon=True)
            clients.add(near)
            back.start()
            _pass_on(near, far)
            back.join()
            clients.discard(near)

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(client,), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(each, socket.SHUT_RDWR)


Answer = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, Any]]]


def _token(key: rsa.RSAPrivateKey, requests: list[dict[str, Any]]) -> Answer:
    """As "Using OAuth 2.0 for server to server applications" describes the endpoint."""

    def answer(asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, Any]]:
        form, address = parse_qs(body.decode()), f"https://{TOKEN}/token"
        try:
            claims = jwt.decode(form["assertion"][0], key.public_key(), ["RS256"], audience=address)
            requests.append(claims)
            right = claims["iss"] == EMAIL and asked.path == "/token"
        except (jwt.InvalidTokenError, KeyError):
            right = False
        if right:
            return 200, {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
        return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}

    return answer


def _federation(exchanged: list[dict[str, Any]]) -> Answer:
    """As the references of the Security Token Service (`token`) and of the IAM Service Account
    Credentials API (`generateAccessToken`) describe them."""

    def answer(asked: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, Any]]:
        if asked.path == "/v1/token":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            exchanged.append({"host": asked.headers["Host"], **form})
            if form.get("subject_token") != MACHINE_TOKEN or form.get("audience") != AUDIENCE:
                said = "The audience in ID Token does not match the expected audience."
                return 400, {"error": "invalid_grant", "error_description": said}
            kind = "urn:ietf:params:oauth:token-type:access_token"
            token = {"access_token": "federated", "issued_token_type": kind}
            return 200, {**token, "token_type": "Bearer", "expires_in": 3600}
        bearer = asked.headers["Authorization"]
        exchanged.append({"host": asked.headers["Host"], "path": asked.path, "bearer": bearer})
        if bearer != "Bearer federated" or not asked.path.endswith(f"/{EMAIL}:generateAccessToken"):
            denied = "Permission 'iam.serviceAccounts.getAccessToken' denied."
            return 403, {"error": {"code": 403, "message": denied, "status": "PERMISSION_DENIED"}}
        until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 200, {"accessToken": "impersonating", "expireTime": until}

    return answer


@contextlib.contextmanager
def _serving(context: ssl.SSLContext, answer: Answer) -> Generator[int]:
    """A port where requests are answered in JSON, behind TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, said = answer(self, body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """The tests look at answers, not at a log."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _wait(process: subprocess.Popen[bytes], found: BigQuery) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            found.ask("/datasets")
            return
        time.sleep(0.2)
    raise Unavailable("local-bigquery did not start")
