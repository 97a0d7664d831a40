"""Tables of the dbt room. Only this room reads them. Keys, tokens and the values of secret
variables are sealed elsewhere (`vault.shelf`, resources `dbt_project` and `dbt_environment`)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, LargeBinary, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata


def _connection() -> ForeignKey:
    return ForeignKey("connections.id", ondelete="CASCADE")


def _model() -> ForeignKey:
    return ForeignKey("models.id", ondelete="CASCADE")


def _environment() -> ForeignKey:
    return ForeignKey("dbt_environments.id", ondelete="CASCADE")


dbt_projects = Table(
    "dbt_projects",
    metadata,
    Column("connection_id", Id, _connection(), primary_key=True),
    Column("ssh_url", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("project_root_path", Text),
    Column("dbt_version", String(20), nullable=False),
    Column("autogen_relationships", Boolean, nullable=False),
    Column("enable_semantic_layer", Boolean, nullable=False),
    Column("enable_virtual_schemas", Boolean, nullable=False),
    Column("auth_method", String(20), nullable=False),
    Column("public_key", Text),
    Column("host_key", Text),
    Column("github_app_id", String(20)),
    Column("github_app_installation_id", String(20)),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

dbt_environments = Table(
    "dbt_environments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection_id", Id, _connection(), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("owner_id", Id),
    Column("target_schema", Text, nullable=False),
    Column("target_database", Text),
    Column("target_name", Text),
    Column("target_role", Text),
    Column("is_deferral_enabled", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

dbt_variables = Table(
    "dbt_variables",
    metadata,
    Column("id", Id, primary_key=True),
    Column("environment_id", Id, _environment(), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("is_secret", Boolean, nullable=False),
    Column("value", Text),  # null for a secret
)

# The newest compiled project of a connection: manifest.json and catalog.json, compressed.
dbt_artifacts = Table(
    "dbt_artifacts",
    metadata,
    Column("connection_id", Id, _connection(), primary_key=True),
    Column("manifest", LargeBinary, nullable=False),
    Column("catalog", LargeBinary),
    Column("commit", String(40)),  # where it came from; null for an upload
    Column("updated_at", Time, nullable=False),
)

# What the last import said about each file of a model, as JSON.
dbt_imports = Table(
    "dbt_imports",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("path", String(400), primary_key=True),
    Column("definition", Text, nullable=False),
    sqlite_with_rowid=False,
)

dbt_branches = Table(
    "dbt_branches",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("environment_id", Id, _environment(), nullable=False),
    Column("git_branch", Text),
)
