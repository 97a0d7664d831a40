"""Paths of a model's files: read, write, delete (contract §3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer, typed
from dragoman.api.errors import BadRequest
from dragoman.api.paging import flag
from dragoman.api.routing import ON_THE_MODEL, Parameter, Route
from dragoman.models import versions, yaml_saving
from dragoman.models.access import on_branch
from dragoman.models.parameters import BRANCH, branch_id
from dragoman.models.patterns import is_plain, matcher
from dragoman.models.records import Model
from dragoman.models.resolving import file_path
from dragoman.models.routes import version_row
from dragoman.models.schemas import VersionRow
from dragoman.models.yaml_files import Mode, Reader, Shown
from dragoman.semantics.files import BadPath, FilePath, limits, parse_path
from dragoman.store import UnitOfWork

TAG = "Models"


class ModelYaml(msgspec.Struct, rename="camel", kw_only=True):
    """Files by their names. `version`: of the model's newest save. `history`: in that mode."""

    files: dict[str, str]
    version: int
    view_names: dict[str, str]
    checksums: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    history: list[VersionRow] | msgspec.UnsetType = msgspec.UNSET
    success: bool = True


class WriteYaml(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A file to write; blank `yaml` takes it away."""

    file_name: Annotated[str, msgspec.Meta(min_length=1)]
    yaml: str
    branch_id: str | None = None
    mode: Mode = Mode.COMBINED
    commit_message: str = ""
    previous_checksum: str | None = None
    fetched_at_millis: float | None = None
    fully_resolved: bool = False


async def read(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    mode, branch, name = _mode(query), branch_id(query), query.get("fileName")
    resolved, sums = flag(query, "fullyResolved"), flag(query, "includeChecksums")
    schema = query.get("includeSchemas") or None

    def work(unit: UnitOfWork) -> ModelYaml:
        model = on_branch(unit, call.principal, model_id, branch)
        reader = Reader(unit, model, mode, fully_resolved=resolved, schema=schema)
        found = _found(reader, name)
        history = _history(unit, model, name, found) if mode is Mode.HISTORY else msgspec.UNSET
        return _answer(model.version, found, sums=sums, history=history)

    # One file is a few indexed rows; the whole model may be thousands of files.
    short = name is not None and is_plain(name)
    return answer(await (call.read(work) if short else call.read_long(work)))


def _found(reader: Reader, name: str | None) -> list[Shown]:
    if name is None:
        return list(reader.all())
    if not is_plain(name):
        return list(reader.all(matcher(name)))
    # A name alone, as the vendor's first example has it, is that of a view or of a topic.
    named = (name,) if _path(name) else (f"{name}.view", f"{name}.topic")
    paths = [path for each in named if (path := _path(each)) is not None]
    return [shown for path in paths if (shown := reader.one(path)) is not None]


def _path(name: str) -> FilePath | None:
    try:
        return parse_path(name)
    except BadPath:
        return None


def _history(
    unit: UnitOfWork, model: Model, name: str | None, found: list[Shown]
) -> list[VersionRow]:
    if name is None or not is_plain(name):
        return [version_row(each) for each in versions.history(unit, model)]
    paths = [name] if _path(name) else [shown.path for shown in found]
    rows = {row.version: row for path in paths for row in versions.history(unit, model, path=path)}
    return [version_row(rows[version]) for version in sorted(rows, reverse=True)]


def _answer(
    version: int,
    found: list[Shown],
    *,
    sums: bool,
    history: list[VersionRow] | msgspec.UnsetType = msgspec.UNSET,
) -> ModelYaml:
    return ModelYaml(
        files={each.path: each.text for each in found},
        version=version,
        view_names={each.path: each.name for each in found if each.name is not None},
        checksums={each.path: each.checksum for each in found} if sums else msgspec.UNSET,
        history=history,
    )


async def write(call: Call) -> Response:
    limit = max(_FILE_BYTES, call.house.settings.max_body_bytes)
    model_id, body = call.id("modelId"), typed(await call.json(limit), WriteYaml)
    seen = body.fetched_at_millis
    wanted = yaml_saving.Write(
        body.file_name,
        body.yaml,
        body.mode,
        branch_id(call.query(), body.branch_id),
        body.commit_message,
        body.previous_checksum,
        None if seen is None else yaml_saving.fetched_at(seen),
        body.fully_resolved,
    )

    def work(unit: UnitOfWork) -> ModelYaml:
        done = yaml_saving.write_file(unit, call.principal, model_id, wanted)
        return _answer(done.version, [done.shown] if done.shown else [], sums=True)

    return answer(await call.write(work))


async def delete(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    mode, branch = _mode(query), branch_id(query)
    name = query.get("fileName")
    if not name:
        raise BadRequest("Bad Request: fileName: Required")
    file_path(name)
    message = query.get("commitMessage", "")

    def work(unit: UnitOfWork) -> ModelYaml:
        version = yaml_saving.delete_file(
            unit, call.principal, model_id, name, mode, branch, message
        )
        return _answer(version, [], sums=False)

    return answer(await call.write(work))


def _mode(query: Mapping[str, str]) -> Mode:
    try:
        return Mode(query.get("mode", Mode.COMBINED).lower())
    except ValueError:
        raise BadRequest(f"Bad Request: mode: must be one of {', '.join(Mode)}") from None


# A file of as many characters as the language takes, each in UTF-8, which is how clients send them
# unless they write every letter as `\uXXXX`: then it is 3,300,000 letters.
_FILE_BYTES = 4 * limits.MAX_CHARACTERS + 100_000
_MODE = Parameter("mode", "How files are read and written.", {"enum": list(Mode)})
_BOOLEAN = {"type": "string", "enum": ["true", "false"]}
_PATH = "/api/v1/models/{modelId}/yaml"

ROUTES = (
    Route(
        "GET",
        _PATH,
        read,
        Permission.MODELS_READ,
        "modelsYamlGet",
        "Get model YAML",
        TAG,
        answer=ModelYaml,
        query=(
            *BRANCH,
            Parameter("fileName", "A file's name, or a regular expression (RE2) for whole names."),
            _MODE,
            Parameter("fullyResolved", "With what views and topics extend.", _BOOLEAN),
            Parameter("includeChecksums", "A checksum for each file.", _BOOLEAN),
            Parameter("includeSchemas", "Views of this schema only, offloaded or not."),
        ),
        errors=(400, 404),
    ),
    Route(
        "POST",
        _PATH,
        write,
        Permission.MODELS_BRANCH,
        "modelsYamlCreate",
        "Update model YAML",
        TAG,
        body=WriteYaml,
        answer=ModelYaml,
        query=BRANCH,
        errors=(400, 404, 409),
        cases=(ON_THE_MODEL,),
    ),
    Route(
        "DELETE",
        _PATH,
        delete,
        Permission.MODELS_BRANCH,
        "modelsYamlDelete",
        "Delete model YAML file",
        TAG,
        answer=ModelYaml,
        query=(
            *BRANCH,
            Parameter("fileName", "A view's or topic's file.", required=True),
            _MODE,
            Parameter("commitMessage", "What the version is for."),
        ),
        errors=(400, 404),
        cases=(ON_THE_MODEL,),
    ),
)
