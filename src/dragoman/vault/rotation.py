"""Rotation of the keys beside a running server, over every table that holds sealed texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, and_, func, or_, select, update

from dragoman.vault.errors import VaultError
from dragoman.vault.seal import Vault, rewrap_batches

if TYPE_CHECKING:
    from dragoman.store import Store, UnitOfWork

BATCH = 200
Place = tuple[str, ...]  # the values of a row's key columns


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table whose column `value` holds sealed texts, and `key_id` the key of each; a row without
    a key id is not sealed. `key`: its primary key, most general column first."""

    table: Table
    key: tuple[str, ...]


class NotRotated(VaultError):
    """Some secrets could not be wrapped anew; all others were. `left` says where they are: their
    old key must stay in the ring, or they must be sent again."""

    def __init__(self, left: list[Place]) -> None:
        named = ", ".join(f"{place[-1]} of {place[-2]}" for place in left[:5])
        super().__init__(
            f"{len(left)} secrets could not be wrapped anew: {named}"
            + (" and others." if len(left) > len(left[:5]) else "."),
            "send these secrets again, or bring back the key they were sealed with.",
        )
        self.left = left


def keys_in_use(unit: UnitOfWork, tables: Iterable[SealedTable]) -> dict[str, int]:
    """How many sealed secrets there are on each key, by key id."""
    counts: dict[str, int] = {}
    for sealed in tables:
        column = sealed.table.c.key_id
        statement = select(column, func.count()).where(column.is_not(None)).group_by(column)
        for key, count in unit.db.execute(statement):
            counts[str(key)] = counts.get(str(key), 0) + int(count)
    return counts


def rotate(store: Store, vault: Vault, tables: Iterable[SealedTable]) -> int:
    """Wrap every data key with the current key; returns how many rows changed.

    Works in small transactions beside the running server and may be stopped and run again.
    Raises `NotRotated` at the end when there are damaged rows or rows of unknown keys.
    """
    left: list[Place] = []
    changed = sum(_rotate(store, vault, sealed, left) for sealed in tables)
    if left:
        raise NotRotated(left)
    return changed


def _rotate(store: Store, vault: Vault, sealed: SealedTable, left: list[Place]) -> int:
    table = sealed.table
    key = [table.c[name] for name in sealed.key]
    changed, last = 0, tuple("" for _ in key)
    while True:
        with store.begin() as unit:
            statement = (
                select(*key, table.c.value)
                .where(table.c.key_id.is_not(None), _after(key, last))
                .order_by(*key)
                .limit(BATCH)
            )
            rows = [(tuple(row[:-1]), row[-1]) for row in unit.db.execute(statement)]
            if not rows:
                return changed
            before = dict(rows)
            for place, text in rewrap_batches(rows, vault, lambda place, _: left.append(place)):
                # Unless a change of the secret came first.
                mine = and_(*(c == v for c, v in zip(key, place, strict=True)))
                statement = update(table).where(mine, table.c.value == before[place])
                values = {"value": text, "key_id": vault.key_id(text)}
                changed += unit.db.execute(statement.values(values)).rowcount
            last = rows[-1][0]


def _after(key: list[Any], last: Place) -> ColumnElement[bool]:
    """Rows that come after `last` in the order of the key."""
    steps: list[ColumnElement[bool]] = []
    for place, column in enumerate(key):
        same = [c == v for c, v in zip(key[:place], last, strict=False)]
        steps.append(and_(*same, column > last[place]))
    return or_(*steps)
