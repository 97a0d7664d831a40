"""Paths of signing in to a connection's database as oneself: extensions, but for the callback,
whose path is the vendor's (contract §2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from html import escape
from typing import TypeVar

import msgspec
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.call import Call, Success, answer
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Parameter, Route
from dragoman.connections import authorizing, dialling, personal
from dragoman.store import UnitOfWork

TAG = "Connections"
T = TypeVar("T")
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class DatabaseSignIn(msgspec.Struct, rename="camel"):
    """Whether everybody signs in to the database for themselves, and whether the caller has: `url`
    is where, in a browser; null where nobody does."""

    needed: bool
    signed_in: bool
    signed_in_at: str | None
    url: str | None


async def status(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> DatabaseSignIn:
        # Whether there is a connection is told to those only who may know of it.
        connection, grant = authorizing.found(unit, call.principal, connection_id)
        user_id = _person(call)
        if grant is None:
            return DatabaseSignIn(False, False, None, None)
        mine = personal.find(unit, connection.id, user_id)
        url = personal.page_of(call.house, connection.id)
        return DatabaseSignIn(True, mine.sealed is not None, mine.signed_in_at, url)

    return answer(await call.read(work))


async def end(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> None:
        authorizing.found(unit, call.principal, connection_id)
        _person(call)
        authorizing.end(unit, call.principal, connection_id)

    await call.write(work)
    return answer(Success())


async def begin(call: Call) -> Response:
    # Whether there is a connection is told to those only who may know of it.
    located = await _located(call, call.principal, call.id())
    principal = _visitor(call)
    url = await _aside(call, partial(authorizing.begin, call.house, principal, located))
    return RedirectResponse(url, 303, _HEADERS)


async def callback(call: Call) -> Response:
    principal, sent = _visitor(call), dict(call.request.query_params)
    state = await _aside(
        call, partial(authorizing.state_of, call.house, principal, sent.get("state", ""))
    )
    if "error" in sent or not sent.get("code"):
        # Only the code of the error: the rest is text that anybody could have put there.
        known = sent.get("error", "")[:60] or "no code"
        raise BadRequest(f"Bad Request: the provider refused the sign-in: {known}")
    located = await _located(call, principal, state.connection_id)
    work = partial(authorizing.exchange, call.house, located, state, sent["code"])
    tokens = await _aside(call, work)
    connection = located.connection
    await call.write(lambda unit: authorizing.keep(unit, call.house, principal, connection, tokens))
    told = f"You are signed in to {escape(connection.name)}. You may close this page."
    return HTMLResponse(f"<!doctype html><title>Signed in</title><p>{told}</p>", headers=_HEADERS)


async def _located(call: Call, principal: Principal, connection_id: str) -> dialling.Located:
    return await call.read(
        lambda unit: dialling.locate_itself(unit, principal, connection_id, authorizing.PERMISSION)
    )


async def _aside(call: Call, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(call.house.blocking, work)


def _person(call: Call) -> str:
    user_id = personal.person_of(call.principal)
    if user_id is None:
        raise BadRequest("Bad Request: this is for people; keys use the service account")
    return user_id


def _visitor(call: Call) -> Principal:
    if not call.principal.is_session:
        raise BadRequest("Bad Request: sign in to this server with a browser first")
    return call.principal


_one = partial(Route, permission=authorizing.PERMISSION, tag=TAG, extension=True)
_API = "/api/v1/connections/{id}/sign-in"

ROUTES = (
    _one(
        "GET",
        _API,
        status,
        operation_id="connectionSignInGet",
        summary="Whether one is signed in to the connection's database",
        answer=DatabaseSignIn,
        errors=(400, 404),
    ),
    _one(
        "DELETE",
        _API,
        end,
        operation_id="connectionSignInDelete",
        summary="Forget one's own tokens for the connection's database",
        answer=Success,
        errors=(400, 404),
    ),
    _one(
        "GET",
        "/connections/{id}/sign-in",
        begin,
        operation_id="connectionSignInBegin",
        summary="Sign in to the connection's database, in a browser",
        status=303,
        errors=(400, 404),
        description="Sends the browser on to the provider, which sends it back to /callback/oauth.",
    ),
    Route(
        "GET",
        authorizing.CALLBACK,
        callback,
        Permission.SIGNED_IN,
        "connectionSignInCallback",
        "Where providers send browsers back to",
        TAG,
        answer=("text/html",),
        query=tuple(
            Parameter(name, text)
            for name, text in (
                ("code", "What the provider gives for tokens."),
                ("state", "What this server gave the browser along."),
                ("error", "Why there is no code."),
            )
        ),
        errors=(400, 404, 502),
        extension=True,
    ),
)
