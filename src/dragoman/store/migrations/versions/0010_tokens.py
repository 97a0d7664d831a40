"""Tokens can be narrowed and rotated; an organization key outlives the member who made it.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("tokens") as tokens:
        tokens.add_column(sa.Column("maker_id", sa.String(36)))
        tokens.add_column(sa.Column("scope", sa.Text))
        tokens.add_column(sa.Column("previous_digest", sa.LargeBinary(32)))
        tokens.add_column(sa.Column("previous_until", sa.String(24)))
        tokens.create_foreign_key(
            "fk_tokens_maker_id", "users", ["maker_id"], ["id"], ondelete="SET NULL"
        )
        tokens.create_unique_constraint("uq_tokens_previous_digest", ["previous_digest"])
        tokens.create_index("ix_tokens_maker_id", ["maker_id"])
    op.execute("UPDATE tokens SET maker_id = user_id, user_id = NULL WHERE kind = 'organization'")
