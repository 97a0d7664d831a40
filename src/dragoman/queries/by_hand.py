"""SQL on a connection itself: it passes through no model, so the rules of none would hold."""

from __future__ import annotations

from dragoman.access.policy import Permission, allow
from dragoman.access.principal import Principal
from dragoman.connections import dialling
from dragoman.connections import service as connections
from dragoman.connections.dialling import Located
from dragoman.store import UnitOfWork


def locate(unit: UnitOfWork, principal: Principal, connection_id: str) -> Located:
    """Where the SQL goes. Raises as `dialling.locate`, and `Forbidden` where a model of the
    connection has rules on rows, for who may not edit that model."""
    connection = connections.get(unit, principal, connection_id, Permission.CONNECTIONS_SQL)
    rights = connections.rights_on(unit, principal, connection)
    if not allow(principal, Permission.MODELS_EDIT, rights):
        from dragoman.queries import planning  # with all that reads models

        planning.check_rules(unit, principal, connection_id)
    return dialling.located(unit, principal, connection)
