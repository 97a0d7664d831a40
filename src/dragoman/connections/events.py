"""Who wants to know when a connection is made or changes: other rooms, named by `app.py`.

A listener works in the transaction of the change: what it writes is there with the connection, or
neither is.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from dragoman.access.principal import Principal
from dragoman.connections.records import Connection
from dragoman.store import UnitOfWork


class Event(StrEnum):
    """What happened to the connection."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RESTORED = "restored"


# The connection is given as it is after the event.
Listener = Callable[[UnitOfWork, Principal, Connection, Event], None]
_listeners: list[Listener] = []
_builders: list[Listener] = []


def listen(*listeners: Listener) -> None:
    """Tell these of every event from now on, in this order."""
    _listeners.extend(each for each in listeners if each not in _listeners)


def build_with(*builders: Listener) -> None:
    """Have these see to the schema model: told, after all others, of events that ask for it
    (setting `build_schema_on_create`)."""
    _builders.extend(each for each in builders if each not in _builders)


def announce(
    unit: UnitOfWork, principal: Principal, connection: Connection, event: Event, *, build: bool
) -> None:
    """Tell everybody who listens."""
    for listener in (*_listeners, *(_builders if build else ())):
        listener(unit, principal, connection, event)
