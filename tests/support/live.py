"""The server as its own process, as an operator starts it: for signals, limits and crashes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support import stores
from tests.support.bodies import body
from tests.support.clients import Client
from tests.support.processes import die_with_parent

CONNECTIONS = "/api/v1/connections"
START_SECONDS = 200.0


@dataclass
class LiveServer:
    """One running process on `home`. `log` has what it wrote to stderr."""

    process: subprocess.Popen[bytes]
    address: str
    home: Path
    log: Path
    token: str
    http: httpx.Client

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def root(self) -> Client:
        """A client with an organization key."""
        return Client(self.http, self.token)

    @property
    def anonymous(self) -> Client:
        return Client(self.http, None)

    def create(self, dialect: str = "postgres", **changes: Any) -> str:
        answer = self.root.post(CONNECTIONS, json=body(dialect, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    def kill(self) -> None:
        """SIGKILL: no handler runs, no buffer is flushed."""
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def environment(home: Path, settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """The environment of a server process: this one's, without its DRAGOMAN_ variables."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN_")}
    defaults = {
        "rate_limit_per_minute": 0,
        "login_failures_per_minute": 0,
        "build_schema_on_create": "off",
        "home": home,
    }
    given = {**defaults, **(settings or {})}
    return {**mine, **{f"DRAGOMAN_{name.upper()}": str(value) for name, value in given.items()}}


def command_line(home: Path, *arguments: str, **settings: object) -> str:
    """Run `dragoman ARGUMENTS` on a home as a process of its own; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "dragoman.cli", *arguments],
        env=environment(home, settings),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def live_server(
    home: Path,
    token: str | None = None,
    before: Callable[[], None] | None = None,
    variables: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "dragoman.cli"),
    **settings: object,
) -> Iterator[LiveServer]:
    """A server process on `home`, ready. `before` runs in the child, before the server does;
    `program` is what Python runs, the command unless a test adds to it."""
    token = token or stores.organization_key(home)
    log = home / "server.log"
    die = die_with_parent(signal.SIGKILL)

    def prepare() -> None:
        if die is not None:
            die()
        if before is not None:
            before()

    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, *program, "serve", "--port", "0", "--json"],
            env={**environment(home, settings), **(variables or {})},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=prepare,  # noqa: PLW1509 - system calls only, no lock
        )
    try:
        address = _announced(process, log)
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as http:
            _wait_ready(http, process, log)
            yield LiveServer(process, address, home, log, token, http)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _announced(process: subprocess.Popen[bytes], log: Path) -> str:
    if process.stdout and (line := process.stdout.readline()):
        return json.loads(line)["address"]
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


def _wait_ready(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if http.get("/readyz").status_code == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"the server did not get ready: {log.read_text()[-2000:]}")
