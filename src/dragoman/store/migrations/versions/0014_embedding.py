"""Embedding: sessions that wait to be redeemed, and nonces that were used.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    key = "fk_signin_embed_pending_user_id"
    user = sa.ForeignKey("users.id", ondelete="CASCADE", name=key)
    op.create_table(
        "signin_embed_pending",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", sa.String(36), user, nullable=False),
        sa.Column("content_path", sa.Text, nullable=False),
        sa.Column("expires_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "signin_embed_nonces",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_at", sa.String(24)),
    )
