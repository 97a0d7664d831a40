"""The demo's server as a child process, and the small client that speaks to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dragoman.cli import demo_home
from dragoman.cli.demo_postgres import stop
from dragoman.cli.exits import CommandError

if TYPE_CHECKING:
    from dragoman.secret import SecretStr

ARROW = "application/vnd.apache.arrow.stream"
READY_SECONDS = 30.0
CALL_SECONDS = 60.0
# No proxy from the environment: the server is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def started(home: Path, port: int) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Runs `dragoman serve` until the block ends; yields the process and the address, ready."""
    log = home / "server.log"
    command = [sys.executable, "-m", "dragoman.cli", "serve", "--json"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=demo_home.environment(home),
            start_new_session=True,
        )
    try:
        address = _announced(process, log)
        _wait(process, address, log)
        yield process, address
    finally:
        stop(process, signal.SIGTERM)


def make_token(home: Path) -> SecretStr:
    """An organization key of the demo's store, also kept in `token` for the commands to try."""
    from dragoman import settings
    from dragoman.cli import local, tokens

    chosen = settings.load(demo_home.environment(home))
    with local.work(chosen) as unit:
        _, token = tokens.make(unit, tokens.Kind.ORGANIZATION, None, "demo")
    descriptor = os.open(home / "token", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token.reveal())
    return token


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the API with the standard library only."""

    address: str
    token: SecretStr

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A JSON answer. Raises `CommandError` with the server's own message."""
        return json.loads(self._send(method, path, body, "application/json"))

    def lines(self, path: str, body: dict[str, Any]) -> list[Any]:
        """An answer of JSON lines."""
        return [json.loads(line) for line in self._send("POST", path, body, "*/*").splitlines()]

    def arrow(self, path: str, body: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
        """Column names and rows of an answer in Arrow."""
        import pyarrow as pa

        reader = cast("Any", pa.ipc.open_stream(self._send("POST", path, body, ARROW)))
        read = reader.read_all()
        return list(read.column_names), list(read.to_pylist())

    def _send(self, method: str, path: str, body: dict[str, Any] | None, accept: str) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - always http to our own server
            self.address + path,
            None if body is None else json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self.token.reveal()}",
                "Content-Type": "application/json",
                "Accept": accept,
            },
            method=method,
        )
        try:
            with _OPENER.open(request, timeout=CALL_SECONDS) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            raise CommandError(f"{method} {path}: {_told(error)}") from None
        except OSError as error:
            raise CommandError(f"{method} {path}: no answer ({error}).") from None


def _told(error: urllib.error.HTTPError) -> str:
    try:
        return f"{error.code} {json.loads(error.read())['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def _announced(process: subprocess.Popen[str], log: Path) -> str:
    """The address that the one line of `serve --json` says."""
    line = process.stdout.readline() if process.stdout else ""
    if line:
        return str(json.loads(line)["address"])
    process.wait()
    raise _not_started(log)


def _wait(process: subprocess.Popen[str], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with _OPENER.open(f"{address}/readyz", timeout=READY_SECONDS):
                return
        except OSError:
            time.sleep(0.05)
    raise _not_started(log)


def _not_started(log: Path) -> CommandError:
    end = log.read_text(errors="replace").strip()[-800:]
    return CommandError(f"The server did not start: {end}", f"See {log}.")
