"""Paths of signing in: all extensions, since the vendor's API knows tokens only."""

from __future__ import annotations

from functools import partial

from starlette.responses import HTMLResponse, Response

from dragoman import audit, mail
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api import cookies
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.errors import BadRequest, NotFound
from dragoman.api.routing import Route
from dragoman.secret import SecretStr
from dragoman.signin import entering, links, page, sending, sessions
from dragoman.signin.browsers import visitor, with_cookie
from dragoman.signin.entering import Entry
from dragoman.signin.oidc import entering as leaving
from dragoman.signin.oidc import hints, providers
from dragoman.signin.oidc.hints import Hint
from dragoman.signin.oidc.schemas import Button, SignedOut
from dragoman.signin.schemas import (
    ByLink,
    ChangePassword,
    Forgotten,
    SessionList,
    SignIn,
    Ways,
    Who,
)
from dragoman.store import UnitOfWork

TAG = "Signing in"
_PATH = "/api/v1/session"


async def sign_in(call: Call) -> Response:
    cookies.require_own_page(call.request, call.house.settings)
    body = typed(await call.json(), SignIn)
    agent = call.request.headers.get("user-agent", "")
    replaces = cookies.sent(call.request, call.house.settings)
    entry = Entry(body.email, SecretStr(body.password), body.code, agent, replaces)
    entered = await entering.sign_in(call.house, call.origin, entry)
    return _with_session(call, entered.principal, entered.secret)


async def who(call: Call) -> Response:
    return answer(_who(call.principal, _secret(call)))


async def sign_out(call: Call) -> Response:
    principal = visitor(call)

    def work(unit: UnitOfWork) -> tuple[str | None, Hint | None]:
        session_id = principal.token_id or ""
        provider_id, hint = sessions.provider_of(unit, principal), hints.take(unit, session_id)
        sessions.end(unit, principal, session_id)
        return provider_id, hint

    provider_id, hint = await call.write(work)
    url = await leaving.sign_out_url(call.house, provider_id, hint) if provider_id else None
    response = answer(SignedOut(sign_out_url=url))
    secure = cookies.is_secure(call.request, call.house.settings)
    cookies.take_back(response, secure=secure)
    return response


async def list_sessions(call: Call) -> Response:
    work = partial(sessions.list_own, principal=_person(call), settings=call.house.settings)
    return answer(SessionList(await call.read(work)))


async def end_session(call: Call) -> Response:
    principal, session_id = call.principal, call.id("sessionId")
    await call.write(lambda unit: sessions.end(unit, principal, session_id))
    return answer(Success())


async def end_others(call: Call) -> Response:
    principal = _person(call)

    def work(unit: UnitOfWork) -> None:
        sessions.end_all(unit, principal.user_id or "", but=principal.token_id)
        audit.record(unit, principal, "session.end_others", ("user", principal.user_id or ""))

    await call.write(work)
    return answer(Success())


async def change_password(call: Call) -> Response:
    principal = visitor(call)
    body = typed(await call.json(), ChangePassword)
    old, new = SecretStr(body.current_password), SecretStr(body.new_password)
    secret = await entering.change_password(call.house, call.origin, principal, old, new)
    return _with_session(call, principal, secret)


async def forgotten(call: Call) -> Response:
    cookies.require_own_page(call.request, call.house.settings)
    email = typed(await call.json(), Forgotten).email
    await call.house.refusals.check(call.origin.address)
    if mail.is_set_up(call.house.settings):
        call.house.blocking.submit(sending.forgotten, call.house, call.origin, email)
    return answer(Success(), 202)


async def by_link(call: Call) -> Response:
    cookies.require_own_page(call.request, call.house.settings)
    body = typed(await call.json(), ByLink)
    link, password = SecretStr(body.link), SecretStr(body.password)
    await entering.redeem(call.house, call.origin, link, password)
    return answer(Success())


async def ways(call: Call) -> Response:
    settings = call.house.settings
    found = await call.read(providers.every)
    buttons = [
        Button(each.settings.name, f"{providers.place(each.slug)}/start")
        for each in found
        if each.settings.enabled
    ]
    return answer(Ways(settings.local_accounts == "on", mail.is_set_up(settings), buttons))


async def sign_in_page(_call: Call) -> Response:
    return HTMLResponse(page.html(), headers={"Content-Security-Policy": page.POLICY})


async def page_file(call: Call) -> Response:
    found = page.asset(call.parameters["file"])
    if found is None:
        raise NotFound("Not Found: no such file")
    body, media_type = found
    return Response(body, media_type=media_type)


def _with_session(call: Call, principal: Principal, secret: SecretStr) -> Response:
    return with_cookie(call, answer(_who(principal, secret)), secret)


def _who(principal: Principal, secret: SecretStr | None) -> Who:
    return Who(
        principal.kind.value,
        principal.name,
        principal.user_id,
        principal.organization_admin,
        None if secret is None else cookies.csrf_token(secret),
    )


def _secret(call: Call) -> SecretStr | None:
    if not call.principal.is_session:
        return None
    return cookies.sent(call.request, call.house.settings)


def _person(call: Call) -> Principal:
    if call.principal.user_id is None:
        raise BadRequest("Bad Request: this token belongs to no person")
    return call.principal


_own = partial(Route, permission=Permission.SESSION_OWN, tag=TAG, extension=True, answer=Success)
_open = partial(Route, permission=Permission.PUBLIC, tag=TAG, extension=True, answer=Success)

ROUTES = (
    _open(
        "POST",
        _PATH,
        sign_in,
        operation_id="sessionCreate",
        summary="Sign in",
        body=SignIn,
        answer=Who,
        errors=(401, 403, 429),
        description="Answers with the cookie of the session. Refusals do not tell whether the "
        "address is somebody's. After five failures each further attempt of an account has to wait "
        "longer.",
    ),
    _own(
        "GET",
        _PATH,
        who,
        permission=Permission.SIGNED_IN,
        operation_id="sessionGet",
        summary="Who is signed in",
        answer=Who,
        description="For tokens as well. `csrfToken` goes into the header `X-CSRF-Token`.",
    ),
    _own(
        "DELETE",
        _PATH,
        sign_out,
        operation_id="sessionDelete",
        summary="Sign out",
        answer=SignedOut,
        errors=(400, 404),
    ),
    _open(
        "GET",
        f"{_PATH}/ways",
        ways,
        operation_id="sessionWays",
        summary="How people may sign in",
        answer=Ways,
    ),
    _own(
        "PUT",
        f"{_PATH}/password",
        change_password,
        operation_id="sessionPassword",
        summary="Change one's password",
        body=ChangePassword,
        answer=Who,
        description="Ends every other session; this one goes on with another cookie and "
        "another `csrfToken`.",
    ),
    _open(
        "POST",
        f"{_PATH}/forgotten",
        forgotten,
        operation_id="sessionForgotten",
        summary="Ask for a link to choose a new password",
        status=202,
        body=Forgotten,
        errors=(403, 429),
        description="Says the same whether the address is somebody's or nobody's.",
    ),
    _open(
        "POST",
        f"{_PATH}/link",
        by_link,
        operation_id="sessionLink",
        summary="Choose a password with a link",
        body=ByLink,
        errors=(403, 429),
        description="The link works once. All sessions of the person end.",
    ),
    _own(
        "GET",
        "/api/v1/sessions",
        list_sessions,
        operation_id="sessionsList",
        summary="List one's own sessions",
        answer=SessionList,
        errors=(400,),
    ),
    _own(
        "DELETE",
        "/api/v1/sessions",
        end_others,
        operation_id="sessionsDelete",
        summary="End all of one's own sessions but this one",
        errors=(400,),
    ),
    _own(
        "DELETE",
        "/api/v1/sessions/{sessionId}",
        end_session,
        permission=Permission.SESSION_END,
        operation_id="sessionsDeleteOne",
        summary="End one of one's own sessions",
        errors=(400, 404),
    ),
    _open(
        "GET",
        links.PAGE,
        sign_in_page,
        operation_id="signInPage",
        summary="The page to sign in on",
        answer=("text/html",),
    ),
    _open(
        "GET",
        f"{links.PAGE}/{{file}}",
        page_file,
        operation_id="signInPageFile",
        summary="Files of the page to sign in on",
        answer=("*/*",),
        errors=(404,),
    ),
)
