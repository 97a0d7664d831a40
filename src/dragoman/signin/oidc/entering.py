"""Signing in through a provider: out to it, back from it, and out of here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.dialects.failures import DatabaseFailure
from dragoman.house import House
from dragoman.secret import SecretStr
from dragoman.signin import entering, sessions
from dragoman.signin.entering import Entered, Entry
from dragoman.signin.oidc import admitting, exchanging, hints, idtokens, providers, states
from dragoman.signin.oidc.discovery import DIRECTORY
from dragoman.signin.oidc.hints import Hint
from dragoman.signin.oidc.providers import Provider
from dragoman.signin.oidc.refusals import HARMLESS, Reason, Refused, invalid
from dragoman.signin.oidc.states import Begun
from dragoman.store import Origin, UnitOfWork
from dragoman.vault import VaultError

T = TypeVar("T")
# Of their own: a provider that hangs takes no thread from questions, however many visitors ask.
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="identity-provider")


class Back(msgspec.Struct, frozen=True):
    """What came back to the browser, and the browser it came to."""

    query: Mapping[str, str]
    cookie: str | None
    agent: str
    replaces: SecretStr | None


async def leave(house: House, slug: str, cookie: str | None, path: str) -> tuple[str, Begun]:
    """Where the browser goes to sign in, and what it keeps. Raises `Refused`."""
    provider = await _provider(house, slug)
    begun = states.begin(states.browser_secret(cookie), slug, states.own_path(path), clock.now())
    work = partial(DIRECTORY.document, house.network, provider.settings.issuer)
    document = await _blocking(work)
    url = exchanging.authorize_url(document, provider.settings, _redirect_uri(house, slug), begun)
    return url, begun


async def come_back(house: House, origin: Origin, slug: str, back: Back) -> tuple[Entered, str]:
    """A session for whom the provider sends back, and the page that was asked for.

    Raises `Refused`, which is in the audit, and `TooManyRequests`."""
    await house.refusals.peek(origin.address)
    provider: Provider | None = None
    try:
        provider = await _provider(house, slug)
        return await _enter(house, origin, provider, back)
    except Refused as refused:
        await house.store.write(partial(_note, provider=provider, refused=refused), origin)
        if refused.reason not in HARMLESS:
            await house.refusals.check(origin.address)
        raise


async def sign_out_url(house: House, provider_id: str, kept: Hint | None) -> str | None:
    """Where a browser whose session has ended signs out of its provider; None for nowhere."""
    provider = await house.store.read(lambda unit: providers.of_id(unit, provider_id))
    if provider is None:
        return None
    try:
        issuer = provider.settings.issuer
        document = await _blocking(partial(DIRECTORY.document, house.network, issuer))
        hint = await _blocking(partial(kept.open, house.vault, issuer)) if kept else None
    except (Refused, VaultError):  # one is signed out here all the same
        return None
    back = f"{house.settings.base_url}{states.HOME}"
    return exchanging.sign_out_url(document, provider.settings, back, hint)


async def end_by_provider(house: House, origin: Origin, slug: str, token: object) -> None:
    """End the sessions that a logout token names (Back-Channel Logout 1.0).

    Raises `Refused`, which is in the audit, and `TooManyRequests`."""
    await house.refusals.peek(origin.address)
    provider: Provider | None = None
    try:
        provider = await _provider(house, slug)
        await _end_by_provider(house, origin, provider, token)
    except Refused as refused:
        note = partial(_note, provider=provider, refused=refused, action="session.refuse_end")
        await house.store.write(note, origin)
        if refused.reason not in HARMLESS:
            await house.refusals.check(origin.address)
        raise


async def _end_by_provider(house: House, origin: Origin, provider: Provider, token: object) -> None:
    settings = provider.settings
    keys = partial(DIRECTORY.keys, house.network, settings.issuer)
    claims, _ = await _blocking(partial(idtokens.claims_of, token, keys))
    moment = clock.now()
    idtokens.check(claims, settings.issuer, settings.client_id, moment.timestamp())
    session, subject, named = idtokens.logged_out(claims, moment.timestamp())
    ends = moment + timedelta(seconds=idtokens.LOGOUT_SECONDS)

    def work(unit: UnitOfWork) -> None:
        states.use(unit, f"logout {settings.issuer} {named}", ends)
        user_id = admitting.user_id(unit, settings.issuer, subject) if subject else None
        if subject and user_id is None:
            return
        count = sessions.end_provided(unit, provider.id, user_id, session)
        actor = Principal(PrincipalKind.SESSION, settings.name)
        resource = (providers.RESOURCE, provider.id)
        audit.record(unit, actor, "session.end_by_provider", resource, after={"sessions": count})

    await house.store.write(work, origin)


async def _enter(
    house: House, origin: Origin, provider: Provider, back: Back
) -> tuple[Entered, str]:
    moment, query = clock.now(), back.query
    flow, begun = states.resume(back.cookie, query.get("state", ""), provider.slug, moment)
    ends = moment + states.LIFE
    await house.store.write(lambda unit: states.use(unit, begun.state, ends), origin)
    issuer = provider.settings.issuer
    document = await _blocking(partial(DIRECTORY.document, house.network, issuer))
    # RFC 9207: the answer of another provider than was asked is not even looked at.
    if query.get("iss", None if document.tells_issuer else issuer) != issuer:
        raise invalid("the answer came from another issuer than was asked (iss)")
    if "error" in query:
        raise exchanging.answered_error(query["error"])
    if not query.get("code"):
        raise invalid("the provider sent no code")
    claims, token = await _blocking(
        partial(_claims, house, provider, begun, query["code"], moment.timestamp())
    )
    said = admitting.told(claims, provider.settings)
    entry = Entry("", SecretStr(""), agent=back.agent, replaces=back.replaces)
    sid = claims.get("sid")

    def work(unit: UnitOfWork) -> Entered:
        user = admitting.admit(unit, provider, said)
        entered = entering.enter(unit, house, user, entry)
        named = sid if isinstance(sid, str) and len(sid) <= sessions.PROVIDER_CHARACTERS else None
        sessions.provide(unit, entered.principal, provider.id, named)
        if provider.settings.keep_id_token:
            hints.keep(unit, house.vault, entered.principal.token_id or "", issuer, token)
        return entered

    return await house.store.write(work, origin), flow.path


def _claims(
    house: House, provider: Provider, begun: Begun, code: str, now: float
) -> tuple[dict[str, Any], SecretStr]:
    try:
        secret = providers.secret_of(provider, house.vault, house.settings)
    except (DatabaseFailure, VaultError) as error:
        said = error.message if isinstance(error, DatabaseFailure) else type(error).__name__
        raise Refused(Reason.UNREACHABLE, f"the client secret does not open: {said}") from None
    uri = _redirect_uri(house, provider.slug)
    return exchanging.claims_for(house.network, provider, secret, begun, code, uri, now)


async def _provider(house: House, slug: str) -> Provider:
    found = await house.store.read(lambda unit: providers.find(unit, slug))
    if found is None or not found.settings.enabled:
        raise Refused(Reason.UNKNOWN, "there is no such provider, or it is switched off")
    return found


async def _blocking(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def _redirect_uri(house: House, slug: str) -> str:
    return f"{house.settings.base_url}{providers.place(slug)}/callback"


def _note(
    unit: UnitOfWork,
    provider: Provider | None,
    refused: Refused,
    action: str = "session.refuse",
) -> None:
    resource = (providers.RESOURCE, provider.id if provider else "unknown")
    after = {"reason": refused.reason.value, "detail": refused.detail}
    actor = Principal(PrincipalKind.SESSION, "unknown")
    audit.record(unit, actor, action, resource, after=after)
