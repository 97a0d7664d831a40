"""The counts of a join's two sides on every engine and emulator at hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.dialects.sql import table
from dragoman.semantics.inference.probing import End, counting, orphans
from tests.engines.support.shelves import Shelf
from tests.engines.test_questions import ENGINES, SLOW, opened

__all__ = ["opened"]


@pytest.fixture
def shelf(opened: Callable[[str], Shelf], request: pytest.FixtureRequest) -> Shelf:
    return opened(request.param)


def end(shelf: Shelf, name: str, *columns: str) -> End:
    named = (name,) if shelf.schema is None else (shelf.schema, name)
    return End(name, named, columns, tuple(map(table(shelf.dialect).name, columns)))


def row(shelf: Shelf, statement: str) -> list[int]:
    [found] = shelf.run(statement, None)
    return [int(value or 0) for value in found]


@pytest.mark.parametrize(
    "shelf",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in ENGINES],
    indirect=True,
)
def test_counts_and_orphans(shelf: Shelf) -> None:
    sql = table(shelf.dialect)
    orders, users = end(shelf, "orders", "user_id"), end(shelf, "users", "id")
    assert row(shelf, counting(sql, orders, 100)) == [7, 1, 4, 2]
    assert row(shelf, counting(sql, users, 100)) == [4, 0, 4, 1]
    assert row(shelf, counting(sql, users, 3)) == [3, 0, 3, 1]
    both = end(shelf, "orders", "user_id", "qty")
    assert row(shelf, counting(sql, both, 100)) == [7, 2, 5, 1]
    assert row(shelf, orphans(sql, orders, users, 100)) == [1]
    assert row(shelf, orphans(sql, users, orders, 100)) == [1]
    items = end(shelf, "items", "order_id", "id")
    swapped = end(shelf, "orders", "id", "user_id")
    assert row(shelf, orphans(sql, items, swapped, 100)) == [4]
