"""The servers that are measured: Dragoman as it is shipped, and bare Starlette beside it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import ROOT
from support.children import running

# The limiter counts every request, and lets every one pass. Catalogs are read where they are what
# is measured.
SETTINGS = {
    "DRAGOMAN_RATE_LIMIT_PER_MINUTE": "1000000000",
    "DRAGOMAN_METRICS": "off",
    "DRAGOMAN_BUILD_SCHEMA_ON_CREATE": "off",
}
CALL_SECONDS = 600.0


@dataclass(frozen=True)
class Server:
    """A running server; `token` is empty for one that asks for none."""

    port: int
    pid: int
    token: str = ""

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own, closed by the caller."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_SECONDS)

    def headers(self, **more: str) -> dict[str, str]:
        """What a client of this server sends."""
        sent = {"Host": "127.0.0.1", "Accept": "application/json", **more}
        return sent | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        """One request and its body. Raises `RuntimeError` for a status of 400 or more."""
        sent = None if body is None else json.dumps(body).encode()
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, sent, self.headers(**_typed(sent)))
            answer = connection.getresponse()
            content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content

    def request(self, method: str, path: str, body: bytes = b"", **more: str) -> bytes:
        """The bytes of a request, for the load generator. `more`: headers."""
        sent = self.headers(**_typed(body), **{"Content-Length": str(len(body))}, **more)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.contextmanager
def temporary_home() -> Generator[Path]:
    """A directory for one benchmark, removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="dragoman-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a server with this home, and no settings of whoever runs the benchmark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    return {**kept, **SETTINGS, "DRAGOMAN_HOME": str(home), **settings}


def command(*arguments: str) -> list[str]:
    """The command line of `dragoman`, in this very environment."""
    return [sys.executable, "-m", "dragoman.cli", *arguments]


def make_token(home: Path, **settings: str) -> str:
    """An organization key of the home's store, or of the one that the settings name."""
    made = subprocess.run(
        command("token", "create", "--kind", "organization", "--name", "benchmark"),
        env=environment(home, **settings),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise RuntimeError(f"token create: {made.stderr}")
    return made.stdout.strip()


@contextlib.contextmanager
def dragoman(home: Path, token: str, **settings: str) -> Generator[Server]:
    """`dragoman serve` on a free port, one process."""
    with running(
        command("serve", "--json", "--host", "127.0.0.1", "--port", "0", "--workers", "1"),
        log=home / "server.log",
        environment=environment(home, **settings),
        directory=home,
    ) as process:
        told = announced(process, home / "server.log")
        server = Server(int(told["address"].rpartition(":")[2]), process.pid, token)
        server.call("GET", "/readyz")
        yield server


@contextlib.contextmanager
def bare(home: Path, *arguments: str) -> Generator[Server]:
    """The bare Starlette application of `bare.py`, under the same uvicorn settings."""
    log = home / "bare.log"
    program = str(ROOT / "benchmarks" / "support" / "bare.py")
    with running([sys.executable, program, *arguments], log=log) as process:
        yield Server(int(announced(process, log)["port"]), process.pid)


def announced(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """The JSON object that a server prints, in one line, before it serves."""
    if process.stdout and (line := process.stdout.readline()):
        return json.loads(line)
    process.wait()
    raise RuntimeError(f"no server: {log.read_text(errors='replace')[-2000:]}")


def _typed(body: bytes | None) -> dict[str, str]:
    return {"Content-Type": "application/json"} if body else {}
