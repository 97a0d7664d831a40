"""Answers that servers share.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

Key = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "query_shared_results",
        sa.Column("key", Key, primary_key=True),
        sa.Column("made_at", sa.String(24), nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
    )
    op.create_index("ix_query_shared_results_made_at", "query_shared_results", ["made_at"])
    of_result = sa.ForeignKey(
        "query_shared_results.key", ondelete="CASCADE", name="fk_query_shared_pieces_key"
    )
    op.create_table(
        "query_shared_pieces",
        sa.Column("key", Key, of_result, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
