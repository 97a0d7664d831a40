"""The endpoints by which an application on a person's machine is let in (RFC 6749)."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer, typed
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Parameter, Route
from dragoman.signin import page
from dragoman.signin.browsers import visitor
from dragoman.signin.oauth import asking, grants
from dragoman.signin.oauth.asking import SCOPE, Asked, Unanswerable
from dragoman.signin.oauth.refusals import Refused
from dragoman.store import UnitOfWork

TAG = "Signing in"
AUTHORIZE, TOKEN, REVOKE = "/oauth/authorize", "/oauth/token", "/oauth/revoke"
_MAX_FORM, _MAX_FIELDS = 16 * 1024, 20


class Consent(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says to an application. `query`: the one that it sent the browser with."""

    query: str
    approve: bool


class Answered(msgspec.Struct):
    """Where the browser takes the answer."""

    location: str


async def authorize(call: Call) -> Response:
    """The page that asks the person."""
    try:
        _asked(call, call.request.url.query)
    except Unanswerable as refused:
        return RedirectResponse(refused.location, 303, {"Referrer-Policy": "no-referrer"})
    return HTMLResponse(page.html("authorize"), headers={"Content-Security-Policy": page.POLICY})


async def consent(call: Call) -> Response:
    """What the person says."""
    person = visitor(call)
    said = typed(await call.json(), Consent)
    asked, issuer = _asked(call, said.query), call.house.settings.base_url
    if not said.approve:
        told = {"error": "access_denied"}
    else:
        code = await call.write(lambda unit: grants.approve(unit, person, asked))
        told = {"code": code.reveal()}
    return answer(Answered(asking.location(asked.redirect_uri, asked.state, issuer, told)))


async def token(call: Call) -> Response:
    """Tokens for a code, or for a refresh token."""
    address, limit = call.origin.address, call.house.refusals
    await limit.peek(address)
    form = await _form(call)
    application = _application(form)

    def work(unit: UnitOfWork) -> grants.Outcome:
        match form.get("grant_type"):
            case "authorization_code":
                code, uri = _needed(form, "code"), _needed(form, "redirect_uri")
                verifier = _needed(form, "code_verifier")
                return grants.exchange(unit, application, code, uri, verifier)
            case "refresh_token":
                return grants.refresh(unit, application, _needed(form, "refresh_token"))
            case _:
                raise Refused("unsupported_grant_type", "authorization_code or refresh_token")

    outcome = await call.write(work)
    if isinstance(outcome, Refused):
        await limit.check(address)
        raise outcome
    return answer(outcome, headers={"Pragma": "no-cache"})


async def revoke(call: Call) -> Response:
    """An application signs out. The answer is the same for a token that is none (RFC 7009)."""
    form = await _form(call)
    application, ended = _application(form), _needed(form, "token")
    await call.write(lambda unit: grants.revoke(unit, application, ended))
    return answer({})


async def metadata(call: Call) -> Response:
    """What there is, for applications that look first (RFC 8414)."""
    base = call.house.settings.base_url
    return answer(
        {
            "issuer": base,
            "authorization_endpoint": base + AUTHORIZE,
            "token_endpoint": base + TOKEN,
            "revocation_endpoint": base + REVOKE,
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": [SCOPE],
            "authorization_response_iss_parameter_supported": True,
        }
    )


def _asked(call: Call, query: str) -> Asked:
    return asking.read(_once(query, BadRequest), call.house.settings.base_url)


async def _form(call: Call) -> dict[str, str]:
    said = (await call.body(_MAX_FORM)).decode(errors="replace")
    return _once(said, partial(Refused, "invalid_request"))


def _once(text: str, refusal: Any) -> dict[str, str]:
    """The parameters, each given once (RFC 6749, section 3.1)."""
    try:
        pairs = parse_qsl(text.removeprefix("?"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise refusal("Bad Request: too many parameters") from None
    found = dict(pairs)
    if len(found) != len(pairs) or any("\0" in value for value in found.values()):
        raise refusal("Bad Request: a parameter is given more than once, or has NUL")
    return found


def _application(form: dict[str, str]) -> str:
    named = _needed(form, "client_id")
    if named not in asking.APPLICATIONS:
        raise Refused("invalid_client", "client_id: no application of this name")
    return named


def _needed(form: dict[str, str], name: str) -> str:
    if not form.get(name):
        raise Refused("invalid_request", f"{name}: missing")
    return form[name]


_open = partial(Route, permission=Permission.PUBLIC, tag=TAG, extension=True)
_TEXT = {"type": "string"}


def _fields(*required: str, **more: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys(required, _TEXT)
    return {"type": "object", "properties": {**names, **more}, "required": list(required)}


ROUTES = (
    _open(
        "GET",
        AUTHORIZE,
        authorize,
        operation_id="oauthAuthorize",
        summary="Ask whether an application may act as the person",
        query=tuple(
            Parameter(name, what)
            for name, what in (
                ("client_id", "`omni-cli`."),
                ("redirect_uri", "`http://localhost:PORT/callback`."),
                ("response_type", "`code`."),
                ("code_challenge", "Of PKCE."),
                ("code_challenge_method", "`S256`."),
                ("scope", f"`{SCOPE}`."),
                ("state", "Comes back as it is."),
            )
        ),
        answer=("text/html",),
        errors=(400,),
        description="For browsers. 303 back to the application when it asks for what is not there.",
    ),
    Route(
        "POST",
        AUTHORIZE,
        consent,
        Permission.API_KEYS_CREATE,
        "oauthConsent",
        "Let an application act as oneself, or not",
        TAG,
        extension=True,
        body=Consent,
        answer=Answered,
        errors=(400,),
        description="With a browser's session only.",
    ),
    _open(
        "POST",
        TOKEN,
        token,
        operation_id="oauthToken",
        summary="Get tokens for a code or for a refresh token",
        body=_fields(
            "grant_type",
            "client_id",
            code=_TEXT,
            redirect_uri=_TEXT,
            code_verifier=_TEXT,
            refresh_token=_TEXT,
        ),
        answer=grants.Issued,
        errors=(400, 429),
        description="A form. Errors have the form of RFC 6749, section 5.2.",
    ),
    _open(
        "POST",
        REVOKE,
        revoke,
        operation_id="oauthRevoke",
        summary="End what an application was given",
        body=_fields("token", "client_id"),
        answer={"type": "object"},
        errors=(400,),
        description="A form with a refresh token (RFC 7009).",
    ),
    _open(
        "GET",
        "/.well-known/oauth-authorization-server",
        metadata,
        operation_id="oauthMetadata",
        summary="What the authorization server has",
        answer={"type": "object"},
        description="RFC 8414.",
    ),
)
