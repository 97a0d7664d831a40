"""What a connection's settings say of reading its catalog, and of how the model shall look."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from dragoman.dialects import registry
from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.names import SchemaFilter, compile_patterns
from dragoman.semantics.inference.conventions import Conventions

# Counts changes of the rules of names and relationships: those that are stored are made anew then.
RULES: Final = 1
# These say how questions are asked, not what there is to ask about.
_BESIDE: Final = frozenset(
    {
        "name",
        "baseRole",
        "queryTimeoutSeconds",
        "systemTimezone",
        "queryTimezone",
        "allowsUserSpecificTimezones",
        "scratchSchema",
        "maxBillingBytes",
        "acceptsLicense",
    }
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which tables a refresh reads. `partial`: not all that the connection has."""

    asked: CatalogFilter
    included: CatalogFilter
    offloading: SchemaFilter
    tables: SchemaFilter
    partial: bool

    def wants(self, catalog: str | None, schema: str, name: str) -> bool:
        """Whether the table is read; `asked` is filtered by the database already."""
        return self.included.wants(schema, catalog) and self.tables.matches(name)

    def offloads(self, catalog: str | None, schema: str) -> bool:
        """Whether the schema is kept without being loaded."""
        return bool(self.offloading.patterns) and self.offloading.matches(schema, catalog)


def scope(settings: Mapping[str, Any], schemas: str = "", tables: str = "") -> Scope:
    """The scope of a refresh; `schemas` and `tables` are lists that narrow it, in any case.

    Raises `BadNames`.
    """
    included = CatalogFilter.of(settings, offloaded=True)
    narrowed = CatalogFilter(compile_patterns(schemas, fold=True)) if schemas.strip() else None
    return Scope(
        narrowed or included,
        included,
        compile_patterns(str(settings.get("offloadedSchemas") or "")),
        compile_patterns(tables, fold=True, qualified=False),
        bool(schemas.strip() or tables.strip()),
    )


def conventions(settings: Mapping[str, Any]) -> Conventions:
    """How the connection's schema model looks."""
    dialect = registry.get(str(settings["dialect"]))
    always = settings.get("alwaysScopeViewNames")
    return Conventions(
        dialect=dialect.declaration.name,
        quote=dialect.quote,
        catalog=settings.get("database") or None,
        schema=dialect.default_schema(settings) or None,
        multi_catalog=dialect.declaration.multi_catalog,
        always_scope=dialect.declaration.multi_catalog if always is None else bool(always),
        foreign_keys=bool(settings.get("inferRelationshipsFromForeignKeys")),
        column_names=settings.get("inferRelationshipsFromColumnNames") is not False,
    )


def fingerprint(settings: Mapping[str, Any]) -> str:
    """32 characters that differ when the settings ask for another reading, or the rules that join
    tables are others."""
    kept = {name: value for name, value in sorted(settings.items()) if name not in _BESIDE}
    kept[""] = RULES
    encoded = msgspec.json.encode(kept)
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()
