"""Rows that units leave: written with those of others, refused without them, seen by who looks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from dragoman.connections.tables import connection_secrets, connections
from dragoman.secret import SecretStr
from dragoman.store import Store, UnitOfWork
from dragoman.store.prepared import PreparedInsert

Work = Callable[[UnitOfWork], Any]
_CONNECTION = PreparedInsert(
    connections,
    *("id", "name", "dialect", "base_role", "settings", "version", "created_at", "updated_at"),
)
_SECRET = PreparedInsert(
    connection_secrets, "connection_id", "property", "reference", "value", "updated_at"
)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(SecretStr(store_url))
    yield opened
    opened.close()


def connection(unit: UnitOfWork, name: str) -> str:
    _CONNECTION.leave(
        unit,
        id=name,
        name=name,
        dialect="postgres",
        base_role="NO_ACCESS",
        settings="{}",
        version=1,
        created_at=unit.now,
        updated_at=unit.now,
    )
    return name


def secret(unit: UnitOfWork, owner: str) -> None:
    row = {"connection_id": owner, "property": "p", "reference": False, "value": "v"}
    _SECRET.leave(unit, **row, updated_at=unit.now)


def names(unit: UnitOfWork) -> list[str]:
    return list(unit.db.execute(select(connections.c.id).order_by(connections.c.id)).scalars())


def together(store: Store, *works: Work) -> list[Any]:
    """Outcomes of works that wait for the writer together: on SQLite they share a commit."""
    asked = threading.Event()

    async def run() -> list[Any]:
        first = asyncio.create_task(store.write(lambda _unit: asked.wait(30)))
        waiting = [asyncio.create_task(store.write(work)) for work in works]
        await asyncio.sleep(0)  # each has reached the store
        asked.set()
        assert await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(run())


def stored(store: Store) -> list[str]:
    with store.look() as unit:
        return names(unit)


def test_rows_are_there_after_the_commit_whatever_their_order(store: Store) -> None:
    def work(unit: UnitOfWork) -> str:
        secret(unit, "a")  # refers to the next one
        return connection(unit, "a")

    assert together(store, work) == ["a"]
    assert stored(store) == ["a"]


def test_a_statement_of_the_unit_sees_what_it_left(store: Store) -> None:
    def work(unit: UnitOfWork) -> list[str]:
        connection(unit, "a")
        return names(unit)

    assert together(store, work) == [["a"]]


def test_a_unit_that_fails_leaves_nothing(store: Store) -> None:
    def fails(unit: UnitOfWork) -> None:
        connection(unit, "bad")
        raise RuntimeError("on second thought")

    def fails_late(unit: UnitOfWork) -> None:
        names(unit)
        fails(unit)

    done = together(store, lambda unit: connection(unit, "a"), fails, fails_late)
    assert [type(each) for each in done] == [str, RuntimeError, RuntimeError]
    assert stored(store) == ["a"]


@pytest.mark.parametrize("looks", [False, True])
def test_a_row_that_is_refused_takes_no_other_unit_with_it(store: Store, looks: bool) -> None:
    def orphan(unit: UnitOfWork) -> None:
        secret(unit, "nobody")

    def last(unit: UnitOfWork) -> str:
        if looks:  # what the others left is written, and refused, in the middle of this one
            names(unit)
        return connection(unit, "b")

    done = together(store, lambda unit: connection(unit, "a"), orphan, last)
    assert [type(each) for each in done] == [str, IntegrityError, str]
    assert stored(store) == ["a", "b"]


def test_a_later_unit_of_the_commit_sees_what_an_earlier_one_left(store: Store) -> None:
    if not store.is_sqlite:
        pytest.skip("units of PostgreSQL share no transaction")
    a, b = (lambda unit: connection(unit, "a")), (lambda unit: connection(unit, "b"))
    assert together(store, a, names, b, names) == ["a", ["a"], "b", ["a", "b"]]
