"""Signing in: passwords, sessions of browsers, links, counts of failures.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    op.create_table(
        "signin_passwords",
        sa.Column("user_id", Id, _user("signin_passwords"), primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
    )
    op.create_table(
        "signin_sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", Id, _user("signin_sessions"), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("seen_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.UniqueConstraint("digest", name="uq_signin_sessions_digest"),
    )
    op.create_index("ix_signin_sessions_user_id", "signin_sessions", ["user_id"])
    op.create_table(
        "signin_links",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", Id, _user("signin_links"), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("expires_at", Time, nullable=False),
    )
    op.create_index("ix_signin_links_user_id", "signin_links", ["user_id"])
    op.create_table(
        "signin_failures",
        sa.Column("account", sa.LargeBinary(32), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last_at", Time, nullable=False),
    )


def _user(table: str) -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE", name=f"fk_{table}_user_id")
