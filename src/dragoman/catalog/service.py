"""The rules of catalogs: asking for a refresh, following connections, the SCHEMA layer.

What other rooms may use of this one, in one place. Functions take an open unit of work.
"""

from __future__ import annotations

from typing import Final

from dragoman import jobs
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.catalog import reading, states
from dragoman.catalog.layer import SchemaLayer
from dragoman.catalog.states import State
from dragoman.connections import service as connections
from dragoman.connections.events import Event
from dragoman.dialects.names import BadNames
from dragoman.jobs import Job
from dragoman.store import UnitOfWork

__all__ = [
    "KIND",
    "SchemaLayer",
    "State",
    "follow_connection",
    "generation",
    "request_refresh",
    "state",
]

# The job that reads a catalog; `refresh` does its work.
KIND: Final = "REFRESH_SCHEMA"
state = states.get
generation = states.generation


def request_refresh(
    unit: UnitOfWork,
    principal: Principal,
    connection: connections.Connection,
    *,
    hard: bool = True,
    schemas: str = "",
    tables: str = "",
) -> Job:
    """Have the catalog of a connection that the principal may refresh read again, by a job; one
    that is under way is joined.

    `hard`: what is gone from the database is removed. `schemas`, `tables`: lists with wildcards
    that narrow a refresh which is not hard. To be followed by `house.jobs.wake()`.
    Raises `BadRequest`.
    """
    if hard and (schemas or tables):
        raise BadRequest("Bad Request: selective schemas/tables filters require hard_refresh=false")
    try:
        reading.scope(connection.settings, schemas, tables)
    except BadNames as problem:
        raise BadRequest(f"Bad Request: {problem.message}. {problem.fix}") from None
    arguments = {"hard_refresh": hard, "schemas": schemas, "tables": tables}
    job = jobs.submit(unit, KIND, connection.id, arguments, principal)
    states.asked(unit, connection.id, job.id)
    return job


def follow_connection(
    unit: UnitOfWork, principal: Principal, connection: connections.Connection, event: Event
) -> None:
    """Read the catalog of a connection that is new, restored, or leads to another catalog now."""
    if event is Event.DELETED:
        return
    if event is Event.CHANGED:
        known = states.get(unit, connection.id)
        if known.reading == reading.fingerprint(connection.settings) and known.failure is None:
            return
    submit = jobs.submit_first if event is Event.CREATED else jobs.submit
    job = submit(unit, KIND, connection.id, {"hard_refresh": True}, principal)
    states.asked(unit, connection.id, job.id)
