"""Kinds of users, what identity providers say of them, definitions of user attributes, and values
of groups.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

Id = sa.String(36)
Time = sa.String(24)


def upgrade() -> None:
    _users()
    _attributes()


def _users() -> None:
    for column in (
        sa.Column("kind", sa.String(10), nullable=False, server_default="member"),
        sa.Column("name_key", sa.Text, nullable=False, server_default=""),
        sa.Column("external_id", sa.Text),
        sa.Column("profile", sa.Text),
        sa.Column("embed_external_id", sa.Text),
        sa.Column("embed_entity", sa.Text),
        sa.Column("embed_email", sa.String(320)),
        sa.Column("updated_at", Time, nullable=False, server_default=""),
    ):
        op.add_column("users", column)
    users = sa.table("users", sa.column("id"), sa.column("name"), sa.column("name_key"))
    database = op.get_bind()
    for row in database.execute(sa.select(users.c.id, users.c.name)).all():
        mine = sa.update(users).where(users.c.id == row.id)
        database.execute(mine.values(name_key=row.name.casefold()))
    op.execute("UPDATE users SET updated_at = created_at")
    op.create_index("ix_users_external_id", "users", ["external_id"])
    op.create_index("ix_users_kind_created_at_id", "users", ["kind", "created_at", "id"])
    op.create_index("ix_users_embed_external_id", "users", ["embed_external_id"], unique=True)


def _attributes() -> None:
    op.create_table(
        "user_attributes",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("type", sa.String(10), nullable=False),
        sa.Column("multiple_values", sa.Boolean, nullable=False),
        sa.Column("default_value", sa.Text),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.UniqueConstraint("name", name="uq_user_attributes_name"),
    )
    key = "fk_group_attribute_values_group_id"
    group = sa.ForeignKey("user_groups.id", ondelete="CASCADE", name=key)
    op.create_table(
        "group_attribute_values",
        sa.Column("group_id", Id, group, primary_key=True),
        sa.Column("attribute", sa.String(120), primary_key=True),
        sa.Column("values", sa.Text, nullable=False),
    )
    _define_those_in_use()


def _define_those_in_use() -> None:
    """Until now an attribute was there when somebody had values of it."""
    values = sa.table("user_attribute_values", sa.column("attribute"))
    users = sa.table("users", sa.column("created_at"))
    database = op.get_bind()
    names = database.execute(sa.select(values.c.attribute).distinct()).scalars().all()
    at = database.execute(sa.select(sa.func.max(users.c.created_at))).scalar()
    definitions = sa.table(
        "user_attributes",
        *map(sa.column, ("id", "name", "label", "type", "created_at", "updated_at")),
        sa.column("multiple_values", sa.Boolean),
    )
    for name in names:
        row = {"id": str(uuid.uuid4()), "name": name, "label": name, "type": "String"}
        row |= {"multiple_values": True, "created_at": at, "updated_at": at}
        database.execute(sa.insert(definitions).values(row))
