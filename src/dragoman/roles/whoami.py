"""Who the token stands for, and what it may do on each model (contract, `GET /v1/whoami`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial

from dragoman.access.policy import Permission, allow
from dragoman.access.principal import Principal
from dragoman.access.roles import Role
from dragoman.api.errors import NotFound
from dragoman.connections import service as connections
from dragoman.connections.service import Connection
from dragoman.identity import service as identity
from dragoman.identity.service import Grant
from dragoman.models import service as models
from dragoman.models.service import Kind, ListFilter, Model
from dragoman.roles.schemas import ModelRole, WhoAmI, WhoAmIUser
from dragoman.store import UnitOfWork

# So many models at most, since the answer is asked for at each start of a client.
MODELS = 200
# The codes that clients look for, and the permission that each of them stands for.
_CODES = {
    "READ": Permission.CONNECTIONS_READ,
    "USE_WORKBOOKS": Permission.QUERIES_TOPIC,
    "QUERY_TOPICS": Permission.QUERIES_TOPIC,
    "QUERY_FULL_MODEL": Permission.QUERIES_ASK,
    "QUERY_SQL": Permission.CONNECTIONS_SQL,
    "VIEW_SQL": Permission.CONNECTIONS_SQL,
    "UPDATE_RESTRICTED": Permission.MODELS_EDIT,
    "UPDATE": Permission.MODELS_EDIT,
    "MANAGE": Permission.MODELS_ADMIN,
}
_KINDS = (Kind.SCHEMA, Kind.SHARED, Kind.SHARED_EXTENSION)


def whoami(unit: UnitOfWork, principal: Principal, wanted: list[str] | None = None) -> WhoAmI:
    """The principal, with its role on each model that it may read, or on those of the ids `wanted`.

    Raises `NotFound` where one of those has no role for the principal, as for one that is missing.
    """
    # A key that nobody's account made has no member behind it: it is named by its own id.
    member = principal.user_id or principal.token_id or ""
    found = _models(unit, principal, wanted)
    return WhoAmI(
        user=WhoAmIUser(member, member),
        membership_id=member,
        key_scope="user" if principal.is_person else "organization",
        org_role="ORG_ADMIN" if principal.organization_admin else "MEMBER",
        roles_by_model=_roles(unit, principal, found[:MODELS]),
        roles_by_model_truncated=len(found) > MODELS,
    )


def _models(unit: UnitOfWork, principal: Principal, wanted: list[str] | None) -> list[Model]:
    """The models that carry roles: a branch has those of its base."""
    every = ListFilter(size=MODELS + 1)
    if wanted is None:
        filters = [replace(every, kind=kind.value) for kind in _KINDS]
    else:
        filters = [replace(every, model_id=model_id) for model_id in wanted]
    found = [m for asked in filters for m in models.page(unit, principal, asked).models]
    found = [model for model in found if model.kind in _KINDS]
    missing = set(wanted or ()) - {model.id for model in found}
    if missing:
        raise NotFound(f"Model(s) not found: {', '.join(sorted(missing))}")
    return found


def _roles(unit: UnitOfWork, principal: Principal, found: Iterable[Model]) -> dict[str, ModelRole]:
    given = [] if principal.user_id is None else list(identity.grants_of(unit, principal.user_id))
    load = cache(partial(connections.load, unit))
    base_of = cache(partial(identity.base_of, unit))
    answer: dict[str, ModelRole] = {}
    for model in found:
        connection = load(model.connection_id)
        if connection is not None:
            rights = connections.rights_on(unit, principal, connection, model.id)
            name = _strongest(base_of, principal, connection, model, given)
            answer[model.id] = ModelRole(
                role_name=name,
                base_role=base_of(name).value,
                connection_id=connection.id,
                permissions=[code for code, one in _CODES.items() if allow(principal, one, rights)],
            )
    return answer


def _strongest(
    base_of: Callable[[str], Role],
    principal: Principal,
    connection: Connection,
    model: Model,
    given: Iterable[Grant],
) -> str:
    scope = principal.scope
    # On some connections only an admin's key is no admin's, and yet may do everything there.
    if principal.organization_admin or (scope is not None and scope.whole):
        return Role.CONNECTION_ADMIN.value
    here = [
        grant.role
        for grant in given
        if grant.connection_id == connection.id and grant.model_id in (None, model.id)
    ]
    names = [str(connection.settings["baseRole"]), *here]
    return max(names, key=lambda name: base_of(name).rank)
