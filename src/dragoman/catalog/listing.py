"""Lists of what a catalog holds and of what changed in it, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.api.paging import PageInfo
from dragoman.catalog import rows, states
from dragoman.catalog.staging import live
from dragoman.catalog.tables import catalog_changes, catalog_tables
from dragoman.connections import service as connections
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

_LAST: Final = 2**31 - 1  # more than this Postgres does not compare with the column
_ESCAPE: Final = "!"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of at most `size` after `cursor`; None is no filter, `name` a part in any case."""

    size: int
    cursor: str | None = None
    name: str | None = None
    schema: str | None = None
    change: str | None = None
    columns: bool = False


Page = tuple[PageInfo, list[dict[str, Any]]]


def tables(unit: UnitOfWork, principal: Principal, connection_id: str, wanted: Wanted) -> Page:
    """Tables of a connection's catalog by schema and name. Raises as `connections.get`."""
    connections.get(unit, principal, connection_id, Permission.CATALOG_READ)
    table = catalog_tables
    mine = live(table, connection_id, states.generation(unit, connection_id))
    statement = select(table).where(mine)
    if wanted.name:
        statement = statement.where(_contains(table.c.name, wanted.name))
    if wanted.schema is not None:
        statement = statement.where(table.c.schema == wanted.schema)
    total = _count(unit, statement)
    order = (table.c.schema, table.c.name, table.c.id)
    if wanted.cursor is not None:
        schema, name, number = _place(wanted.cursor)
        statement = statement.where(
            (table.c.schema > schema)
            | ((table.c.schema == schema) & (table.c.name > name))
            | ((table.c.schema == schema) & (table.c.name == name) & (table.c.id > number))
        )
    found, more = _page(unit, statement.order_by(*order), wanted.size)
    last = found[-1] if found and more else None
    cursor = None if last is None else _cursor([last.schema, last.name, last.id])
    shown = [_table(row, columns=wanted.columns) for row in found]
    return PageInfo(more, cursor, wanted.size, total), shown


def changes(unit: UnitOfWork, principal: Principal, connection_id: str, wanted: Wanted) -> Page:
    """What refreshes found changed, newest first. Raises as `connections.get`."""
    connections.get(unit, principal, connection_id, Permission.CATALOG_READ)
    table = catalog_changes
    seen = table.c.generation <= states.generation(unit, connection_id)
    statement = select(table).where(table.c.connection_id == connection_id, seen)
    if wanted.change is not None:
        statement = statement.where(table.c.change == wanted.change)
    if wanted.name:
        statement = statement.where(_contains(table.c.table, wanted.name))
    if wanted.schema is not None:
        statement = statement.where(table.c.schema == wanted.schema)
    total = _count(unit, statement)
    if wanted.cursor is not None:
        statement = statement.where(table.c.id < _number(wanted.cursor))
    found, more = _page(unit, statement.order_by(table.c.id.desc()), wanted.size)
    cursor = str(found[-1].id) if found and more else None
    return PageInfo(more, cursor, wanted.size, total), [_change(row) for row in found]


def _page(
    unit: UnitOfWork, statement: Select[*tuple[Any, ...]], size: int
) -> tuple[list[AnyRow], bool]:
    found = list(unit.db.execute(statement.limit(size + 1)))
    return found[:size], len(found) > size


def _count(unit: UnitOfWork, statement: Select[*tuple[Any, ...]]) -> int:
    counted = statement.with_only_columns(func.count())
    return unit.db.execute(counted).scalar_one()


def _contains(column: Any, part: str) -> Any:
    pattern = part.lower().replace(_ESCAPE, _ESCAPE * 2).replace("%", "!%").replace("_", "!_")
    return func.lower(column).like(f"%{pattern}%", escape=_ESCAPE)


def _cursor(place: list[Any]) -> str:
    return msgspec.json.encode(place).hex()


def _place(cursor: str) -> tuple[str, str, int]:
    try:
        found = msgspec.json.decode(bytes.fromhex(cursor), type=tuple[str, str, int])
    except ValueError:
        raise BadRequest("Bad Request: cursor: not a cursor of this list") from None
    if "\0" in found[0] + found[1] or not 0 <= found[2] <= _LAST:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return found


def _number(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 15:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return min(int(cursor), _LAST)


def _table(row: AnyRow, *, columns: bool) -> dict[str, Any]:
    found = rows.table_of((row.catalog, row.schema, row.name), row.kind, row.content)
    return {
        "catalog": row.catalog,
        "schema": row.schema,
        "name": row.name,
        "kind": row.kind,
        "comment": found.comment,
        "view": row.view,
        "offloaded": bool(row.offloaded),
        "columnCount": row.columns,
        **(rows.shown(found) if columns else {}),
    }


def _change(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "change": row.change,
        "catalog": row.catalog,
        "schema": row.schema,
        "table": row.table,
        "view": row.view,
        "column": row.column,
        "before": row.before,
        "after": row.after,
        "brokenReferences": [] if row.broken is None else msgspec.json.decode(row.broken),
    }
