"""Groups of users.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    op.create_table(
        "user_groups",
        sa.Column("id", Id, primary_key=True),
        sa.Column("mini_id", sa.String(8), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("name_key", sa.String(192), nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.UniqueConstraint("mini_id", name="uq_user_groups_mini_id"),
        sa.UniqueConstraint("name_key", name="uq_user_groups_name_key"),
    )
    op.create_index("ix_user_groups_external_id", "user_groups", ["external_id"])
    op.create_table(
        "user_group_members",
        sa.Column("group_id", Id, _key("group_id", "user_groups"), primary_key=True),
        sa.Column("user_id", Id, _key("user_id", "users"), primary_key=True),
    )
    op.create_index("ix_user_group_members_user_id", "user_group_members", ["user_id"])


def _key(column: str, target: str) -> sa.ForeignKey:
    name = f"fk_user_group_members_{column}"
    return sa.ForeignKey(f"{target}.id", ondelete="CASCADE", name=name)
