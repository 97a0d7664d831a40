"""Paths of the views, fields and topics of a model (contract §3.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.errors import BadRequest
from dragoman.api.routing import ON_THE_MODEL, Parameter, Route
from dragoman.models import objects
from dragoman.models.access import on_branch
from dragoman.models.bodies import CreateField, UpdateField, UpdateTopic, UpdateView, settings
from dragoman.models.composing import composed
from dragoman.models.listings import TopicRow, ViewRow, resolved_topic, topic_rows, view_rows
from dragoman.models.objects import Change, FieldChange
from dragoman.models.parameters import BRANCH, branch_id
from dragoman.models.yaml_files import Mode
from dragoman.store import UnitOfWork

TAG = "Models"


class ViewList(msgspec.Struct):
    """All views of a model, with the names of their fields."""

    views: list[ViewRow]
    success: bool = True


class TopicList(msgspec.Struct):
    """All topics of a model that the caller may see."""

    topics: list[TopicRow]
    success: bool = True


async def list_views(call: Call) -> Response:
    model_id, branch = call.id("modelId"), branch_id(call.query())

    def work(unit: UnitOfWork) -> list[ViewRow]:
        return view_rows(composed(unit, on_branch(unit, call.principal, model_id, branch)))

    return answer(ViewList(await call.read_long(work)))


async def list_topics(call: Call) -> Response:
    model_id, branch = call.id("modelId"), branch_id(call.query())

    def work(unit: UnitOfWork) -> list[TopicRow]:
        model = on_branch(unit, call.principal, model_id, branch)
        return topic_rows(unit, call.principal, model)

    return answer(TopicList(await call.read(work)))


async def get_topic(call: Call) -> Response:
    model_id, branch, name = call.id("modelId"), branch_id(call.query()), call.text("topicName")

    def work(unit: UnitOfWork) -> dict[str, Any]:
        model = on_branch(unit, call.principal, model_id, branch)
        return resolved_topic(unit, call.principal, model, name)

    return answer({"success": True, "topic": await call.read_long(work)})


async def update_view(call: Call) -> Response:
    name, body = call.text("viewName"), typed(await call.json(), UpdateView)
    values = settings(body)
    message = f"Update view {name}"
    return await _change(call, message, lambda c: objects.update_view(c, name, values))


async def delete_view(call: Call) -> Response:
    name, mode = call.text("viewName"), _mode(call.query())
    message = f"Delete view {name}"
    return await _change(call, message, lambda c: objects.delete_view(c, name, mode))


async def update_topic(call: Call) -> Response:
    name, body = call.text("topicName"), typed(await call.json(), UpdateTopic)
    values, new_name = settings(body), body.new_topic_name
    message = f"Update topic {name}"
    return await _change(call, message, lambda c: objects.update_topic(c, name, values, new_name))


async def delete_topic(call: Call) -> Response:
    name, mode = call.text("topicName"), _mode(call.query())
    message = f"Delete topic {name}"
    return await _change(call, message, lambda c: objects.delete_topic(c, name, mode))


async def create_field(call: Call) -> Response:
    body = typed(await call.json(), CreateField)
    view, name = body.view_name, body.field_name
    values, topic = settings(body), body.topic_context
    return await _change(
        call,
        f"Create field {view}.{name}",
        lambda c: objects.create_field(c, view, name, values, topic),
        201,
    )


async def update_field(call: Call) -> Response:
    view, name = call.text("viewName"), call.text("fieldName")
    body = typed(await call.json(), UpdateField)
    wanted = FieldChange(
        settings(body), body.topic_context, body.new_field_name, body.new_view_name
    )
    message = f"Update field {view}.{name}"
    return await _change(call, message, lambda c: objects.update_field(c, view, name, wanted))


async def delete_field(call: Call) -> Response:
    view, name = call.text("viewName"), call.text("fieldName")
    topic = call.query().get("topic_context")
    message = f"Delete field {view}.{name}"
    return await _change(call, message, lambda c: objects.delete_field(c, view, name, topic))


async def _change(
    call: Call, message: str, do: Callable[[Change], int], status: int = 200
) -> Response:
    model_id, branch = call.id("modelId"), branch_id(call.query())

    def work(unit: UnitOfWork) -> None:
        do(Change(unit, call.principal, model_id, branch, message))

    await call.write(work)
    return answer(Success(), status)


def _mode(query: Mapping[str, str]) -> Mode:
    """`COMBINED`, `MERGED` or `EXTENSION`, in any case."""
    asked = query.get("mode", Mode.COMBINED).lower()
    for mode in (Mode.COMBINED, Mode.MERGED, Mode.EXTENSION):
        if asked == mode:
            return mode
    raise BadRequest("Bad Request: mode: must be COMBINED, MERGED or EXTENSION")


_MODES = {"enum": ["COMBINED", "MERGED", "EXTENSION"]}
_MODE = Parameter(
    "mode",
    "COMBINED marks as ignored what a layer below has; MERGED leaves out what the layer right "
    "below says of a view.",
    _MODES,
)
_TOPIC = Parameter("topic_context", "Only as the field is inside this topic.")
_ONE = "/api/v1/models/{modelId}"
_VIEW, _FIELD = f"{_ONE}/view/{{viewName}}", f"{_ONE}/view/{{viewName}}/field/{{fieldName}}"
_TOPIC_PATH = f"{_ONE}/topic/{{topicName}}"
_GET_TOPIC = {
    "type": "object",
    "required": ["success", "topic"],
    "properties": {
        "success": {"type": "boolean"},
        "topic": {
            "type": "object",
            "required": ["base_view_name", "name", "relationships", "views"],
        },
    },
}


def _read(path: str, handler: Any, named: tuple[str, str], shape: Any) -> Route:
    operation, summary = named
    may = Permission.MODELS_READ
    return Route(
        *("GET", path, handler, may, operation, summary, TAG),
        answer=shape,
        query=BRANCH,
        errors=(400, 404),
    )


def _write(
    place: tuple[str, str],
    handler: Any,
    named: tuple[str, str],
    body: Any = None,
    more: tuple[Parameter, ...] = (),
    status: int = 200,
) -> Route:
    (method, path), (operation, summary), may = place, named, Permission.MODELS_BRANCH
    return Route(
        *(method, path, handler, may, operation, summary, TAG),
        status=status,
        body=body,
        answer=Success,
        query=(*BRANCH, *more),
        errors=(400, 404),
        cases=(ON_THE_MODEL,),
    )


ROUTES = (
    _read(f"{_ONE}/view", list_views, ("modelsGetViews", "List views"), ViewList),
    _write(("PATCH", _VIEW), update_view, ("modelsUpdateView", "Update view"), UpdateView),
    _write(("DELETE", _VIEW), delete_view, ("modelsDeleteView", "Delete view"), more=(_MODE,)),
    _write(
        ("POST", f"{_ONE}/field"),
        create_field,
        ("modelsCreateField", "Create field"),
        CreateField,
        status=201,
    ),
    _write(("PATCH", _FIELD), update_field, ("modelsUpdateField", "Update field"), UpdateField),
    _write(("DELETE", _FIELD), delete_field, ("modelsDeleteField", "Delete field"), more=(_TOPIC,)),
    _read(f"{_ONE}/topic", list_topics, ("modelsListTopics", "List topics"), TopicList),
    _read(_TOPIC_PATH, get_topic, ("modelsGetTopic", "Get topic"), _GET_TOPIC),
    _write(
        ("PATCH", _TOPIC_PATH), update_topic, ("modelsUpdateTopic", "Update topic"), UpdateTopic
    ),
    _write(
        ("DELETE", _TOPIC_PATH), delete_topic, ("modelsDeleteTopic", "Delete topic"), more=(_MODE,)
    ),
)
