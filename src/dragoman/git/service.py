"""The rules of a model's repository. Every function takes an open unit of work and a principal."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

import msgspec
from sqlalchemy import delete as delete_rows
from sqlalchemy import insert, select, update

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, Forbidden, NotFound
from dragoman.connections.events import Event
from dragoman.connections.service import Connection
from dragoman.git import configuring
from dragoman.git.records import RESOURCE, SIGNING, WEBHOOK, Configuration, load
from dragoman.git.schemas import AuthMethod, GitBody, GitConfiguration, LastSync, PullRequests
from dragoman.git.tables import model_git as table
from dragoman.git.tables import model_git_branches, model_git_files
from dragoman.models import service as models
from dragoman.models.service import Kind, Model
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import Vault, shelf

NOT_CONFIGURED = "Git configuration not found for this model"
_MODEL = "Model with id {id} does not exist"
_AUDITED = tuple(
    c.name for c in table.c if c.name not in ("created_at", "updated_at", "public_key")
)


def model_of(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    permission: Permission = Permission.MODELS_EDIT,
) -> Model:
    """A model that may have a repository and that the principal may manage so.

    Raises `NotFound`, `Forbidden`, `BadRequest` for kinds that have none.
    """
    try:
        found = models.get(unit, principal, model_id, permission)
    except Forbidden:
        raise Forbidden("Forbidden: Requires MANAGE_MODEL permission") from None
    if found.kind not in (Kind.SHARED, Kind.SHARED_EXTENSION):
        raise BadRequest(f"Bad Request: models of kind {found.kind} have no git repository")
    return found


def configuration(unit: UnitOfWork, model: Model) -> Configuration:
    """The configuration of a model. Raises `NotFound`."""
    found = load(unit, model.id)
    if found is None:
        raise NotFound(NOT_CONFIGURED)
    return found


def create(
    unit: UnitOfWork, vault: Vault, principal: Principal, model: Model, body: GitBody
) -> Configuration:
    """Give a model a repository. Nothing is dialled. Raises `Conflict`, `BadRequest`."""
    if load(unit, model.id) is not None:
        raise Conflict("Git already configured for this model")
    draft = configuring.new(body, model.id, model.name or model.id, unit.now)
    made = draft.configuration
    unit.db.execute(insert(table).values(asdict(made)))
    secrets = {**draft.secrets, WEBHOOK: configuring.new_webhook_secret()}
    for name, secret in secrets.items():
        shelf.put(unit, vault, made.context(name), secret)
    audit.record(unit, principal, "git.create", ("model", model.id), after=_told(made))
    return made


def change(
    unit: UnitOfWork, vault: Vault, principal: Principal, model: Model, body: GitBody
) -> Configuration:
    """Change a model's repository. Raises `NotFound`, `BadRequest`."""
    before = configuration(unit, model)
    draft = configuring.change(body, before, unit.now)
    made = draft.configuration
    mine = table.c.model_id == model.id
    unit.db.execute(update(table).where(mine).values(asdict(made)))
    if made.secret_name != before.secret_name:
        shelf.remove(unit, RESOURCE, model.id, before.secret_name)
    if made.signing_key is None:
        shelf.remove(unit, RESOURCE, model.id, SIGNING)
    for name, secret in draft.secrets.items():
        shelf.put(unit, vault, made.context(name), secret)
    if _elsewhere(before, made):
        _forget(unit, model)
    told = {**_told(made), "secrets": sorted(draft.secrets)}
    audit.record(unit, principal, "git.update", ("model", model.id), _told(before), told)
    return made


def delete(unit: UnitOfWork, principal: Principal, model: Model) -> None:
    """Unlink a model's repository; neither side loses a file. Raises `NotFound`."""
    before = configuration(unit, model)
    unit.db.execute(delete_rows(table).where(table.c.model_id == model.id))
    shelf.remove(unit, RESOURCE, model.id)
    _forget(unit, model)
    audit.record(unit, principal, "git.delete", ("model", model.id), before=_told(before))


def follow_connection(
    unit: UnitOfWork, _principal: Principal, connection: Connection, event: Event
) -> None:
    """Wipe the keys of every repository on a connection that goes to the trash, as its own are."""
    if event is not Event.DELETED:
        return
    for model_id in unit.db.execute(select(table.c.model_id)).scalars().all():
        model = models.load(unit, model_id)
        if model is not None and model.connection_id == connection.id:
            shelf.remove(unit, RESOURCE, model_id)


def show(
    unit: UnitOfWork, found: Configuration, public_url: str, webhook_secret: SecretStr | None
) -> GitConfiguration:
    """The configuration as the API gives it."""
    state = select(model_git_branches.c.commit, model_git_branches.c.synced_at)
    row = unit.db.execute(state.where(model_git_branches.c.model_id == found.model_id)).first()
    provider = found.provider if found.git_service_provider == "auto" else None
    return GitConfiguration(
        auth_method=cast("AuthMethod", found.auth_method),
        base_branch=found.base_branch,
        branch_per_pull_request=found.branch_per_pull_request,
        clone_url=found.clone_url,
        committer_email=found.committer_email,
        committer_name=found.committer_name,
        git_follower=found.git_follower,
        git_service_provider=provider or found.git_service_provider,
        github_app_id=found.github_app_id,
        github_app_installation_id=found.github_app_installation_id,
        model_path=found.model_path,
        public_key=found.public_key,
        require_pull_request=cast("PullRequests", found.require_pull_request),
        sign_commits=found.signing_key is not None,
        signing_public_key=found.signing_key,
        ssh_url=found.clone_url,
        web_url=found.web_url,
        webhook_url=f"{public_url}/api/webhooks/model/{found.model_id}",
        host_key=found.host_key,
        last_sync=LastSync(row.commit, row.synced_at) if row is not None else None,
        webhook_secret=webhook_secret.reveal() if webhook_secret else msgspec.UNSET,
    )


def needs_pull_request(found: Configuration, principal: Principal) -> bool:
    """Whether this principal's changes reach the base branch by pull request only.

    `users-only` asks it of people; an organization key, and the operator, write directly.
    """
    if found.git_follower or found.require_pull_request == "always":
        return True
    return found.require_pull_request == "users-only" and principal.is_person


def guard(unit: UnitOfWork, principal: Principal, model: Model) -> None:
    """Raise `Forbidden` when files of the shared model itself may not be written by hand."""
    if model.is_branch:
        return
    found = load(unit, model.id)
    if found is None or not needs_pull_request(found, principal):
        return
    why = "follows its git repository" if found.git_follower else "is changed by pull request"
    raise Forbidden(
        f"Forbidden: this model {why}: write to a branch",
        extra={"fix": "Save to a branch, commit it to git, and merge the pull request there."},
    )


def _elsewhere(before: Configuration, after: Configuration) -> bool:
    """Whether what was synced so far says nothing about the repository as it is meant now."""
    names = ("clone_url", "base_branch", "model_path")
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _forget(unit: UnitOfWork, model: Model) -> None:
    """The model, and its branches, have no sync behind them any more."""
    for each in [model, *models.branches_of(unit, model)]:
        for state in (model_git_branches, model_git_files):
            unit.db.execute(delete_rows(state).where(state.c.model_id == each.id))


def _told(found: Configuration) -> dict[str, object]:
    return {name: getattr(found, name) for name in _AUDITED}
