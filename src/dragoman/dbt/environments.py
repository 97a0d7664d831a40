"""Environments of a dbt project: where it is built, for everybody or for one member."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete, func, insert, select, update

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.call import uuid_of
from dragoman.api.errors import BadRequest, Forbidden, NotFound
from dragoman.api.paging import PageInfo
from dragoman.connections import service as connections
from dragoman.dbt.projects import ENVIRONMENT, SUPPORTED
from dragoman.dbt.schemas import (
    EnvironmentBody,
    EnvironmentList,
    EnvironmentRow,
    VariableBody,
    VariableRow,
)
from dragoman.dbt.tables import dbt_environments as table
from dragoman.dbt.tables import dbt_variables as variables
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow
from dragoman.vault import Context, Vault, shelf

if TYPE_CHECKING:
    from dragoman.connections.service import Connection

RESOURCE = ENVIRONMENT


def connection_of(unit: UnitOfWork, principal: Principal, connection_id: str) -> Connection:
    """A connection that the principal may read and that dbt works with.

    Raises `NotFound`, and `Forbidden` for a dialect without dbt, as the contract has it.
    """
    found = connections.get(unit, principal, connection_id, Permission.CONNECTIONS_READ)
    if found.dialect not in SUPPORTED:
        raise Forbidden(f"Forbidden: dbt has no adapter for {found.dialect}")
    return found


def page(
    unit: UnitOfWork, connection_id: str, *, size: int, cursor: str | None, descending: bool
) -> EnvironmentList:
    """A page of environments by name."""
    mine = table.c.connection_id == connection_id
    total = unit.db.execute(select(func.count()).select_from(table).where(mine)).scalar_one()
    keys = (table.c.name, table.c.id)
    statement = select(table).where(mine)
    if cursor is not None:
        name, last = _decoded(cursor)
        same = (table.c.name == name) & (table.c.id < last if descending else table.c.id > last)
        after = table.c.name < name if descending else table.c.name > name
        statement = statement.where(after | same)
    order = [key.desc() if descending else key.asc() for key in keys]
    rows = unit.db.execute(statement.order_by(*order).limit(size + 1)).all()
    shown = [_row(unit, row) for row in rows[:size]]
    following = _encoded(rows[size - 1]) if len(rows) > size else None
    return EnvironmentList(PageInfo(following is not None, following, size, total), shown)


def create(
    unit: UnitOfWork,
    vault: Vault,
    principal: Principal,
    connection: Connection,
    body: EnvironmentBody,
) -> EnvironmentRow:
    """A new environment; the first one of a connection is its default. Raises `BadRequest`."""
    owner = _owner(body)
    _may_write(unit, principal, connection, owner)
    _require_free(unit, connection.id, body.name)
    counted = select(func.count()).select_from(table)
    is_first = (
        unit.db.execute(counted.where(table.c.connection_id == connection.id)).scalar_one() == 0
    )
    environment_id = str(uuid.uuid4())
    values = _values(body, owner, is_default=is_first)
    unit.db.execute(
        insert(table).values(
            id=environment_id,
            connection_id=connection.id,
            is_default=is_first,
            created_at=unit.now,
            updated_at=unit.now,
            **values,
        )
    )
    for variable in body.variables:
        if variable.id is not msgspec.UNSET:
            raise BadRequest("Bad Request: variables: a new environment has none with an id")
        _add(unit, vault, environment_id, variable)
    audit.record(
        unit, principal, "dbt_environment.create", ("dbt_environment", environment_id), after=values
    )
    return _row(unit, _get(unit, connection.id, environment_id))


def change(
    unit: UnitOfWork,
    vault: Vault,
    principal: Principal,
    connection: Connection,
    environment_id: str,
    body: EnvironmentBody,
) -> EnvironmentRow:
    """Change an environment; variables that the body leaves out are deleted."""
    before = _get(unit, connection.id, environment_id)
    owner = _owner(body)
    for each in {before.owner_id, owner}:
        _may_write(unit, principal, connection, each)
    _require_free(unit, connection.id, body.name, besides=environment_id)
    values = _values(body, owner, is_default=before.is_default)
    mine = table.c.id == environment_id
    unit.db.execute(update(table).where(mine).values(**values, updated_at=unit.now))
    known = {row.id: row for row in _variables(unit, environment_id)}
    kept = {uuid_of(v.id, "variables.id") for v in body.variables if v.id is not msgspec.UNSET}
    if unknown := kept - known.keys():
        raise BadRequest(f"Bad Request: variables: {min(unknown)} is none of this environment")
    for gone in known.keys() - kept:
        _drop(unit, environment_id, gone)
    for variable in body.variables:
        if variable.id is msgspec.UNSET:
            _add(unit, vault, environment_id, variable)
        else:
            _update(unit, vault, environment_id, known[uuid_of(variable.id, "id")], variable)
    told = {name: getattr(before, name) for name in values}
    resource = ("dbt_environment", environment_id)
    audit.record(unit, principal, "dbt_environment.update", resource, told, values)
    return _row(unit, _get(unit, connection.id, environment_id))


def remove(
    unit: UnitOfWork, principal: Principal, connection: Connection, environment_id: str
) -> None:
    """Delete an environment; another becomes the default when it was that."""
    before = _get(unit, connection.id, environment_id)
    _may_write(unit, principal, connection, before.owner_id)
    unit.db.execute(delete(table).where(table.c.id == environment_id))
    shelf.remove(unit, RESOURCE, environment_id)
    if before.is_default:
        oldest = (
            select(table.c.id)
            .where(table.c.connection_id == connection.id)
            .order_by(table.c.created_at, table.c.id)
            .limit(1)
        )
        first = unit.db.execute(oldest).scalar()
        values = {"is_default": True, "is_deferral_enabled": False}
        unit.db.execute(update(table).where(table.c.id == first).values(values))
    told = {"name": before.name}
    resource = ("dbt_environment", environment_id)
    audit.record(unit, principal, "dbt_environment.delete", resource, before=told)


def find(unit: UnitOfWork, connection_id: str, environment_id: str) -> EnvironmentRow:
    """One environment of a connection. Raises `NotFound`."""
    return _row(unit, _get(unit, connection_id, environment_id))


def default(unit: UnitOfWork, connection_id: str) -> EnvironmentRow | None:
    """The environment that the project is compiled for."""
    mine = (table.c.connection_id == connection_id) & table.c.is_default.is_(True)
    row = unit.db.execute(select(table).where(mine)).first()
    return None if row is None else _row(unit, row)


def _may_write(
    unit: UnitOfWork, principal: Principal, connection: Connection, owner: str | None
) -> None:
    """One's own needs no more than reading; another member's, an admin of the organization; a
    shared one, an admin of the connection."""
    if owner is None:
        connections.get(unit, principal, connection.id, Permission.CONNECTIONS_UPDATE)
    elif owner != principal.user_id and not principal.organization_admin:
        raise Forbidden("Forbidden: the environment of another member")


def _owner(body: EnvironmentBody) -> str | None:
    return None if body.owner_id is None else uuid_of(body.owner_id, "ownerId")


def _values(body: EnvironmentBody, owner: str | None, *, is_default: bool) -> dict[str, object]:
    return {
        "name": body.name,
        "owner_id": owner,
        "target_schema": body.target_schema,
        "target_database": body.target_database,
        "target_name": body.target_name,
        "target_role": body.target_role,
        "is_deferral_enabled": body.is_deferral_enabled and not is_default,
    }


def _require_free(
    unit: UnitOfWork, connection_id: str, name: str, besides: str | None = None
) -> None:
    taken = select(table.c.id).where(table.c.connection_id == connection_id, table.c.name == name)
    if {row.id for row in unit.db.execute(taken)} - {besides}:
        raise BadRequest("Bad Request: name: another environment is called that")


def _add(unit: UnitOfWork, vault: Vault, environment_id: str, variable: VariableBody) -> None:
    if variable.name is msgspec.UNSET or not isinstance(variable.value, str):
        raise BadRequest("Bad Request: variables: a new one needs a name and a value")
    variable_id = str(uuid.uuid4())
    plain = None if variable.is_secret else variable.value
    row = {"id": variable_id, "environment_id": environment_id, "name": variable.name}
    unit.db.execute(insert(variables).values(**row, is_secret=variable.is_secret, value=plain))
    if variable.is_secret:
        context = Context(RESOURCE, environment_id, variable_id, {})
        shelf.put(unit, vault, context, SecretStr(variable.value))


def _update(
    unit: UnitOfWork, vault: Vault, environment_id: str, known: AnyRow, variable: VariableBody
) -> None:
    if variable.name is not msgspec.UNSET and variable.name != known.name:
        raise BadRequest("Bad Request: variables: names cannot be changed")
    sent = variable.value if isinstance(variable.value, str) else None
    if sent is None and variable.is_secret != known.is_secret:
        raise BadRequest(f"Bad Request: variables: send the value of {known.name} again")
    if sent is None:
        return
    shelf.remove(unit, RESOURCE, environment_id, known.id)
    values = {"is_secret": variable.is_secret, "value": None if variable.is_secret else sent}
    unit.db.execute(update(variables).where(variables.c.id == known.id).values(values))
    if variable.is_secret:
        shelf.put(unit, vault, Context(RESOURCE, environment_id, known.id, {}), SecretStr(sent))


def _drop(unit: UnitOfWork, environment_id: str, variable_id: str) -> None:
    unit.db.execute(delete(variables).where(variables.c.id == variable_id))
    shelf.remove(unit, RESOURCE, environment_id, variable_id)


def _variables(unit: UnitOfWork, environment_id: str) -> Sequence[AnyRow]:
    mine = select(variables).where(variables.c.environment_id == environment_id)
    return unit.db.execute(mine.order_by(variables.c.name, variables.c.id)).all()


def _get(unit: UnitOfWork, connection_id: str, environment_id: str) -> AnyRow:
    mine = (table.c.id == environment_id) & (table.c.connection_id == connection_id)
    row = unit.db.execute(select(table).where(mine)).first()
    if row is None:
        raise NotFound(f"dbt environment with id {environment_id} does not exist")
    return row


def _row(unit: UnitOfWork, row: AnyRow) -> EnvironmentRow:
    return EnvironmentRow(
        id=row.id,
        is_default_environment=row.is_default,
        name=row.name,
        owner_id=row.owner_id,
        target_database=row.target_database,
        target_name=row.target_name,
        target_role=row.target_role,
        target_schema=row.target_schema,
        is_deferral_enabled=row.is_deferral_enabled,
        variables=[
            VariableRow(each.id, each.is_secret, each.name, each.value)
            for each in _variables(unit, row.id)
        ],
    )


def _encoded(row: AnyRow) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([row.name, row.id])).decode()


def _decoded(cursor: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=tuple[str, str])
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise BadRequest("Bad Request: cursor: not one that was given") from None
