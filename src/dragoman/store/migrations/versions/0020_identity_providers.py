"""Identity providers, whom they mean, and answers of theirs that were used.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    op.add_column("signin_sessions", sa.Column("provider_id", Id))
    op.add_column("signin_sessions", sa.Column("provider_session", sa.String(255)))
    op.create_index("ix_signin_sessions_provider_id", "signin_sessions", ["provider_id"])
    op.create_table(
        "signin_providers",
        sa.Column("id", Id, primary_key=True),
        sa.Column("slug", sa.String(40), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("secret_reference", sa.String(260)),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.UniqueConstraint("slug", name="uq_signin_providers_slug"),
    )
    key = "fk_signin_subjects_user_id"
    user = sa.ForeignKey("users.id", ondelete="CASCADE", name=key)
    op.create_table(
        "signin_subjects",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("user_id", Id, user, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("seen_at", Time, nullable=False),
    )
    op.create_index("ix_signin_subjects_user_id", "signin_subjects", ["user_id"])
    op.create_table(
        "signin_used_answers",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("expires_at", Time, nullable=False),
    )
    op.create_index("ix_signin_used_answers_expires_at", "signin_used_answers", ["expires_at"])
