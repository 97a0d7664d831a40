"""Lists of models: what a principal may see, filtered, sorted, a page at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.connections import service as connections
from dragoman.identity import service as identity
from dragoman.models.access import BEARERS
from dragoman.models.records import ROWS, Kind, Model, model_of
from dragoman.models.tables import models as table
from dragoman.store import UnitOfWork

SORTS = {
    "name": table.c.name,
    "modelKind": table.c.kind,
    "connectionId": table.c.connection_id,
    "baseModelId": table.c.base_model_id,
    "createdAt": table.c.created_at,
    "updatedAt": table.c.updated_at,
}


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What a list asks for. `name` is the whole name, in any case. `explorable`: shared models, and
    extensions that may be the base of a workbook."""

    model_id: str | None = None
    connection_id: str | None = None
    base_model_id: str | None = None
    kind: str | None = None
    name: str | None = None
    explorable: bool = False
    include_deleted: bool = False
    sort_field: str = "updatedAt"
    descending: bool = True
    size: int = 20
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `total` counts the whole filtered set. `branches`: of each model on the page."""

    models: list[Model]
    total: int
    next_cursor: str | None
    branches: dict[str, list[tuple[str, str]]]


def page(
    unit: UnitOfWork, principal: Principal, wanted: ListFilter, *, branches: bool = False
) -> Page:
    """A page of the models that the principal may read. Raises `BadRequest` for a bad cursor."""
    reach = connections.reachable(
        unit, principal, Permission.MODELS_READ, deleted=wanted.include_deleted
    )
    given = identity.granted_models(unit, principal, Permission.MODELS_READ)
    places = connections.when_deleted(unit, given.values())
    live = [m for m, c in given.items() if wanted.include_deleted or places.get(c, "") is None]
    conditions = [_readable(reach, live), *_conditions(wanted)]
    reach = {**places, **reach}
    counted = select(func.count()).select_from(table).where(*conditions)
    total = unit.db.execute(counted).scalar_one()
    rows = unit.db.execute(_statement(wanted, conditions)).all()
    found = [model_of(row) for row in rows[: wanted.size]]
    # The models of a connection in the trash are there with it.
    found = [replace(m, deleted_at=m.deleted_at or reach[m.connection_id]) for m in found]
    cursor = _cursor(wanted, found[-1]) if len(rows) > wanted.size else None
    known = _branches(unit, [model.id for model in found]) if branches else {}
    return Page(found, total, cursor, known)


def _readable(reach: Iterable[str], given: list[str]) -> ColumnElement[bool]:
    """The models of connections in reach, those that a role was given on, and their branches."""
    of_connections = table.c.connection_id.in_(list(reach))
    if not given:
        return of_connections
    branches = table.c.base_model_id.in_(given) & table.c.kind.not_in(BEARERS)
    return or_(of_connections, table.c.id.in_(given), branches)


def _conditions(wanted: ListFilter) -> Iterable[ColumnElement[bool]]:
    if not wanted.include_deleted:
        yield table.c.deleted_at.is_(None)
    equal = {
        table.c.id: wanted.model_id,
        table.c.connection_id: wanted.connection_id,
        table.c.base_model_id: wanted.base_model_id,
        table.c.kind: wanted.kind,
    }
    for column, value in equal.items():
        if value is not None:
            yield column == value
    if wanted.name is not None:
        yield func.lower(table.c.name) == func.lower(wanted.name)
    if wanted.explorable:
        extension = table.c.kind == Kind.SHARED_EXTENSION.value
        yield or_(
            table.c.kind == Kind.SHARED.value, and_(extension, table.c.allow_as_workbook_base)
        )


def _statement(wanted: ListFilter, conditions: list[ColumnElement[bool]]) -> Any:
    sorted_by = func.coalesce(SORTS[wanted.sort_field], "")
    statement = ROWS.where(*conditions).limit(wanted.size + 1)
    if wanted.cursor is not None:
        value, last_id = _position(wanted)
        beyond = sorted_by < value if wanted.descending else sorted_by > value
        after = table.c.id < last_id if wanted.descending else table.c.id > last_id
        statement = statement.where(or_(beyond, and_(sorted_by == value, after)))
    if wanted.descending:
        return statement.order_by(sorted_by.desc(), table.c.id.desc())
    return statement.order_by(sorted_by, table.c.id)


def _cursor(wanted: ListFilter, last: Model) -> str:
    fields = {"name": last.name, "modelKind": last.kind.value, "baseModelId": last.base_model_id}
    fields |= {"connectionId": last.connection_id}
    fields |= {"createdAt": last.created_at, "updatedAt": last.updated_at}
    place = [wanted.sort_field, fields[wanted.sort_field] or "", last.id]
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _position(wanted: ListFilter) -> tuple[str, str]:
    text = wanted.cursor or ""
    try:
        raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        field, value, last_id = msgspec.json.decode(raw, type=tuple[str, str, str])
    except (ValueError, UnicodeError, binascii.Error, msgspec.MsgspecError):
        raise BadRequest("Bad Request: cursor: not one that a list gave") from None
    if field != wanted.sort_field or "\0" in value + last_id:
        raise BadRequest("Bad Request: cursor: belongs to another sortField")
    return value, last_id


def _branches(unit: UnitOfWork, ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    statement = (
        select(table.c.base_model_id, table.c.id, table.c.name)
        .where(
            table.c.base_model_id.in_(ids),
            table.c.kind == Kind.BRANCH.value,
            table.c.deleted_at.is_(None),
        )
        .order_by(table.c.name)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for base, branch_id, name in unit.db.execute(statement):
        found.setdefault(base, []).append((branch_id, name))
    return found
