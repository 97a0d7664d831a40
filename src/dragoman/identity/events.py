"""Who wants to know when a user is suspended, let back or about to be deleted: other rooms.

A listener works in the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from dragoman.store import UnitOfWork

if TYPE_CHECKING:
    from dragoman.identity.users import User


class Event(StrEnum):
    """What happened to the user, or is about to."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    DELETED = "deleted"


Listener = Callable[[UnitOfWork, "User", Event], None]
_listeners: list[Listener] = []


def listen(*listeners: Listener) -> None:
    """Tell these of every change from now on, in this order."""
    _listeners.extend(each for each in listeners if each not in _listeners)


def announce(unit: UnitOfWork, user: User, event: Event) -> None:
    """Tell everybody who listens."""
    for listener in _listeners:
        listener(unit, user, event)
