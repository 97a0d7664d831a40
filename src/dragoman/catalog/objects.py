"""What the database's own semantic layer became: views, relationships and topics as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import select

from dragoman.catalog.staging import Staging, ask, live
from dragoman.catalog.tables import catalog_objects as table
from dragoman.jobs import Context
from dragoman.semantics.inference.semantic_objects import Meaning
from dragoman.semantics.layers import Definition, TopicSource, ViewSource
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

VIEW, RELATIONSHIP, TOPIC = "view", "relationship", "topic"
_COLUMNS: Final = ("kind", "name", "place", "content")
_Row = tuple[str, str, str, str]


def replace(work: Context, staging: Staging, meanings: Iterable[Meaning]) -> int:
    """Let the generation have these objects; returns how many rows are other than before."""
    wanted = dict.fromkeys(row for each in meanings for row in _rows(each))
    mine = live(table, staging.connection_id, staging.next - 1)
    statement = select(table.c.id, *(table.c[name] for name in _COLUMNS)).where(mine)
    stale = {tuple(row[1:]): row[0] for row in ask(work, statement)}
    added = [row for row in wanted if stale.pop(row, None) is None]
    staging.end(table, stale.values())
    staging.insert(table, _COLUMNS, added)
    return len(added) + len(stale)


class StoredObjects:
    """The objects of one generation, read on demand."""

    def __init__(self, unit: UnitOfWork, connection_id: str, generation: int) -> None:
        self._unit = unit
        self._mine = live(table, connection_id, generation)

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind."""
        wanted = select(table.c.name).where(self._mine, table.c.kind == kind)
        return list(self._unit.db.execute(wanted.order_by(table.c.name)).scalars())

    def views(self, name: str | None = None) -> Iterator[ViewSource]:
        """The view of that name, or all of them."""
        for row in self._found(VIEW, name):
            definition, types = msgspec.json.decode(row.content)
            yield ViewSource(row.name, row.place, definition, types)

    def topics(self, name: str | None = None) -> Iterator[TopicSource]:
        """The topic of that name, or all of them."""
        for row in self._found(TOPIC, name):
            yield TopicSource(row.name, row.place, msgspec.json.decode(row.content))

    def relationships(self, view: str | None = None) -> Iterator[Definition]:
        """Those with that view at either end, or all of them."""
        mine = select(table).where(self._mine, table.c.kind == RELATIONSHIP)
        if view is not None:
            mine = mine.where((table.c.name == view) | (table.c.place == view))
        for row in self._unit.db.execute(mine.order_by(table.c.id)):
            yield msgspec.json.decode(row.content)

    def _found(self, kind: str, name: str | None) -> Iterator[AnyRow]:
        mine = select(table).where(self._mine, table.c.kind == kind)
        if name is not None:
            mine = mine.where(table.c.name == name)
        yield from self._unit.db.execute(mine.order_by(table.c.name))


def _rows(each: Meaning) -> Iterator[_Row]:
    for view in each.views:
        yield VIEW, view.name, view.path, _text((view.definition, view.column_types))
    for definition in each.relationships:
        ends = definition["join_from_view"], definition["join_to_view"]
        yield RELATIONSHIP, *ends, _text(definition)
    if each.topic is not None:
        yield TOPIC, each.topic.name, each.topic.path, _text(each.topic.definition)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
