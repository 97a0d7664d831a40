"""A database of our own making: sessions whose batches a test scripts, and houses around them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import pyarrow as pa
import uvicorn

from dragoman.app import create_app
from dragoman.connections.dialling import Destination
from dragoman.dialects.base import Declaration, Dialect, Driver, Rows, Session, Target
from dragoman.dialects.breaker import Circuits
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.pool import SessionPool
from dragoman.dialects.streaming import cancelled
from tests.support import stores
from tests.support.server import Server, settings_for

SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string())])
CONNECTION = "6f1c2f7e-0000-4000-8000-000000000001"
Script = Callable[["FakeSession"], Iterator[pa.RecordBatch]]


def batch(rows: int = 10, start: int = 0, width: int = 5) -> pa.RecordBatch:
    numbers = range(start, start + rows)
    columns = [pa.array(numbers, pa.int64()), pa.array(["x" * width] * rows)]
    return pa.record_batch(columns, schema=SCHEMA)


def finite(batches: int = 3, rows: int = 10) -> Script:
    return lambda _: (batch(rows, number * rows) for number in range(batches))


def endless(session: FakeSession) -> Iterator[pa.RecordBatch]:
    """Rows without end: a megabyte a batch, until somebody cancels."""
    while not session.stopped.is_set():
        session.given += 1
        yield batch(1_000, width=1_000)
    raise cancelled()


def trickle(session: FakeSession) -> Iterator[pa.RecordBatch]:
    """One batch, then nothing until somebody cancels."""
    yield batch()
    session.stopped.wait(30)
    raise cancelled()


def silent(session: FakeSession) -> Iterator[pa.RecordBatch]:
    """Nothing at all until somebody cancels."""
    session.stopped.wait(30)
    raise cancelled()
    yield batch()


def failing(after: int, cause: Cause = Cause.OTHER) -> Script:
    def script(_: FakeSession) -> Iterator[pa.RecordBatch]:
        for number in range(after):
            yield batch(10, number * 10)
        raise DatabaseFailure(Stage.QUERY, cause, "division by zero near 'Ada'")

    return script


class FakeSession(Session):
    """Plays its dialect's script and counts what is done to it."""

    def __init__(self, dialect: FakeDialect) -> None:
        self.dialect = dialect
        self.notices = list(dialect.session_notices)
        self.stopped = threading.Event()
        self.cancels = self.resets = self.closes = self.given = 0
        self.rows_closed = 0

    def run(self, sql: str) -> Rows:
        self.stopped.clear()
        self.dialect.statements.append(sql)
        return Rows(SCHEMA, _Batches(self), list(self.dialect.row_notices))

    def cancel(self) -> None:
        self.cancels += 1
        self.stopped.set()

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closes += 1

    def ping(self) -> None: ...

    def schemas(self) -> list[str]:
        return []

    def readable_tables(self, schemas: list[str]) -> int:
        return 0


class _Batches:
    def __init__(self, session: FakeSession) -> None:
        self._session = session
        self._batches = session.dialect.script(session)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self._batches)

    def close(self) -> None:
        self._session.rows_closed += 1
        self._session.stopped.set()


class FakeDialect(Dialect):
    declaration: ClassVar[Declaration] = Declaration(
        "fake", "Fake", Driver("json", "json", "fake"), (), {}, live=True
    )

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sessions: list[FakeSession] = []
        self.statements: list[str] = []
        self.options: list[Any] = []
        self.session_notices: list[str] = []
        self.row_notices: list[str] = []

    def connect(self, target: Target, network: Any, options: Any) -> FakeSession:
        self.options.append(options)
        self.sessions.append(FakeSession(self))
        return self.sessions[-1]

    @property
    def session(self) -> FakeSession:
        return self.sessions[-1]


def destination(dialect: Dialect, **settings: Any) -> Destination:
    return Destination(CONNECTION, 1, dialect, Target("fake", settings, {}))


@contextlib.contextmanager
def small_house(per_key: int = 2) -> Generator[Any]:
    """What a query needs of a house, without a store."""
    threads = ThreadPoolExecutor(4)
    pool = SessionPool(max_per_owner=per_key)
    settings = SimpleNamespace(duckdb_root="", isolate=(), driver_memory_mb=2048)
    yield SimpleNamespace(
        settings=settings,
        sessions=pool,
        circuits=Circuits(),
        network=None,
        blocking=threads,
        reading=threads,
    )
    threads.shutdown(wait=False)
    pool.close()


class Live:
    """A server on a socket, and a client that may query."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.token = server.key()
        self.path = f"/api/v1/connections/{CONNECTION}/query"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, body: Any = None, accept: str = "", **options: Any) -> httpx.Response:
        headers = {**self.headers, "Accept": accept} if accept else self.headers
        path = options.pop("path", self.path)
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.post(url, json=body or {"sql": "SELECT 1"}, headers=headers, timeout=30)

    def raw(self, accept: str = "*/*", sql: str = "SELECT 1") -> socket.socket:
        """A socket on which the question was asked and nothing read."""
        body = json.dumps({"sql": sql}).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n"
            f"Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        client.sendall(head.encode() + body)
        return client


@contextlib.contextmanager
def live_server(home: Path, **changes: Any) -> Generator[Live]:
    """uvicorn on a free port, in a thread."""
    stores.lay(home / "dragoman.db")
    app = create_app(settings_for(home, **changes))
    options: Any = {"log_config": None, "ws": "none", "timeout_graceful_shutdown": 1}
    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, **options))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    eventually(lambda: running.started)
    port = running.servers[0].sockets[0].getsockname()[1]
    http: Any = None
    yield Live(Server(app, http), port)
    running.should_exit = True
    thread.join(15)
    assert not thread.is_alive()


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until something is true; fails when it does not become so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
