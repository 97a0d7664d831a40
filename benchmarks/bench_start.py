"""Cold start of the server with an existing store, and of `dragoman --help`."""

from __future__ import annotations

import http.client
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from support import report, servers
from support.children import cpu_seconds, running
from support.report import Figure, Finding, Options, Remark, Target

POLL_SECONDS = 0.005
START_SECONDS = 60.0
TOP = 10
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s*)(\S+)")
# The server as `serve` makes it, up to the point where it would listen.
ASSEMBLE = (
    "from dragoman.cli import starting; starting.quicken();"
    "from dragoman.app import create_app; create_app()"
)


def measure(options: Options) -> Iterator[Finding]:
    """From spawning the process to the first 200, each start a new process; imports by cost."""
    rounds = options.pick(7, 2)
    with servers.temporary_home() as home:
        token = servers.make_token(home)  # makes and migrates the store
        ready: list[float] = []
        listed: list[float] = []
        helped: list[float] = []
        bare: list[float] = []
        spent: list[float] = []
        for number in range(rounds + 1):
            times = _start(home, token)
            helps, nothing = _run(home, "--help"), _interpreter()
            if number:  # the first round may still write byte code
                ready.append(times[0])
                listed.append(times[1])
                spent.append(times[2])
                helped.append(helps)
                bare.append(nothing)
        yield Figure("serve: spawn to /readyz", ready, "s", Target("<", 1.5))
        yield Figure("serve: spawn to an authenticated list", listed, "s", Target("<", 1.5))
        yield Figure("serve: processor time until the list", spent, "s")
        yield Figure("dragoman --help", helped, "s", Target("<", 0.3))
        yield Figure("python -c pass", bare, "s")
        yield _imports(home, "serve", ["-c", ASSEMBLE])
        yield _imports(home, "dragoman --help", ["-m", "dragoman.cli", "--help"])


def _start(home: Path, token: str) -> tuple[float, float, float]:
    """Seconds from the spawn to /readyz and to a list of connections, and of processor time."""
    log = home / "server.log"
    began = time.perf_counter()
    with running(
        servers.command("serve", "--json", "--host", "127.0.0.1", "--port", "0"),
        log=log,
        environment=servers.environment(home),
        directory=home,
    ) as process:
        told = servers.announced(process, log)
        server = servers.Server(int(told["address"].rpartition(":")[2]), process.pid, token)
        _until_ready(server, began)
        ready = time.perf_counter() - began
        server.call("GET", "/api/v1/connections")
        return ready, time.perf_counter() - began, cpu_seconds(process.pid)


def _until_ready(server: servers.Server, began: float) -> None:
    while time.perf_counter() - began < START_SECONDS:
        try:
            server.call("GET", "/readyz")
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_SECONDS)
        else:
            return
    raise RuntimeError(f"not ready after {START_SECONDS:.0f} s")


def _run(home: Path, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        servers.command(*arguments),
        env=servers.environment(home),
        cwd=home,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def _interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([servers.command()[0], "-c", "pass"], check=True)
    return time.perf_counter() - began


def _imports(home: Path, name: str, arguments: list[str]) -> Remark:
    """The dearest packages of a start, each with all that it alone brought in, in ms."""
    done = subprocess.run(
        [servers.command()[0], "-X", "importtime", *arguments],
        env=servers.environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    own: dict[str, int] = {}
    for spent, _, _, module in _IMPORT.findall(done.stderr):
        package = ".".join(module.split(".")[: 2 if module.startswith("dragoman.") else 1])
        own[package] = own.get(package, 0) + int(spent)
    total = sum(own.values()) / 1000
    top = sorted(own.items(), key=lambda pair: -pair[1])[:TOP]
    return Remark(
        f"imports of {name}: {total:.0f} ms under -X importtime, by package (its own modules)",
        [f"{spent / 1000:7.1f} ms  {package}" for package, spent in top],
    )


if __name__ == "__main__":
    report.main(measure)
