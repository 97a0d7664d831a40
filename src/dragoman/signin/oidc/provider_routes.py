"""Paths of identity providers: an extension, since the vendor's are set up in its console."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.errors import BadGateway
from dragoman.api.routing import Route
from dragoman.signin.oidc import checking, discovery, providers
from dragoman.signin.oidc.refusals import Refused
from dragoman.signin.oidc.schemas import (
    ProviderBody,
    ProviderCheck,
    ProviderList,
    ProviderRow,
)

TAG = "Identity providers"


async def every(call: Call) -> Response:
    found = await call.read(providers.every)
    base = call.house.settings.base_url
    return answer(ProviderList([providers.shown(each, base) for each in found]))


async def get(call: Call) -> Response:
    slug = call.text("provider")
    found = await call.read(lambda unit: providers.get(unit, slug))
    return answer(providers.shown(found, call.house.settings.base_url))


async def create(call: Call) -> Response:
    body, house = await _body(call), call.house
    made = await call.write(
        lambda unit: providers.create(unit, house.vault, call.principal, body, house.settings)
    )
    return answer(providers.shown(made, house.settings.base_url), 201)


async def change(call: Call) -> Response:
    slug, body, house = call.text("provider"), await _body(call), call.house
    made = await call.write(
        lambda unit: providers.change(unit, house.vault, call.principal, slug, body, house.settings)
    )
    discovery.DIRECTORY.forget(made.settings.issuer)
    return answer(providers.shown(made, house.settings.base_url))


async def remove(call: Call) -> Response:
    slug = call.text("provider")
    await call.write(lambda unit: providers.remove(unit, call.principal, slug))
    return answer(Success())


async def check(call: Call) -> Response:
    slug, network = call.text("provider"), call.house.network
    found = await call.read(lambda unit: providers.get(unit, slug))
    issuer = found.settings.issuer

    def work() -> ProviderCheck:
        discovery.DIRECTORY.forget(issuer)
        said = discovery.DIRECTORY.document(network, issuer)
        keys = discovery.DIRECTORY.keys(network, issuer, None)
        return ProviderCheck(
            issuer, said.authorize, said.token, said.userinfo, said.end_session, len(keys)
        )

    try:
        return answer(await asyncio.get_running_loop().run_in_executor(call.house.blocking, work))
    except Refused as refused:
        raise BadGateway(refused.detail) from None


async def _body(call: Call) -> ProviderBody:
    body = typed(await call.json(), ProviderBody)
    checking.check(body, call.house.network)
    return body


_ALL = "/api/v1/identity-providers"
_ONE = _ALL + "/{provider}"


def _route(method: str, path: str, handler: Any, name: str, summary: str, **more: Any) -> Route:
    may = Permission.IDENTITY_PROVIDERS_MANAGE
    return Route(method, path, handler, may, name, summary, TAG, extension=True, **more)


_FOUND = {"answer": ProviderRow, "errors": (404,)}

ROUTES = (
    _route(
        "GET",
        _ALL,
        every,
        "identityProvidersList",
        "List identity providers",
        answer=ProviderList,
    ),
    _route(
        "POST",
        _ALL,
        create,
        "identityProvidersCreate",
        "Add an identity provider",
        status=201,
        body=ProviderBody,
        answer=ProviderRow,
        errors=(409,),
        description="OpenID Connect. The client secret is sealed for issuer and clientId.",
    ),
    _route("GET", _ONE, get, "identityProvidersGet", "Get an identity provider", **_FOUND),
    _route(
        "PUT",
        _ONE,
        change,
        "identityProvidersUpdate",
        "Change an identity provider",
        body=ProviderBody,
        answer=ProviderRow,
        errors=(404, 409),
        description="The whole of it, but the secret. Switched off, or with another issuer or "
        "clientId, the sessions of whom it let in end.",
    ),
    _route(
        "DELETE",
        _ONE,
        remove,
        "identityProvidersDelete",
        "Delete an identity provider",
        answer=Success,
        errors=(404,),
        description="The sessions of whom it let in end.",
    ),
    _route(
        "POST",
        f"{_ONE}/check",
        check,
        "identityProvidersCheck",
        "Ask an identity provider what it says of itself",
        answer=ProviderCheck,
        errors=(404, 502),
    ),
)
