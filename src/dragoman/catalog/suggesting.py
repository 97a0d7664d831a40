"""Relationships that a person may want: columns that by their names refer to a table in a role.

They are worked out when they are asked for, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.catalog import reading, rows, states
from dragoman.catalog.staging import live
from dragoman.catalog.tables import catalog_tables, catalog_words
from dragoman.connections import service as connections
from dragoman.semantics.inference.ends import Source, Target, source
from dragoman.semantics.inference.relationships import suggestions
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

_TABLE: Final = tuple(
    catalog_tables.c[name] for name in ("view", "catalog", "schema", "name", "kind", "content")
)


class _Directory:
    """The tables of the catalog as it is. Implements `inference.relationships.Directory`."""

    def __init__(self, unit: UnitOfWork, connection_id: str, settings: Mapping[str, Any]) -> None:
        self._unit = unit
        self._connection_id = connection_id
        self._generation = states.generation(unit, connection_id)
        self._how = reading.conventions(settings)
        self._found: dict[str, list[Target]] = {}

    def targets(self, word: str) -> Sequence[Target]:
        """The tables that have this word."""
        if word not in self._found:
            words = catalog_words
            mine = self._live(words) & ~words.c.asks & (words.c.word == word)
            views = self._unit.db.execute(select(words.c.view).where(mine)).scalars().all()
            self._found[word] = [each.target for each in self.sources(views)]
        return self._found[word]

    def sources(self, views: Iterable[str]) -> list[Source]:
        """Tables by their views, in the order of their names."""
        mine = self._live(catalog_tables) & catalog_tables.c.view.in_(list(views))
        found = self._unit.db.execute(select(*_TABLE).where(mine).order_by(catalog_tables.c.view))
        return [self._source(row) for row in found]

    def _source(self, row: AnyRow) -> Source:
        view, *who, kind, content = row
        found = rows.table_of((who[0], who[1], who[2]), kind, content)
        return source(found, view, self._how)

    def page(self, after: str, size: int) -> list[str]:
        """The next views by name."""
        table = catalog_tables
        mine = self._live(table) & ~table.c.offloaded & (table.c.view > after)
        wanted = select(table.c.view).where(mine).order_by(table.c.view).limit(size)
        return list(self._unit.db.execute(wanted).scalars())

    def _live(self, table: Any) -> Any:
        return live(table, self._connection_id, self._generation)


def suggested(
    unit: UnitOfWork, principal: Principal, connection_id: str, view: str | None, cursor: str
) -> dict[str, Any]:
    """Suggestions for one view, or for the next views after `cursor`.

    Raises as `connections.get`, and `NotFound` for a view that is not there.
    """
    found = connections.get(unit, principal, connection_id, Permission.CATALOG_READ)
    if found.settings.get("inferRelationshipsFromColumnNames") is False:
        raise BadRequest(
            "Bad Request: inferRelationshipsFromColumnNames is off for this connection"
        )
    directory = _Directory(unit, connection_id, found.settings)
    views = [view] if view is not None else directory.page(cursor, _VIEWS)
    sources = directory.sources(views)
    if view is not None and not sources:
        raise NotFound(f"View {view[:200]} does not exist")
    more = view is None and len(views) == _VIEWS
    return {
        "suggestions": [each for one in sources for each in suggestions(one, directory)],
        "nextCursor": views[-1] if more else None,
    }


_VIEWS: Final = 500
