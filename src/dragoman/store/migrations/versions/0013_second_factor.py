"""One-time codes as a second factor.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    enrolling = sa.Column("enrolling", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("signin_sessions", enrolling)
    op.create_table(
        "signin_totp",
        sa.Column("user_id", Id, _user("signin_totp"), primary_key=True),
        sa.Column("confirmed_at", Time),
        sa.Column("last_step", sa.Integer, nullable=False),
    )
    op.create_table(
        "signin_recovery_codes",
        sa.Column("user_id", Id, _user("signin_recovery_codes"), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
    )


def _user(table: str) -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE", name=f"fk_{table}_user_id")
