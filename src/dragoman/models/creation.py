"""Making models: the schema model with its connection, the others by request (contract §3.2)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import select, update

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.connections import service as connections
from dragoman.connections.events import Event
from dragoman.models import names
from dragoman.models.access import BEARERS, check, get
from dragoman.models.records import INSERT, ROWS, Kind, Model, load, model_of
from dragoman.models.tables import models as table
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewModel:
    """What is asked for. `base_model_id`: of an extension or a branch."""

    connection_id: str
    kind: Kind = Kind.SCHEMA
    name: str | None = None
    base_model_id: str | None = None
    allow_as_workbook_base: bool = False
    uses_isolated_branches: bool = False


def create(unit: UnitOfWork, principal: Principal, wanted: NewModel) -> Model:
    """The new model; for a schema model the one that is there. Raises `BadRequest`, `Forbidden`,
    `NotFound`."""
    if not _is_on(unit, principal, wanted):
        connections.get(unit, principal, wanted.connection_id, Permission.MODELS_READ)
    schema = load(unit, wanted.connection_id)
    if schema is None:
        raise BadRequest(
            "Bad Request: Schema model does not exist when creating a non-schema model"
        )
    if wanted.kind is not Kind.BRANCH:
        check(unit, principal, schema, Permission.MODELS_ADMIN)
    if wanted.kind is Kind.SCHEMA:
        return schema
    base = _base(unit, principal, schema, wanted)
    if wanted.kind is Kind.BRANCH:
        check(unit, principal, base, Permission.MODELS_BRANCH)
    return _insert(unit, principal, wanted, base)


def _is_on(unit: UnitOfWork, principal: Principal, wanted: NewModel) -> bool:
    """Whether the new branch stands on a model of the connection that the principal may see: who
    has a role on that model alone does not see the connection's other models."""
    if wanted.kind is not Kind.BRANCH or wanted.base_model_id is None:
        return False
    return get(unit, principal, wanted.base_model_id).connection_id == wanted.connection_id


def follow_connection(
    unit: UnitOfWork, principal: Principal, connection: connections.Connection, event: Event
) -> None:
    """Keep the schema model of a connection: there from the start, with the connection's name."""
    found = None if event is Event.CREATED else load(unit, connection.id)
    if found is None:
        _insert_row(unit, principal, _schema_of(unit, connection), None)
    elif found.name != connection.name:
        mine = table.c.id == connection.id
        unit.db.execute(update(table).where(mine).values(name=connection.name, updated_at=unit.now))


def _schema_of(unit: UnitOfWork, connection: connections.Connection) -> Model:
    return Model(
        connection.id,
        connection.id,
        Kind.SCHEMA,
        connection.name,
        None,
        allow_as_workbook_base=False,
        uses_isolated_branches=False,
        version=0,
        created_at=unit.now,
        updated_at=unit.now,
        deleted_at=None,
    )


def _base(unit: UnitOfWork, principal: Principal, schema: Model, wanted: NewModel) -> Model:
    """The model that the new one stands on. Raises `BadRequest`, `NotFound`."""
    if wanted.base_model_id is None:
        return schema if wanted.kind is Kind.SHARED else _only_shared(unit, schema, wanted.kind)
    base = get(unit, principal, wanted.base_model_id)
    if base.connection_id != schema.connection_id:
        raise BadRequest("Bad Request: base model does not belong to the specified connection")
    if base.kind not in _BASES[wanted.kind]:
        kinds = " or ".join(_BASES[wanted.kind])
        raise BadRequest(f"Bad Request: baseModelId: the base of a {wanted.kind} model is {kinds}")
    return base


_BASES: dict[Kind, tuple[Kind, ...]] = {
    Kind.SHARED: (Kind.SCHEMA,),
    Kind.SHARED_EXTENSION: (Kind.SHARED,),
    Kind.BRANCH: (Kind.SHARED, Kind.SHARED_EXTENSION),
}


def _only_shared(unit: UnitOfWork, schema: Model, kind: Kind) -> Model:
    """The connection's shared model where there is just one: nothing else can be meant."""
    found = shared_models(unit, schema.connection_id)
    if len(found) != 1:
        raise BadRequest(f"Bad Request: baseModelId: Required for a {kind} model")
    return found[0]


def shared_models(unit: UnitOfWork, connection_id: str) -> list[Model]:
    """The live shared models of a connection, oldest first."""
    statement = ROWS.where(
        table.c.connection_id == connection_id,
        table.c.kind == Kind.SHARED.value,
        table.c.deleted_at.is_(None),
    ).order_by(table.c.created_at, table.c.id)
    return [model_of(row) for row in unit.db.execute(statement)]


def bearers(unit: UnitOfWork, connection_id: str) -> list[str]:
    """Ids of the live models of a connection that roles can be given on, oldest first."""
    statement = select(table.c.id).where(
        table.c.connection_id == connection_id,
        table.c.kind.in_(BEARERS),
        table.c.deleted_at.is_(None),
    )
    return list(unit.db.execute(statement.order_by(table.c.created_at, table.c.id)).scalars())


def _insert(unit: UnitOfWork, principal: Principal, wanted: NewModel, base: Model) -> Model:
    name = None if wanted.name is None else names.check_text(wanted.name)
    if wanted.kind is Kind.BRANCH:
        if name is None:
            raise BadRequest("Bad Request: modelName: Required")
        names.check_branch(unit, base.id, name)
    made = Model(
        str(uuid.uuid4()),
        wanted.connection_id,
        wanted.kind,
        name,
        base.id,
        wanted.allow_as_workbook_base,
        wanted.uses_isolated_branches,
        version=0,
        created_at=unit.now,
        updated_at=unit.now,
        deleted_at=None,
    )
    key = names.claim(unit, wanted.kind, base.id, name)
    _insert_row(unit, principal, made, key)
    after = {"kind": made.kind.value, "name": name, "connectionId": made.connection_id}
    audit.record(unit, principal, "model.create", ("model", made.id), after=after)
    return made


def _insert_row(unit: UnitOfWork, principal: Principal, model: Model, key: str | None) -> None:
    INSERT.leave(
        unit,
        id=model.id,
        connection_id=model.connection_id,
        kind=model.kind.value,
        name=model.name,
        name_key=key,
        base_model_id=model.base_model_id,
        allow_as_workbook_base=model.allow_as_workbook_base,
        uses_isolated_branches=model.uses_isolated_branches,
        version=model.version,
        created_by=principal.user_id,
        created_at=model.created_at,
        updated_at=model.updated_at,
        deleted_at=None,
    )
