"""Paths of dbt projects, their environments, and what they bring to models (contract §2.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, decode_object, typed, uuid_of
from dragoman.api.errors import BadRequest, Forbidden
from dragoman.api.paging import PageInfo, page_size
from dragoman.api.routing import ON_THE_MODEL, Case, Parameter, Route
from dragoman.dbt import environments, projects, service
from dragoman.dbt.metrics import skipped
from dragoman.dbt.projects import ARTIFACT_BYTES, Project
from dragoman.dbt.schemas import (
    BranchDbt,
    DbtUpdate,
    Done,
    EnvironmentBody,
    EnvironmentList,
    EnvironmentRow,
    ExposureList,
    ImportAnswer,
    ImportBody,
    Uploaded,
)
from dragoman.models import service as models
from dragoman.store import UnitOfWork
from dragoman.vault import shelf

TAG = "dbt"
T = TypeVar("T")


async def get(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> object:
        found = projects.connection_of(unit, call.principal, connection_id)
        return projects.show(unit, found)

    return answer(await call.read(work))


async def put(call: Call) -> Response:
    connection_id = call.id()
    body = typed(await call.json(), DbtUpdate)

    def work(unit: UnitOfWork) -> None:
        found = projects.connection_of(unit, call.principal, connection_id)
        projects.put(unit, call.house.vault, call.principal, found, body)

    await call.write(work)
    return answer(Done("dbt configuration updated successfully"))


async def delete(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> None:
        found = projects.connection_of(unit, call.principal, connection_id)
        projects.remove(unit, call.principal, found)

    await call.write(work)
    return answer(Done("dbt repository unlinked successfully"))


async def upload(call: Call) -> Response:
    """A manifest alone, or an object with the keys `manifest` and `catalog`."""
    connection_id = call.id()
    await call.read(lambda unit: projects.connection_of(unit, call.principal, connection_id))
    raw = await call.body(ARTIFACT_BYTES)
    manifest, catalog = await _off_loop(call, partial(_parts, raw))
    read = await _off_loop(call, partial(projects.checked, manifest, catalog))

    def work(unit: UnitOfWork) -> None:
        projects.connection_of(unit, call.principal, connection_id)
        projects.keep(unit, call.principal, connection_id, manifest, catalog)

    await call.write(work)
    counts = (len(read.tables()), len(read.tests()), len(read.metrics), len(read.semantic_models))
    return answer(Uploaded(True, read.metadata.dbt_version, *counts))


def _parts(raw: bytes) -> tuple[bytes, bytes | None]:
    try:
        sent = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("Bad Request: Invalid JSON body") from None
    if "manifest" not in sent:
        return raw, None
    if unknown := sent.keys() - {"manifest", "catalog"}:
        raise BadRequest(f"Bad Request: Unrecognized key(s) in object: '{min(unknown)[:60]}'")
    catalog = sent.get("catalog")
    return bytes(sent["manifest"]), None if catalog in (None, b"null") else bytes(catalog)


async def list_environments(call: Call) -> Response:
    connection_id = call.id()
    query = call.query()
    direction = _one_of(query, "sortDirection", ("desc", "asc"))
    _one_of(query, "sortField", ("name",))
    size, cursor = page_size(query), query.get("cursor")

    def work(unit: UnitOfWork) -> EnvironmentList:
        found = environments.connection_of(unit, call.principal, connection_id)
        return environments.page(
            unit, found.id, size=size, cursor=cursor, descending=direction == "desc"
        )

    return answer(await call.read(work))


async def create_environment(call: Call) -> Response:
    connection_id = call.id()
    body = typed(await call.json(), EnvironmentBody)

    def work(unit: UnitOfWork) -> EnvironmentRow:
        found = environments.connection_of(unit, call.principal, connection_id)
        return environments.create(unit, call.house.vault, call.principal, found, body)

    return answer(await call.write(work), 201)


async def update_environment(call: Call) -> Response:
    connection_id, environment_id = call.id(), call.id("environmentId")
    body = typed(await call.json(), EnvironmentBody)

    def work(unit: UnitOfWork) -> EnvironmentRow:
        found = environments.connection_of(unit, call.principal, connection_id)
        return environments.change(
            unit, call.house.vault, call.principal, found, environment_id, body
        )

    return answer(await call.write(work))


async def delete_environment(call: Call) -> Response:
    connection_id, environment_id = call.id(), call.id("environmentId")

    def work(unit: UnitOfWork) -> None:
        found = environments.connection_of(unit, call.principal, connection_id)
        environments.remove(unit, call.principal, found, environment_id)

    await call.write(work)
    return answer(Done("dbt environment deleted successfully"))


async def bind(call: Call) -> Response:
    model_id, name = call.id("modelId"), call.text("branchName")
    body = typed(await call.json(), BranchDbt)
    environment_id = uuid_of(body.dbt_environment_id, "dbt_environment_id")

    def work(unit: UnitOfWork) -> None:
        base = models.get(unit, call.principal, model_id, Permission.MODELS_BRANCH)
        branch = models.find(unit, base, name)
        service.bind(unit, call.principal, branch, environment_id, body.dbt_git_branch)

    await call.write(work)
    return answer(Success())


async def import_project(call: Call) -> Response:
    model_id = call.id("modelId")
    raw = await call.body()
    body = typed(decode_object(raw) if raw.strip() else {}, ImportBody)
    branch_id = None if body.branch_id is None else uuid_of(body.branch_id, "branch_id")
    if body.source == "git":
        await _fetch(call, model_id, branch_id)

    def work(unit: UnitOfWork) -> service.Import:
        model = models.editable(unit, call.principal, model_id, branch_id)
        manifest = projects.kept_manifest(unit, model.connection_id)
        return service.import_project(unit, call.principal, model, manifest, dry_run=body.dry_run)

    done = await call.write(work)
    return answer(ImportAnswer(True, done.version, done.files, skipped(done.notes)))


async def _fetch(call: Call, model_id: str, branch_id: str | None) -> None:
    """Bring the newest artifacts from the project's repository."""

    def find(unit: UnitOfWork) -> tuple[Project, str | None]:
        permission = Permission.MODELS_EDIT
        model = models.on_branch(unit, call.principal, model_id, branch_id, permission)
        found = projects.load(unit, model.connection_id)
        if found is None:
            raise Forbidden(f"Forbidden: {projects.NOT_CONFIGURED}")
        sealed = shelf.kept(unit, projects.RESOURCE, found.connection_id)
        return found, sealed.get(found.secret_name)

    found, sealed = await call.read(find)
    work = partial(projects.fetch, call.house, found, sealed)
    commit, manifest, catalog = await _off_loop(call, work)
    await _off_loop(call, partial(projects.checked, manifest, catalog))
    await call.write(
        lambda unit: projects.keep(
            unit, call.principal, found.connection_id, manifest, catalog, commit
        )
    )


async def exposures(call: Call) -> Response:
    """Dashboards are what dbt calls exposures. There are none yet: none is saved here."""
    model_id = call.id("modelId")
    query = call.query()
    _one_of(query, "sortDirection", ("desc", "asc"))
    size = page_size(query)
    branch = query.get("branch_id")
    branch_id = None if branch is None else uuid_of(branch, "branch_id")
    await call.read(lambda unit: models.on_branch(unit, call.principal, model_id, branch_id))
    return answer(ExposureList(PageInfo(False, None, size, 0), []))


def _one_of(query: dict[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = query.get(name, choices[0])
    if value not in choices:
        raise BadRequest(f"Bad Request: {name}: must be one of {', '.join(choices)}")
    return value


async def _off_loop(call: Call, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(call.house.blocking, work)


_PATH = "/api/v1/connections/{id}/dbt"
_ENVIRONMENTS = _PATH + "/environments"
_MODEL = "/api/v1/models/{modelId}"
_ADMIN = Permission.CONNECTIONS_UPDATE
_READ = Permission.CONNECTIONS_READ
_SHARED = (Case(_ADMIN, "an environment that is nobody's own"),)
_FAILS = (400, 404)
_ENUM: dict[str, Any] = {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
_PAGING = (
    Parameter("cursor", "Where the next page begins."),
    Parameter(
        "pageSize",
        "Records on a page.",
        {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    ),
    Parameter("sortDirection", "The order.", _ENUM),
)
_BY_NAME = Parameter("sortField", "What to sort by.", {"type": "string", "enum": ["name"]})


# One of two shapes: with a project, or with a message that says why there is none.
_SHOWN: dict[str, Any] = {
    "type": "object",
    "properties": {"supportsDbt": {"type": "boolean"}, "message": {"type": "string"}},
    "required": ["supportsDbt"],
    "anyOf": [{"required": ["sshUrl", "branch"]}, {"required": ["message"]}],
}


def _route(
    method: str, path: str, handler: Any, permission: Permission, *words: str, **more: Any
) -> Route:
    return Route(method, path, handler, permission, words[0], words[1], TAG, errors=_FAILS, **more)


ROUTES = (
    _route(
        "GET", _PATH, get, _ADMIN, "connectionsDbtGet", "Get dbt configuration",
        answer=_SHOWN,
    ),
    _route(
        "PUT", _PATH, put, _ADMIN, "connectionsDbtUpdate", "Update dbt configuration",
        body=DbtUpdate, answer=Done,
    ),
    _route(
        "DELETE", _PATH, delete, _ADMIN, "connectionsDbtDelete", "Delete dbt configuration",
        answer=Done,
    ),
    _route(
        "POST", _PATH + "/artifacts", upload, _ADMIN, "connectionsDbtArtifacts",
        "Send dbt artifacts", body={"type": "object"}, answer=Uploaded, extension=True,
        description="The body is `target/manifest.json`, or an object with `manifest` and "
        "`catalog`; up to 64 MB.",
    ),
    _route(
        "GET", _ENVIRONMENTS, list_environments, _READ, "connectionsDbtEnvironmentsList",
        "List dbt environments", answer=EnvironmentList, query=(*_PAGING, _BY_NAME),
    ),
    _route(
        "POST", _ENVIRONMENTS, create_environment, _READ, "connectionsDbtEnvironmentsCreate",
        "Create dbt environment", body=EnvironmentBody, answer=EnvironmentRow, status=201,
        cases=_SHARED,
    ),
    _route(
        "PUT", _ENVIRONMENTS + "/{environmentId}", update_environment, _READ,
        "connectionsDbtEnvironmentsUpdate", "Update dbt environment",
        body=EnvironmentBody, answer=EnvironmentRow, cases=_SHARED,
    ),
    _route(
        "DELETE", _ENVIRONMENTS + "/{environmentId}", delete_environment, _READ,
        "connectionsDbtEnvironmentsDelete", "Delete dbt environment", answer=Done, cases=_SHARED,
    ),
    _route(
        "POST", _MODEL + "/branch/{branchName}/dbt", bind, Permission.MODELS_BRANCH,
        "modelsBranchDbt", "Set branch dbt environment", body=BranchDbt, answer=Success,
    ),
    _route(
        "POST", _MODEL + "/dbt-import", import_project, Permission.MODELS_BRANCH,
        "modelsDbtImport", "Import a dbt project into a model", body=ImportBody,
        answer=ImportAnswer, extension=True, cases=(ON_THE_MODEL,),
    ),
    _route(
        "GET", _MODEL + "/dbt-exposures", exposures, Permission.MODELS_READ,
        "modelsDbtExposures", "Get dbt exposures", answer=ExposureList,
        query=(
            *_PAGING,
            Parameter("sortField", "What to sort by."),
            Parameter("branch_id", "The branch's id.", {"type": "string", "format": "uuid"}),
        ),
    ),
)  # fmt: skip
