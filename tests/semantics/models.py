"""Small models for tests, written as files."""

from __future__ import annotations

import textwrap

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FilesLayer, GeneratedLayer
from dragoman.semantics.layers import ViewSource


class SchemaLayer(GeneratedLayer):
    """Files as the schema layer: generated, with the types of columns."""

    def __init__(self, files: dict[str, str], types: dict[str, dict[str, str]]) -> None:
        super().__init__(files)
        self._types = types
        self.asked: list[str] = []

    def view(self, name: str) -> ViewSource | None:
        self.asked.append(name)
        found = super().view(name)
        if found is None:
            return None
        return ViewSource(found.name, found.path, found.definition, self._types.get(name, {}))


def files(**texts: str) -> FilesLayer:
    """A layer. `users__view="…"` is the file users.view; `_` in names stays."""
    made = FilesLayer({key.replace("__", "."): textwrap.dedent(t) for key, t in texts.items()})
    assert made.problems() == []
    return made


def model(*layers: FilesLayer) -> ComposedModel:
    return ComposedModel(layers)


SHOP_TYPES = {
    "users": {"id": "NUMBER", "name": "STRING", "created_at": "TIMESTAMP", "city": "STRING"},
    "orders": {"id": "NUMBER", "user_id": "NUMBER", "status": "STRING", "created_at": "DATE"},
    "order_items": {"id": "NUMBER", "order_id": "NUMBER", "price": "NUMBER"},
}


def shop_schema() -> SchemaLayer:
    """Three tables as inference writes them."""
    texts: dict[str, str] = {}
    for view, columns in SHOP_TYPES.items():
        lines = [f"schema: public\ntable_name: {view}\ndimensions:"]
        lines += [f"  {name}:\n    sql: '\"{name}\"'" for name in columns]
        lines[1] += "\n    primary_key: true"
        lines += ["measures:\n  count:\n    aggregate_type: count\n"]
        texts[f"public/{view}.view"] = "\n".join(lines)
    texts["relationships"] = textwrap.dedent("""
        - join_from_view: order_items
          join_to_view: orders
          relationship_type: many_to_one
          on_sql: ${order_items.order_id} = ${orders.id}
        - join_from_view: orders
          join_to_view: users
          relationship_type: assumed_many_to_one
          on_sql: ${orders.user_id} = ${users.id}
    """)
    return SchemaLayer(texts, SHOP_TYPES)
