"""Paths by which an application lets its users in (contract §5.13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from starlette.responses import RedirectResponse, Response

from dragoman.access.policy import Permission
from dragoman.api import cookies
from dragoman.api.call import Call, answer, typed
from dragoman.api.errors import Unauthorized
from dragoman.api.routing import Parameter, Route
from dragoman.secret import SecretStr
from dragoman.settings import Settings
from dragoman.signin import embedding, signatures
from dragoman.signin.schemas import EmbedSession, EmbedUrl, EmbedUrlOrder, EmbedVisitor
from dragoman.store import UnitOfWork

TAG = "Embed"
Way = Callable[[UnitOfWork, Settings, Mapping[str, str]], embedding.Admitted]


async def generate(call: Call) -> Response:
    said = await call.json()
    typed(said, EmbedVisitor)
    principal, settings = call.principal, call.house.settings
    made = await call.write(lambda unit: embedding.prepare(unit, principal, settings, said))
    return answer(EmbedSession(made.reveal()))


async def generate_url(call: Call) -> Response:
    said = signatures.unpacked(await call.json())
    typed(said, EmbedUrlOrder)
    secret, settings = SecretStr(said.pop("secret", "")), call.house.settings
    await call.house.refusals.peek(call.origin.address)
    try:
        made = await call.read(lambda unit: embedding.address_for(unit, settings, said, secret))
    except Unauthorized:
        await call.house.refusals.check(call.origin.address)
        raise
    return answer(EmbedUrl(made))


async def login(call: Call) -> Response:
    return await _enter(call, embedding.login)


async def redeem(call: Call) -> Response:
    return await _enter(call, embedding.redeem)


async def _enter(call: Call, work: Way) -> Response:
    given, settings = call.query(), call.house.settings
    await call.house.refusals.peek(call.origin.address)
    try:
        found = await call.write(lambda unit: work(unit, settings, given))
    except Unauthorized:
        await call.house.refusals.check(call.origin.address)
        raise
    response = RedirectResponse(found.content_path, 303)
    secure = cookies.is_secure(call.request, settings)
    seconds = settings.embed_session_hours * 3600
    cookies.give_embedded(response, found.secret, seconds, secure=secure)
    return response


_LOGIN = tuple(
    Parameter(name, "As the application signed it.")
    for name in ("payload", "signature", *signatures.REQUIRED, *signatures.OPTIONAL)
)
_REDEEM = tuple(
    Parameter(name, "As the application signed it.", required=name in ("sessionId", "nonce"))
    for name in ("sessionId", "nonce", "signature", "prefersDark", "theme")
)
_open = partial(
    Route,
    "GET",
    permission=Permission.PUBLIC,
    tag=TAG,
    status=303,
    extension=True,
    errors=(400, 401, 403, 429),
)

ROUTES = (
    Route(
        "POST",
        "/api/v1/embed/sso/generate-session",
        handler=generate,
        permission=Permission.EMBED,
        operation_id="embedSsoGenerateSession",
        summary="Generate embedded SSO session",
        tag=TAG,
        body=EmbedVisitor,
        answer=EmbedSession,
        description="The first of two steps; the session dies in 5 minutes when it is not "
        "redeemed.",
    ),
    Route(
        "POST",
        "/embed/sso/generate-url",
        handler=generate_url,
        permission=Permission.PUBLIC,
        operation_id="embedSsoGenerateUrl",
        summary="A signed address for who sends the secret",
        tag=TAG,
        body=EmbedUrlOrder,
        answer=EmbedUrl,
        extension=True,
        errors=(400, 401, 403, 429),
        description="As older clients of the vendor ask for it. An application that can sign signs "
        "itself: its secret then stays where it is.",
    ),
    _open(
        path=embedding.LOGIN,
        handler=login,
        operation_id="embedLogin",
        summary="Let in who comes by a signed address",
        query=_LOGIN,
    ),
    _open(
        path=embedding.REDEEM,
        handler=redeem,
        operation_id="embedRedeem",
        summary="Redeem a session of the first step",
        query=_REDEEM,
    ),
)
