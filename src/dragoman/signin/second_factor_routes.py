"""Paths of the second factor."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api import cookies
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.routing import Route
from dragoman.secret import SecretStr
from dragoman.signin import second_factor, totp
from dragoman.signin.browsers import visitor, with_cookie
from dragoman.signin.schemas import Code, Present, PresentAndCode, RecoveryCodes
from dragoman.signin.totp import Enrolment, SecondFactor

TAG = "Signing in"
_PATH = "/api/v1/session/second-factor"


async def state(call: Call) -> Response:
    work = partial(totp.state, user_id=visitor(call).user_id or "")
    return answer(await call.read(work))


async def begin(call: Call) -> Response:
    principal = visitor(call)
    password = SecretStr(typed(await call.json(), Present).current_password)
    return answer(await second_factor.begin(call.house, call.origin, principal, password))


async def confirm(call: Call) -> Response:
    principal = visitor(call)
    code = typed(await call.json(), Code).code
    codes, secret = await second_factor.confirm(call.house, call.origin, principal, code)
    return with_cookie(call, answer(RecoveryCodes(codes, cookies.csrf_token(secret))), secret)


async def remove(call: Call) -> Response:
    principal = visitor(call)
    body = typed(await call.json(), PresentAndCode)
    password = SecretStr(body.current_password)
    secret = await second_factor.remove(call.house, call.origin, principal, password, body.code)
    gone = RecoveryCodes([], cookies.csrf_token(secret))
    return with_cookie(call, answer(gone), secret)


async def reset(call: Call) -> Response:
    principal, user_id = call.principal, call.id("userId")
    await call.write(lambda unit: second_factor.reset(unit, principal, user_id))
    return answer(Success())


_own = partial(Route, permission=Permission.SESSION_OWN, tag=TAG, extension=True)

ROUTES = (
    _own(
        "GET",
        _PATH,
        state,
        operation_id="secondFactorGet",
        summary="Whether one has a second factor",
        answer=SecondFactor,
        errors=(400,),
    ),
    _own(
        "POST",
        _PATH,
        begin,
        operation_id="secondFactorBegin",
        summary="Begin to set up one-time codes",
        body=Present,
        answer=Enrolment,
        errors=(409,),
        description="Answers with the secret for an authenticator, once. It counts when a code of "
        "it was confirmed.",
    ),
    _own(
        "POST",
        f"{_PATH}/confirm",
        confirm,
        operation_id="secondFactorConfirm",
        summary="Confirm one-time codes",
        body=Code,
        answer=RecoveryCodes,
        errors=(404,),
        description="Ends every other session.",
    ),
    _own(
        "POST",
        f"{_PATH}/remove",
        remove,
        operation_id="secondFactorRemove",
        summary="Remove one's second factor",
        body=PresentAndCode,
        answer=RecoveryCodes,
        errors=(404,),
        description="Ends every other session.",
    ),
    Route(
        "DELETE",
        "/api/v1/users/{userId}/second-factor",
        reset,
        Permission.USERS_MANAGE,
        "secondFactorReset",
        "Take away the second factor of somebody who lost it",
        TAG,
        answer=Success,
        errors=(400, 404),
        extension=True,
        description="Ends their sessions.",
    ),
)
