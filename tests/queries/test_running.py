"""The register of running queries and the end of a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.api.errors import Unavailable
from dragoman.queries.running import Running

pytestmark = pytest.mark.anyio


class Stoppable:
    def __init__(self, register: Running) -> None:
        self.cancels = 0
        self._register = register

    def cancel(self) -> None:
        self.cancels += 1
        self._register.leave(self)


async def test_queries_that_end_in_time_are_left_alone() -> None:
    register, owner = Running(), object()
    query = Stoppable(register)
    register.enter(query, owner)
    asyncio.get_running_loop().call_later(0.05, register.leave, query)
    assert await register.stop(owner, 5) == 0
    assert query.cancels == 0


async def test_late_queries_are_cancelled_and_others_owners_queries_are_not() -> None:
    register, owner, other = Running(), object(), object()
    mine, theirs = Stoppable(register), Stoppable(register)
    register.enter(mine, owner)
    register.enter(theirs, other)
    assert await register.stop(owner, 0.05) == 1
    assert (mine.cancels, theirs.cancels) == (1, 0)
    assert (register.count(owner), register.count(other)) == (0, 1)


def test_the_register_is_bounded_for_each_owner() -> None:
    register = Running(limit=1)
    first: Any = Stoppable(register)
    register.enter(first, "a")
    register.enter(Stoppable(register), "b")
    with pytest.raises(Unavailable):
        register.enter(Stoppable(register), "a")
    register.leave(first)
    register.leave(first)
    register.enter(Stoppable(register), "a")
