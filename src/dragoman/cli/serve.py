"""`dragoman serve`: the server, in one process or under uvicorn's supervisor."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import local, starting
from dragoman.cli.exits import CommandError
from dragoman.cli.output import Json, say

if TYPE_CHECKING:
    from dragoman.settings import Settings

BACKLOG = 2048
METRICS = "metrics-"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Server processes.")] = None,
    as_json: Json = False,
) -> None:
    """Start the server; SIGTERM lets running queries finish within `shutdown_seconds`."""
    starting.quicken()
    given = {"HOST": host, "PORT": port, "WORKERS": workers}
    # Workers are processes of their own: what was given here reaches them by the environment.
    os.environ.update({f"DRAGOMAN_{k}": str(v) for k, v in given.items() if v is not None})
    settings = local.settings()
    policy = local.egress(settings).describe()
    with _listening(settings.host, settings.port) as listener:
        address = _address(settings.host, listener.getsockname()[1])
        if settings.workers > 1:
            prepare(settings)
        if as_json:
            # One line: whoever started this process reads it while the server goes on.
            told = {"address": address, "egress": policy, "pid": os.getpid()}
            print(json.dumps(told, ensure_ascii=False), flush=True)
        say(f"dragoman on {address} — {policy}")
        if settings.workers > 1 and settings.rate_limit_per_minute and not settings.redis_url:
            say(
                f"Note: each of the {settings.workers} workers counts requests for itself; "
                "DRAGOMAN_REDIS_URL makes the rate limit one."
            )
        _run(settings, listener)


def prepare(settings: Settings) -> None:
    """Migrate the store and read the keys before any worker starts. Raises as they do."""
    from dragoman.vault import load_keyring

    with local.store(settings):
        pass
    load_keyring(
        home=settings.home, value=settings.keys or None, command=settings.keys_command or None
    )


def _run(settings: Settings, listener: socket.socket) -> None:
    import uvicorn

    many = settings.workers > 1
    options: dict[str, Any] = {
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": "dragoman.api.protocol:LimitedProtocol",
        "ws": "none",
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": ",".join(settings.trusted_proxies) or None,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "backlog": BACKLOG,
    }
    if many:
        app = "dragoman.app:create_app"
        config = uvicorn.Config(app, factory=True, workers=settings.workers, **options)
        _supervise(config, settings, listener)
    else:
        from dragoman.app import create_app

        _serve_here(uvicorn.Config(create_app(settings), **options), listener)


def _serve_here(config: Any, listener: socket.socket) -> None:
    import uvicorn

    # uvicorn raises the signal again once it has stopped; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, _stop)
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return
    except SystemExit:  # uvicorn's end when the start fails; its code means another thing here
        pass
    if not server.started:
        raise CommandError("The server did not start; the log above says why.")


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _supervise(config: Any, settings: Settings, listener: socket.socket) -> None:
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    gc.enable()
    listener.set_inheritable(True)
    with _metrics_directory(settings.home) as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        supervisor = Multiprocess(config, sockets=[listener])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise CommandError("The workers did not start; the log above says why.")


@contextlib.contextmanager
def _metrics_directory(home: Path) -> Generator[Path]:
    """A fresh directory where the workers leave their figures; those of ended servers go."""
    for old in home.glob(f"{METRICS}*"):
        if not _is_running(old.name.removeprefix(METRICS)):
            shutil.rmtree(old, ignore_errors=True)
    directory = home / f"{METRICS}{os.getpid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    """A socket that listens already, so that whoever reads the address can connect at once."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
    except socket.gaierror as error:
        text = f"Cannot listen on {host}: {error.strerror}"
        raise CommandError(text, "Give an address of this machine with --host.") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(BACKLOG)
        except OSError as error:
            raise _cannot_listen(host, port, error) from None
        yield listener


def _cannot_listen(host: str, port: int, error: OSError) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        fix = "Stop what listens there, or choose another with --port (0 takes a free one)."
        return CommandError(f"Port {port} on {host} is in use.", fix)
    return CommandError(f"Cannot listen on {host}:{port}: {error.strerror}")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
