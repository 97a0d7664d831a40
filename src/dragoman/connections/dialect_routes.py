"""What each dialect declares, for forms and tools (extension)."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer
from dragoman.api.routing import Route
from dragoman.dialects import registry, schema


async def list_dialects(_call: Call) -> Response:
    described = [schema.describe(d.declaration) for d in registry.all_dialects().values()]
    return answer({"dialects": described})


ROUTES = (
    Route(
        "GET",
        "/api/v1/dialects",
        list_dialects,
        Permission.SIGNED_IN,
        "dialectsList",
        "List dialects and what each declares",
        "Connections",
        answer={
            "type": "object",
            "required": ["dialects"],
            "properties": {"dialects": {"type": "array", "items": {"type": "object"}}},
        },
        extension=True,
    ),
)
