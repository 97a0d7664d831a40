"""A dialect and a session that do as they are told, for tests of what surrounds them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Dialect,
    Driver,
    Rows,
    Session,
    SessionOptions,
    Target,
)
from dragoman.dialects.network import Address, Network, TlsPolicy


def nothing() -> None:
    """What a step does unless a test says otherwise."""


@dataclass
class FakeSession(Session):
    names: list[str] = field(default_factory=lambda: ["public", "sales"])
    tables: int = 3
    on_ping: Callable[[], None] = nothing
    on_reset: Callable[[], None] = nothing
    notices: list[str] = field(default_factory=list)
    closed: bool = False
    resets: int = 0
    asked: list[list[str]] = field(default_factory=list)

    def ping(self) -> None:
        self.on_ping()

    def run(self, sql: str) -> Rows:
        raise NotImplementedError

    def cancel(self) -> None: ...

    def reset(self) -> None:
        self.resets += 1
        self.on_reset()

    def close(self) -> None:
        self.closed = True

    def schemas(self) -> list[str]:
        return self.names

    def readable_tables(self, schemas: list[str]) -> int:
        self.asked.append(schemas)
        return self.tables


class FakeDialect(Dialect):
    declaration: ClassVar[Declaration] = Declaration(
        name="fake",
        label="Fake",
        driver=Driver("json", "json", "fake"),
        authentication=(Authentication(None, "", ()),),
        uses={},
        live=True,
    )

    def __init__(self, session: FakeSession | None = None) -> None:
        self.session = session or FakeSession()
        self.on_connect: Callable[[], None] = nothing
        self.on_tls: Callable[[], None] = nothing

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = 10.0,
    ) -> str:
        self.on_tls()
        return "agreed"

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        self.on_connect()
        return self.session


class FakeNetwork:
    """Resolves everything to this machine and dials a socket pair."""

    tls = TlsPolicy()

    def __init__(self) -> None:
        self.on_resolve: Callable[[], None] = nothing
        self.on_connect: Callable[[], None] = nothing
        self.ends: list[socket.socket] = []
        self.lock = threading.Lock()

    def resolve(self, host: str, port: int) -> list[Address]:
        self.on_resolve()
        return [Address(host, "127.0.0.1", port)]

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        self.on_connect()
        ours, theirs = socket.socketpair()
        with self.lock:
            self.ends.append(theirs)
        return ours, Address(host, "127.0.0.1", port)
