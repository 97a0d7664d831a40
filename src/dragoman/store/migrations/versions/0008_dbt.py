"""dbt projects of connections, their environments, and what was imported from them.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    _dbt_projects()
    _dbt_models()


def _dbt_projects() -> None:
    op.create_table(
        "dbt_projects",
        sa.Column("connection_id", Id, _connection("dbt_projects"), primary_key=True),
        sa.Column("ssh_url", sa.Text, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("project_root_path", sa.Text),
        sa.Column("dbt_version", sa.String(20), nullable=False),
        sa.Column("autogen_relationships", sa.Boolean, nullable=False),
        sa.Column("enable_semantic_layer", sa.Boolean, nullable=False),
        sa.Column("enable_virtual_schemas", sa.Boolean, nullable=False),
        sa.Column("auth_method", sa.String(20), nullable=False),
        sa.Column("public_key", sa.Text),
        sa.Column("host_key", sa.Text),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
    )
    op.create_table(
        "dbt_environments",
        sa.Column("id", Id, primary_key=True),
        sa.Column("connection_id", Id, _connection("dbt_environments"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("owner_id", Id),
        sa.Column("target_schema", sa.Text, nullable=False),
        sa.Column("target_database", sa.Text),
        sa.Column("target_name", sa.Text),
        sa.Column("target_role", sa.Text),
        sa.Column("is_deferral_enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
    )
    op.create_index("ix_dbt_environments_connection_id", "dbt_environments", ["connection_id"])
    op.create_table(
        "dbt_variables",
        sa.Column("id", Id, primary_key=True),
        sa.Column("environment_id", Id, _environment("dbt_variables"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_secret", sa.Boolean, nullable=False),
        sa.Column("value", sa.Text),
    )
    op.create_index("ix_dbt_variables_environment_id", "dbt_variables", ["environment_id"])
    op.create_table(
        "dbt_artifacts",
        sa.Column("connection_id", Id, _connection("dbt_artifacts"), primary_key=True),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("catalog", sa.LargeBinary),
        sa.Column("commit", sa.String(40)),
        sa.Column("updated_at", Time, nullable=False),
    )


def _dbt_models() -> None:
    op.create_table(
        "dbt_imports",
        sa.Column("model_id", Id, _key("dbt_imports", "model_id", "models"), primary_key=True),
        sa.Column("path", sa.String(400), primary_key=True),
        sa.Column("definition", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dbt_branches",
        sa.Column("model_id", Id, _key("dbt_branches", "model_id", "models"), primary_key=True),
        sa.Column("environment_id", Id, _environment("dbt_branches"), nullable=False),
        sa.Column("git_branch", sa.Text),
    )


def _connection(table: str) -> sa.ForeignKey:
    return _key(table, "connection_id", "connections")


def _environment(table: str) -> sa.ForeignKey:
    return _key(table, "environment_id", "dbt_environments")


def _key(table: str, column: str, target: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{target}.id", ondelete="CASCADE", name=f"fk_{table}_{column}")
