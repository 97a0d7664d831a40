"""Routes as data: method, path, permission, body, answers; and how a request finds its route.

The OpenAPI document is made from the same table, so that it cannot forget a route.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.responses import Response

from dragoman.access.policy import Permission, Thing
from dragoman.api.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from dragoman.api.call import Call

# Stands for a `/` inside a value; Unicode has no such character.
_SLASH = "\uffff"
# Older clients call operations by the path that they had before they were stable (contract §1.1).
_UNSTABLE, _STABLE = "/api/unstable/", "/api/v1/"
# Path parameters that are UUIDs, whatever the route.
UUIDS = frozenset(("id", "modelId"))
Handler = Callable[["Call"], Awaitable[Response]]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or a header. `schema` is JSON Schema."""

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    required: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A case of an operation that asks for another permission; `when` tells which case.

    `on`: what the case is about, where that is not what the operation is about.
    """

    permission: Permission
    when: str
    on: Thing | None = None


# Of operations that write to a model or to one of its branches.
ON_THE_MODEL = Case(Permission.MODELS_EDIT, "on the model itself, not a branch")


@dataclass(frozen=True, slots=True)
class Wire:
    """How answers look: their media types, and the JSON Schema of errors."""

    media_types: tuple[str, ...]
    error: Schema


PLAIN = Wire(("application/json",), {"$ref": "#/components/schemas/Error"})


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `answer` is a msgspec type, a JSON Schema, or media types with binary bodies;
    `media`: further media types that it may come in.

    `extension`: not in the vendor's contract. `refuses_without_401`: no token is a 400 and an
    unknown one a 403, as the contract has it for two operations (contract §1.5).
    `permission`: the least that any use of it asks for; `cases`: those that ask for more.
    `any_case`: the path is found in any case.
    """

    method: str
    path: str
    handler: Handler
    permission: Permission
    operation_id: str
    summary: str
    tag: str
    status: int = 200
    body: type | Schema | None = None
    answer: type | Schema | tuple[str, ...] | None = None
    media: tuple[str, ...] = ()
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    extension: bool = False
    description: str = ""
    refuses_without_401: bool = False
    cases: tuple[Case, ...] = ()
    any_case: bool = False
    wire: Wire = PLAIN

    @property
    def path_names(self) -> tuple[str, ...]:
        """Names of the path parameters, in order."""
        return tuple(re.findall(r"{(\w+)}", self.path))


class Router:
    """Finds the route of a request: exact paths by dictionary, others by their segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: dict[int, list[tuple[re.Pattern[str], dict[str, Route]]]] = {}
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if not route.path_names and not route.any_case:
            self._exact.setdefault(route.path, {})[route.method] = route
            return
        flags = re.IGNORECASE if route.any_case else re.NOFLAG
        pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path), flags)
        same_length = self._patterns.setdefault(route.path.count("/"), [])
        for known, methods in same_length:
            if known.pattern == pattern.pattern:
                methods[route.method] = route
                return
        same_length.append((pattern, {route.method: route}))

    def match(self, method: str, path: str, raw: bytes = b"") -> tuple[Route, dict[str, str]]:
        """The route and its path parameters. Raises `NotFound` or `MethodNotAllowed`.

        `path` is percent-decoded; `raw`, as it was sent, tells a `/` that is part of a value (sent
        as `%2F`) from one between two.
        """
        if b"%2f" in raw.lower():
            decoded = [
                unquote(part).replace("/", _SLASH)
                for part in raw.decode("ascii", "replace").split("/")
            ]
            methods, parameters = self._methods("/".join(decoded))
            parameters = {name: v.replace(_SLASH, "/") for name, v in parameters.items()}
        else:
            methods, parameters = self._methods(path)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            raise MethodNotAllowed(f"{method} is not allowed here", headers={"Allow": allowed})
        return route, parameters

    def _methods(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        path = path.rstrip("/")  # base addresses and paths are often glued with one too many
        found = self._known(path)
        if found is None and path.startswith(_UNSTABLE):
            found = self._known(_STABLE + path[len(_UNSTABLE) :])
        if found is None:
            raise NotFound("Not Found: no such path")
        return found

    def _known(self, path: str) -> tuple[dict[str, Route], dict[str, str]] | None:
        exact = self._exact.get(path)
        if exact is not None:
            return exact, {}
        for pattern, methods in self._patterns.get(path.count("/"), ()):
            found = pattern.fullmatch(path)
            if found is not None:
                return methods, found.groupdict()
        return None
