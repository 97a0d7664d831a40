"""The first shape of the store.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    _identity()
    _connections()
    _house()


def _identity() -> None:
    op.create_table(
        "users",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("organization_admin", sa.Boolean, nullable=False),
        sa.Column("disabled_at", Time),
        sa.Column("created_at", Time, nullable=False),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("hint", sa.String(40), nullable=False),
        sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE")),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("expires_at", Time),
        sa.Column("revoked_at", Time),
        sa.Column("last_used_at", Time),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])
    op.create_table(
        "user_attribute_values",
        sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attribute", sa.String(120), primary_key=True),
        sa.Column("values", sa.Text, nullable=False),
    )
    op.create_table(
        "connection_roles",
        sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("connection_id", Id, primary_key=True),
        sa.Column("role", sa.String(80), nullable=False),
    )
    op.create_table(
        "custom_roles",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("base_role", sa.String(20), nullable=False),
        sa.Column("created_at", Time, nullable=False),
    )


def _connections() -> None:
    op.create_table(
        "connections",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dialect", sa.String(40), nullable=False),
        sa.Column("database", sa.Text),
        sa.Column("default_schema", sa.Text),
        sa.Column("base_role", sa.String(80), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("environment_attribute", sa.String(120)),
        sa.Column("environment_default_values", sa.Text),
        sa.Column("created_by", Id),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("deleted_at", Time),
    )
    op.create_table(
        "connection_secrets",
        sa.Column("connection_id", Id, _connection(), primary_key=True),
        sa.Column("property", sa.String(60), primary_key=True),
        sa.Column("reference", sa.Boolean, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("key_id", sa.String(16)),
        sa.Column("updated_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "connection_environments",
        sa.Column("id", Id, primary_key=True),
        sa.Column("base_connection_id", Id, _connection(), nullable=False),
        sa.Column("connection_id", Id, _connection(), nullable=False),
        sa.Column("attribute_values", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.UniqueConstraint("connection_id", name="uq_connection_environments_connection_id"),
    )
    op.create_index(
        "ix_connection_environments_base_connection_id",
        "connection_environments",
        ["base_connection_id"],
    )


def _house() -> None:
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_user_id", Id),
        sa.Column("actor_token_id", Id),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("resource_type", sa.String(40), nullable=False),
        sa.Column("resource_id", sa.String(80), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
    )
    op.create_index("ix_audit_log_resource_id", "audit_log", ["resource_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(80), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(120), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def _connection() -> sa.ForeignKey:
    return sa.ForeignKey("connections.id", ondelete="CASCADE")
