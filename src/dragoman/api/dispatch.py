"""The way of a request: match, authenticate, limit, authorise, handle; and every error's answer."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dragoman.access.policy import RULES, Permission, admits
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api import cookies
from dragoman.api.call import Call, answer
from dragoman.api.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    HeadersTooLarge,
    Internal,
    Unauthorized,
    Unavailable,
    from_failure,
)
from dragoman.api.ratelimit import Limit
from dragoman.api.routing import Route, Router
from dragoman.api.underway import UnderWay
from dragoman.dialects.failures import DatabaseFailure
from dragoman.house import House
from dragoman.observability import metrics
from dragoman.secret import SecretStr
from dragoman.store import Origin, StoreBusy

log = structlog.get_logger()
MAX_HEADER_BYTES = 32_768
_EVERY_ANSWER = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
# What an error becomes, by the beginning of the path; elsewhere it has the form of the house.
ErrorForms = Mapping[str, Callable[[ApiError], Response]]
# Words of the contract for what personal tokens may not do.
_REFUSALS = {
    Permission.SCIM: "User-scoped API keys are not allowed to access the SCIM API.",
    Permission.API_KEYS_CREATE: "Forbidden: a narrowed token makes no others",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")
ANONYMOUS = Principal(PrincipalKind.PERSONAL, "anonymous")


class Dispatcher:
    """The ASGI application under Starlette's error handling."""

    def __init__(
        self,
        house: House,
        router: Router,
        requests: Limit,
        sessions: Limit,
        forms: ErrorForms | None = None,
    ) -> None:
        self.house = house
        self.router = router
        self.requests = requests
        self.sessions = sessions
        self.forms = dict(forms or {})
        self.under_way = UnderWay()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises only what breaks an answer off."""
        with self.under_way.watch():
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request = Request(scope, receive)
        origin = Origin(_request_id(request), request.client.host[:64] if request.client else "")
        visit = _Visit()
        response = await self._respond(request, origin, visit)
        response.raw_headers += [(b"x-request-id", origin.request_id.encode()), *_EVERY_ANSWER]
        seconds = time.perf_counter() - began
        self._note(request, response, visit, origin, seconds)
        await response(scope, receive, send)

    async def _respond(self, request: Request, origin: Origin, visit: _Visit) -> Response:
        try:
            return await self._handle(request, origin, visit)
        except asyncio.CancelledError:
            if self.under_way.is_ended():
                raise
            # uvicorn gives up waiting for us when it stops; the client is still there.
            failed: ApiError = Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        except ApiError as error:
            failed = error
        except DatabaseFailure as failure:
            failed = from_failure(failure)
        except StoreBusy as busy:
            log.warning("store busy", reason=str(busy), request_id=origin.request_id)
            failed = Unavailable(
                "The server's own store cannot take the request now; try again.",
                headers={"Retry-After": "2"},
            )
        except Exception:
            log.exception(
                "unexpected error", request_id=origin.request_id, path=request.scope["path"]
            )
            failed = Internal(f"Internal error; request id {origin.request_id}")
        path: str = request.scope["path"]
        form = next((f for begin, f in self.forms.items() if path.startswith(begin)), _failed)
        return form(failed)

    async def _handle(self, request: Request, origin: Origin, visit: _Visit) -> Response:
        if sum([len(k) + len(v) for k, v in request.scope["headers"]]) > MAX_HEADER_BYTES:
            raise HeadersTooLarge(f"The headers are larger than {MAX_HEADER_BYTES} bytes")
        visit.route, parameters = self.router.match(
            request.method, request.scope["path"], request.scope.get("raw_path") or b""
        )
        principal = ANONYMOUS
        if visit.route.permission is not Permission.PUBLIC:
            principal = visit.principal = await self._authenticate(request, visit.route, origin)
            self.under_way.note(principal)
            limit = self.sessions if principal.is_session else self.requests
            await limit.check(principal.token_id or principal.name)
            if not admits(principal, visit.route.permission):
                raise _refused(visit.route.permission)
        call = Call(self.house, request, visit.route, parameters, principal, origin)
        if _strict(request, visit.route):
            call.query()
        return await visit.route.handler(call)

    async def _authenticate(self, request: Request, route: Route, origin: Origin) -> Principal:
        if "authorization" not in request.headers:
            session = cookies.sent(request, self.house.settings)
            if session is not None:
                return await self._visitor(request, session, origin)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        authenticator = self.house.authenticator
        principal = digest = None
        if scheme.lower() == "bearer":
            digest = authenticator.recognise(token.strip())
        if digest is not None:
            known = digest
            principal = await self.house.store.look_up(
                lambda unit: authenticator.principal(unit, known)
            )
        if principal is None:
            await self._refuse(digest, origin)
            if not route.refuses_without_401:
                raise Unauthorized
            if scheme.lower() != "bearer" or not token.strip():
                raise BadRequest("Bad Request: Missing or malformed Authorization header")
            raise Forbidden("Invalid bearer token")
        authenticator.used(principal, origin)
        return principal

    async def _refuse(self, digest: bytes | None, origin: Origin) -> None:
        """Count an attempt without a good token. Raises `TooManyRequests`."""
        await self.house.refusals.check(origin.address)
        if digest is not None:
            noted = partial(self.house.authenticator.refused, digest=digest, origin=origin)
            await self.house.store.read(noted)

    async def _visitor(self, request: Request, secret: SecretStr, origin: Origin) -> Principal:
        """Whom a browser's session stands for. One that ended is no attempt to guess: its id has
        256 random bits, and every open page would count as several."""
        visitors = self.house.visitors
        digest = visitors.recognise(secret.reveal())
        principal = None
        if digest is not None:
            principal = await self.house.store.read(lambda unit: visitors.principal(unit, digest))
        if principal is None:
            raise Unauthorized("Unauthorized: the session has ended; sign in again")
        cookies.require_proof(request, secret, self.house.settings)
        visitors.used(principal, origin)
        return principal

    def _note(
        self, request: Request, response: Response, visit: _Visit, origin: Origin, seconds: float
    ) -> None:
        path = visit.route.path if visit.route else "unmatched"
        method = request.method if visit.route else ""
        metrics.requests(method, path, response.status_code).inc()
        metrics.request_seconds(path).observe(seconds)
        log.info(
            "request",
            method=request.method,
            route=path,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 2),
            request_id=origin.request_id,
            address=origin.address,
            principal=visit.principal.name if visit.principal else None,
        )


class _Visit:
    """What is known of a request so far, for the log."""

    __slots__ = ("principal", "route")

    def __init__(self) -> None:
        self.route: Route | None = None
        self.principal: Principal | None = None


def _strict(request: Request, route: Route) -> bool:
    """Whether parameters are refused that the route does not know, whatever its handler asks for: a
    change that ignores what it was told may change the wrong thing."""
    reads = request.method in ("GET", "HEAD") or route.permission is Permission.PUBLIC
    return not reads and request.scope["path"].startswith("/api/v1/")


def _refused(permission: Permission) -> Forbidden:
    if permission in _REFUSALS:
        return Forbidden(_REFUSALS[permission])
    why = "needs an organization API key" if RULES[permission].key else "is not permitted"
    return Forbidden(f"Forbidden: {permission.value} {why}")


def _failed(error: ApiError) -> Response:
    return answer(error.body(), error.code, error.headers)


def _request_id(request: Request) -> str:
    sent = request.headers.get("x-request-id", "")
    return sent if _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()
