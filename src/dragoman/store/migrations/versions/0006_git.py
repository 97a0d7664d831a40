"""Sealed secrets of any resource; git repositories of models.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    op.create_table(
        "sealed_secrets",
        sa.Column("resource", sa.String(40), primary_key=True),
        sa.Column("resource_id", sa.String(80), primary_key=True),
        sa.Column("property", sa.String(80), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    _git()


def _git() -> None:
    op.create_table(
        "model_git",
        sa.Column("model_id", Id, _key("model_git", "model_id", "models"), primary_key=True),
        sa.Column("clone_url", sa.Text, nullable=False),
        sa.Column("auth_method", sa.String(20), nullable=False),
        sa.Column("base_branch", sa.Text, nullable=False),
        sa.Column("branch_per_pull_request", sa.Boolean, nullable=False),
        sa.Column("git_follower", sa.Boolean, nullable=False),
        sa.Column("git_service_provider", sa.String(24), nullable=False),
        sa.Column("model_path", sa.Text, nullable=False),
        sa.Column("require_pull_request", sa.String(12), nullable=False),
        sa.Column("web_url", sa.Text),
        sa.Column("public_key", sa.Text),
        sa.Column("key_generated", sa.Boolean, nullable=False),
        sa.Column("host_key", sa.Text),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
    )
    op.create_table(
        "model_git_branches",
        sa.Column(
            "model_id", Id, _key("model_git_branches", "model_id", "models"), primary_key=True
        ),
        sa.Column("git_branch", sa.Text, nullable=False),
        sa.Column("commit", sa.String(40), nullable=False),
        sa.Column("synced_at", Time, nullable=False),
    )
    op.create_table(
        "model_git_files",
        sa.Column("model_id", Id, _key("model_git_files", "model_id", "models"), primary_key=True),
        sa.Column("path", sa.String(400), primary_key=True),
        sa.Column("blob", sa.String(40), nullable=False),
        sa.Column("text", sa.Text),
        sqlite_with_rowid=False,
    )


def _key(table: str, column: str, target: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{target}.id", ondelete="CASCADE", name=f"fk_{table}_{column}")
