"""Requests of people that this process answers now, so that who is suspended gets no more of one.

A request is one task. To cancel it is what happens when a client leaves: the statement is stopped
in the database, and the answer breaks off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dragoman.access.principal import Principal


class BrokenOff(Exception):
    """Raised into the server, which closes the connection without a proper end."""


class UnderWay:
    """A register for one event loop; every method belongs to it."""

    def __init__(self) -> None:
        self._people: dict[asyncio.Task[Any], str] = {}
        self._ended: set[asyncio.Task[Any]] = set()

    def note(self, principal: Principal) -> None:
        """The request of the present task is this one's, until `watch` ends."""
        task = asyncio.current_task()
        if task is not None and principal.is_person and principal.user_id is not None:
            self._people[task] = principal.user_id

    @contextmanager
    def watch(self) -> Generator[None]:
        """Forget the present task's request at the end. What broke off is no failure of ours."""
        task = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if task is None or task not in self._ended:
                raise
            task.uncancel()
            raise BrokenOff("the person was suspended") from None
        finally:
            if task is not None:
                self._people.pop(task, None)
                self._ended.discard(task)

    def is_ended(self) -> bool:
        """Whether the request of the present task was ended."""
        return asyncio.current_task() in self._ended

    def people(self) -> set[str]:
        """The ids of whoever waits for an answer."""
        return set(self._people.values())

    def end(self, user_ids: set[str]) -> int:
        """Break their requests off; returns how many."""
        found = [task for task, user_id in self._people.items() if user_id in user_ids]
        for task in found:
            self._ended.add(task)
            task.cancel()
        return len(found)
