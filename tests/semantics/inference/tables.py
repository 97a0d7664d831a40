"""Tables as a catalog gives them, written in a line."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.catalog import Column, ForeignKey, Table, TableKind
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.ends import Source, Target, source
from dragoman.semantics.inference.relationships import relationships


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def conventions(**changes: Any) -> Conventions:
    given: dict[str, Any] = {"dialect": "postgres", "quote": quote, "schema": "public"}
    return Conventions(**{**given, **changes})


def table(written: str, **changes: Any) -> Table:
    """`users(id integer, name text)`, with `sales.users(…)` for another schema."""
    name, _, rest = written.partition("(")
    schema, dot, own = name.strip().rpartition(".")
    parts = [part.strip().partition(" ") for part in rest.rstrip().removesuffix(")").split(";")]
    if len(parts) == 1:
        parts = [part.strip().partition(" ") for part in rest.rstrip().removesuffix(")").split(",")]
    columns = [
        Column(column, place, kind or "integer", True, None, None, None)
        for place, (column, _, kind) in enumerate(parts, 1)
        if column
    ]
    made = Table(
        None, schema if dot else "public", own, TableKind.TABLE, None, columns, [], [], None
    )
    for key, value in changes.items():
        setattr(made, key, value)
    return made


def foreign(name: str, columns: str, to: str, referenced: str = "id") -> ForeignKey:
    schema, dot, own = to.rpartition(".")
    return ForeignKey(name, columns.split(), schema if dot else "public", own, referenced.split())


class Tables:
    """A directory in memory."""

    def __init__(self, tables: list[Table], **changes: Any) -> None:
        self.conventions = conventions(**changes)
        self.sources: dict[str, Source] = {}
        for each in tables:
            view = self.conventions.view_name(each.catalog, each.schema, each.name)
            self.sources[view] = source(each, view, self.conventions)

    def targets(self, word: str) -> list[Target]:
        return [s.target for s in self.sources.values() if word in set(s.target.words())]

    def of(self, view: str) -> list[dict[str, Any]]:
        return relationships(self.sources[view], self)

    def all(self) -> list[dict[str, Any]]:
        return [each for view in self.sources for each in self.of(view)]
