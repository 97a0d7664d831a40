"""The connection that a job has to do with: who may read it may see the job.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("connection_id", sa.String(80)))
    op.execute("UPDATE jobs SET connection_id = subject")
