"""Tokens of people for databases that they sign in to for themselves.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

Id = sa.String(36)
Time = sa.String(24)
_NAME = "connection_user_tokens"


def upgrade() -> None:
    op.create_table(
        _NAME,
        sa.Column("connection_id", Id, _of("connections"), primary_key=True),
        sa.Column("user_id", Id, _of("users"), primary_key=True),
        sa.Column("grant_id", Id, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("signed_in_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )


def _of(table: str) -> sa.ForeignKey:
    name = f"fk_{_NAME}_{table.removesuffix('s')}_id"
    return sa.ForeignKey(f"{table}.id", ondelete="CASCADE", name=f"{name}")
