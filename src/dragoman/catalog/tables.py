"""Tables of the catalog room. Only this room reads them.

Rows are never changed: each belongs to the generations from `since` until before `until`. A refresh
writes the next generation, and one update of `catalog_states.generation` makes it the present one
(docs/decisions/0008): readers see the old or the new catalog, never a mixture.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

OPEN: Final = 2**31 - 1  # `until` of a row that no generation has ended
Name = String(63)


def _connection() -> Any:
    key = ForeignKey("connections.id", ondelete="CASCADE")
    return Column("connection_id", Id, key, nullable=False)


def _span() -> tuple[Any, Any]:
    return Column("since", Integer, nullable=False), Column("until", Integer, nullable=False)


# `pending`: the generation that a refresh writes, or wrote and has not tidied up after.
# `reading`: a digest of the settings that decide what is read.
catalog_states = Table(
    "catalog_states",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("pending", Integer),
    Column("reading", String(32)),
    Column("job_id", Id),
    Column("asked_at", Time),
    Column("refreshed_at", Time),
    Column("changed_at", Time),
    Column("tables", Integer, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("failure", Text),  # JSON object: stage, cause, message, fix, at
    Column("notices", Text),  # JSON array of text
)

# One row a table, its columns and keys in `content` (JSON, see `rows`).
catalog_tables = Table(
    "catalog_tables",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _connection(),
    *_span(),
    Column("view", Name, nullable=False),
    Column("catalog", Text),
    Column("schema", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("offloaded", Boolean, nullable=False),
    Column("columns", Integer, nullable=False),
    Column("hash", LargeBinary(16), nullable=False),
    Column("content", Text, nullable=False),
    Index("ix_catalog_tables_view", "connection_id", "view"),
    Index("ix_catalog_tables_name", "connection_id", "schema", "name"),
)

# What a table is found by, and what its relationships depend on (`asks`).
catalog_words = Table(
    "catalog_words",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _connection(),
    *_span(),
    Column("word", Text, nullable=False),
    Column("asks", Boolean, nullable=False),
    Column("view", Name, nullable=False),
    Index("ix_catalog_words_word", "connection_id", "word"),
    Index("ix_catalog_words_view", "connection_id", "view"),
)

catalog_relationships = Table(
    "catalog_relationships",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _connection(),
    *_span(),
    Column("from_view", Name, nullable=False),
    Column("to_view", Name, nullable=False),
    Column("alias", Name),
    Column("definition", Text, nullable=False),  # JSON
    Index("ix_catalog_relationships_from", "connection_id", "from_view"),
    Index("ix_catalog_relationships_to", "connection_id", "to_view"),
    Index("ix_catalog_relationships_alias", "connection_id", "alias"),
)

# What the database's own semantic layer became. `place`: the path of a file; of a relationship,
# whose `name` is the view it leads from, the view it leads to.
catalog_objects = Table(
    "catalog_objects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _connection(),
    *_span(),
    Column("kind", String(12), nullable=False),
    Column("name", Name, nullable=False),
    Column("place", Text, nullable=False),
    Column("content", Text, nullable=False),  # JSON
    Index("ix_catalog_objects_name", "connection_id", "kind", "name"),
)

# What each generation changed; seen once its generation is.
catalog_changes = Table(
    "catalog_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _connection(),
    Column("generation", Integer, nullable=False),
    Column("at", Time, nullable=False),
    Column("change", String(20), nullable=False),
    Column("catalog", Text),
    Column("schema", Text, nullable=False),
    Column("table", Text, nullable=False),
    Column("view", Name, nullable=False),
    Column("column", Text),
    Column("before", Text),
    Column("after", Text),
    Column("broken", Text),  # JSON array: references in shared models
    Index("ix_catalog_changes_connection_id", "connection_id", "id"),
)
