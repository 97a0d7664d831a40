"""Pages of signing in through a provider, and the one by which it signs people out."""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs, urlencode

from starlette.responses import RedirectResponse, Response

from dragoman.access.policy import Permission
from dragoman.api import cookies
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Parameter, Route
from dragoman.signin.browsers import with_cookie
from dragoman.signin.oidc import entering, providers, states
from dragoman.signin.oidc.entering import Back
from dragoman.signin.oidc.refusals import Refused

TAG = "Signing in"
_MAX_LOGOUT = 128 * 1024
_ONE = f"{providers.PATH}/{{provider}}"


async def start(call: Call) -> Response:
    """Off to the provider."""
    slug, path = call.text("provider"), call.query().get("next", "")
    try:
        url, begun = await entering.leave(call.house, slug, _cookie(call), path)
    except Refused as refused:
        return _refused(refused)
    response = _redirect(url)
    secure = cookies.is_secure(call.request, call.house.settings)
    seconds = int(states.LIFE.total_seconds())
    cookies.give_named(response, states.COOKIE, begun.secret, seconds, secure=secure)
    return response


async def callback(call: Call) -> Response:
    """Back from the provider."""
    settings, agent = call.house.settings, call.request.headers.get("user-agent", "")
    back = Back(_told(call), _cookie(call), agent, cookies.sent(call.request, settings))
    try:
        entered, path = await entering.come_back(
            call.house, call.origin, call.text("provider"), back
        )
    except Refused as refused:
        return _refused(refused)
    return with_cookie(call, _redirect(path), entered.secret)


async def logout(call: Call) -> Response:
    """The provider says that somebody signed out there."""
    said = (await call.body(_MAX_LOGOUT)).decode(errors="replace")
    try:
        form = parse_qs(said, max_num_fields=20)
    except ValueError:
        raise BadRequest("Bad Request: the form has too many fields") from None
    token = form.get("logout_token", [None])
    try:
        await entering.end_by_provider(call.house, call.origin, call.text("provider"), token[0])
    except Refused as refused:
        raise BadRequest(f"Bad Request: {refused.detail}") from None
    return answer({"success": True})


def _told(call: Call) -> dict[str, str]:
    """Every parameter once; what is not understood is left alone (RFC 6749, section 4.1.2)."""
    found: dict[str, str] = {}
    for name, value in call.request.query_params.multi_items():
        if name in found or "\0" in value:
            raise BadRequest(f"Bad Request: {name[:60]}: given more than once, or with NUL")
        found[name] = value
    return found


def _cookie(call: Call) -> str | None:
    return cookies.named(call.request, states.COOKIE, call.house.settings)


def _refused(refused: Refused) -> Response:
    # After the #: the page has a text for the word, and no server is told it.
    return _redirect(f"{states.HOME}#{urlencode({'refused': refused.reason.value})}")


def _redirect(url: str) -> Response:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return RedirectResponse(url, 303, headers)


_page = partial(
    Route, permission=Permission.PUBLIC, tag=TAG, extension=True, status=303, errors=(400, 429)
)
_BACK = tuple(
    Parameter(name, "As the provider gives it; further parameters are passed over.")
    for name in ("code", "state", "iss", "error", "error_description", "session_state")
)

ROUTES = (
    _page(
        "GET",
        f"{_ONE}/start",
        start,
        operation_id="oidcStart",
        summary="Sign in through an identity provider",
        query=(Parameter("next", "A path of this server to come back to."),),
        description="303 to the provider; to the page to sign in on when that cannot be.",
    ),
    _page(
        "GET",
        f"{_ONE}/callback",
        callback,
        operation_id="oidcCallback",
        summary="Come back from an identity provider",
        query=_BACK,
        description="303 to the page that was asked for, with the cookie of a session; to "
        "the page to sign in on, with a reason, when nobody is let in.",
    ),
    _page(
        "POST",
        f"{_ONE}/logout",
        logout,
        operation_id="oidcLogout",
        summary="Be told by an identity provider that somebody signed out",
        status=200,
        body={
            "type": "object",
            "properties": {"logout_token": {"type": "string"}},
            "required": ["logout_token"],
        },
        answer={"type": "object", "properties": {"success": {"type": "boolean"}}},
        description="OpenID Connect Back-Channel Logout 1.0; the body is a form.",
    ),
)
