"""Paths of questions: SQL on a connection, and what rows say of a join."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call
from dragoman.api.routing import Parameter, Route
from dragoman.connections import dialling
from dragoman.queries import by_hand, schemas
from dragoman.queries.delivery import CLIENT_CLOSED_REQUEST, Delivery, StreamedAnswer
from dragoman.queries.formats import FORMATS
from dragoman.queries.handover import Abandoned
from dragoman.queries.negotiation import choose
from dragoman.queries.service import Query
from dragoman.queries.zones import session_zone


async def query(call: Call) -> Response:
    form = choose(call.request.headers.getlist("accept"))
    connection_id = call.id()
    call.query()
    asked = schemas.question(await call.json())
    located = await call.read(lambda unit: by_hand.locate(unit, call.principal, connection_id))
    destination = await dialling.opened_aside(call.house, located)
    zone, warnings = session_zone(destination.settings, asked.timezone)
    request_id = call.origin.request_id
    wanted = Query(call.house, destination, asked.sql, asked.limit, zone, request_id)
    delivery = Delivery(wanted, form, call.request.receive)
    try:
        first = await delivery.start()
    except Abandoned:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return StreamedAnswer(delivery, first, warnings)


async def probe(call: Call) -> Response:
    from dragoman.queries import probing

    return await probing.probe(call)


_TEXT = {"type": "string"}
_SIDE = {"type": "object", "required": ["view", "rows", "distinctKeys", "capped", "unique"]}
ROUTES = (
    Route(
        "POST",
        "/api/v1/connections/{id}/relationship-probe",
        probe,
        Permission.CONNECTIONS_SQL,
        "queryProbeRelationship",
        "Count the rows of a join's two sides, and say what kind of join they allow",
        "Queries",
        body={
            "type": "object",
            "required": ["join_from_view", "join_to_view", "on_sql"],
            "properties": {
                "join_from_view": {**_TEXT, "description": "A view of the schema model."},
                "join_from_view_as": _TEXT,
                "join_to_view": {**_TEXT, "description": "A view of the schema model."},
                "join_to_view_as": _TEXT,
                "on_sql": {**_TEXT, "examples": ["${orders.user_id} = ${users.id}"]},
                "maxRows": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Rows that are read of a side; default 1,000,000.",
                },
            },
        },
        answer={
            "type": "object",
            "required": ["relationship_type", "from", "to", "orphans", "reasons"],
            "properties": {
                "relationship_type": {"type": ["string", "null"]},
                "from": _SIDE,
                "to": _SIDE,
                "orphans": {"type": ["integer", "null"]},
                "reasons": {"type": "array", "items": _TEXT},
            },
        },
        errors=(400, 403, 404, 408, 502, 503),
        extension=True,
    ),
    Route(
        "POST",
        "/api/v1/connections/{id}/query",
        query,
        Permission.CONNECTIONS_SQL,
        "queryConnection",
        "Run one reading SQL statement and stream its rows",
        "Queries",
        body=schemas.SCHEMA,
        answer=tuple(form.names[0] for form in FORMATS),
        headers=(
            Parameter(
                "Accept",
                "The form of the rows: " + ", ".join(name for f in FORMATS for name in f.names),
            ),
        ),
        errors=(400, 403, 404, 406, 408, 502, 503),
        extension=True,
        description=(
            "The rows are streamed as the database gives them. An answer that breaks off is an "
            "error after its beginning: the connection closes without a proper end. When the "
            "client goes away, the statement is cancelled in the database. Sentences about the "
            "rows are in the header X-Dragoman-Warnings, a JSON array."
        ),
    ),
)
