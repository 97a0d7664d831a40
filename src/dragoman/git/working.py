"""Syncs as requests and jobs ask for them: the shared model, a branch, all that a push may mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import ApiError, BadRequest, Forbidden
from dragoman.dialects.failures import DatabaseFailure
from dragoman.git import service, state
from dragoman.git.records import Configuration, load
from dragoman.git.schemas import CommitAnswer, CommitBody
from dragoman.git.syncing import Desk, Line, Outcome, Syncing
from dragoman.gitremote import hosts
from dragoman.house import House
from dragoman.jobs import Context, JobFailed
from dragoman.models import service as models
from dragoman.models.service import Model
from dragoman.store import Origin, StoreBusy, UnitOfWork

log = structlog.get_logger()
T = TypeVar("T")
KIND = "GIT_SYNC"
DEFAULT_MESSAGE = "Update the model"
# Who syncs when a host calls: nobody's token is behind it.
WEBHOOK = Principal(PrincipalKind.OPERATOR, "git webhook", organization_admin=True)


def desk_of(house: House, origin: Origin) -> Desk:
    """Units of work on the calling thread, for a request."""

    def read(work: Callable[[UnitOfWork], T]) -> T:
        with house.store.look(origin) as unit:
            return work(unit)

    def write(work: Callable[[UnitOfWork], T]) -> T:
        with house.store.begin(origin) as unit:
            return work(unit)

    return Desk(house, read, write)


def configured(
    unit: UnitOfWork, principal: Principal, model_id: str
) -> tuple[Model, Configuration]:
    """A model that the principal manages, and its repository. Raises `Forbidden` without one, as
    the contract has it for syncs and commits."""
    model = service.model_of(unit, principal, model_id)
    found = load(unit, model.id)
    if found is None:
        raise Forbidden(f"Forbidden: {service.NOT_CONFIGURED}")
    return model, found


def sync(desk: Desk, principal: Principal, model_id: str, message: str | None) -> Outcome:
    """Bring the shared model and the base branch together. Raises `GitFailure`, `ApiError`."""
    model, found = desk.read(lambda unit: configured(unit, principal, model_id))
    return sync_shared(desk, principal, model, found, message)


def sync_shared(
    desk: Desk, principal: Principal, model: Model, found: Configuration, message: str | None
) -> Outcome:
    """As `sync`, without asking what the principal may do."""
    line = Line(model, found.base_branch, push=not service.needs_pull_request(found, principal))
    return Syncing(desk, principal, found).run(line, message or DEFAULT_MESSAGE)


def commit(desk: Desk, principal: Principal, model_id: str, body: CommitBody) -> CommitAnswer:
    """Bring a branch and its git branch together; the latter is made when it is not there."""
    if body.require_branch_exists and not body.allow_branch_exists:
        raise BadRequest(
            "Bad Request: allow_branch_exists cannot be false when require_branch_exists is true"
        )

    def find(unit: UnitOfWork) -> tuple[Model, Configuration, str | None]:
        model, found = configured(unit, principal, model_id)
        branch = models.branch_of(unit, model, body.branch_id)
        return branch, found, state.load(unit, model.id).commit

    branch, found, start = desk.read(find)
    syncing = Syncing(desk, principal, found)
    name = branch.name or branch.id
    if name == found.base_branch:
        raise BadRequest(f"Bad Request: the branch {name} is called like the base branch of git")
    exists = f"refs/heads/{name}" in syncing.remote.references()
    if exists and not body.allow_branch_exists:
        raise BadRequest(f"Bad Request: the git branch {name} exists already")
    if not exists and body.require_branch_exists:
        raise BadRequest(f"Bad Request: the git branch {name} does not exist")
    line = Line(branch, name, push=True, start=start or found.base_branch)
    outcome = syncing.run(line, body.commit_message)
    return CommitAnswer(
        outcome.did_sync,
        outcome.in_sync,
        outcome.git_sha,
        hosts.pull_request_url(found.provider, found.web, name, found.base_branch),
        outcome.message,
        outcome.conflicts,
    )


def run_job(context: Context, _arguments: Mapping[str, Any]) -> Any:
    """The job that a webhook starts: the shared model, then every branch that git has too."""
    desk = Desk(context.house, context.read, context.write)
    model_id = context.job.subject

    def find(unit: UnitOfWork) -> tuple[Model, Configuration, list[Model]] | None:
        model, found = models.load(unit, model_id), load(unit, model_id)
        if model is None or model.deleted_at is not None or found is None:
            return None
        return model, found, models.branches_of(unit, model)

    there = desk.read(find)
    if there is None:
        raise JobFailed("The model has no git repository any more.")
    model, found, branches = there
    context.progress("base branch")
    outcomes = {found.base_branch: sync_shared(desk, WEBHOOK, model, found, None)}
    heads = Syncing(desk, WEBHOOK, found).remote.references()
    there_too = [each for each in branches if f"refs/heads/{each.name}" in heads]
    for done, branch in enumerate(there_too):
        context.progress("branches", done, len(there_too))
        name = branch.name or ""
        outcomes[name] = Syncing(desk, WEBHOOK, found).run(
            Line(branch, name, push=False), DEFAULT_MESSAGE
        )
    return {
        name: {"inSync": each.in_sync, "gitSha": each.git_sha, "message": each.message}
        for name, each in outcomes.items()
    }


def check_save(unit: UnitOfWork, principal: Principal, intent: models.Intent) -> None:
    """A rule of models: whether the shared model itself may be written. Raises `Forbidden`."""
    if intent.branch is None:
        service.guard(unit, principal, intent.model)


def check_merge(unit: UnitOfWork, principal: Principal, intent: models.Intent) -> None:
    """A rule of models: whether a branch may be merged here.

    Raises `BadRequest` where a pull request is needed and not overridden, `Forbidden` when the
    principal may not override.
    """
    found = load(unit, intent.model.id)
    if found is None or not service.needs_pull_request(found, principal):
        return
    if not intent.force:
        why = "follows its git repository" if found.git_follower else "requires pull requests"
        raise BadRequest(
            f"Bad Request: this model {why}: merge the pull request in git",
            extra={"fix": "Or send force_override_git_settings, as an admin of the connection."},
        )
    try:
        models.check(unit, principal, intent.model, Permission.MODELS_ADMIN)
    except Forbidden:
        raise Forbidden(
            "Forbidden: overriding git settings needs an admin of the connection"
        ) from None


def check_migration(unit: UnitOfWork, _principal: Principal, intent: models.Intent) -> None:
    """A rule of models: what is in git is replaced on a branch, for somebody to look at."""
    if intent.branch is None and load(unit, intent.model.id) is not None:
        raise BadRequest(
            "Bad Request: Target model has git enabled but branchName was not provided"
        )


async def files_at(house: House, principal: Principal, model_id: str, ref: str) -> dict[str, str]:
    """A model's files at a branch, tag or commit id of its repository, for a migration.

    Raises `GitFailure`, `ApiError`.
    """

    def work() -> dict[str, str]:
        desk = desk_of(house, Origin())
        found = desk.read(lambda unit: _source(unit, principal, model_id))
        there = Syncing(desk, principal, found).files_at(ref)
        if there is None:
            raise BadRequest(f"Bad Request: gitRef: the repository has no {ref[:80]}")
        return there

    return await asyncio.get_running_loop().run_in_executor(house.blocking, work)


def _source(unit: UnitOfWork, principal: Principal, model_id: str) -> Configuration:
    models.get(unit, principal, model_id, missing="Not Found: Source model not found")
    found = load(unit, model_id)
    if found is None:
        raise models.not_in_git()
    return found


async def publish(house: House, principal: Principal, intent: models.Intent) -> bool:
    """After a merge: push it, unless the base branch is for pull requests. Whether git has it now.

    The merge stands whatever becomes of the push; the next sync brings it.
    """
    branch = intent.branch.name if intent.branch else None
    message = intent.message or f"branch {branch} merged via API"

    def work() -> bool:
        desk = desk_of(house, Origin())
        found = desk.read(lambda unit: load(unit, intent.model.id))
        if found is None or service.needs_pull_request(found, principal):
            return False
        return sync_shared(desk, principal, intent.model, found, message).in_sync

    try:
        return await asyncio.get_running_loop().run_in_executor(house.blocking, work)
    except (ApiError, DatabaseFailure, StoreBusy) as error:
        log.warning("a merge was not pushed", model=intent.model.id, reason=str(error)[:300])
        return False
