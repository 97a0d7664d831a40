"""What people gave to applications by OAuth.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

Id = sa.String(36)
Time = sa.String(24)
_TABLE = "signin_grants"


def upgrade() -> None:
    user = sa.ForeignKey("users.id", ondelete="CASCADE", name="fk_signin_grants_user_id")
    token = sa.ForeignKey("tokens.id", ondelete="CASCADE", name="fk_signin_grants_token_id")
    op.create_table(
        _TABLE,
        sa.Column("id", Id, primary_key=True),
        sa.Column("user_id", Id, user, nullable=False),
        sa.Column("application", sa.String(40), nullable=False),
        sa.Column("redirect_uri", sa.String(200), nullable=False),
        sa.Column("challenge", sa.String(43), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("code_until", Time, nullable=False),
        sa.Column("token_id", Id, token),
        sa.Column("refresh_digest", sa.LargeBinary(32)),
        sa.Column("former_digest", sa.LargeBinary(32)),
        sa.Column("refreshed_at", Time),
        sa.Column("ends_at", Time, nullable=False),
        *(
            sa.UniqueConstraint(name, name=f"uq_signin_grants_{name}")
            for name in ("code_digest", "refresh_digest", "former_digest")
        ),
    )
    for name in ("user_id", "token_id", "ends_at"):
        op.create_index(f"ix_signin_grants_{name}", _TABLE, [name])
