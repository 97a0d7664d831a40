"""Tables of the models room. Only this room reads them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from dragoman.store.metadata import Id, Time, metadata


def _model() -> ForeignKey:
    return ForeignKey("models.id", ondelete="CASCADE")


# A schema model has its connection's id and no files here: the catalog room has what it shows.
models = Table(
    "models",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "connection_id",
        Id,
        ForeignKey("connections.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("kind", String(20), nullable=False),
    Column("name", Text),
    # Null once deleted: one live model of a kind has a name, under one base.
    Column("name_key", Text, unique=True),
    Column("base_model_id", Id, _model(), index=True),
    Column("allow_as_workbook_base", Boolean, nullable=False),
    Column("uses_isolated_branches", Boolean, nullable=False),
    Column("version", Integer, nullable=False),  # of its newest save; 0 before the first
    Column("created_by", Id),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("deleted_at", Time),
)

# The files as they are now. A branch has those that differ from its base model's; one without a
# text is gone in the branch.
model_files = Table(
    "model_files",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("path", String(400), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(400)),  # view or topic; empty for others; null once gone
    Column("text", Text),
    Column("definition", Text),  # what the text says, as JSON
    Column("checksum", String(64), nullable=False),
    Column("version", Integer, nullable=False),  # the model's version that wrote it
    Column("base_version", Integer),  # of a branch: the base model's version it was taken from
    Column("updated_at", Time, nullable=False),
    UniqueConstraint("model_id", "kind", "name"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("author_id", Id),
    Column("author_name", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

# What a version did to a file; no text: it deleted the file.
model_file_versions = Table(
    "model_file_versions",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("path", String(400), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text),
    Column("checksum", String(64), nullable=False),
)

# Results that a query cache kept before this moment are stale.
model_cache_resets = Table(
    "model_cache_resets",
    metadata,
    Column("model_id", Id, _model(), primary_key=True),
    Column("policy_name", String(200), primary_key=True),
    Column("reset_at", Time, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)
