"""Repositories opened by a GitHub App; who commits, and with which key.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    for table in ("model_git", "dbt_projects"):
        op.add_column(table, sa.Column("github_app_id", sa.String(20)))
        op.add_column(table, sa.Column("github_app_installation_id", sa.String(20)))
    op.add_column("model_git", sa.Column("committer_name", sa.Text))
    op.add_column("model_git", sa.Column("committer_email", sa.Text))
    op.add_column("model_git", sa.Column("signing_key", sa.Text))
