"""Database servers as child processes: started as a user that is not root, ended by pid."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

START_SECONDS = 200.0
STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1
MEMORY = Path("/dev/shm")
ENOUGH_MEMORY = 2 * 1024**3


class NotStarted(Exception):
    """A server that is installed did not come up; the text has the end of its log."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_user() -> str | None:
    """The user that servers run as: `nobody` for root (most refuse root), else ourselves."""
    return "nobody" if os.geteuid() == 0 else None


def give(path: Path) -> Path:
    """Hands a file or directory tree to the user that servers run as."""
    user = server_user()
    if user is not None:
        entry = pwd.getpwnam(user)
        for each in (path, *path.rglob("*")):
            os.chown(each, entry.pw_uid, entry.pw_gid)
    return path


def run_tool(command: Sequence[str | Path], **options: Any) -> None:
    """Runs a command to its end as the servers' user. Raises `NotStarted` with its output."""
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
        cwd="/",  # our own directory may be closed to that user
        **_as_server_user(),
        **options,
    )
    if result.returncode != 0:
        raise NotStarted(f"{command[0]}: {(result.stdout + result.stderr)[-2000:]}")


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    stop_signal: signal.Signals = signal.SIGTERM,
    directory: Path | None = None,
) -> Generator[int]:
    """Runs a server until the block ends; yields its pid once `ready()` is true."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            preexec_fn=die_with_parent(stop_signal),  # noqa: PLW1509 - one prctl call, no lock
            **_as_server_user(),
        )
    try:
        _wait(process, ready, log)
        yield process.pid
    finally:
        _stop(process, stop_signal)


@contextlib.contextmanager
def running_as_us(
    command: Sequence[str | Path], home: Path, ready: Callable[[], bool]
) -> Generator[None]:
    """Runs a server in a directory of its own, without our environment, until the block ends; the
    block begins once `ready()` is true."""
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def server_directory(name: str) -> Generator[Path]:
    """A short directory (socket paths are limited to 107 bytes) that the servers' user owns."""
    with _directory(Path("/tmp"), name) as path:
        yield path


@contextlib.contextmanager
def data_directory(name: str) -> Generator[Path]:
    """The same for a server's data: in memory where there is room, since a database is some six
    hundred files. No program can be run from it."""
    with _directory(MEMORY if memory_is_roomy() else Path("/tmp"), name) as path:
        yield path


def memory_is_roomy() -> bool:
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_MEMORY


def memory_runs_programs() -> bool:
    return not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC


@contextlib.contextmanager
def _directory(place: Path, name: str) -> Generator[Path]:
    path = place / f"dragoman-{name}-{os.getpid()}-{free_port()}"
    path.mkdir(mode=0o700)
    give(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _as_server_user() -> dict[str, Any]:
    user = server_user()
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    environment = {**os.environ, "HOME": "/tmp", "USER": user, "LOGNAME": user}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "env": environment}


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A test run that is killed leaves no server behind (Linux only)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(number))


def _wait(process: subprocess.Popen[Any], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"{process.args}: {log.read_text(errors='replace')[-2000:]}")
        if ready():
            return
        time.sleep(0.05)
    raise NotStarted(f"{process.args}: not ready after {START_SECONDS:.0f} s")


def _stop(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
