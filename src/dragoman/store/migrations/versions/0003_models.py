"""Models, their files and versions; each connection there is gets its schema model.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    _models()
    _files()
    _versions()
    op.create_table(
        "model_cache_resets",
        sa.Column("model_id", Id, _model("model_cache_resets"), primary_key=True),
        sa.Column("policy_name", sa.String(200), primary_key=True),
        sa.Column("reset_at", Time, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
    )
    op.execute(
        "INSERT INTO models (id, connection_id, kind, name, allow_as_workbook_base, "
        "uses_isolated_branches, version, created_by, created_at, updated_at) "
        "SELECT id, id, 'SCHEMA', name, FALSE, FALSE, 0, created_by, created_at, updated_at "
        "FROM connections"
    )


def _models() -> None:
    connection = sa.ForeignKey("connections.id", ondelete="CASCADE")
    op.create_table(
        "models",
        sa.Column("id", Id, primary_key=True),
        sa.Column("connection_id", Id, connection, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("name_key", sa.Text),
        sa.Column("base_model_id", Id, _model("models")),
        sa.Column("allow_as_workbook_base", sa.Boolean, nullable=False),
        sa.Column("uses_isolated_branches", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_by", Id),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("deleted_at", Time),
        sa.UniqueConstraint("name_key", name="uq_models_name_key"),
    )
    op.create_index("ix_models_connection_id", "models", ["connection_id"])
    op.create_index("ix_models_base_model_id", "models", ["base_model_id"])


def _files() -> None:
    op.create_table(
        "model_files",
        sa.Column("model_id", Id, _model("model_files"), primary_key=True),
        sa.Column("path", sa.String(400), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(400)),
        sa.Column("text", sa.Text),
        sa.Column("definition", sa.Text),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("base_version", sa.Integer),
        sa.Column("updated_at", Time, nullable=False),
        sa.UniqueConstraint("model_id", "kind", "name", name="uq_model_files_model_id_kind_name"),
    )


def _versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("model_id", Id, _model("model_versions"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("author_id", Id),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model_file_versions",
        sa.Column("model_id", Id, _model("model_file_versions"), primary_key=True),
        sa.Column("path", sa.String(400), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text),
        sa.Column("checksum", sa.String(64), nullable=False),
    )


def _model(table: str) -> sa.ForeignKey:
    name = f"fk_{table}_{'base_model_id' if table == 'models' else 'model_id'}"
    return sa.ForeignKey("models.id", ondelete="CASCADE", name=name)
