"""The SCHEMA layer of a connection, over the store and on demand."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select

from dragoman.catalog import reading, rows, states
from dragoman.catalog.objects import VIEW, StoredObjects
from dragoman.catalog.staging import live
from dragoman.catalog.tables import catalog_relationships, catalog_tables
from dragoman.connections import service as connections
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.views import view_source
from dragoman.semantics.layers import Definition, TopicSource, ViewSource
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

_NOTHING: Final[Definition] = {}
_TABLE: Final = tuple(
    catalog_tables.c[name] for name in ("view", "catalog", "schema", "name", "kind", "content")
)


class SchemaLayer:
    """What the database holds, as a layer. Implements `semantics.layers.Layer`.

    One view costs one indexed row, whatever the size of the catalog. Views of offloaded schemas
    are in no list, but whoever names one gets it; `include_schemas` (`sales`, `lake.sales`) puts
    those of some schemas into the lists.
    """

    def __init__(
        self, unit: UnitOfWork, connection_id: str, include_schemas: Collection[str] = ()
    ) -> None:
        self._unit = unit
        self._connection_id = connection_id
        self._included = frozenset(include_schemas)
        self._generation = states.generation(unit, connection_id)
        self._objects = StoredObjects(unit, connection_id, self._generation)
        self._how: Conventions | None = None

    def settings(self) -> Definition:
        """Empty: a database says nothing of the model as a whole."""
        return _NOTHING

    def relationships(self) -> Sequence[Definition]:
        """All between views that are in the lists."""
        away = self._away()
        table = catalog_relationships
        statement = select(table).where(self._live(table)).order_by(table.c.from_view, table.c.id)
        found = self._unit.db.execute(statement)
        inferred = [_decoded(row) for row in found if not away & {row.from_view, row.to_view}]
        return [*inferred, *self._objects.relationships()]

    def relationships_of(self, view: str) -> Sequence[Definition]:
        """Those with that view, or that alias, at either end."""
        table = catalog_relationships
        ends = (table.c.from_view, table.c.to_view, table.c.alias)
        # One question for each index: an OR would read all of the connection's rows.
        found = {
            row.id: row
            for end in ends
            for row in self._unit.db.execute(select(table).where(self._live(table), end == view))
        }
        inferred = [_decoded(found[number]) for number in sorted(found)]
        return [*inferred, *self._objects.relationships(view)]

    def view_names(self) -> Collection[str]:
        """The names of all views in the lists."""
        table = catalog_tables
        wanted = select(table.c.view).where(self._live(table), *self._listed())
        found = list(self._unit.db.execute(wanted.order_by(table.c.view)).scalars())
        return [*found, *(set(self._objects.names(VIEW)) - set(found))]

    def view(self, name: str) -> ViewSource | None:
        """One view, that of an offloaded schema too. A metric view stands for its table."""
        if (own := next(self._objects.views(name), None)) is not None:
            return own
        mine = self._live(catalog_tables) & (catalog_tables.c.view == name)
        row = self._unit.db.execute(select(*_TABLE).where(mine)).first()
        return None if row is None else self._source(row)

    def views(self) -> Iterator[ViewSource]:
        """All views in the lists."""
        wanted = select(*_TABLE).where(self._live(catalog_tables), *self._listed())
        own = {view.name: view for view in self._objects.views()}
        yield from own.values()
        for row in self._unit.db.execute(wanted.order_by(catalog_tables.c.view)):
            if row.view not in own:
                yield self._source(row)

    def topic_names(self) -> Collection[str]:
        """The names of all topics: of the database's own semantic layer."""
        return list(self._topics)

    def topic(self, name: str) -> TopicSource | None:
        """One topic."""
        return self._topics.get(name)

    def topics(self) -> Iterable[TopicSource]:
        """All topics."""
        return self._topics.values()

    @functools.cached_property
    def _topics(self) -> dict[str, TopicSource]:
        # All at once: whoever lists topics asks for each of them.
        return {topic.name: topic for topic in self._objects.topics()}

    def text(self, path: str) -> str | None:
        """None: this layer is generated."""
        return None

    def schemas(self) -> list[str]:
        """The names of all schemas, offloaded ones too; with the catalog where names carry it."""
        table = catalog_tables
        pairs = select(table.c.catalog, table.c.schema).where(self._live(table)).distinct()
        found = self._unit.db.execute(pairs)
        return sorted(self._schema(catalog, schema) for catalog, schema in found)

    def _schema(self, catalog: str | None, schema: str) -> str:
        scope = self._conventions().scope(catalog, schema)
        return ".".join(scope) if len(scope) > 1 else schema

    def _source(self, row: AnyRow) -> ViewSource:
        view, catalog, schema, name, kind, content = row
        found = rows.table_of((catalog, schema, name), kind, content)
        return view_source(found, view, self._conventions())

    def _conventions(self) -> Conventions:
        if self._how is None:
            found = connections.load(self._unit, self._connection_id)
            if found is None:
                raise LookupError(f"no connection {self._connection_id}")
            self._how = reading.conventions(found.settings)
        return self._how

    def _live(self, table: Any) -> Any:
        return live(table, self._connection_id, self._generation)

    def _listed(self) -> Iterator[Any]:
        """Conditions of the rows that are in the lists."""
        table = catalog_tables
        if not self._included:
            yield ~table.c.offloaded
            return
        qualified = table.c.catalog + "." + table.c.schema
        wanted = sorted(self._included)
        yield ~table.c.offloaded | table.c.schema.in_(wanted) | qualified.in_(wanted)

    def _away(self) -> set[str]:
        """Views that are in no list."""
        table = catalog_tables
        away = select(table.c.view).where(self._live(table), table.c.offloaded)
        found = set(self._unit.db.execute(away).scalars())
        return found - set(self.view_names()) if found and self._included else found


def _decoded(row: AnyRow) -> Definition:
    return msgspec.json.decode(row.definition)
