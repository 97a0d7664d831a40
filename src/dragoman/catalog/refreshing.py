"""From a model to the catalog it stands on: its schemas, its refresh, how that stands."""

from __future__ import annotations

from typing import Any

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.catalog import service, states
from dragoman.catalog.layer import SchemaLayer
from dragoman.connections import service as connections
from dragoman.jobs import Job
from dragoman.jobs.records import active
from dragoman.models import service as models
from dragoman.store import UnitOfWork


def state(unit: UnitOfWork, principal: Principal, connection_id: str) -> dict[str, Any]:
    """How the reading of a connection's catalog stands. Raises as `connections.get`."""
    connections.get(unit, principal, connection_id, Permission.CONNECTIONS_READ)
    found = states.get(unit, connection_id)
    job = active(unit, service.KIND, connection_id)
    return states.shown(found, job.id if job else None)


def schemas(
    unit: UnitOfWork, principal: Principal, model_id: str, branch_id: str | None = None
) -> list[str]:
    """The schemas of a model's database, offloaded ones too. Raises as `models.on_branch`."""
    model = models.on_branch(unit, principal, model_id, branch_id)
    return SchemaLayer(unit, model.connection_id).schemas()


def request(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    *,
    branch_id: str | None = None,
    hard: bool = True,
    schemas: str = "",
    tables: str = "",
) -> Job:
    """Have the database of a model read again (contract §3.3).

    An admin of the connection may ask for it, or a modeler whose shared model is the only one.
    Raises `BadRequest`, `Forbidden`, `NotFound`.
    """
    model = models.get(unit, principal, model_id, missing="Model not found")
    only = len(models.shared_models(unit, model.connection_id)) == 1
    permission = Permission.MODELS_EDIT if only else Permission.CATALOG_REFRESH
    connection = models.check(unit, principal, model, permission)
    if branch_id is not None:
        raise BadRequest(
            "Bad Request: branch_id must not be provided when branch schema refresh is not enabled"
        )
    return service.request_refresh(
        unit, principal, connection, hard=hard, schemas=schemas, tables=tables
    )
