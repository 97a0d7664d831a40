"""Tables of the identity room. Only this room reads them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

# `id` is the membership id: the one that SCIM lists and `userId` names (contract §1.6). `name_key`:
# the name case-folded. `profile`: JSON. An embed user's `email` cannot be anybody's; `embed_email`
# may be, and several users' at that.
users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("organization_admin", Boolean, nullable=False, default=False),
    Column("disabled_at", Time),
    Column("created_at", Time, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("name_key", Text, nullable=False),
    Column("external_id", Text, index=True),
    Column("profile", Text),
    Column("embed_external_id", Text),
    Column("embed_entity", Text),
    Column("embed_email", String(320)),
    Column("updated_at", Time, nullable=False),
    Index("ix_users_kind_created_at_id", "kind", "created_at", "id"),
    Index("ix_users_embed_external_id", "embed_external_id", unique=True),
)

# `user_id` owns a personal token; `maker_id` made an organization key, which outlives its maker.
# The secret before a rotation (`previous_digest`) is good until `previous_until`.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(40), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("maker_id", Id, ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("scope", Text),  # JSON of access.scope.Scope
    Column("previous_digest", LargeBinary(32), unique=True),
    Column("previous_until", Time),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time),
    Column("revoked_at", Time),
    Column("last_used_at", Time),
)

# Where a token was used from. `address`: of the client, as the audit has it.
token_addresses = Table(
    "token_addresses",
    metadata,
    Column("token_id", Id, ForeignKey("tokens.id", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("first_seen_at", Time, nullable=False),
)

user_attribute_values = Table(
    "user_attribute_values",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("attribute", String(120), primary_key=True),
    Column("values", Text, nullable=False),  # JSON array of text
)

group_attribute_values = Table(
    "group_attribute_values",
    metadata,
    Column("group_id", Id, ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("attribute", String(120), primary_key=True),
    Column("values", Text, nullable=False),  # JSON array of text
)

# Definitions; `default_value` is a JSON array of text.
user_attributes = Table(
    "user_attributes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("label", Text, nullable=False),
    Column("description", Text),
    Column("type", String(10), nullable=False),
    Column("multiple_values", Boolean, nullable=False),
    Column("default_value", Text),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

connection_roles = Table(
    "connection_roles",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("connection_id", Id, primary_key=True),
    Column("role", String(80), nullable=False),
)

custom_roles = Table(
    "custom_roles",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("base_role", String(20), nullable=False),
    Column("created_at", Time, nullable=False),
)

# What a custom role gives beyond its base role (`given`), or takes away from it.
custom_role_permissions = Table(
    "custom_role_permissions",
    metadata,
    Column(
        "role", String(80), ForeignKey("custom_roles.name", ondelete="CASCADE"), primary_key=True
    ),
    Column("permission", String(80), primary_key=True),
    Column("given", Boolean, nullable=False),
)

model_roles = Table(
    "model_roles",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("model_id", Id, primary_key=True),
    Column("connection_id", Id, nullable=False),
    Column("role", String(80), nullable=False),
)

# `model_id` is empty for a role on the connection.
group_roles = Table(
    "group_roles",
    metadata,
    Column("group_id", Id, ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("connection_id", Id, primary_key=True),
    Column("model_id", Id, primary_key=True),
    Column("role", String(80), nullable=False),
)

# One row. Triggers of the store give it a value that it never had before whenever one of the tables
# above, or membership of a group, changes; see `identity/resolving.py`.
grants_epoch = Table(
    "grants_epoch",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", String(40), nullable=False),
)

# `mini_id` names a group in SCIM and in roles, `id` in permits (contract §1.9). `name_key` is the
# name case-folded.
user_groups = Table(
    "user_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mini_id", String(8), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("name_key", String(192), nullable=False, unique=True),
    Column("external_id", Text, index=True),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

user_group_members = Table(
    "user_group_members",
    metadata,
    Column("group_id", Id, ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
)
