"""The local store and house for commands: in this process, as the operator, with no server."""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Generator
from typing import TYPE_CHECKING

from dragoman.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from dragoman.egress import EgressPolicy
    from dragoman.house import House
    from dragoman.settings import Settings
    from dragoman.store import Origin, Store, UnitOfWork
    from dragoman.vault import KeyRingSource


def settings() -> Settings:
    """The settings in force. Raises `SettingsError`."""
    from dragoman.settings import load

    return load()


def origin() -> Origin:
    """What the audit notes of a command: an id of its own, and no address."""
    from dragoman.store import Origin

    return Origin(request_id=f"cli-{uuid.uuid4().hex[:12]}")


@contextlib.contextmanager
def store(chosen: Settings | None = None) -> Generator[Store]:
    """The store, brought to the current revision, closed at the end."""
    from dragoman.audit import PURPOSE
    from dragoman.store import Store
    from dragoman.store.migrations import ensure_current
    from dragoman.vault import Signer

    found = chosen or settings()
    make_home(found)
    # The ring is read only when something is written.
    opened = Store(found.store_url, Signer(lambda: key_source(found), PURPOSE))
    try:
        ensure_current(opened)
        yield opened
    finally:
        opened.close()


def key_source(chosen: Settings) -> KeyRingSource:
    """The key ring that the settings name. Raises `KeyRingError`."""
    from dragoman.vault import KeyRingSource

    return KeyRingSource(
        home=chosen.home, value=chosen.keys or None, command=chosen.keys_command or None
    )


@contextlib.contextmanager
def work(chosen: Settings | None = None) -> Generator[UnitOfWork]:
    """One unit of work on the local store."""
    with store(chosen) as opened, opened.begin(origin()) as unit:
        yield unit


@contextlib.contextmanager
def house(chosen: Settings | None = None) -> Generator[House]:
    """All house services, as the server has them."""
    from dragoman.app import open_house

    _quiet_logs()
    found = chosen or settings()
    egress(found)  # says what is wrong with a network list before anything is opened
    opened = open_house(found)
    try:
        yield opened
    finally:
        opened.close()


def _quiet_logs() -> None:
    """Log lines of the house: warnings only, on stderr, where a person reads the messages."""
    import logging

    import structlog

    from dragoman.observability.logs import redact

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            redact,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def egress(chosen: Settings) -> EgressPolicy:
    """The policy in force. Raises `SettingsError` for a list that cannot be read."""
    from dragoman.app import network

    return network(chosen)


def make_home(chosen: Settings) -> None:
    """Make the home directory when it is missing, for its owner only."""
    try:
        chosen.make_home()
    except OSError as error:
        raise CommandError(
            f"Cannot make the home directory {chosen.home}: {error.strerror}",
            "Name another with --home or DRAGOMAN_HOME.",
            Exit.STORE,
        ) from None
