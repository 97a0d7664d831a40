"""What may be dialled, as an admin sees it, and on record whenever it is another than before."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR
from dragoman.api.call import Call, answer
from dragoman.api.routing import Route
from dragoman.egress import EgressPolicy
from dragoman.store import UnitOfWork

_ACTION = "egress.policy"
_RESOURCE = ("server", "egress")
_ANSWER = {
    "type": "object",
    "required": ["policy"],
    "properties": {"policy": {"type": "string", "description": "The rules in force, in words."}},
}


async def show(call: Call) -> Response:
    """`GET /api/v1/egress`."""
    return answer(_told(call.house.network))


def note(unit: UnitOfWork, policy: EgressPolicy) -> None:
    """Write an audit row when the policy is not the one of the last start."""
    told = _told(policy)
    rows, _ = audit.page(unit, size=1, before_seq=None, filters=audit.Filters({"action": _ACTION}))
    before = rows[0].after if rows else None
    if before != told:
        audit.record(unit, OPERATOR, _ACTION, _RESOURCE, before, told)


def _told(policy: EgressPolicy) -> dict[str, Any]:
    return {"policy": policy.describe()}


ROUTES = (
    Route(
        "GET",
        "/api/v1/egress",
        show,
        Permission.AUDIT_READ,
        "egressGet",
        "Which addresses may be dialled",
        "System",
        answer=_ANSWER,
        extension=True,
    ),
)
