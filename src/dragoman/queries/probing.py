"""Counting the rows of a join's two sides, for a person who is to say what kind of join it is.

Imported with the first such request: a start must not pay for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest, FieldError, NotFound, Unavailable
from dragoman.catalog.service import SchemaLayer
from dragoman.connections import dialling
from dragoman.connections.dialling import Destination, Located
from dragoman.dialects import sql as functions
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.sql.functions import NotExpressible
from dragoman.house import House
from dragoman.queries import by_hand
from dragoman.queries.delivery import CLIENT_CLOSED_REQUEST
from dragoman.queries.running import RUNNING
from dragoman.queries.service import Query
from dragoman.queries.zones import UTC
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.probing import Counted, End, counting, orphans, verdict
from dragoman.semantics.model.references import FieldRef, field_ref
from dragoman.store import UnitOfWork

FEW, MOST = 1_000_000, 100_000_000
_COLUMNS: Final = 32
_JOIN: Final = (
    *("join_from_view", "join_from_view_as", "join_from_view_as_label"),
    *("join_to_view", "join_to_view_as", "join_to_view_as_label"),
    *("join_type", "relationship_type", "on_sql"),
)
_EQUALITY: Final = re.compile(r"\s*\$\{([^{}]+)\}\s*=\s*\$\{([^{}]+)\}\s*")
_INCOMPARABLE: Final = (DataType.JSON, DataType.ARRAY, DataType.OTHER_UNGROUPABLE)
Ends = tuple[End, End]


class Probe:
    """The statements of one probing, one after the other. `cancel` may come from any thread."""

    def __init__(
        self, house: House, destination: Destination, ends: Ends, most: int, request_id: str
    ) -> None:
        """`most`: rows that are read of each side."""
        self._house = house
        self._destination = destination
        self._ends = ends
        self._most = most
        self._request_id = request_id
        self._sql = functions.table(destination.dialect.declaration.name)
        self._query: Query | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Stop it in the database; see `Query.cancel`."""
        self._cancelled = True
        if self._query is not None:
            self._query.cancel()

    def run(self) -> dict[str, Any]:
        """The answer; in a thread. Raises as `Query.rows`."""
        try:
            return self._found()
        except NotExpressible as problem:
            raise BadRequest(f"Bad Request: {problem}") from None

    def _found(self) -> dict[str, Any]:
        one, other = (self._counted(end) for end in self._ends)
        kind, reasons = verdict(one, other)
        lost: int | None = None
        if not other.capped and one.keys and other.keys:
            try:
                [lost] = self._row(orphans(self._sql, *self._ends, self._most))
            except DatabaseFailure as failure:
                if not failure.refuses:
                    raise
                reasons.append(f"The database does not compare the keys: {failure.message}")
        return {
            "relationship_type": kind,
            "from": _shown(self._ends[0], one),
            "to": _shown(self._ends[1], other),
            "orphans": lost,
            "reasons": reasons,
        }

    def _counted(self, end: End) -> Counted:
        rows, absent, keys, most = self._row(counting(self._sql, end, self._most))
        return Counted(rows, absent, keys, most, rows >= self._most)

    def _row(self, sql: str) -> list[int]:
        query = Query(self._house, self._destination, sql, None, UTC, self._request_id)
        self._query = query
        if self._cancelled:
            query.cancel()
        with query.rows() as rows:
            found = [line for batch in rows.batches for line in batch.to_pylist()]
        return [int(value or 0) for value in found[0].values()]


async def probe(call: Call) -> Response:
    """What the rows say of a join between two tables."""
    connection_id = call.id()
    call.query()
    body = await call.json()

    def look(unit: UnitOfWork) -> tuple[Located, Ends, int]:
        return _located(unit, call.principal, connection_id, body)

    located, ends, most = await call.read(look)
    destination = await dialling.opened_aside(call.house, located)
    wanted = Probe(call.house, destination, ends, most, call.origin.request_id)
    found = await _answered(call.house, wanted, call.request)
    return Response(status_code=CLIENT_CLOSED_REQUEST) if found is None else answer(found)


async def _answered(house: House, probing: Probe, request: Request) -> dict[str, Any] | None:
    """None where the client left; nothing goes on in the database then."""
    RUNNING.enter(probing, house)
    try:
        submitted = house.blocking.submit(probing.run)
    except RuntimeError:
        RUNNING.leave(probing)
        raise Unavailable("The server is stopping.", headers={"Retry-After": "5"}) from None
    submitted.add_done_callback(lambda _: RUNNING.leave(probing))
    running = asyncio.wrap_future(submitted)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await running if running.done() else None
    finally:
        leaving.cancel()
        probing.cancel()
        # It may fail when nobody waits any more, which is no news for a log.
        running.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _asked(body: Mapping[str, Any]) -> tuple[list[tuple[FieldRef, FieldRef]], int]:
    """The pairs of fields that are equal, and how many rows are read of a side.

    Raises `BadRequest`.
    """
    problems = [
        FieldError(str(key)[:60], "Unrecognized key", "Send a relationship, and maxRows.")
        for key in body
        if key not in (*_JOIN, "maxRows")
    ]
    problems += [
        FieldError(name, "Required", "Send it as text.")
        for name in ("join_from_view", "join_to_view", "on_sql")
        if not isinstance(body.get(name), str) or not body[name].strip()
    ]
    problems += [
        FieldError(name, "Expected string", "Send the alias as text.")
        for name in ("join_from_view_as", "join_to_view_as")
        if not isinstance(body.get(name, ""), str)
    ]
    most = body.get("maxRows", FEW)
    if type(most) is not int or not 1 <= most <= MOST:
        problems.append(FieldError("maxRows", f"1 to {MOST:,}", "Leave it out for a million."))
    pairs = [] if problems else _pairs(body["on_sql"])
    if not pairs and not problems:
        fix = "Write ${orders.user_id} = ${users.id}, several joined by AND."
        problems.append(FieldError("on_sql", "Not made of equalities between two fields", fix))
    if problems:
        told = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadRequest(f"Bad Request: {told}", errors=problems)
    return pairs, most


def _pairs(on_sql: str) -> list[tuple[FieldRef, FieldRef]]:
    """Empty where it is anything but equalities."""
    found: list[tuple[FieldRef, FieldRef]] = []
    for part in re.split(r"\bAND\b", on_sql, flags=re.IGNORECASE)[: _COLUMNS + 1]:
        match = _EQUALITY.fullmatch(part)
        sides = [field_ref(text.strip()) for text in match.groups()] if match else [None, None]
        one, other = sides
        if one is None or other is None or one.bracket or other.bracket:
            return []
        found.append((one, other))
    return found if len(found) <= _COLUMNS else []


def _located(
    unit: UnitOfWork, principal: Principal, connection_id: str, body: Mapping[str, Any]
) -> tuple[Located, Ends, int]:
    """What is asked for, of which tables, and how many rows of each. Raises as `by_hand.locate`
    first of all, as `_asked`, `NotFound` for a view, and `BadRequest` for a field."""
    located = by_hand.locate(unit, principal, connection_id)
    pairs, most = _asked(body)
    layer = SchemaLayer(unit, connection_id)
    views = [body["join_from_view"], body["join_to_view"]]
    names = [body.get(f"join_{side}_view_as") or views[at] for at, side in _SIDES]
    fields: list[list[str]] = [[], []]
    for pair in pairs:
        ordered = pair if pair[0].view == names[0] else pair[::-1]
        if [each.view for each in ordered] != names:
            raise BadRequest(f"Bad Request: on_sql: each equality is between {' and '.join(names)}")
        for side, each in zip(fields, ordered, strict=True):
            side.append(each.name)
    one, other = (_end(layer, view, chosen) for view, chosen in zip(views, fields, strict=True))
    return located, (one, other), most


_SIDES: Final = ((0, "from"), (1, "to"))


def _end(layer: SchemaLayer, view: str, fields: list[str]) -> End:
    found = layer.view(view)
    if found is None or "table_name" not in found.definition:
        raise NotFound(f"No table of the connection is the view {view[:200]}")
    said = found.definition
    dimensions: Mapping[str, Any] = said["dimensions"]
    for field in fields:
        if field not in dimensions or "nested_on_field" in dimensions[field]:
            raise BadRequest(f"Bad Request: on_sql: {view}.{field} is no column of the table")
        kind = found.column_types.get(field)
        if kind in _INCOMPARABLE:
            raise BadRequest(f"Bad Request: on_sql: {view}.{field} ({kind}) has no values to join")
    table = [str(said[key]) for key in ("catalog", "schema", "table_name") if said.get(key)]
    columns = tuple(str(dimensions[field]["sql"]) for field in fields)
    return End(view, tuple(table), tuple(fields), columns)


def _shown(end: End, found: Counted) -> dict[str, Any]:
    return {
        "view": end.view,
        "fields": end.fields,
        "rows": found.rows,
        "nullKeys": found.null_keys,
        "distinctKeys": found.keys,
        "mostRowsOfAKey": found.most,
        "capped": found.capped,
        "unique": found.unique,
    }
