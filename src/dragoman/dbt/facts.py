"""What the import knows of the model it writes to: views, their tables, and their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.dbt.manifest import Node
from dragoman.semantics.layers import ViewSource
from dragoman.semantics.plain import mapping, text

_QUOTED = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|(\w+)')


@dataclass(frozen=True, slots=True)
class ViewFacts:
    """A view over a table. `columns`: lower-case column name to the name of its dimension."""

    name: str
    path: str
    schema: str
    table: str
    catalog: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    definition: Mapping[str, Any] = field(default_factory=dict[str, Any])


def facts_of(view: ViewSource, default_schema: str | None = None) -> ViewFacts | None:
    """The facts of a view of the schema layer; None for one that stands over no table."""
    definition = view.definition
    folder, _, base = view.path.rpartition("/")
    table = text(definition.get("table_name")) or base.removesuffix(".view")
    schema = text(definition.get("schema")) or folder.rpartition(".")[2] or default_schema
    if not schema or definition.get("sql") or definition.get("query"):
        return None
    columns = {
        column_of(name, dimension).lower(): name
        for name, dimension in mapping(definition.get("dimensions")).items()
    }
    catalog = text(definition.get("catalog"))
    return ViewFacts(view.name, view.path, schema, table, catalog, columns, definition)


def column_of(name: str, dimension: object) -> str:
    """The column that a dimension of the schema layer stands for."""
    sql = text(mapping(dimension).get("sql"))
    found = _QUOTED.fullmatch(sql.strip()) if sql else None
    if found is None:
        return name
    return next(part for part in found.groups() if part is not None).replace('""', '"')


class Views:
    """Finds the view of a dbt node: by schema and table, without regard to case."""

    def __init__(self, views: Iterable[ViewFacts]) -> None:
        self._found: dict[tuple[str, str], list[ViewFacts]] = {}
        for view in views:
            key = (view.schema.lower(), view.table.lower())
            self._found.setdefault(key, []).append(view)

    def at(self, schema: str, table: str, catalog: str | None = None) -> ViewFacts | None:
        """The view over that table. The database counts only where two views differ in nothing
        else: a connection to one database often does not name it."""
        found = self._found.get((schema.lower(), table.lower()), [])
        if len(found) > 1:
            wanted = (catalog or "").lower()
            found = [view for view in found if (view.catalog or "").lower() == wanted]
        return found[0] if len(found) == 1 else None

    def of(self, node: Node) -> ViewFacts | None:
        """The view over the table of a node."""
        if not node.schema:
            return None
        return self.at(node.schema, node.table, node.database)
