"""Who wants to know when a member is suspended or let back: other rooms.

A listener works in the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dragoman.store import UnitOfWork

if TYPE_CHECKING:
    from dragoman.identity.users import User

# The user is given as after the change.
Listener = Callable[[UnitOfWork, "User"], None]
_listeners: list[Listener] = []


def listen(*listeners: Listener) -> None:
    """Tell these of every change from now on, in this order."""
    _listeners.extend(each for each in listeners if each not in _listeners)


def announce(unit: UnitOfWork, user: User) -> None:
    """Tell everybody who listens."""
    for listener in _listeners:
        listener(unit, user)
