"""Stores that are migrated already.

The migrations cost a test ten times what a copy of their outcome does, so each process runs them
once for each kind of store. What they do is the matter of `tests/store`, and a server that starts
on an empty store of `tests/cli`.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from dragoman.access.principal import OPERATOR
from dragoman.identity import tokens
from dragoman.secret import SecretStr
from dragoman.settings import load
from dragoman.store import Store, engine
from dragoman.store.migrations import ensure_current


def migrate(url: SecretStr) -> None:
    """Bring the store at SQLAlchemy's address to the newest revision, and close it."""
    store = Store(url)
    try:
        ensure_current(store)
    finally:
        store.close()


@contextlib.contextmanager
def compiling_once() -> Generator[None]:
    """Let all stores of one database server share what SQLAlchemy has compiled. It keeps that by
    the engine, and each test has one of its own: to compile the same statements again for each
    test is a third of what the tests of routes cost."""
    kept: dict[tuple[str, str | None, int | None], Engine] = {}
    create = engine.create_engine

    def sharing(url: str, **options: Any) -> Engine:
        made, parsed = create(url, **options), make_url(url)
        first = kept.setdefault((parsed.drivername, parsed.host, parsed.port), made)
        if first.dialect.server_version_info:  # it knows its server by now
            made.dialect, made._compiled_cache = first.dialect, first._compiled_cache
        return made

    with mock.patch.object(engine, "create_engine", sharing):
        yield


def lay(file: Path) -> None:
    """Put a migrated SQLite store there, unless there is a file."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(_migrated())


def organization_key(home: Path) -> str:
    """The text of a new organization key of the SQLite store in a home, which it makes."""
    settings = load({}, home=home)
    lay(home / "dragoman.db")
    store = Store(settings.store_url)
    try:
        with store.begin() as unit:
            return tokens.issue(unit, OPERATOR, "organization", None, "root", None)[1].reveal()
    finally:
        store.close()


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="dragoman-store-") as directory:
        file = Path(directory) / "store.db"
        migrate(SecretStr(f"sqlite:///{file}"))
        return file.read_bytes()
