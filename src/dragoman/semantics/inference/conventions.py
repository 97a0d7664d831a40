"""What a connection says of how its schema model shall look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dragoman.semantics.inference.names import view_name


@dataclass(frozen=True, slots=True)
class Conventions:
    """`dialect`: its wire name. `quote`: an identifier in that dialect's quotes.

    `catalog`, `schema`: those of names that are written without one. `multi_catalog`: a connection
    reaches several catalogs. `always_scope`: schema and catalog stand in every view's name.
    """

    dialect: str
    quote: Callable[[str], str]
    catalog: str | None = None
    schema: str | None = None
    multi_catalog: bool = False
    always_scope: bool = False
    foreign_keys: bool = False
    column_names: bool = True

    def scope(self, catalog: str | None, schema: str) -> tuple[str, ...]:
        """What stands before a table's name in its view's name."""
        if self.always_scope:
            return (schema,) if catalog is None else (catalog, schema)
        if catalog is not None and self.multi_catalog and not _same(catalog, self.catalog):
            return (catalog, schema)
        return () if _same(schema, self.schema) else (schema,)

    def view_name(self, catalog: str | None, schema: str, table: str) -> str:
        """The name of a table's view where no other table wants it."""
        return view_name(self.scope(catalog, schema), table)

    def folder(self, catalog: str | None, schema: str) -> str:
        """The folder of a view's file: the schema, with its catalog where names carry one; a name
        that no folder may have with `_` in it."""
        scope = self.scope(catalog, schema)
        parts = scope if len(scope) > 1 else (schema,)
        kept = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in ".".join(parts))
        return f"_{kept[1:]}" if kept.startswith(".") else kept


def _same(name: str, default: str | None) -> bool:
    """Names that differ in case only are one: most databases fold what is written unquoted."""
    return default is not None and name.casefold() == default.casefold()
