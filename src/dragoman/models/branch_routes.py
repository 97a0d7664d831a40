"""Paths of branches: what a merge would do, merge, bring up to date, delete."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, decode_object, typed
from dragoman.api.routing import Route
from dragoman.models import branches
from dragoman.models.access import get
from dragoman.models.branches import Merge
from dragoman.models.rules import RULES, Intent
from dragoman.models.schemas import (
    BranchMerged,
    MergeBranch,
    MergePreview,
    Saved,
    UpdateBranch,
)
from dragoman.models.threeway import Side
from dragoman.store import UnitOfWork

TAG = "Model branches"
SIDES: dict[str | None, Side | None] = {"branch": "theirs", "shared": "ours", None: None}


async def preview(call: Call) -> Response:
    model_id, name = call.id("modelId"), call.text("branchName")

    def work(unit: UnitOfWork) -> Merge:
        base = get(unit, call.principal, model_id)
        return branches.preview(unit, branches.find(unit, base, name))

    found = await call.read_long(work)
    told = [branches.shown(conflict) for conflict in found.conflicts]
    return answer(MergePreview(not told, sorted(found.changes), told))


async def merge(call: Call) -> Response:
    model_id, name = call.id("modelId"), call.text("branchName")
    raw = await call.body()
    body = typed(decode_object(raw) if raw else {}, MergeBranch)

    def work(unit: UnitOfWork) -> tuple[Intent, BranchMerged]:
        base = get(unit, call.principal, model_id, Permission.MODELS_EDIT)
        branch = branches.find(unit, base, name)
        intent = Intent(base, branch, body.commit_message, body.force_override_git_settings)
        RULES.check_merge(unit, call.principal, intent)
        version, paths = branches.merge_branch(unit, call.principal, branch, body.commit_message)
        if body.delete_branch:
            branches.delete_branch(unit, call.principal, branch)
        return intent, BranchMerged(version, paths)

    intent, done = await call.write(work)
    done.git_synced = await RULES.publish(call.house, call.principal, intent)
    return answer(done)


async def update(call: Call) -> Response:
    model_id, name = call.id("modelId"), call.text("branchName")
    raw = await call.body()
    body = typed(decode_object(raw) if raw else {}, UpdateBranch)

    def work(unit: UnitOfWork) -> int:
        base = get(unit, call.principal, model_id, Permission.MODELS_BRANCH)
        branch = branches.find(unit, base, name)
        side = SIDES[body.prefer]
        return branches.update_branch(unit, call.principal, branch, side, body.commit_message)

    return answer(Saved(await call.write(work)))


async def delete(call: Call) -> Response:
    model_id, name = call.id("modelId"), call.text("branchName")

    def work(unit: UnitOfWork) -> None:
        base = get(unit, call.principal, model_id, Permission.MODELS_EDIT)
        branches.delete_branch(unit, call.principal, branches.find(unit, base, name))

    await call.write(work)
    return answer(Success())


_ONE = "/api/v1/models/{modelId}/branch/{branchName}"

ROUTES = (
    Route(
        "GET",
        _ONE + "/merge",
        preview,
        Permission.MODELS_READ,
        "modelsPreviewMerge",
        "What merging a branch would do",
        TAG,
        answer=MergePreview,
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "POST",
        _ONE + "/merge",
        merge,
        Permission.MODELS_EDIT,
        "modelsMergeBranch",
        "Merge branch",
        TAG,
        body=MergeBranch,
        answer=BranchMerged,
        errors=(400, 404),
    ),
    Route(
        "POST",
        _ONE + "/update",
        update,
        Permission.MODELS_BRANCH,
        "modelsUpdateBranch",
        "Bring the base model's changes into a branch",
        TAG,
        body=UpdateBranch,
        answer=Saved,
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        Permission.MODELS_EDIT,
        "modelsDeleteBranch",
        "Delete branch",
        TAG,
        answer=Success,
        errors=(400, 404),
    ),
)
