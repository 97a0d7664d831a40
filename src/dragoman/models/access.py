"""From an id to a model that the principal may use so."""

from __future__ import annotations

from dragoman.access.policy import NOTHING, Permission, Rights, Thing, Verdict, judge
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Forbidden, NotFound
from dragoman.connections import service as connections
from dragoman.connections.service import Connection
from dragoman.models.records import Kind, Model, load
from dragoman.models.rules import RULES, Intent
from dragoman.models.saving import lock
from dragoman.store import UnitOfWork

# What a role can be given on; other models have the roles of their base.
BEARERS = (Kind.SHARED, Kind.SHARED_EXTENSION)
WORDS = "Model with id {id} does not exist"


def get(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    permission: Permission = Permission.MODELS_READ,
    *,
    missing: str = WORDS,
) -> Model:
    """A live model of a live connection.

    Raises `NotFound` (with the words of `missing`) for one that is not there or that the principal
    may not see, and `Forbidden` for one that may be seen but not used so.
    """
    found = load(unit, model_id)
    if found is None or found.deleted_at is not None:
        raise NotFound(missing.format(id=model_id))
    check(unit, principal, found, permission, missing=missing)
    return found


def check(
    unit: UnitOfWork,
    principal: Principal,
    model: Model,
    permission: Permission,
    *,
    missing: str = WORDS,
) -> Connection:
    """Its connection. Raises as `get` does unless the principal may use the model so."""
    connection = connections.load(unit, model.connection_id)
    if connection is None or connection.deleted_at is not None:
        raise NotFound(missing.format(id=model.id))
    rights = connections.rights_on(unit, principal, connection, bearer(model))
    verdict = judge(principal, permission, rights, Thing.MODEL)
    if verdict is Verdict.FORBIDDEN:
        raise Forbidden(f"Forbidden: {permission.value} needs a higher role on this model")
    if verdict is Verdict.HIDDEN:
        raise NotFound(missing.format(id=model.id))
    return connection


def bearer(model: Model) -> str:
    """The id of the model whose roles count: a branch, like a workbook, has those of its base."""
    own = model.kind in BEARERS or model.base_model_id is None
    return model.id if own else str(model.base_model_id)


def rights_on(unit: UnitOfWork, principal: Principal, model: Model) -> Rights:
    """What the principal may do to a model; nothing where its connection is gone."""
    connection = connections.load(unit, model.connection_id)
    if connection is None:
        return NOTHING
    return connections.rights_on(unit, principal, connection, bearer(model))


def on_branch(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    branch_id: str | None,
    permission: Permission = Permission.MODELS_READ,
) -> Model:
    """The model, or its branch of that id; a branch may also be named in place of its model.

    `permission` is asked for on the model; on a branch, changing asks for `MODELS_BRANCH` only.
    """
    model = get(unit, principal, model_id)
    if branch_id is not None:
        model = branch_of(unit, model, branch_id)
    if permission is Permission.MODELS_READ:
        return model
    branches = permission is Permission.MODELS_EDIT and model.is_branch
    check(unit, principal, model, Permission.MODELS_BRANCH if branches else permission)
    return model


def editable(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    branch_id: str | None,
    message: str = "",
) -> Model:
    """The model or branch that the principal may write to, locked; asks every rule first."""
    found = on_branch(unit, principal, model_id, branch_id, Permission.MODELS_EDIT)
    base = load(unit, found.base_model_id or "") if found.is_branch else found
    branch = found if found.is_branch else None
    if base is not None:
        RULES.check_save(unit, principal, Intent(base, branch, message))
    return lock(unit, found.id)


def branch_of(unit: UnitOfWork, model: Model, branch_id: str) -> Model:
    """A live branch of the model. Raises `BadRequest`, `NotFound`."""
    if model.id == branch_id and model.is_branch:
        return model
    if model.kind is Kind.SCHEMA:
        raise BadRequest("Bad Request: Schema models do not have branches")
    branch = load(unit, branch_id)
    base = model.base_model_id if model.is_branch else model.id
    if branch is None or branch.deleted_at or not branch.is_branch or branch.base_model_id != base:
        raise NotFound("Branch does not exist")
    return branch
