"""Roles given to users and groups, on connections and on models of them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Table, delete, insert, null, select

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.identity.groups import Group, groups_of
from dragoman.identity.roles import role_name
from dragoman.identity.tables import connection_roles, group_roles, model_roles
from dragoman.store import UnitOfWork


class Grant(msgspec.Struct, frozen=True):
    """A role on a connection, or on one of its models. `group`: which one has it; None, the user
    has it directly."""

    connection_id: str
    model_id: str | None
    role: str
    group: Group | None = None


def grant_role(
    unit: UnitOfWork,
    actor: Principal,
    user_id: str,
    connection_id: str,
    role: str,
    model_id: str | None = None,
) -> None:
    """Give a user a role on a connection, or on a model of it, in place of the one they had there.
    Raises `BadRequest` for a role that is not there."""
    row = {"user_id": user_id, "connection_id": connection_id}
    table = connection_roles
    if model_id is not None:
        table, row = model_roles, {**row, "model_id": model_id}
    _put(unit, actor, table, row, role)


def grant_group_role(
    unit: UnitOfWork,
    actor: Principal,
    group: Group,
    connection_id: str,
    role: str,
    model_id: str | None = None,
) -> None:
    """As `grant_role`, for all members of a group."""
    row = {"group_id": group.id, "connection_id": connection_id, "model_id": model_id or ""}
    _put(unit, actor, group_roles, row, role)


def grants_of(unit: UnitOfWork, user_id: str) -> Iterator[Grant]:
    """What was given to a user, then what was given to each of their groups."""
    for table, model in ((connection_roles, null()), (model_roles, model_roles.c.model_id)):
        columns = (table.c.connection_id, model, table.c.role)
        mine = table.c.user_id == user_id
        yield from (Grant(*row) for row in unit.db.execute(select(*columns).where(mine)))
    for group in groups_of(unit, user_id):
        yield from grants_of_group(unit, group)


def grants_of_group(unit: UnitOfWork, group: Group) -> Iterator[Grant]:
    """What was given to a group."""
    table = group_roles
    for row in unit.db.execute(select(table).where(table.c.group_id == group.id)):
        yield Grant(row.connection_id, row.model_id or None, row.role, group)


def _put(unit: UnitOfWork, actor: Principal, table: Table, row: dict[str, str], role: str) -> None:
    name = role_name(unit, role)
    same = [table.c[column] == row[column] for column in row if table.c[column].primary_key]
    unit.db.execute(delete(table).where(*same))
    unit.db.execute(insert(table).values({**row, "role": name}))
    resource = ("connection", row["connection_id"])
    audit.record(unit, actor, "role.grant", resource, after={**row, "role": name})
