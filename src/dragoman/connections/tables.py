"""Tables of the connections room. Only this room reads them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

# What lists show has columns of its own; all settings as they were sent are in `settings` (JSON).
connections = Table(
    "connections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("dialect", String(40), nullable=False),
    Column("database", Text),
    Column("default_schema", Text),
    Column("base_role", String(80), nullable=False),
    Column("settings", Text, nullable=False),
    Column("version", Integer, nullable=False),  # counts changes; part of every cache key
    Column("environment_attribute", String(120)),
    Column("environment_default_values", Text),  # JSON array of text
    Column("created_by", Id),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    Column("deleted_at", Time),
)

# A secret is its own row: sealed text, or the name of one kept outside (scheme env or file).
connection_secrets = Table(
    "connection_secrets",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("property", String(60), primary_key=True),
    Column("reference", Boolean, nullable=False),
    Column("value", Text, nullable=False),
    Column("key_id", String(16)),
    Column("updated_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

connection_environments = Table(
    "connection_environments",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "base_connection_id",
        Id,
        ForeignKey("connections.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column(
        "connection_id",
        Id,
        ForeignKey("connections.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    Column("attribute_values", Text, nullable=False),  # JSON array of text
    Column("created_at", Time, nullable=False),
)

# What a person allowed at the provider of a database that everybody signs in to for themselves.
connection_user_tokens = Table(
    "connection_user_tokens",
    metadata,
    Column("connection_id", Id, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("grant_id", Id, nullable=False),  # another one each time that the person signs in
    Column("value", Text, nullable=False),  # sealed JSON
    Column("key_id", String(16), nullable=False),
    Column("signed_in_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    sqlite_with_rowid=False,
)
