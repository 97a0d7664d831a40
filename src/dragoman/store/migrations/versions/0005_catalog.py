"""Catalogs: tables, what they are found by, relationships, changes; a state for each connection.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

Id = sa.String(36)
Time = sa.String(24)
Name = sa.String(63)


def upgrade() -> None:
    _states()
    _tables()
    _relationships()
    _objects()
    _changes()


def _states() -> None:
    op.create_table(
        "catalog_states",
        sa.Column("connection_id", Id, _connection(), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("pending", sa.Integer),
        sa.Column("reading", sa.String(32)),
        sa.Column("job_id", Id),
        sa.Column("asked_at", Time),
        sa.Column("refreshed_at", Time),
        sa.Column("changed_at", Time),
        sa.Column("tables", sa.Integer, nullable=False),
        sa.Column("columns", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("notices", sa.Text),
    )


def _tables() -> None:
    op.create_table(
        "catalog_tables",
        *_begin(),
        *_span(),
        sa.Column("view", Name, nullable=False),
        sa.Column("catalog", sa.Text),
        sa.Column("schema", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("offloaded", sa.Boolean, nullable=False),
        sa.Column("columns", sa.Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("ix_catalog_tables_view", "catalog_tables", ["connection_id", "view"])
    op.create_index("ix_catalog_tables_name", "catalog_tables", ["connection_id", "schema", "name"])
    op.create_table(
        "catalog_words",
        *_begin(),
        *_span(),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("asks", sa.Boolean, nullable=False),
        sa.Column("view", Name, nullable=False),
    )
    op.create_index("ix_catalog_words_word", "catalog_words", ["connection_id", "word"])
    op.create_index("ix_catalog_words_view", "catalog_words", ["connection_id", "view"])


def _relationships() -> None:
    table = "catalog_relationships"
    op.create_table(
        table,
        *_begin(),
        *_span(),
        sa.Column("from_view", Name, nullable=False),
        sa.Column("to_view", Name, nullable=False),
        sa.Column("alias", Name),
        sa.Column("definition", sa.Text, nullable=False),
    )
    op.create_index(f"ix_{table}_from", table, ["connection_id", "from_view"])
    op.create_index(f"ix_{table}_to", table, ["connection_id", "to_view"])
    op.create_index(f"ix_{table}_alias", table, ["connection_id", "alias"])


def _objects() -> None:
    op.create_table(
        "catalog_objects",
        *_begin(),
        *_span(),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("ix_catalog_objects_name", "catalog_objects", ["connection_id", "kind", "name"])


def _changes() -> None:
    op.create_table(
        "catalog_changes",
        *_begin(),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("change", sa.String(20), nullable=False),
        sa.Column("catalog", sa.Text),
        sa.Column("schema", sa.Text, nullable=False),
        sa.Column("table", sa.Text, nullable=False),
        sa.Column("view", Name, nullable=False),
        sa.Column("column", sa.Text),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("broken", sa.Text),
    )
    op.create_index("ix_catalog_changes_connection_id", "catalog_changes", ["connection_id", "id"])


def _begin() -> tuple[sa.Column[Any], sa.Column[Any]]:
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    return number, sa.Column("connection_id", Id, _connection(), nullable=False)


def _span() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return (
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("until", sa.Integer, nullable=False),
    )


def _connection() -> sa.ForeignKey:
    return sa.ForeignKey("connections.id", ondelete="CASCADE")
