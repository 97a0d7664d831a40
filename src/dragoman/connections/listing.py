"""Lists of connections: what a principal may see, filtered and sorted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select, true

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.connections.schemas import ConnectionRow
from dragoman.connections.tables import connections as table
from dragoman.identity import service as identity
from dragoman.store import UnitOfWork
from dragoman.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What a list asks for. `name` and `database` match anywhere, in any case."""

    name: str = ""
    database: str = ""
    dialects: frozenset[str] | None = None
    include_deleted: bool = False
    sort_field: str = "name"
    descending: bool = False


def list_visible(unit: UnitOfWork, principal: Principal, wanted: ListFilter) -> list[ConnectionRow]:
    """The connections that the principal may read, filtered and sorted."""
    rows = [_listed(row) for row in _visible_rows(unit, principal, wanted.include_deleted)]
    return _sorted(_filtered(rows, wanted), wanted)


_ROWS = select(
    table.c.id,
    table.c.name,
    table.c.dialect,
    table.c.database,
    table.c.default_schema,
    table.c.base_role,
    table.c.deleted_at,
    table.c.environment_attribute,
    table.c.environment_default_values,
    table.c.created_at,
    table.c.updated_at,
)

_LIVE_ROWS = _ROWS.where(table.c.deleted_at.is_(None))
_LIVE_ROWS_PREPARED = Prepared(_LIVE_ROWS)


def _visible_rows(
    unit: UnitOfWork, principal: Principal, include_deleted: bool
) -> Iterable[Sequence[Any]]:
    if principal.organization_admin and not include_deleted:
        return _LIVE_ROWS_PREPARED.all(unit)
    statement = _ROWS if include_deleted else _LIVE_ROWS
    mine = reached(unit, principal, Permission.CONNECTIONS_READ)
    return unit.db.execute(statement.where(mine)).all()


def reached(unit: UnitOfWork, principal: Principal, permission: Permission) -> ColumnElement[bool]:
    """The condition of connections on which the principal has the permission."""
    if principal.organization_admin:
        return true()
    names = [] if principal.embedded else identity.roles_with(unit, permission)
    mine = identity.granted_connections(unit, principal, permission)
    reached = or_(table.c.base_role.in_(names), table.c.id.in_(mine))
    scope = principal.scope
    if scope is None or scope.connection_ids is None:
        return reached
    return and_(reached, table.c.id.in_(scope.connection_ids))


def _listed(row: Sequence[Any]) -> ConnectionRow:
    (id_, name, dialect, database, schema, role, deleted, attribute, defaults, made, changed) = row
    values = None if defaults is None else msgspec.json.decode(defaults, type=list[str])
    return ConnectionRow(
        id_,
        name,
        dialect,
        database,
        schema,
        role,
        deleted,
        attribute,
        values,
        made,
        changed,
        attribute,
    )


def _filtered(rows: list[ConnectionRow], wanted: ListFilter) -> list[ConnectionRow]:
    """Filters in Python: text compares without case alike on both stores, and lists are short."""
    if not wanted.name and not wanted.database and wanted.dialects is None:
        return rows
    name, database = wanted.name.casefold(), wanted.database.casefold()
    return [
        row
        for row in rows
        if name in row.name.casefold()
        and database in (row.database or "").casefold()
        and (wanted.dialects is None or row.dialect in wanted.dialects)
    ]


def _sorted(rows: list[ConnectionRow], wanted: ListFilter) -> list[ConnectionRow]:
    def key(row: ConnectionRow) -> tuple[str, str, str]:
        return (getattr(row, wanted.sort_field) or "").casefold(), row.name.casefold(), row.id

    return sorted(rows, key=key, reverse=wanted.descending)
