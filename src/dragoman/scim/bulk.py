"""Bulk requests (RFC 7644 section 3.7): many changes in one body, each in a transaction of its own.

An operation may name what another one makes, by its `bulkId`, wherever it stands in the body. It
waits for that one; where they wait for each other, or the other one failed, it is a conflict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.api.errors import (
    ApiError,
    Conflict,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unavailable,
)
from dragoman.scim import errors, groups, users
from dragoman.scim.documents import Document
from dragoman.scim.errors import bad_syntax
from dragoman.scim.requests import answer, base, body
from dragoman.scim.resources import PREFIX
from dragoman.scim.versions import Condition
from dragoman.scim.writing import Change, Ways, create
from dragoman.store import StoreBusy

REQUEST, RESPONSE = (
    f"urn:ietf:params:scim:api:messages:2.0:Bulk{what}" for what in ("Request", "Response")
)
MOST_OPERATIONS = 1000
MOST_DEPTH = 20
_REFERENCE = "bulkId:"
_PLACES = {
    "users": users.WAYS,
    "groups": groups.WAYS,
    "embed/users": users.EMBED_WAYS,
}
_PATH = re.compile(r"/?((?:embed/)?[a-z]+)(?:/([^/]+))?/?", re.IGNORECASE)
_CHANGES = {"PUT": Change.replace, "PATCH": Change.update}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a body. `version`: the one that a change is meant for."""

    method: str
    path: str
    bulk_id: str | None
    version: str | None
    data: Any
    names: frozenset[str]
    """The bulkIds of others that it names."""

    @classmethod
    def read(cls, given: object) -> Operation:
        """Raises `BadRequest` (`invalidSyntax`)."""
        if not isinstance(given, Mapping):
            raise bad_syntax("an operation is an object")
        said = {key.lower(): value for key, value in cast("Mapping[str, Any]", given).items()}
        texts = [said.get(name) for name in ("method", "path", "bulkid", "version")]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise bad_syntax("method, path, bulkId and version are texts")
        method, path, bulk_id, version = cast("list[str | None]", texts)
        if not method or not path:
            raise bad_syntax("an operation has a method and a path")
        if method.upper() == "POST" and not bulk_id:
            raise bad_syntax("an operation with POST has a bulkId")
        data = said.get("data")
        texts = (path.rsplit("/", 1)[-1], *_texts(data))
        named = (t.removeprefix(_REFERENCE) for t in texts if t.startswith(_REFERENCE))
        return cls(method.upper(), path, bulk_id, version, data, frozenset(named))


async def bulk(call: Call) -> Response:
    """POST /Bulk."""
    said = {key.lower(): value for key, value in (await body(call)).items()}
    given, most = said.get("operations"), said.get("failonerrors")
    if not isinstance(given, list):
        raise bad_syntax("Operations: a list is expected")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise bad_syntax("failOnErrors is a number from 1")
    given = cast("list[object]", given)
    if len(given) > MOST_OPERATIONS:
        raise PayloadTooLarge(f"A bulk request has up to {MOST_OPERATIONS} operations")
    run = _Run(call, [Operation.read(each) for each in given], most or MOST_OPERATIONS + 1)
    await run.all()
    return answer(call, {"schemas": [RESPONSE], "Operations": run.shown()})


class _Run:
    """A bulk request on its way. `made`: ids by bulkId; None where that one failed."""

    def __init__(self, call: Call, operations: list[Operation], most_errors: int) -> None:
        self._call = call
        self._operations = operations
        self._errors_left = most_errors
        self._made: dict[str, str | None] = {}
        self._results: dict[int, Document] = {}
        names = [each.bulk_id for each in operations if each.bulk_id is not None]
        if len(set(names)) < len(names):
            raise bad_syntax("two operations have the same bulkId")
        self._known = {each.bulk_id for each in operations if each.method == "POST"}

    async def all(self) -> None:
        """Do all operations in their order, but later those that name what is not made yet; stop
        at the errors allowed."""
        waiting, stuck = list(enumerate(self._operations)), False
        while waiting:
            later: list[tuple[int, Operation]] = []
            for number, operation in waiting:
                if self._waits(operation) and not stuck:
                    later.append((number, operation))
                    continue
                await self._one(number, operation)
                if self._errors_left == 0:
                    return
            stuck, waiting = len(later) == len(waiting), later

    def shown(self) -> list[Document]:
        """The results, in the order of the operations."""
        return [self._results[number] for number in sorted(self._results)]

    def _waits(self, operation: Operation) -> bool:
        return any(name in self._known and name not in self._made for name in operation.names)

    async def _one(self, number: int, operation: Operation) -> None:
        shown: Document = {"method": operation.method}
        if operation.method != "POST":
            shown["location"] = f"{base(self._call)}{PREFIX}/{operation.path.lstrip('/')}"
        if operation.bulk_id is not None:
            shown["bulkId"] = operation.bulk_id
        try:
            shown |= await self._done(operation)
        except StoreBusy:
            shown |= self._failed(operation, Unavailable("The server's store is busy; try again."))
        except ApiError as error:
            shown |= self._failed(operation, error)
        self._results[number] = shown

    def _failed(self, operation: Operation, error: ApiError) -> Document:
        self._errors_left -= 1
        if operation.method == "POST" and operation.bulk_id is not None:
            self._made[operation.bulk_id] = None
        return {"status": str(error.code), "response": errors.body(error)}

    async def _done(self, operation: Operation) -> Document:
        call, at = self._call, base(self._call)
        ways, resource_id = self._place(operation)
        data = self._resolved(operation.data)
        if operation.method == "POST":
            _require_object(data)
            made = await call.write(lambda unit: create(ways, unit, call.principal, data, at))
            self._made[cast("str", operation.bulk_id)] = made["id"]
            return {**_place_of(made), "status": "201"}
        condition = Condition.version(operation.version)
        change = Change(ways, call.principal, resource_id or "", at, condition)
        if operation.method == "DELETE":
            await call.write(change.delete)
            return {"status": "204"}
        _require_object(data)
        how = partial(_CHANGES[operation.method], change)
        return {**_place_of(await call.write(lambda unit: how(unit, data))), "status": "200"}

    def _place(self, operation: Operation) -> tuple[Ways, str | None]:
        """The ways of a path, and the id in it."""
        found = _PATH.fullmatch(operation.path)
        ways = _PLACES.get(found[1].lower()) if found else None
        if found is None or ways is None:
            raise NotFound(f"There is no {operation.path[:120]}")
        allowed = ("POST",) if found[2] is None else ("PUT", "PATCH", "DELETE")
        if ways is users.EMBED_WAYS:
            allowed = () if found[2] is None else ("DELETE",)
        if operation.method not in allowed:
            raise MethodNotAllowed(f"{operation.method} is not allowed there")
        return ways, found[2] and self._resolved(found[2])

    def _resolved(self, data: Any) -> Any:
        """Ids in the place of references. Raises `Conflict` where there is none."""
        if isinstance(data, str) and data.startswith(_REFERENCE):
            name = data.removeprefix(_REFERENCE)
            made = self._made.get(name)
            if made is None:
                raise Conflict(f"Nothing was made under the bulkId {name[:80]}")
            return made
        if isinstance(data, dict):
            pairs = cast("dict[str, Any]", data).items()
            return {key: self._resolved(value) for key, value in pairs}
        if isinstance(data, list):
            return [self._resolved(value) for value in cast("list[Any]", data)]
        return data


def _place_of(document: Document) -> Document:
    meta = document["meta"]
    return {"location": meta["location"], "version": meta["version"]}


def _require_object(data: object) -> None:
    if not isinstance(data, dict):
        raise bad_syntax("data: an object is expected")


def _texts(data: Any, depth: int = 0) -> Iterator[str]:
    """All texts in a value of JSON. Raises `BadRequest` for one that no resource is as deep as."""
    if depth > MOST_DEPTH:
        raise bad_syntax("data: it is too deep")
    if isinstance(data, str):
        yield data
    items: Iterable[Any] = ()
    if isinstance(data, dict):
        items = cast("dict[str, Any]", data).values()
    elif isinstance(data, list):
        items = cast("list[Any]", data)
    for value in items:
        yield from _texts(value, depth + 1)
