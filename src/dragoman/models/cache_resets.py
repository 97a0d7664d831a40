"""Cache resets: results that were kept before a moment are stale (contract §3.7)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from dragoman import audit, clock
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.models.access import get
from dragoman.models.saving import lock
from dragoman.models.schemas import CacheReset
from dragoman.models.tables import model_cache_resets as table
from dragoman.store import UnitOfWork

MAX_NAME = 200


def reset(
    unit: UnitOfWork, principal: Principal, model_id: str, policy: str, reset_at: str | None
) -> CacheReset:
    """Note a reset of a cache policy, whatever its name. Raises `BadRequest` for a time that is
    none, or that is to come."""
    model = get(unit, principal, model_id, Permission.MODELS_EDIT)
    if len(policy) > MAX_NAME:
        raise BadRequest(f"Bad Request: policyName: at most {MAX_NAME} characters")
    moment = unit.now if reset_at is None else _moment(unit, reset_at)
    lock(unit, model.id)  # of two that come at once, one finds what the other wrote
    mine = (table.c.model_id == model.id) & (table.c.policy_name == policy)
    values = {"reset_at": moment, "updated_at": unit.now}
    if unit.db.execute(update(table).where(mine).values(values)).rowcount == 0:
        key = {"model_id": model.id, "policy_name": policy, "created_at": unit.now}
        unit.db.execute(insert(table).values(**key, **values))
    after = {"policy": policy, "resetAt": moment}
    audit.record(unit, principal, "model.cache_reset", ("model", model.id), after=after)
    row = unit.db.execute(select(table).where(mine)).one()
    return CacheReset(row.model_id, row.policy_name, row.reset_at, row.created_at, row.updated_at)


def last_reset(unit: UnitOfWork, model_id: str, policy: str) -> str | None:
    """The moment before which results under a policy are stale; None where there is none."""
    mine = (table.c.model_id == model_id) & (table.c.policy_name == policy)
    return unit.db.execute(select(table.c.reset_at).where(mine)).scalar()


def _moment(unit: UnitOfWork, text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest("Bad Request: resetAt: Expected an ISO 8601 time") from None
    if found > unit.moment:
        raise BadRequest("Bad Request: resetAt cannot be future dated")
    return clock.wire(found)
