"""The audit: one row for every change, written in the transaction that makes the change.

Rows say who, what, when, from where, and the values before and after. Secrets never reach a row:
callers pass settings, which have none, and names of secrets that changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)

from dragoman import clock
from dragoman.access.principal import Principal
from dragoman.store.metadata import Id, Time, metadata
from dragoman.store.prepared import PreparedInsert
from dragoman.store.work import UnitOfWork

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False),
    Column("at", Time, nullable=False),
    Column("actor_kind", String(20), nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("actor_user_id", Id),
    Column("actor_token_id", Id),
    Column("action", String(60), nullable=False),
    Column("resource_type", String(40), nullable=False),
    Column("resource_id", String(80), nullable=False, index=True),
    Column("request_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("before", Text),
    Column("after", Text),
)

Change = Mapping[str, Any]
_INSERT = PreparedInsert(audit_log, *(c.name for c in audit_log.c if c.name != "seq"))


def record(
    unit: UnitOfWork,
    principal: Principal,
    action: str,
    resource: tuple[str, str],
    before: Change | None = None,
    after: Change | None = None,
) -> None:
    """Write one row. `resource` is (type, id); `before` and `after` hold no secrets."""
    _INSERT.run(
        unit,
        id=str(uuid.uuid4()),
        at=unit.now,
        actor_kind=principal.kind.value,
        actor_name=principal.name,
        actor_user_id=principal.user_id,
        actor_token_id=principal.token_id,
        action=action,
        resource_type=resource[0],
        resource_id=resource[1],
        request_id=unit.origin.request_id,
        address=unit.origin.address,
        before=_json(before),
        after=_json(after),
    )


def _json(change: Change | None) -> str | None:
    return None if change is None else msgspec.json.encode(dict(change)).decode()


class AuditRow(msgspec.Struct, rename="camel"):
    """One row as the API gives it. Times are ISO 8601 UTC."""

    id: str
    at: str
    actor_kind: str
    actor_name: str
    actor_user_id: str | None
    actor_token_id: str | None
    action: str
    resource_type: str
    resource_id: str
    request_id: str
    address: str
    before: Any
    after: Any


def page(
    unit: UnitOfWork, *, size: int, before_seq: int | None, filters: Mapping[str, str]
) -> tuple[list[AuditRow], int | None]:
    """The newest rows first: at most `size`, and the cursor of the next page or None.

    `filters` compares columns for equality; callers pass known column names only.
    """
    columns = [audit_log.c.seq] + [audit_log.c[name] for name in AuditRow.__struct_fields__]
    statement = select(*columns).order_by(audit_log.c.seq.desc()).limit(size + 1)
    if before_seq is not None:
        statement = statement.where(audit_log.c.seq < before_seq)
    for name, value in filters.items():
        statement = statement.where(audit_log.c[name] == value)
    found = unit.db.execute(statement).mappings().all()
    rows = [_row(row) for row in found[:size]]
    return rows, found[size - 1]["seq"] if len(found) > size else None


def _row(row: RowMapping) -> AuditRow:
    values = {name: row[name] for name in AuditRow.__struct_fields__}
    values |= {"before": _parsed(row["before"]), "after": _parsed(row["after"])}
    return AuditRow(**values)


def count(unit: UnitOfWork, filters: Mapping[str, str]) -> int:
    """How many rows a filter finds."""
    statement = select(func.count()).select_from(audit_log)
    for name, value in filters.items():
        statement = statement.where(audit_log.c[name] == value)
    return unit.db.execute(statement).scalar_one()


def forget(unit: UnitOfWork, days: int) -> int:
    """Delete rows older than so many days; returns how many."""
    oldest = clock.wire(unit.moment - timedelta(days=days))
    return unit.db.execute(delete(audit_log).where(audit_log.c.at < oldest)).rowcount


def _parsed(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
