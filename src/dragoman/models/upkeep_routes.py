"""Paths of work on a whole model: check, content validator, migrate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed, uuid_of
from dragoman.api.errors import BadRequest
from dragoman.api.routing import ON_THE_MODEL, Parameter, Route
from dragoman.identity import service as identity
from dragoman.models import checking, upkeep
from dragoman.models.access import on_branch
from dragoman.models.checking import Issue, Verdict
from dragoman.models.parameters import BRANCH, branch_id, whole_number
from dragoman.models.records import Model
from dragoman.models.rules import RULES
from dragoman.store import UnitOfWork

TAG = "Models"
Name = Annotated[str, msgspec.Meta(min_length=1)]


class ReplaceNames(msgspec.Struct, forbid_unknown_fields=True):
    """A name to find, and its replacement; the other keys narrow the saved content."""

    find: Name
    replacement: Name
    find_or_replace_type: Literal["FIELD", "TOPIC", "VIEW"]
    branch_id: str | None = None
    folder_paths: list[str] = []
    include_personal_folders: bool = False
    labels: str | None = None
    only_in_workbook_id: str | None = None


class NamesReplaced(msgspec.Struct):
    """What was replaced. There is no saved content yet, so its counters are 0."""

    replaced_model_files_count: int
    replaced_dashboard_filters_count: int = 0
    replaced_documents_count: int = 0
    replaced_queries_count: int = 0
    replaced_workbook_models_count: int = 0
    skipped_pr_required_count: int = 0


class BranchRef(msgspec.Struct):
    """The branch that was asked for."""

    id: str
    name: str | None


class ContentChecked(msgspec.Struct):
    """Saved content with its issues (there is none yet), and where the model's files say the name
    that was asked for: file to places."""

    model_id: str
    branch: BranchRef | None
    content: list[dict[str, Any]]
    model_files: dict[str, list[str]]


class Migrate(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Where to, and from which state of the source."""

    target_model_id: str
    git_ref: str | None = None
    branch_name: str | None = None
    commit_message: str = ""
    delete_views_and_topics_missing_from_source: bool = True


async def validate(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    limit = whole_number(query, "limit")
    if limit == 0:
        raise BadRequest("Bad Request: limit: must be at least 1")
    shape = query.get("format", "array")
    if shape not in ("array", "object"):
        raise BadRequest("Bad Request: format: must be array or object")

    def work(unit: UnitOfWork) -> list[Issue]:
        return checking.check(unit, on_branch(unit, call.principal, model_id, branch_id(query)))

    issues = await call.read_long(work)
    if shape == "object":
        return answer(Verdict(all(issue.is_warning for issue in issues), issues[:limit]))
    return answer(issues[:limit])


async def check_content(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    user_id = _user(query)
    _known_labels(query.get("labels"))
    if query.get("content_filter_mode", "ALL") not in _FILTERS:
        raise BadRequest(f"Bad Request: content_filter_mode: one of {', '.join(_FILTERS)}")
    find, kind = query.get("find"), query.get("find_type")
    if (find is None) != (kind is None):
        raise BadRequest("Bad Request: find and find_type go together")
    if kind is not None and kind not in _NAMED:
        raise BadRequest(f"Bad Request: find_type: one of {', '.join(_NAMED)}")

    def work(unit: UnitOfWork) -> tuple[Model, dict[str, list[str]]]:
        asker = identity.as_user(unit, call.principal, user_id)
        model = on_branch(unit, asker, model_id, branch_id(query))
        if find is None or kind is None:
            return model, {}
        return model, upkeep.places(unit, model, upkeep.name(kind, find))

    model, found = await call.read_long(work)
    branch = BranchRef(model.id, model.name) if model.is_branch else None
    return answer(ContentChecked(model_id, branch, [], found))


async def replace_names(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    body = typed(await call.json(), ReplaceNames)
    user_id = _user(query)
    _known_labels(body.labels)
    branch = branch_id(query, body.branch_id)
    kind = body.find_or_replace_type
    names = upkeep.name(kind, body.find), upkeep.name(kind, body.replacement)

    def work(unit: UnitOfWork) -> int:
        asker = identity.as_user(unit, call.principal, user_id)
        return upkeep.replace_name(unit, asker, model_id, branch, names)

    count = await call.write(work)
    return answer(NamesReplaced(count))


async def migrate(call: Call) -> Response:
    model_id, body = call.id("modelId"), typed(await call.json(), Migrate)
    if body.git_ref is not None and not body.git_ref.strip():
        raise BadRequest("Bad Request: gitRef is empty")
    try:
        target = uuid_of(body.target_model_id, "targetModelId")
    except BadRequest:
        raise BadRequest("Bad Request: targetModelId is not a valid UUID") from None
    texts = None
    if body.git_ref is not None:
        texts = await RULES.files_at(call.house, call.principal, model_id, body.git_ref)
    wanted = upkeep.Migration(
        target,
        body.branch_name,
        body.commit_message,
        body.delete_views_and_topics_missing_from_source,
    )
    await call.write(lambda unit: upkeep.migrate(unit, call.principal, model_id, wanted, texts))
    return answer(Success())


def _user(query: Mapping[str, str]) -> str | None:
    """The user to act as (contract §1.6)."""
    return uuid_of(query["userId"], "userId") if query.get("userId") else None


def _known_labels(text: str | None) -> None:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if names:
        raise BadRequest(f"Bad Request: labels: no label {names[0][:80]!r}")


_FILTERS = ("ALL", "WITH_ISSUES", "NO_ISSUES")
_NAMED = ("FIELD", "TOPIC", "VIEW")
_BOOLEAN = {"type": "string", "enum": ["true", "false", "0", "1"]}
_ONE = "/api/v1/models/{modelId}"
_USER = Parameter("userId", "Act as this user (membership id); organization keys only.")

ROUTES = (
    Route(
        "GET",
        f"{_ONE}/validate",
        validate,
        Permission.MODELS_READ,
        "modelsValidate",
        "Validate model",
        TAG,
        answer={
            "oneOf": [
                {"type": "array", "items": {"type": "object", "required": ["message"]}},
                {"type": "object", "required": ["issues", "valid"]},
            ]
        },
        query=(
            *BRANCH,
            Parameter("limit", "At most so many.", {"type": "integer", "minimum": 1}),
            Parameter("format", "`object`: {valid, issues}.", {"enum": ["array", "object"]}),
        ),
        errors=(400, 404),
    ),
    Route(
        "GET",
        f"{_ONE}/content-validator",
        check_content,
        Permission.MODELS_READ,
        "modelsContentValidatorGet",
        "Validate content references",
        TAG,
        answer=ContentChecked,
        query=(
            *BRANCH,
            Parameter("content_filter_mode", "Which documents.", {"enum": list(_FILTERS)}),
            Parameter("find", "A name to look for; with find_type."),
            Parameter("find_type", "What the name is of.", {"enum": list(_NAMED)}),
            Parameter("folder_paths", "Documents in these folders only."),
            Parameter("include_personal_folders", "Personal folders too.", _BOOLEAN),
            Parameter("labels", "Documents with one of these labels only."),
            _USER,
        ),
        errors=(400, 404),
    ),
    Route(
        "POST",
        f"{_ONE}/content-validator",
        replace_names,
        Permission.MODELS_BRANCH,
        "modelsContentValidatorReplace",
        "Replace content references",
        TAG,
        body=ReplaceNames,
        answer=NamesReplaced,
        query=(_USER, *BRANCH),
        errors=(400, 404),
        cases=(ON_THE_MODEL,),
    ),
    Route(
        "POST",
        f"{_ONE}/migrate",
        migrate,
        Permission.MODELS_MIGRATE,
        "modelsMigrate",
        "Migrate model",
        TAG,
        body=Migrate,
        answer=Success,
        errors=(400, 404),
    ),
)
