"""Declarations as JSON Schema (2020-12) for the API document, and as plain values for tools.

The schema says what can be said of shapes: it accepts all that `validation.validate` accepts and
refuses wrong types and missing properties. Rules between properties stay with `validate`.
"""

from __future__ import annotations

from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Authentication, Declaration, Use
from dragoman.dialects.properties import PROPERTIES, Kind, Property
from dragoman.dialects.values import MAX_LIST, MAX_SECRET, MAX_TEXT

_ALWAYS_REQUIRED = ("dialect", "name")
_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string", "maxLength": MAX_TEXT},
    Kind.INTEGER: {"type": "integer"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.SECRET: {
        "oneOf": [
            {"type": "string", "maxLength": MAX_SECRET},
            {
                "type": "object",
                "description": "A secret kept outside.",
                "required": ["$secret"],
                "properties": {"$secret": {"type": "string", "pattern": "^(env|file):"}},
                "additionalProperties": False,
            },
        ]
    },
    Kind.TIMEZONE: {"type": "string", "maxLength": MAX_TEXT},
    Kind.LIST: {
        "oneOf": [
            {"type": "string", "maxLength": MAX_LIST},
            {"type": "array", "items": {"type": "string", "maxLength": MAX_TEXT}},
        ]
    },
    Kind.DIGITS: {
        "oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"},
            {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        ]
    },
    # Empty text counts as absent, as everywhere.
    Kind.URL: {
        "type": "string",
        "maxLength": MAX_TEXT,
        "pattern": r"^\s*([hH][tT]{2}[pP][sS]://|$)",
    },
}


def json_schema(declaration: Declaration) -> dict[str, Any]:
    """The schema of a create body of this dialect.

    Properties that do not apply are listed without a description and with `x-applies: false`:
    they are taken, and named in the answer's warnings.
    """
    required = _required(declaration)
    return {
        "type": "object",
        "title": declaration.label,
        "required": required,
        "properties": {
            name: _property(declaration, known, name in required)
            for name, known in PROPERTIES.items()
        },
        "additionalProperties": False,
    }


def create_body_schema() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The schema of any create body, and the component schemas that it refers to, by name.

    The first is a `oneOf` with the discriminator `dialect` (OpenAPI 3.1, Discriminator Object).
    """
    declared = [dialect.declaration for dialect in registry.all_dialects().values()]
    mapping = {d.name: f"#/components/schemas/{_component(d.name)}" for d in declared}
    body = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "dialect", "mapping": mapping},
    }
    return body, {_component(d.name): json_schema(d) for d in declared}


def describe(declaration: Declaration) -> dict[str, Any]:
    """The declaration as JSON-ready values, for `GET /v1/dialects`."""
    driver = declaration.driver
    return {
        "name": declaration.name,
        "label": declaration.label,
        "extension": declaration.extension,
        "live": declaration.live,
        "proof": declaration.proof.value,
        "defaultPort": declaration.default_port,
        "multiCatalog": declaration.multi_catalog,
        "queryTimeout": declaration.query_timeout,
        "authenticationTypes": [_authentication(a) for a in declaration.authentication],
        "properties": [
            _described(declaration, PROPERTIES[name], use)
            for name, use in declaration.properties().items()
        ],
        "driver": {
            "distribution": driver.distribution,
            "extra": driver.extra,
            "installed": driver.installed(),
        },
        "notes": list(declaration.notes),
    }


def is_required(declaration: Declaration, name: str) -> bool:
    """Whether no body of this dialect can do without the property."""
    return name in _required(declaration)


def _required(declaration: Declaration) -> list[str]:
    """What is always needed: by the dialect, or by each of its ways to sign in."""
    needs = [set(a.needs) for a in declaration.authentication]
    shared = set[str | tuple[str, ...]].intersection(*needs)
    return [
        name
        for name, use in declaration.properties().items()
        if name in _ALWAYS_REQUIRED or use.required or name in shared
    ]


def _property(declaration: Declaration, known: Property, required: bool) -> dict[str, Any]:
    if known.name == "dialect":
        return {"const": declaration.name, "description": known.description}
    use = declaration.use(known.name)
    typed = _typed(declaration, known, required)
    if use is None:
        return {**typed, "x-applies": False}
    described: dict[str, Any] = {"description": _description(known, use)}
    default = declaration.default(known.name)
    if default is not None and not required:
        described["default"] = default
    if known.example is not None and not use.hint:
        described["examples"] = [known.example]
    return {**typed, **described}


def _typed(declaration: Declaration, known: Property, required: bool) -> dict[str, Any]:
    """The shape of a value. `null` means absent, so only what is not required takes it."""
    shape = dict(_TYPES[known.kind])
    if known.minimum is not None:
        shape["minimum"] = known.minimum
    if known.maximum is not None:
        shape["maximum"] = known.maximum
    if required and known.kind is Kind.TEXT:
        shape["pattern"] = r"\S"
    if required and known.kind is Kind.BOOLEAN:
        shape["const"] = True  # a required yes is a consent
    if known.name == "authenticationType" and declaration.use(known.name) is not None:
        # Empty text counts as absent.
        values = [a.value for a in declaration.authentication if a.value]
        return {"enum": [*values, "", None]} if not required else {"enum": values}
    if required:
        return shape
    if "oneOf" in shape:
        return {"oneOf": [*shape["oneOf"], {"type": "null"}]}
    return {**shape, "type": [shape["type"], "null"]}


def _description(known: Property, use: Use) -> str:
    return f"{known.description} {use.hint}".strip()


def _described(declaration: Declaration, known: Property, use: Use) -> dict[str, Any]:
    return {
        "name": known.name,
        "type": known.kind.value,
        "required": is_required(declaration, known.name),
        "default": declaration.default(known.name),
        "description": _description(known, use),
        "secret": known.kind is Kind.SECRET,
    }


def _authentication(way: Authentication) -> dict[str, Any]:
    """`needs`: each item is a list of names of which at least one must be there."""
    return {
        "value": way.value,
        "label": way.label,
        "needs": [[need] if isinstance(need, str) else list(need) for need in way.needs],
        "optional": list(way.optional),
    }


def _component(name: str) -> str:
    """The schema's name in the API document: sap_hana becomes CreateConnectionSapHana."""
    return "CreateConnection" + "".join(part.capitalize() for part in name.split("_"))
