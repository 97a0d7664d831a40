"""Athena for tests: moto, an emulator that plays its API and runs no SQL, and a stub of our own.

Both answer as the real host names, over TLS with a certificate for these; `Mapped` is the network
that leads the names here.
"""

from __future__ import annotations

import contextlib
import json
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from dragoman.dialects.network import TlsPolicy
from tests.engines.support.snowflake import Mapped
from tests.support.certificates import Authority, ServerCertificate
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, NotStarted, die_with_parent, free_port

PYTHON = Path(__file__).parents[3] / ".engines" / "moto" / "bin" / "python"
REGION = "us-east-1"
HOSTS = (f"athena.{REGION}.amazonaws.com", f"sts.{REGION}.amazonaws.com")
# What other databases of AWS ask besides.
MORE_HOSTS = tuple(f"{name}.{REGION}.amazonaws.com" for name in ("redshift", "redshift-serverless"))
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "canary/of+a=secret-key"


def network(port: int, ca_file: Path) -> Mapped:
    """The names of AWS lead to this port."""
    return Mapped(dict.fromkeys((*HOSTS, *MORE_HOSTS), port), TlsPolicy(ca_file=ca_file))


def certificate(
    directory: Path, names: Sequence[str] = (*HOSTS, *MORE_HOSTS, "localhost")
) -> tuple[Path, ServerCertificate]:
    """A CA file, and a certificate of it for the names."""
    authority = Authority.create("Test AWS")
    now = datetime.now(UTC)
    made, key = authority.sign(tuple(names), now - timedelta(days=1), now + timedelta(1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = [directory / name for name in ("aws-ca.pem", "aws.pem", "aws.key")]
    contents = (authority.certificate.public_bytes(pem), made.public_bytes(pem), private)
    for path, content in zip(files, contents, strict=True):
        path.write_bytes(content)
    return files[0], ServerCertificate(files[1], files[2])


@contextlib.contextmanager
def run_moto(directory: Path) -> Generator[Engine]:
    """The emulator with its own environment."""
    if not PYTHON.exists():
        raise Unavailable("moto is not installed (make engines)")
    ca_file, pair = certificate(directory)
    engine = Engine("localhost", free_port(), "AwsDataCatalog", KEY, SECRET, ca_file)
    log = directory / "moto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(PYTHON.with_name("moto_server"), "-H", HOST, "-p", str(engine.port)),
                *("-s", "-c", pair.certificate, "-k", pair.key),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                queue(engine, [], [])
                break
            time.sleep(0.2)
        else:
            raise NotStarted(f"moto: {log.read_text(errors='replace')[-2000:]}")
        yield engine
    finally:
        process.kill()
        process.wait()


def queue(engine: Engine, columns: Sequence[dict[str, Any]], rows: Sequence[Sequence[Any]]) -> None:
    """What the next statement answers."""
    result = {"rows": [row_of(row) for row in rows], "column_info": list(columns)}
    body = {"results": [result] if columns else []}
    request = urllib.request.Request(
        f"https://localhost:{engine.port}/moto-api/static/athena/query-results",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=engine.ca_file)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    opener.open(request, timeout=10).close()


def row_of(values: Sequence[Any]) -> dict[str, Any]:
    """A row as Athena writes it: null is a cell without a value."""
    return {"Data": [{} if v is None else {"VarCharValue": v} for v in values]}


def info(name: str, kind: str, precision: int = 0, scale: int = 0) -> dict[str, Any]:
    """A `ColumnInfo`."""
    return {"Name": name, "Type": kind, "Precision": precision, "Scale": scale}


Answer = dict[str, Any] | tuple[int, dict[str, Any]]


@dataclass
class Stub:
    """A stub of the API: `answers` maps operations to what is answered in turn, the last for ever.

    `seen`: operation and body of each call; `headers`: of each call.
    """

    answers: dict[str, list[Answer]]
    network: Any = None
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.seen]

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.seen.append((operation, body))
        left = self.answers.get(operation, [{}])
        told = left.pop(0) if len(left) > 1 else left[0]
        return told if isinstance(told, tuple) else (200, told)


@contextlib.contextmanager
def stubbed(
    directory: Path, stub: Stub | None = None, **answers: Answer | list[Answer]
) -> Iterator[Stub]:
    """Runs the stub, or one made of the answers: each argument is an operation with its own."""
    ca_file, pair = certificate(directory)
    stub = stub or Stub({name: a if isinstance(a, list) else [a] for name, a in answers.items()})
    server = ThreadingHTTPServer((HOST, 0), _handler(stub))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    stub.network = network(server.server_address[1], ca_file)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


def _handler(stub: Stub) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            stub.headers.append(dict(self.headers.items()))
            operation = self.headers.get("X-Amz-Target", "sts").rsplit(".", 1)[-1]
            body = json.loads(text) if operation != "sts" else {"form": text.decode()}
            status, told = stub.answer(operation, body)
            answer = told["xml"].encode() if "xml" in told else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            return

    return Handler
