"""One request as a handler sees it: who asks, the checked parameters, the body, the house."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api.errors import (
    BadRequest,
    PayloadTooLarge,
    PreconditionFailed,
    RequestTimeout,
)
from dragoman.api.routing import Route
from dragoman.house import House
from dragoman.semantics.plain import is_dict, is_list
from dragoman.store import Origin, UnitOfWork
from dragoman.store.engine import Work

T = TypeVar("T")
BODY_SECONDS = 30.0
# What is read of a body beyond what is taken, so that whoever sends it reads the refusal.
LINGER_BYTES = 64 * 1024 * 1024
# The rest of the body is not wanted.
_HANG_UP = {"Connection": "close"}
_encoder = msgspec.json.Encoder()


class Success(msgspec.Struct):
    """The answer of a change that has nothing more to say."""

    success: bool = True


class Call:
    """A request that was matched, authenticated and admitted."""

    __slots__ = ("house", "origin", "parameters", "principal", "request", "route")

    def __init__(
        self,
        house: House,
        request: Request,
        route: Route,
        parameters: dict[str, str],
        principal: Principal,
        origin: Origin,
    ) -> None:
        self.house = house
        self.request = request
        self.route = route
        self.parameters = parameters
        self.principal = principal
        self.origin = origin

    def id(self, name: str = "id") -> str:
        """A path parameter that is a UUID, in its canonical form. Raises `BadRequest`."""
        return uuid_of(self.parameters[name], name)

    def text(self, name: str) -> str:
        """A path parameter that is a name. Raises `BadRequest` for what no store takes."""
        value = self.parameters[name]
        if "\0" in value:
            raise BadRequest(f"Bad Request: {name}: must not have the character NUL")
        return value

    def query(self) -> dict[str, str]:
        """The query parameters; unknown and repeated ones are refused, as the vendor does."""
        found: dict[str, str] = {}
        if not self.request.scope["query_string"]:
            return found
        known = {parameter.name for parameter in self.route.query}
        for name, value in self.request.query_params.multi_items():
            if name not in known:
                raise BadRequest(f"Bad Request: Unrecognized key(s) in object: '{name[:60]}'")
            if name in found:
                raise BadRequest(f"Bad Request: {name}: given more than once")
            if "\0" in value:
                raise BadRequest(f"Bad Request: {name}: must not have the character NUL")
            found[name] = value
        return found

    async def body(self, limit: int | None = None) -> bytes:
        """The body, whatever its declared type: what is not JSON is refused when it is decoded.

        `limit`: of a route that takes more bytes than others. Raises `PayloadTooLarge`,
        `RequestTimeout`.
        """
        limit = limit or self.house.settings.max_body_bytes
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in self.request.stream():
                    size += len(part)
                    if size <= limit:
                        parts.append(part)
                    elif size > limit + LINGER_BYTES:
                        break
                    else:
                        # Thrown away: a client that is cut off while it sends sees no answer.
                        parts.clear()
        except TimeoutError:
            raise RequestTimeout("The body did not arrive in time", headers=_HANG_UP) from None
        except ClientDisconnect:
            raise BadRequest("Bad Request: the body ended early") from None
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than {limit} bytes", headers=_HANG_UP)
        return b"".join(parts)

    async def json(self, limit: int | None = None) -> dict[str, Any]:
        """The body as a JSON object; `limit` as in `body`. Raises `BadRequest`."""
        return decode_object(await self.body(limit))

    def prefers(self, preference: str) -> bool:
        """Whether a `Prefer` header (RFC 7240) names the preference."""
        wanted = preference.lower()
        sent = ",".join(self.request.headers.getlist("prefer")).lower()
        # A value may stand in quotes; none of ours has a blank, a comma or a quote inside.
        bare = sent.replace('"', "").replace(" ", "").replace(";", ",")
        return wanted in bare.split(",")

    def require_match(self, tag: str) -> None:
        """Raise `PreconditionFailed` when `If-Match` (RFC 9110) names other tags only."""
        sent = self.request.headers.getlist("if-match")
        named = {part.strip() for value in sent for part in value.split(",")}
        if named and not named & {tag, "*"}:
            raise PreconditionFailed(
                "Precondition Failed: it was changed since it was read; read it again",
                headers={"ETag": tag},
            )

    async def read(self, work: Work[T]) -> T:
        """Run a reading unit of work for this request."""
        return await self.house.store.read(work, self.origin)

    async def read_long(self, work: Work[T]) -> T:
        """Run a reading unit of work that may take long: on a thread, off the event loop."""

        def run() -> T:
            with self.house.store.look(self.origin) as unit:
                return work(unit)

        return await asyncio.get_running_loop().run_in_executor(self.house.blocking, run)

    async def write(self, work: Work[T]) -> T:
        """Run a writing unit of work for this request."""
        return await self.house.store.write(work, self.origin)


def typed(body: object, shape: type[T]) -> T:
    """A decoded body as a msgspec type. Raises `BadRequest` in the vendor's words, and for NUL in a
    text, which PostgreSQL does not store."""
    _without_nul(body)
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Bad Request: {_worded(str(error))}") from None


def _without_nul(body: object) -> None:
    """Raise `BadRequest` that names the key whose text has NUL."""
    left = [("", body)]
    while left:
        key, value = left.pop()
        if is_dict(value):
            left += value.items()
            left += [("", name) for name in value]
        elif is_list(value):
            left += [(key, part) for part in value]
        elif isinstance(value, str) and "\0" in value:
            where = f"{key}: " if key else ""
            raise BadRequest(f"Bad Request: {where}must not have the character NUL")


def uuid_of(text: str, name: str) -> str:
    """A UUID in its canonical form. Raises `BadRequest`."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadRequest(f"Bad Request: Invalid {name} format") from None


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`( - at `\$.*`)?")
_MISSING = re.compile(r"Object missing required field `(.*)`( - at `\$.*`)?")
_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)


def _worded(message: str) -> str:
    unknown, missing = _UNKNOWN.fullmatch(message), _MISSING.fullmatch(message)
    if unknown:
        return f"Unrecognized key(s) in object: '{unknown[1][:60]}'"
    if missing:
        return f"{missing[1]}: Required"
    place = _AT.fullmatch(message)
    return f"{place[2]}: {place[1]}" if place else message


def decode_object(raw: bytes) -> dict[str, Any]:
    """JSON bytes as an object. Raises `BadRequest`, also for a key that is given twice: two
    readers of such a body may take different values (RFC 8259 section 4)."""
    try:
        # Both: the one refuses what is no JSON (NaN, for example), the other sees every pair.
        msgspec.json.decode(raw)
        value = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise BadRequest("Bad Request: Invalid JSON body") from None
    if not isinstance(value, dict):
        raise BadRequest("Bad Request: the body must be a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadRequest(f"Bad Request: the key '{name[:60]}' is given twice")
        found[name] = value
    return found


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(_encoder.encode(content), status, headers, "application/json")


__all__ = [
    "Call",
    "Origin",
    "Success",
    "UnitOfWork",
    "answer",
    "decode_object",
    "typed",
    "uuid_of",
]
