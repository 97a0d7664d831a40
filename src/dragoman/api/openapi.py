"""The OpenAPI 3.1 document, made from the route table and the dialects' declarations.

Source: OpenAPI Specification 3.1.0. A route that is not in the document cannot exist.
"""

from __future__ import annotations

import http
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from dragoman import __version__
from dragoman.access.policy import Permission
from dragoman.api.errors import FieldError
from dragoman.api.routing import UUIDS, Parameter, Route
from dragoman.dialects import schema as dialect_schema

_REF = "#/components/schemas/{name}"
_ALWAYS = (401, 403, 429)

_ERROR = {
    "type": "object",
    "description": "Every error has these four; `errors` lists the fields of a refused body.",
    "required": ["error", "message", "detail", "status"],
    "properties": {
        "error": {"type": "string", "description": "The status code as text."},
        "message": {"type": "string"},
        "detail": {"type": "string"},
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": {"$ref": _REF.format(name="FieldError")}},
    },
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document as JSON-ready values."""
    routes = tuple(routes)
    shapes = [shape for route in routes for shape in (route.body, route.answer) if _is_type(shape)]
    # One call for all types, so that a name that two types share shows as an error here.
    refs, components = msgspec.json.schema_components([*shapes, FieldError], ref_template=_REF)
    named = dict(zip([*map(id, shapes), id(FieldError)], refs, strict=True))
    taken = {route.body.__name__ for route in routes if isinstance(route.body, type)}
    taken |= {shape.__name__ for shape in _shapes(msgspec.Struct) if _leaves_out(shape)}
    components = {n: c if n in taken else _always_sent(c) for n, c in components.items()}
    body, dialects = dialect_schema.create_body_schema()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dragoman API",
            "version": __version__,
            "description": "The Omni REST API, self-hosted. Operations marked `x-extension` "
            "go beyond it.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearerAuth": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, **dialects, "CreateConnection": body, "Error": _ERROR},
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
    }


def _shapes(of: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Every kind of struct that there is."""
    for each in of.__subclasses__():
        yield each
        yield from _shapes(each)


def _leaves_out(shape: type[msgspec.Struct]) -> bool:
    """Whether fields that have their defaults are not sent."""
    return shape.__struct_config__.omit_defaults


def _always_sent(component: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer: a field that has a default is sent nevertheless."""
    if "properties" not in component:
        return component
    required = component.get("required", ())
    fields = component["properties"].items()
    sent = [name for name, field in fields if name in required or "default" in field]
    return {**component, "required": sent}


def _is_type(shape: object) -> bool:
    return inspect.isclass(shape)


def _operation(route: Route, named: Mapping[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "x-permission": route.permission.value,
        "parameters": [
            *_path(route),
            *_sent(route.query, "query"),
            *_sent(route.headers, "header"),
        ],
        "responses": {**_success(route, named), **_errors(route)},
    }
    if route.cases:
        operation["x-permission-cases"] = {case.when: case.permission.value for case in route.cases}
    if route.description:
        operation["description"] = route.description
    if route.extension:
        operation["x-extension"] = True
    if route.permission is Permission.PUBLIC:
        operation["security"] = []
    if route.body is not None:
        content = {
            media: {"schema": _schema(route.body, named)} for media in route.wire.media_types
        }
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", **({"format": "uuid"} if name in UUIDS else {})},
        }
        for name in route.path_names
    ]


def _sent(parameters: Iterable[Parameter], place: str) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": place,
            "description": parameter.description,
            "required": parameter.required,
            "schema": dict(parameter.schema),
        }
        for parameter in parameters
    ]


def _success(route: Route, named: Mapping[int, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": http.HTTPStatus(route.status).phrase}
    if isinstance(route.answer, tuple):
        response["content"] = {media: {} for media in route.answer}
    elif route.answer is not None:
        schema = _schema(route.answer, named)
        response["content"] = {media: {"schema": schema} for media in route.wire.media_types}
        response["content"] |= {media: {} for media in route.media}
    return {str(route.status): response}


def _errors(route: Route) -> dict[str, Any]:
    codes = set(route.errors) | {431, 503}
    if route.permission is not Permission.PUBLIC:
        codes |= set(_ALWAYS)
    if route.body is not None:
        codes |= {400, 408, 413}
    if route.refuses_without_401:
        codes -= {401}
    content = {media: {"schema": dict(route.wire.error)} for media in route.wire.media_types}
    return {
        str(code): {"description": http.HTTPStatus(code).phrase, "content": content}
        for code in sorted(codes)
    }


def _schema(shape: object, named: Mapping[int, Any]) -> Any:
    if _is_type(shape):
        return named[id(shape)]
    return dict(cast("Mapping[str, Any]", shape))
