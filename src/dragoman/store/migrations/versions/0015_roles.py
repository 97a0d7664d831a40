"""Roles on models and of groups, what custom roles add and take away, the epoch of grants.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

Id = sa.String(36)
# Whatever changes who may do what, by whatever hand.
WATCHED = (
    "connection_roles",
    "model_roles",
    "group_roles",
    "user_group_members",
    "custom_roles",
    "custom_role_permissions",
)
EVENTS = ("INSERT", "UPDATE", "DELETE")


def upgrade() -> None:
    op.create_table(
        "model_roles",
        sa.Column("user_id", Id, _key("model_roles", "user_id", "users.id"), primary_key=True),
        sa.Column("model_id", Id, primary_key=True),
        sa.Column("connection_id", Id, nullable=False),
        sa.Column("role", sa.String(80), nullable=False),
    )
    op.create_table(
        "group_roles",
        sa.Column(
            "group_id", Id, _key("group_roles", "group_id", "user_groups.id"), primary_key=True
        ),
        sa.Column("connection_id", Id, primary_key=True),
        sa.Column("model_id", Id, primary_key=True),
        sa.Column("role", sa.String(80), nullable=False),
    )
    op.create_table(
        "custom_role_permissions",
        sa.Column(
            "role",
            sa.String(80),
            _key("custom_role_permissions", "role", "custom_roles.name"),
            primary_key=True,
        ),
        sa.Column("permission", sa.String(80), primary_key=True),
        sa.Column("given", sa.Boolean, nullable=False),
    )
    epoch = op.create_table(
        "grants_epoch",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.String(40), nullable=False),
    )
    op.bulk_insert(epoch, [{"id": 1, "value": "first"}])
    if op.get_bind().dialect.name == "sqlite":
        _watch_sqlite()
    else:
        _watch_postgres()


def _watch_sqlite() -> None:
    for table in WATCHED:
        for event in EVENTS:
            turn = "UPDATE grants_epoch SET value = lower(hex(randomblob(16)))"
            name = f"grants_epoch_{table}_{event.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {turn}; END")


def _watch_postgres() -> None:
    op.execute(
        "CREATE FUNCTION grants_epoch_turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE grants_epoch SET value = md5(random()::text || clock_timestamp()::text); "
        "RETURN NULL; END $$"
    )
    for table in WATCHED:
        op.execute(
            f"CREATE TRIGGER grants_epoch_{table} AFTER {' OR '.join(EVENTS)} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION grants_epoch_turn()"
        )


def _key(table: str, column: str, target: str) -> sa.ForeignKey:
    return sa.ForeignKey(target, ondelete="CASCADE", name=f"fk_{table}_{column}")
