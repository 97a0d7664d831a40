"""Connection environments: another database for the same connection, picked by user attribute.

First match decides (contract §2.6): a user's attribute value among the base's default values means
the base; among an environment's values, that environment; any other value means the base.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert, select, update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Forbidden, NotFound
from dragoman.connections import service
from dragoman.connections.schemas import ConnectionEnvironment
from dragoman.connections.tables import connection_environments as table
from dragoman.connections.tables import connections
from dragoman.identity import service as identity
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow


def create(
    unit: UnitOfWork, principal: Principal, base_id: str, environment_ids: Sequence[str]
) -> list[ConnectionEnvironment]:
    """Make connections environments of a base. Raises `NotFound` (base), `BadRequest`."""
    _lock(unit, [base_id, *environment_ids])
    base = service.load(unit, base_id)
    if base is None or base.deleted_at is not None:
        raise NotFound(f"Connection with id {base_id} does not exist")
    if not environment_ids:
        raise BadRequest("Bad Request: environmentConnectionIds: name at least one connection")
    made = [_add(unit, base, each) for each in dict.fromkeys(environment_ids)]
    after = {"environmentConnectionIds": [each.connection_id for each in made]}
    audit.record(unit, principal, "environment.create", ("connection", base_id), after=after)
    return made


def _add(unit: UnitOfWork, base: service.Connection, connection_id: str) -> ConnectionEnvironment:
    found = service.load(unit, connection_id)
    if found is None or found.deleted_at is not None:
        raise BadRequest(f"Bad Request: environment connection {connection_id} does not exist")
    if connection_id == base.id:
        raise BadRequest("Bad Request: a connection cannot be an environment of itself")
    if found.dialect != base.dialect:
        raise BadRequest(
            f"Bad Request: environment connections must be {base.dialect}, as the base"
        )
    taken = select(table.c.id).where(
        (table.c.connection_id == connection_id) | (table.c.base_connection_id == connection_id)
    )
    if unit.db.execute(taken).first() is not None:
        raise BadRequest(
            f"Bad Request: connection {connection_id} is part of an environment already"
        )
    made = ConnectionEnvironment(str(uuid.uuid4()), base.id, connection_id, [])
    row = {"id": made.id, "base_connection_id": base.id, "connection_id": connection_id}
    unit.db.execute(insert(table).values(**row, attribute_values="[]", created_at=unit.now))
    return made


def list_all(unit: UnitOfWork) -> list[ConnectionEnvironment]:
    """All environments, oldest first, those of deleted connections left out."""
    other = connections.alias("base")
    statement = (
        select(table)
        .join(connections, connections.c.id == table.c.connection_id)
        .join(other, other.c.id == table.c.base_connection_id)
        .where(connections.c.deleted_at.is_(None), other.c.deleted_at.is_(None))
        .order_by(table.c.created_at, table.c.id)
    )
    return [_environment(row) for row in unit.db.execute(statement)]


def set_values(
    unit: UnitOfWork, principal: Principal, environment_id: str, values: Sequence[str]
) -> None:
    """Set the attribute values that mean an environment; each value means one environment only."""
    mine = _get(unit, environment_id)
    _lock(unit, [mine.base_connection_id])
    wanted = list(dict.fromkeys(values))
    for other in _of_base(unit, mine.base_connection_id):
        clash = set(wanted) & set(other.user_attribute_values)
        if other.id != mine.id and clash:
            raise BadRequest(f"Bad Request: value '{min(clash)}' is taken by another environment")
    text = msgspec.json.encode(wanted).decode()
    unit.db.execute(update(table).where(table.c.id == mine.id).values(attribute_values=text))
    audit.record(
        unit,
        principal,
        "environment.update",
        ("environment", mine.id),
        before={"userAttributeValues": mine.user_attribute_values},
        after={"userAttributeValues": wanted},
    )


def remove(unit: UnitOfWork, principal: Principal, environment_id: str) -> None:
    """Unlink an environment; its connection stays."""
    mine = _get(unit, environment_id)
    unit.db.execute(delete(table).where(table.c.id == mine.id))
    before = msgspec.to_builtins(mine)
    audit.record(unit, principal, "environment.delete", ("environment", mine.id), before=before)


def choose(unit: UnitOfWork, principal: Principal, base: service.Connection) -> service.Connection:
    """The connection that a question of this principal on `base` really goes to.

    Raises `Forbidden` naming the attribute when the principal has no value for it and the base
    has no default values: an absent identity is an error, never a default database.
    """
    attribute = base.environment_attribute
    environments = _of_base(unit, base.id) if attribute else []
    if attribute is None or not environments:
        return base
    values = set(identity.attribute_texts(unit, principal).get(attribute, ()))
    defaults = base.environment_default_values or []
    if not values and not defaults:
        raise Forbidden(
            f"Forbidden: the user attribute '{attribute}' picks the environment and has no value"
        )
    if values & set(defaults):
        return base
    for environment in environments:
        if values & set(environment.user_attribute_values):
            found = service.load(unit, environment.connection_id)
            if found is not None and found.deleted_at is None:
                return found
    return base


def _lock(unit: UnitOfWork, connection_ids: Sequence[str]) -> None:
    """Let two requests that link the same connections come one after the other (Postgres; SQLite
    has one writer anyhow). Always in the same order, so that they cannot wait for each other."""
    mine = select(connections.c.id).where(connections.c.id.in_(connection_ids))
    unit.db.execute(mine.order_by(connections.c.id).with_for_update()).all()


def _of_base(unit: UnitOfWork, base_id: str) -> list[ConnectionEnvironment]:
    mine = select(table).where(table.c.base_connection_id == base_id)
    statement = mine.order_by(table.c.created_at, table.c.id)
    return [_environment(row) for row in unit.db.execute(statement)]


def _get(unit: UnitOfWork, environment_id: str) -> ConnectionEnvironment:
    row = unit.db.execute(select(table).where(table.c.id == environment_id)).first()
    if row is None:
        raise NotFound(f"Connection environment with id {environment_id} does not exist")
    return _environment(row)


def _environment(row: AnyRow) -> ConnectionEnvironment:
    values = msgspec.json.decode(row.attribute_values, type=list[str])
    return ConnectionEnvironment(row.id, row.base_connection_id, row.connection_id, values)
