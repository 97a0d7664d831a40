"""JSON Schemas of connection bodies, from the catalogue of properties."""

from __future__ import annotations

from dragoman.dialects.properties import PROPERTIES

_DESCRIBED = {name: {"description": known.description} for name, known in PROPERTIES.items()}

UPDATE = {
    "type": "object",
    "minProperties": 1,
    "description": "Any property of create, and environmentUserAttribute. Changing where the "
    "secrets go needs the secrets again.",
    "properties": {
        **_DESCRIBED,
        "environmentUserAttribute": {
            "type": ["object", "null"],
            "required": ["attributeName", "defaultValues"],
            "properties": {
                "attributeName": {"type": "string"},
                "defaultValues": {"type": ["array", "null"], "items": {"type": "string"}},
            },
        },
    },
}
RESTORE = {
    "type": "object",
    "description": "New secrets, and any setting that shall differ.",
    "properties": _DESCRIBED,
}
DETAIL = {
    "type": "object",
    "required": ["connection"],
    "properties": {"connection": {"type": "object"}},
}
CREATE = {"$ref": "#/components/schemas/CreateConnection"}
