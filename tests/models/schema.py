"""A schema layer for tests of models: what a refresh of a shop's database would give."""

from __future__ import annotations

import pytest

from dragoman.models import composing
from dragoman.semantics.files.layer import FilesLayer
from dragoman.semantics.layers import ViewSource

ORDERS = """\
schema: public
table_name: orders
dimensions:
  id:
    sql: '"id"'
    primary_key: true
    format: ID
  user_id:
    sql: '"user_id"'
    format: ID
  amount:
    sql: '"amount"'
  created_at:
    sql: '"created_at"'
measures:
  count:
    aggregate_type: count
"""
USERS = """\
schema: public
table_name: users
dimensions:
  id:
    sql: '"id"'
    primary_key: true
  name:
    sql: '"name"'
measures:
  count:
    aggregate_type: count
"""
FOO = (
    "# Reference this view as marts__foo\nschema: MARTS\ntable_name: FOO\n"
    "dimensions:\n  id:\n    sql: '\"ID\"'\n"
)
JOIN = """\
- join_from_view: orders
  join_to_view: users
  join_type: always_left
  on_sql: ${orders.user_id} = ${users.id}
  relationship_type: assumed_many_to_one
"""
FILES = {
    "public/orders.view": ORDERS,
    "public/users.view": USERS,
    "MARTS/FOO.view": FOO,
    "relationships": JOIN,
}
TYPES = {"id": "NUMBER", "user_id": "NUMBER", "amount": "NUMBER", "name": "STRING"}


class Generated(FilesLayer):
    """Files as a layer that nobody wrote: definitions and column types, no texts."""

    def text(self, path: str) -> str | None:
        return None

    def view(self, name: str) -> ViewSource | None:
        found = super().view(name)
        if found is None:
            return None
        types = {
            column: TYPES.get(column, "TIMESTAMP") for column in found.definition["dimensions"]
        }
        return ViewSource(found.name, found.path, found.definition, types)

    def schemas(self) -> list[str]:
        return ["MARTS", "public"]


def generate(monkeypatch: pytest.MonkeyPatch, files: dict[str, str] = FILES) -> None:
    """Every connection's schema layer is this one."""
    monkeypatch.setattr(composing, "schema_layer", lambda *_: Generated(files))
