"""Paths of a model's git repository (contract §3.7), and of the hosts' webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from starlette.responses import Response

from dragoman import jobs
from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer, decode_object, typed
from dragoman.api.errors import BadRequest, Unauthorized
from dragoman.api.routing import Parameter, Route
from dragoman.git import service, webhook, working
from dragoman.git.records import RESOURCE, WEBHOOK, Configuration, load
from dragoman.git.schemas import (
    Accepted,
    CommitAnswer,
    CommitBody,
    GitConfiguration,
    GitCreate,
    GitUpdate,
    SyncAnswer,
    SyncBody,
    Unlinked,
)
from dragoman.models import service as models
from dragoman.models.service import Kind, NewModel
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import VaultError, shelf

TAG = "Model git configuration"
T = TypeVar("T")


async def get(call: Call) -> Response:
    model_id = call.id("modelId")
    wanted = _included(call.query().get("include", ""))

    def work(unit: UnitOfWork) -> tuple[Configuration, GitConfiguration, str | None]:
        model = service.model_of(unit, call.principal, model_id)
        found = service.configuration(unit, model)
        sealed = shelf.kept(unit, RESOURCE, model.id).get(WEBHOOK) if wanted else None
        return found, service.show(unit, found, _address(call), None), sealed

    found, shown, sealed = await call.read(work)
    if sealed is not None:
        secret = await _off_loop(call, partial(_opened, call, found, sealed))
        shown.webhook_secret = secret.reveal() if secret else msgspec.UNSET
    return answer(shown)


async def create(call: Call) -> Response:
    model_id = call.id("modelId")
    body = typed(await call.json(), GitCreate)

    def work(unit: UnitOfWork) -> GitConfiguration:
        model = service.model_of(unit, call.principal, model_id)
        made = service.create(unit, call.house.vault, call.principal, model, body)
        return service.show(unit, made, _address(call), None)

    return answer(await call.write(work), 201)


async def update(call: Call) -> Response:
    model_id = call.id("modelId")
    body = typed(await call.json(), GitUpdate)

    def work(unit: UnitOfWork) -> GitConfiguration:
        model = service.model_of(unit, call.principal, model_id)
        made = service.change(unit, call.house.vault, call.principal, model, body)
        return service.show(unit, made, _address(call), None)

    return answer(await call.write(work))


async def delete(call: Call) -> Response:
    model_id = call.id("modelId")

    def work(unit: UnitOfWork) -> None:
        model = service.model_of(unit, call.principal, model_id)
        service.delete(unit, call.principal, model)

    await call.write(work)
    return answer(Unlinked())


async def sync(call: Call) -> Response:
    model_id = call.id("modelId")
    raw = await call.body()
    body = typed(decode_object(raw) if raw.strip() else {}, SyncBody)
    desk = working.desk_of(call.house, call.origin)
    outcome = await _off_loop(
        call, partial(working.sync, desk, call.principal, model_id, body.commit_message)
    )
    return answer(
        SyncAnswer(
            outcome.did_sync,
            outcome.in_sync,
            outcome.git_sha,
            outcome.message,
            outcome.conflicts,
        )
    )


async def commit(call: Call) -> Response:
    model_id = call.id("modelId")
    body = typed(await call.json(), CommitBody)
    desk = working.desk_of(call.house, call.origin)
    work = partial(working.commit, desk, call.principal, model_id, body)
    return answer(await _off_loop(call, work))


async def called(call: Call) -> Response:
    """A host says that something was pushed, or a pull request opened."""
    body = await call.body()
    found, sealed = await call.read(partial(_behind, model_id=call.parameters["modelId"]))
    # One answer for a wrong signature and for a model that is not there.
    if found is None or sealed is None:
        raise Unauthorized("Unauthorized: Invalid signature")
    secret = await _off_loop(call, partial(_opened, call, found, sealed))
    headers = {name.lower(): value for name, value in call.request.headers.items()}
    if secret is None or not webhook.is_signed(headers, body, secret):
        raise Unauthorized("Unauthorized: Invalid signature")
    job = await call.write(partial(_start, found=found, body=body))
    call.house.jobs.wake()
    return answer(Accepted(True, job.id), 202)


def _behind(unit: UnitOfWork, model_id: str) -> tuple[Configuration | None, str | None]:
    found = load(unit, model_id)
    return found, shelf.kept(unit, RESOURCE, model_id).get(WEBHOOK) if found else None


def _start(unit: UnitOfWork, found: Configuration, body: bytes) -> jobs.Job:
    branch = webhook.pull_request_branch(body) if found.branch_per_pull_request else None
    model = models.load(unit, found.model_id)
    if branch is not None and model is not None:
        _ensure_branch(unit, model, branch)
    connection_id = None if model is None else model.connection_id
    return jobs.submit(
        unit, working.KIND, found.model_id, {}, working.WEBHOOK, connection_id=connection_id
    )


def _ensure_branch(unit: UnitOfWork, model: models.Model, name: str) -> None:
    """A branch for a pull request that began elsewhere; none where its name cannot be one here."""
    if any(each.name == name for each in models.branches_of(unit, model)):
        return
    wanted = NewModel(model.connection_id, Kind.BRANCH, name, model.id)
    try:
        models.create(unit, working.WEBHOOK, wanted)
    except BadRequest:
        return


def _opened(call: Call, found: Configuration, sealed: str) -> SecretStr | None:
    try:
        return call.house.vault.open(sealed, found.context(WEBHOOK))
    except VaultError:
        return None


async def _off_loop(call: Call, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(call.house.blocking, work)


def _included(text: str) -> bool:
    names = {part.strip() for part in text.split(",") if part.strip()}
    if unknown := names - {WEBHOOK}:
        raise BadRequest(f"Bad Request: include: unknown field '{min(unknown)[:60]}'")
    return WEBHOOK in names


def _address(call: Call) -> str:
    settings = call.house.settings
    return (settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")


_PATH = "/api/v1/models/{modelId}/git"
_EDIT = Permission.MODELS_EDIT
_INCLUDE = Parameter("include", 'Fields to add, separated by commas. Supported: "webhookSecret".')
_FAILS = (400, 404)

ROUTES = (
    Route(
        "GET",
        _PATH,
        get,
        _EDIT,
        "modelsGitGet",
        "Get git configuration",
        TAG,
        answer=GitConfiguration,
        query=(_INCLUDE,),
        errors=_FAILS,
    ),
    Route(
        "POST",
        _PATH,
        create,
        _EDIT,
        "modelsGitCreate",
        "Create git configuration",
        TAG,
        status=201,
        body=GitCreate,
        answer=GitConfiguration,
        errors=(*_FAILS, 409),
        description="Nothing is dialled yet. With SSH and no key of your own, the answer has the "
        "public key to give to the repository.",
    ),
    Route(
        "PATCH",
        _PATH,
        update,
        _EDIT,
        "modelsGitUpdate",
        "Update git configuration",
        TAG,
        body=GitUpdate,
        answer=GitConfiguration,
        errors=_FAILS,
    ),
    Route(
        "DELETE",
        _PATH,
        delete,
        _EDIT,
        "modelsGitDelete",
        "Delete git configuration",
        TAG,
        answer=Unlinked,
        errors=_FAILS,
    ),
    Route(
        "POST",
        _PATH + "/sync",
        sync,
        _EDIT,
        "modelsGitSync",
        "Sync model with git",
        TAG,
        body=SyncBody,
        answer=SyncAnswer,
        errors=(*_FAILS, 502),
        description="Three-way, file by file. What both sides changed is told in `conflicts`, and "
        "then neither side is changed.",
    ),
    Route(
        "POST",
        _PATH + "/commit",
        commit,
        _EDIT,
        "modelsCommit",
        "Commit branch to git",
        TAG,
        body=CommitBody,
        answer=CommitAnswer,
        errors=(*_FAILS, 502),
    ),
    Route(
        "POST",
        "/api/webhooks/model/{modelId}",
        called,
        Permission.PUBLIC,
        "modelsGitWebhook",
        "Receive a git host's webhook",
        TAG,
        status=202,
        answer=Accepted,
        errors=(400, 401, 408, 413),
        extension=True,
        description="Signed with the model's webhook secret: X-Hub-Signature-256 (GitHub), "
        "X-Hub-Signature (Bitbucket), X-Gitlab-Token (GitLab), or as a Basic password (Azure "
        "DevOps). Starts a job that syncs the model and its branches.",
    ),
)
