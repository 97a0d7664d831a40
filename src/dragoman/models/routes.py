"""Paths of models: list, create, rename, delete, versions, cache resets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, decode_object, typed, uuid_of
from dragoman.api.errors import BadRequest
from dragoman.api.paging import MOST, PageInfo, flag, page_size
from dragoman.api.routing import ON_THE_MODEL, Case, Parameter, Route
from dragoman.models import access, cache_resets, creation, grants, service, versions
from dragoman.models.listing import SORTS, ListFilter, Page, page
from dragoman.models.parameters import BRANCH, MODEL_KINDS, branch_id, whole_number
from dragoman.models.records import Kind, Model
from dragoman.models.schemas import (
    BranchName,
    CacheResetDone,
    CreateModel,
    MadeModel,
    ModelCreated,
    ModelList,
    ModelRow,
    ModelUpdated,
    RenamedModel,
    ResetCache,
    RestoreVersion,
    Saved,
    UpdateModel,
    VersionList,
    VersionRow,
)
from dragoman.models.versions import Version
from dragoman.store import UnitOfWork

TAG = "Models"


async def list_models(call: Call) -> Response:
    query = call.query()
    wanted, branches = _list_filter(query), _wants_branches(query)
    found = await call.read(lambda unit: page(unit, call.principal, wanted, branches=branches))
    info = PageInfo(found.next_cursor is not None, found.next_cursor, wanted.size, found.total)
    return answer(ModelList(info, [_row(each, found, branches) for each in found.models]))


def _row(model: Model, found: Page, branches: bool) -> ModelRow:
    names = [BranchName(*each) for each in found.branches.get(model.id, ())]
    return ModelRow(
        id=model.id,
        name=model.name,
        model_kind=model.kind.value,
        connection_id=model.connection_id,
        base_model_id=model.base_model_id,
        created_at=model.created_at,
        updated_at=model.updated_at,
        deleted_at=model.deleted_at,
        version=model.version,
        branches=names if branches else msgspec.UNSET,
    )


def _list_filter(query: Mapping[str, str]) -> ListFilter:
    sort, direction = query.get("sortField", "updatedAt"), query.get("sortDirection", "desc")
    if sort not in SORTS:
        raise BadRequest(f"Bad Request: sortField: must be one of {', '.join(SORTS)}")
    if direction not in ("asc", "desc"):
        raise BadRequest("Bad Request: sortDirection: must be asc or desc")
    kind = query.get("modelKind")
    if kind is not None and kind not in MODEL_KINDS:
        raise BadRequest(f"Bad Request: modelKind: must be one of {', '.join(MODEL_KINDS)}")
    ids = {name: uuid_of(query[name], name) for name in _IDS if name in query}
    return ListFilter(
        model_id=ids.get("modelId"),
        connection_id=ids.get("connectionId"),
        base_model_id=ids.get("baseModelId"),
        kind=kind,
        name=query.get("name"),
        explorable=flag(query, "explorable"),
        include_deleted=flag(query, "includeDeleted"),
        sort_field=sort,
        descending=direction == "desc",
        size=page_size(query),
        cursor=query.get("cursor"),
    )


def _wants_branches(query: Mapping[str, str]) -> bool:
    asked = {part.strip() for part in query.get("include", "").split(",") if part.strip()}
    if asked - {"activeBranches"}:
        raise BadRequest("Bad Request: include: only activeBranches can be included")
    return bool(asked)


async def create(call: Call) -> Response:
    body = typed(await call.json(), CreateModel)
    wanted = creation.NewModel(
        uuid_of(body.connection_id, "connectionId"),
        Kind(body.model_kind),
        body.model_name,
        None if body.base_model_id is None else uuid_of(body.base_model_id, "baseModelId"),
        body.allow_as_workbook_base,
        body.uses_isolated_branches or body.use_isolated_branches,
    )

    def work(unit: UnitOfWork) -> Model:
        made = creation.create(unit, call.principal, wanted)
        grants.save_grants(unit, call.principal, made, body.access_grants)
        return made

    made = await call.write(work)
    there = "The schema model is there since its connection was made; refresh it to read again."
    message = there if made.kind is Kind.SCHEMA else msgspec.UNSET
    return answer(ModelCreated(MadeModel(made.id, made.name, made.kind.value), message=message))


async def rename(call: Call) -> Response:
    model_id, body = call.id("modelId"), typed(await call.json(), UpdateModel)
    found = await call.write(lambda unit: service.rename(unit, call.principal, model_id, body.name))
    return answer(ModelUpdated(RenamedModel(found.id, body.name)))


async def delete(call: Call) -> Response:
    model_id = call.id("modelId")
    await call.write(lambda unit: service.delete(unit, call.principal, model_id))
    return answer(Success())


async def list_versions(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    before = whole_number(query, "before")
    size = page_size(query, 50)

    def work(unit: UnitOfWork) -> list[Version]:
        model = access.on_branch(unit, call.principal, model_id, branch_id(query))
        path = query.get("fileName")
        return versions.history(unit, model, path=path, before=before, size=size)

    return answer(VersionList([version_row(each) for each in await call.read(work)]))


def version_row(found: Version) -> VersionRow:
    files = {path: "written" if kept else "deleted" for path, kept in found.files.items()}
    return VersionRow(
        found.version,
        found.author_id,
        found.author_name,
        found.message,
        found.created_at,
        files,  # pyright: ignore[reportArgumentType]
    )


async def restore(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    version = whole_number(call.parameters, "version") or 0
    body = typed(await call.json(), RestoreVersion)

    def work(unit: UnitOfWork) -> int:
        model = access.editable(
            unit, call.principal, model_id, branch_id(query), body.commit_message
        )
        return versions.restore(
            unit, call.principal, model, version, body.commit_message, body.file_names
        )

    return answer(Saved(await call.write(work)))


async def reset_cache(call: Call) -> Response:
    model_id, policy = call.id("modelId"), call.text("policyName")
    raw = await call.body()
    body = typed(decode_object(raw) if raw else {}, ResetCache)
    done = await call.write(
        lambda unit: cache_resets.reset(unit, call.principal, model_id, policy, body.reset_at)
    )
    return answer(CacheResetDone(done))


_IDS = ("modelId", "connectionId", "baseModelId")
_UUID = {"type": "string", "format": "uuid"}
_BOOLEAN = {"type": "string", "enum": ["0", "1", "true", "false"]}
_ALL, _ONE = "/api/v1/models", "/api/v1/models/{modelId}"

ROUTES = (
    Route(
        "GET",
        _ALL,
        list_models,
        Permission.MODELS_LIST,
        "modelsList",
        "List models",
        TAG,
        answer=ModelList,
        query=(
            Parameter("modelId", "Only this model.", _UUID),
            Parameter("connectionId", "Models of a connection.", _UUID),
            Parameter("baseModelId", "Branches and extensions of a model.", _UUID),
            Parameter("modelKind", "Kind of model.", {"enum": list(MODEL_KINDS)}),
            Parameter("name", "The whole name, in any case."),
            Parameter("explorable", "Shared models and extensions for workbooks.", _BOOLEAN),
            Parameter("includeDeleted", "Deleted ones too.", _BOOLEAN),
            Parameter("include", "`activeBranches`: the branches of each model."),
            Parameter("sortField", "Sort by.", {"enum": list(SORTS)}),
            Parameter("sortDirection", "Direction.", {"enum": ["asc", "desc"]}),
            Parameter("pageSize", f"1 to {MOST}, default 20.", {"type": "integer", "minimum": 1}),
            Parameter("cursor", "`nextCursor` of the page before."),
        ),
        errors=(400,),
    ),
    Route(
        "POST",
        _ALL,
        create,
        Permission.MODELS_BRANCH,
        "modelsCreate",
        "Create model or branch",
        TAG,
        body=CreateModel,
        answer=ModelCreated,
        errors=(400, 404),
        cases=(Case(Permission.MODELS_ADMIN, "a model that is not a branch"),),
    ),
    Route(
        "PATCH",
        _ONE,
        rename,
        Permission.MODELS_EDIT,
        "modelsUpdate",
        "Rename model or branch",
        TAG,
        body=UpdateModel,
        answer=ModelUpdated,
        errors=(400, 404),
        cases=(Case(Permission.MODELS_ADMIN, "a model that is not a branch"),),
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        Permission.MODELS_ADMIN,
        "modelsDelete",
        "Archive model",
        TAG,
        answer=Success,
        errors=(400, 404),
    ),
    Route(
        "GET",
        _ONE + "/versions",
        list_versions,
        Permission.MODELS_READ,
        "modelsVersions",
        "Versions of a model or branch",
        TAG,
        answer=VersionList,
        query=(
            *BRANCH,
            Parameter("fileName", "Only versions that touched this file, by its path or view."),
            Parameter("before", "Only older versions.", {"type": "integer", "minimum": 0}),
            Parameter("pageSize", f"1 to {MOST}, default 50.", {"type": "integer", "minimum": 1}),
        ),
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "POST",
        _ONE + "/versions/{version}/restore",
        restore,
        Permission.MODELS_BRANCH,
        "modelsRestoreVersion",
        "Make files what they were at a version, as a new version",
        TAG,
        body=RestoreVersion,
        answer=Saved,
        query=BRANCH,
        errors=(400, 404),
        cases=(ON_THE_MODEL,),
        extension=True,
    ),
    Route(
        "POST",
        _ONE + "/cache_reset/{policyName}",
        reset_cache,
        Permission.MODELS_EDIT,
        "modelsCacheReset",
        "Make cached results stale",
        TAG,
        body=ResetCache,
        answer=CacheResetDone,
        errors=(400, 404),
    ),
)
