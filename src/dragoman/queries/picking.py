"""What a topic offers to those who make questions: its fields, and values to filter by.

Imported with the first such request, as the compiler is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api.call import Call, answer, uuid_of
from dragoman.api.errors import BadRequest, NotFound, RequestTimeout
from dragoman.dialects.arrow import pyarrow
from dragoman.dialects.failures import DatabaseFailure
from dragoman.queries import planning
from dragoman.queries.answering import job_of, refusal
from dragoman.queries.envelope import Ask
from dragoman.queries.executions import EXECUTIONS, outcome
from dragoman.queries.planning import Planned
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.pickers import PickedField, PickedView, pickable
from dragoman.semantics.compiler.question import Question
from dragoman.semantics.model.fields import Dimension, FilterField, Suggestion
from dragoman.semantics.query.request import Query, read_query
from dragoman.store import UnitOfWork

FEW, MOST = 100, 1000
MAX_SEARCH = 500


async def fields(call: Call) -> Response:
    """The fields of a topic that the caller may ask for."""
    ask, name = _ask(call), call.text("topicName")
    hidden = call.query().get("includeHidden") == "true"

    def work(unit: UnitOfWork) -> list[dict[str, Any]]:
        with planning.question(unit, call.principal, ask) as question:
            return [_view(each) for each in pickable(question, hidden=hidden)]

    try:
        views = await call.read_long(work)
    except PlanError as problem:
        raise NotFound(f"Topic {name[:200]}: {problem}") from None
    return answer({"success": True, "topic": name, "views": views})


def _ask(call: Call) -> Ask:
    """A question without fields in the topic of the path."""
    query = Query(fields=(), topic=call.text("topicName"))
    given = call.query()
    branch = given.get("branch_id") or given.get("branchId")
    branch_id = uuid_of(branch, "branch_id") if branch is not None else None
    return Ask(query, {}, call.id("modelId"), branch_id, suggestions=True)


def _view(each: PickedView) -> dict[str, Any]:
    shape = {
        "name": each.view.name,
        "label": each.label,
        "description": each.view.description,
        "fields": [_field(one) for one in each.fields],
    }
    return {key: value for key, value in shape.items() if value is not None}


def _field(each: PickedField) -> dict[str, Any]:
    (name, label), *more = each.names
    field = each.field
    shape: dict[str, Any] = {
        "name": name,
        "label": label,
        "kind": each.kind,
        "data_type": each.type.wire,
        "description": field.description,
        "group_label": field.group_label,
        "view_label": field.view_label,
        "format": field.format,
        "tags": list(field.tags) or None,
        "synonyms": list(field.synonyms) or None,
        "hidden": field.hidden or None,
        "masked": each.masked or None,
        "time_frames": [{"name": name, "label": label} for name, label in more] or None,
        # What the model's author says of the values is as secret as they are.
        "sample_values": None if each.masked else field.extra.get("sample_values"),
    }
    return {key: value for key, value in shape.items() if value is not None}


# values


@dataclass(frozen=True, slots=True)
class _Wanted:
    field: str
    search: str
    limit: int


@dataclass(frozen=True, slots=True)
class _Listed:
    """Values that the model itself lists."""

    values: tuple[Suggestion, ...]


async def values(call: Call) -> Response:
    """Values of a field, to filter by: those that the model lists, or those of the rows that the
    caller sees."""
    wanted = _wanted(call.query())
    ask = _ask(call)
    try:
        found = await call.read_long(lambda unit: _looked_up(unit, call.principal, ask, wanted))
    except PlanError as problem:
        raise refusal(problem) from None
    if isinstance(found, _Listed):
        listed = [_suggested(each) for each in found.values if _matches(each, wanted.search)]
        source = "model"
    else:
        rows = await _rows(call, ask, found)
        listed = [{"value": text, "label": text} for value in rows if (text := _text(value))]
        source = "database"
    whole = len(listed) <= wanted.limit
    shape = {"success": True, "field": wanted.field, "values": listed[: wanted.limit]}
    return answer({**shape, "complete": whole, "source": source})


def _wanted(query: Mapping[str, str]) -> _Wanted:
    name = query.get("field")
    if not name:
        raise BadRequest("Bad Request: field: Required")
    search = query.get("search", "")
    if len(search) > MAX_SEARCH:
        raise BadRequest(f"Bad Request: search: at most {MAX_SEARCH} characters")
    limit = query.get("limit", str(FEW))
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 1 <= int(limit) <= MOST):
        raise BadRequest(f"Bad Request: limit: 1 to {MOST}")
    return _Wanted(name, search, int(limit))


def _looked_up(
    unit: UnitOfWork, principal: Principal, ask: Ask, wanted: _Wanted
) -> _Listed | Planned:
    """The listed values, or the question whose answer are the values. Raises `PlanError`."""
    with planning.question(unit, principal, ask) as question:
        found, _ = question.rules.field(wanted.field)
        question.access.check_values(found)
        if found.suggestion_list:
            return _Listed(found.suggestion_list)
        name, topic = _source(question, wanted.field)
        search = wanted.search
    contains = {"type": "string", "kind": "CONTAINS", "values": [search], "case_insensitive": True}
    asked = {
        "fields": [name],
        "table": name.partition(".")[0],
        "join_paths_from_topic_name": topic,
        "filters": {name: contains} if search else {},
        "sorts": [{"column_name": name}],
        # One for NULL, which is no value to pick, and one that tells whether there are more.
        "limit": wanted.limit + 2,
    }
    return planning.plan(unit, principal, replace(ask, query=read_query(asked)))


def _source(question: Question, name: str) -> tuple[str, str]:
    """The field whose values are offered for a field, and the topic that it is asked in."""
    found, _ = question.rules.field(name)
    own = question.query.topic
    if found.suggest_from_field is not None:
        return str(found.suggest_from_field.within(found.view)), found.suggest_from_topic or own
    if isinstance(found, Dimension):
        return name, found.suggest_from_topic or own
    if isinstance(found, FilterField) and found.bind_to:
        return str(found.bind_to[0].within(found.view)), found.suggest_from_topic or own
    raise PlanError(f"{found.address} has no values to choose from.")


def _suggested(each: Suggestion) -> dict[str, str]:
    return {"value": each.value, "label": each.label or each.value}


def _matches(each: Suggestion, search: str) -> bool:
    return search.lower() in f"{each.value}\n{each.label or ''}".lower()


async def _rows(call: Call, ask: Ask, planned: Planned) -> list[Any]:
    """The one column of the answer, kept ones included."""
    job = await job_of(call, ask, planned)
    try:
        found = await outcome(job, float(call.house.settings.query_wait_seconds))
        if found is None:
            raise RequestTimeout("The values take long; ask again.")
        if isinstance(found, DatabaseFailure):
            raise planned.told(found)
        return await asyncio.to_thread(_column, found.path)
    finally:
        EXECUTIONS.leave(job)


def _column(path: Path) -> list[Any]:
    pa: Any = pyarrow()
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).read_all().column(0).to_pylist()


def _text(value: object) -> str:
    """A value as filters are written; empty for NULL and for the empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
