"""The ways in: a password, a link. Each reads, hashes off the event loop, and writes.

Every refusal of a sign-in has the same words, and takes the same work, whether nobody has the
address, its owner has no password or is suspended, or the password is another.
"""

from __future__ import annotations

import msgspec

from dragoman import audit
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import BadRequest, Forbidden, Unauthorized
from dragoman.house import House
from dragoman.identity import service as identity
from dragoman.identity.service import User
from dragoman.secret import SecretStr
from dragoman.signin import links, passwords, service, sessions, throttle
from dragoman.signin.hashing import HASHER
from dragoman.store import Origin, UnitOfWork

_WRONG = "Unauthorized: the e-mail address or the password is wrong"


class Entry(msgspec.Struct, frozen=True):
    """What a person gives to come in, and the browser they come with."""

    email: str
    password: SecretStr
    agent: str = ""
    replaces: SecretStr | None = None


class Entered(msgspec.Struct, frozen=True):
    """A session that was just opened, and its secret."""

    secret: SecretStr
    principal: Principal


class _Candidate(msgspec.Struct, frozen=True):
    user: User | None
    hash: str | None


async def sign_in(house: House, origin: Origin, entry: Entry) -> Entered:
    """Open a session for an e-mail address and a password.

    Raises `Unauthorized`, `TooManyRequests`, `Unavailable`; `Forbidden` where passwords are off.
    """
    if house.settings.local_accounts == "off":
        raise Forbidden("Forbidden: signing in with a password is switched off here")
    await house.refusals.peek(origin.address)
    password = passwords.normalised(entry.password)
    candidate = await house.store.write(lambda unit: _candidate(unit, entry.email), origin)
    fits = await HASHER.verify(candidate.hash, password)
    entered = await house.store.write(
        lambda unit: _decide(unit, house, entry, candidate, fits=fits), origin
    )
    if entered is None:
        await house.refusals.check(origin.address)
        raise Unauthorized(_WRONG)
    return entered


def _candidate(unit: UnitOfWork, email: str) -> _Candidate:
    throttle.attempt(unit, email)
    user = None if "\0" in email else identity.find_user(unit, email)
    if user is None or user.disabled_at is not None:
        return _Candidate(user, None)
    return _Candidate(user, service.password_hash(unit, user.id))


def _decide(
    unit: UnitOfWork, house: House, entry: Entry, candidate: _Candidate, *, fits: bool
) -> Entered | None:
    user = candidate.user and identity.user_of(unit, candidate.user.id)
    # While the hash was worked out, somebody may have been suspended or changed the password.
    fresh = user is not None and service.password_hash(unit, user.id) == candidate.hash
    if user is None or not fits or not fresh or user.disabled_at is not None:
        name, user_id = (user.email, user.id) if user else ("unknown", "unknown")
        actor = Principal(PrincipalKind.SESSION, name)
        audit.record(unit, actor, "session.refuse", ("user", user_id))
        return None
    return enter(unit, house, user, entry)


def enter(unit: UnitOfWork, house: House, user: User, entry: Entry) -> Entered:
    """Open a session for a person who proved who they are."""
    throttle.clear(unit, user.email)
    sessions.end_secret(unit, entry.replaces)
    secret, principal = sessions.open_session(unit, user, house.settings, entry.agent)
    audit.record(unit, principal, "session.create", ("user", user.id))
    return Entered(secret, principal)


async def redeem(house: House, origin: Origin, link: SecretStr, password: SecretStr) -> None:
    """Set the password of the link's owner. Raises `BadRequest` for a link that is none, which
    counts against the address, and for a password that the rules do not take."""
    await house.refusals.peek(origin.address)
    chosen = passwords.normalised(password)
    try:
        user = await house.store.read(lambda unit: links.owner(unit, link), origin)
    except BadRequest:
        await house.refusals.check(origin.address)
        raise
    service.check_password(chosen, user, house.settings)
    hashed = await HASHER.hash(chosen)

    def work(unit: UnitOfWork) -> None:
        owner = links.consume(unit, link)
        actor = Principal(PrincipalKind.SESSION, owner.email, user_id=owner.id)
        service.set_password(unit, actor, owner, hashed)

    await house.store.write(work, origin)


async def change_password(
    house: House, origin: Origin, principal: Principal, old: SecretStr, new: SecretStr
) -> SecretStr:
    """Another password for who is signed in; every other session ends, this one gets the secret
    that is returned. Raises `Unauthorized` for a wrong old one, `BadRequest`, `TooManyRequests`.
    """
    given, chosen = passwords.normalised(old), passwords.normalised(new)
    await house.refusals.peek(origin.address)

    def before(unit: UnitOfWork) -> tuple[User, str | None]:
        user = identity.user_of(unit, principal.user_id)
        if user is None:
            raise Unauthorized(_WRONG)
        service.check_password(chosen, user, house.settings)
        throttle.attempt(unit, user.email)
        return user, service.password_hash(unit, user.id)

    user, stored = await house.store.write(before, origin)
    if not await HASHER.verify(stored, given):
        await house.refusals.check(origin.address)
        raise Forbidden("Forbidden: the present password is wrong")
    hashed = await HASHER.hash(chosen)

    def work(unit: UnitOfWork) -> SecretStr:
        if service.password_hash(unit, user.id) != stored:
            raise Forbidden("Forbidden: the present password is wrong")
        service.set_password(unit, principal, user, hashed, keep=principal.token_id)
        return sessions.renew(unit, principal)

    return await house.store.write(work, origin)
