"""The rules of catalogs: asking for a refresh, following connections, the SCHEMA layer.

What other rooms may use of this one, in one place. Functions take an open unit of work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
    that is under way is joined, and does what is asked here too.

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
    return _submitted(unit, principal, connection.id, arguments)


def _submitted(
    unit: UnitOfWork, principal: Principal, connection_id: str, arguments: Mapping[str, Any]
) -> Job:
    """A new job, or the one under way, which then does both."""
    job = jobs.submit(unit, KIND, connection_id, arguments, principal)
    both = _both(job.arguments, arguments)
    if both != job.arguments:
        jobs.ask_more(unit, job, both)
    states.asked(unit, connection_id, job.id)
    return job


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """What does the work of two refreshes: a narrow one does no other's."""
    if one == other or (one["hard_refresh"] and not any(_part(one))):
        return one
    hard = bool(one["hard_refresh"] or other["hard_refresh"])
    part = _part(one) if _part(one) == _part(other) else ("", "")
    return {"hard_refresh": hard, "schemas": part[0], "tables": part[1]}


def _part(arguments: Mapping[str, Any]) -> tuple[str, str]:
    return arguments.get("schemas", ""), arguments.get("tables", "")


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
    arguments = {"hard_refresh": True}
    if event is not Event.CREATED:
        _submitted(unit, principal, connection.id, arguments)
        return
    job = jobs.submit_first(unit, KIND, connection.id, arguments, principal)
    states.asked(unit, connection.id, job.id)
