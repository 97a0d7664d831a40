"""Rows of the audit: written, listed, exported."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, true

from dragoman.access.principal import Principal
from dragoman.audit import chain
from dragoman.audit.tables import audit_log
from dragoman.store.metadata import AnyRow
from dragoman.store.work import Origin, UnitOfWork

Change = Mapping[str, Any]


def record(
    unit: UnitOfWork,
    principal: Principal,
    action: str,
    resource: tuple[str, str],
    before: Change | None = None,
    after: Change | None = None,
    *,
    origin: Origin | None = None,
) -> None:
    """Write one row, at the end of the unit of work. `resource` is (type, id); `before` and
    `after` hold no secrets; `origin`: of a request that is over. Of a key that acts as a user both
    are named."""
    origin = origin or unit.origin
    actor, person = principal.actor, principal if principal.by is not None else None
    values = {
        "id": str(uuid.uuid4()),
        "at": unit.now,
        "actor_kind": actor.kind.value,
        "actor_name": actor.name,
        "actor_user_id": actor.user_id,
        "actor_token_id": actor.token_id,
        "acting_as_id": person.user_id if person else None,
        "acting_as_name": person.name if person else None,
        "action": action,
        "resource_type": resource[0],
        "resource_id": resource[1],
        "request_id": origin.request_id,
        "address": origin.address,
        "before": _json(before),
        "after": _json(after),
    }
    # Made into bytes here: a text that cannot be fails its own unit, not others of the commit.
    unit.leave(chain.append, chain.waiting(values))


def _json(change: Change | None) -> str | None:
    return None if change is None else msgspec.json.encode(dict(change)).decode()


class AuditRow(msgspec.Struct, rename="camel"):
    """One row as the API gives it. Times are ISO 8601 UTC. `number` counts the rows of the chain;
    `actingAsId`: the user that the actor, an organization key, acted as."""

    number: int
    id: str
    at: str
    actor_kind: str
    actor_name: str
    actor_user_id: str | None
    actor_token_id: str | None
    acting_as_id: str | None
    acting_as_name: str | None
    action: str
    resource_type: str
    resource_id: str
    request_id: str
    address: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows. `equal` compares columns, by their known names; `actor_id`: the id of a user or
    a token, also of a user whom a key acted as; `since` and `until` (not included) are times in
    the stored form."""

    equal: Mapping[str, str] = field(default_factory=dict[str, str])
    actor_id: str | None = None
    since: str | None = None
    until: str | None = None

    def condition(self) -> ColumnElement[bool]:
        """The condition that the rows meet."""
        table, found = audit_log.c, true()
        for name, value in self.equal.items():
            found &= table[name] == value
        if self.actor_id is not None:
            ids = (table.actor_user_id, table.actor_token_id, table.acting_as_id)
            found &= or_(*(column == self.actor_id for column in ids))
        if self.since is not None:
            found &= table.at >= self.since
        if self.until is not None:
            found &= table.at < self.until
        return found


EVERY = Filters()
_ROWS = select(
    audit_log.c.seq.label("number"),
    *(audit_log.c[name] for name in AuditRow.__struct_fields__ if name != "number"),
)


def page(
    unit: UnitOfWork, *, size: int, before_seq: int | None, filters: Filters
) -> tuple[list[AuditRow], int | None]:
    """The newest rows first: at most `size`, and the cursor of the next page or None."""
    statement = _ROWS.where(filters.condition()).order_by(audit_log.c.seq.desc())
    if before_seq is not None:
        statement = statement.where(audit_log.c.seq < before_seq)
    found = unit.db.execute(statement.limit(size + 1)).all()
    rows = [_row(row) for row in found[:size]]
    return rows, rows[-1].number if len(found) > size else None


def export(unit: UnitOfWork, *, size: int, after: int, filters: Filters) -> list[AuditRow]:
    """The oldest rows first: at most `size` with numbers beyond `after`."""
    statement = _ROWS.where(filters.condition(), audit_log.c.seq > after)
    found = unit.db.execute(statement.order_by(audit_log.c.seq).limit(size))
    return [_row(row) for row in found]


def _row(row: AnyRow) -> AuditRow:
    *values, before, after = row
    shown: list[Any] = [*values, _parsed(before), _parsed(after)]
    return AuditRow(*shown)


def count(unit: UnitOfWork, filters: Filters) -> int:
    """How many rows a filter finds."""
    statement = select(func.count()).select_from(audit_log).where(filters.condition())
    return unit.db.execute(statement).scalar_one()


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
