"""Schedules that refresh the schema of a connection.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    op.create_table(
        "refresh_schedules",
        sa.Column("id", Id, primary_key=True),
        sa.Column(
            "connection_id",
            Id,
            sa.ForeignKey("connections.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("timezone", sa.String(80), nullable=False),
        sa.Column("hard_refresh", sa.Boolean, nullable=False),
        sa.Column("disabled_at", Time),
        sa.Column("next_run_at", Time),
        sa.Column("last_run_at", Time),
        sa.Column("last_job_id", Id),
        sa.Column("created_by", Id),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
    )
    for column in ("connection_id", "next_run_at"):
        op.create_index(f"ix_refresh_schedules_{column}", "refresh_schedules", [column])
