"""Virtual schemas: views called after dbt models, wherever an environment puts their tables.

`omni_dbt__orders` for a model of the target's own schema, `omni_dbt_<schema>__orders` for one with
a custom schema. Content that names them goes on to work when a branch looks at another environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dragoman.dbt.facts import Views
from dragoman.dbt.manifest import MODEL_KINDS, Manifest, Node

FOLDER = "omni_dbt"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an environment builds: its schema, and its database where that differs."""

    schema: str
    database: str | None = None


@dataclass(frozen=True, slots=True)
class VirtualView:
    """A view under its stable name; `over` is the view of the schema model that it extends."""

    name: str
    path: str
    over: str
    definition: dict[str, Any]


def relocated(schema: str, compiled: Target, target: Target) -> str:
    """The schema of a table in another environment: dbt puts custom schemas behind the target's
    (`generate_schema_name` as it comes)."""
    if schema.lower() == compiled.schema.lower():
        return target.schema
    prefix = f"{compiled.schema}_"
    if schema.lower().startswith(prefix.lower()):
        return f"{target.schema}_{schema[len(prefix) :]}"
    return schema


def name_of(node: Node, compiled: Target) -> str:
    """The stable name of a node."""
    schema = node.schema or ""
    if schema.lower() == compiled.schema.lower():
        return f"{FOLDER}__{_clean(node.table)}"
    prefix = f"{compiled.schema}_".lower()
    custom = schema[len(prefix) :] if schema.lower().startswith(prefix) else schema
    return f"{FOLDER}_{_clean(custom)}__{_clean(node.table)}"


def build(manifest: Manifest, views: Views, compiled: Target, target: Target) -> list[VirtualView]:
    """A virtual view for every model, seed and snapshot whose table has a view."""
    made: dict[str, VirtualView] = {}
    for node in manifest.tables():
        over = views.of(node)
        if node.resource_type not in MODEL_KINDS or over is None or not node.schema:
            continue
        name = name_of(node, compiled)
        definition: dict[str, Any] = {
            "schema": relocated(over.schema, compiled, target),
            "table_name": over.table,
            "extends": [over.name],
        }
        if target.database:
            definition["catalog"] = target.database
        made.setdefault(name, VirtualView(name, f"{FOLDER}/{name}.view", over.name, definition))
    return list(made.values())


def _clean(name: str) -> str:
    return re.sub(r"\W", "_", name).lower()
