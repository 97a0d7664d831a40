"""The ways in: a password, a link. Each reads, hashes off the event loop, and writes.

Every refusal of a sign-in has the same words, and takes the same work, whether nobody has the
address, its owner has no password or is suspended, or the password is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from dragoman import audit
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import BadRequest, Forbidden, Unauthorized
from dragoman.house import House
from dragoman.identity import service as identity
from dragoman.identity.service import User
from dragoman.secret import SecretStr
from dragoman.signin import links, passwords, service, sessions, throttle, totp
from dragoman.signin.hashing import HASHER
from dragoman.store import Origin, UnitOfWork

_WRONG = "Unauthorized: the e-mail address or the password is wrong"
_WRONG_PRESENT = "Forbidden: the present password is wrong"
_WRONG_CODE = "Unauthorized: the code is wrong, too old, or was used already"


class CodeNeeded(Unauthorized):
    """The password is right, and a code of the second factor must come with it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.extra = {"secondFactor": True}


class Entry(msgspec.Struct, frozen=True):
    """What a person gives to come in, and the browser they come with."""

    email: str
    password: SecretStr
    code: str = ""
    agent: str = ""
    replaces: SecretStr | None = None


class Entered(msgspec.Struct, frozen=True):
    """A session that was just opened, and its secret."""

    secret: SecretStr
    principal: Principal


class _Candidate(msgspec.Struct, frozen=True):
    user: User | None
    hash: str | None
    totp: str | None = None


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
    secret = await _opened(house, candidate) if fits else None
    outcome = await house.store.write(
        lambda unit: _decide(unit, house, entry, candidate, secret, fits=fits), origin
    )
    if isinstance(outcome, Unauthorized):
        await house.refusals.check(origin.address)
        raise outcome
    return outcome


async def _opened(house: House, candidate: _Candidate) -> SecretStr | None:
    """The secret of the second factor, opened off the event loop."""
    if candidate.user is None or candidate.totp is None:
        return None
    return await open_secret(house, candidate.user.id, candidate.totp)


async def open_secret(house: House, user_id: str, sealed: str) -> SecretStr:
    """A secret of a second factor, opened off the event loop: a key command may have to run."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(house.blocking, totp.opened, house.vault, user_id, sealed)


def _candidate(unit: UnitOfWork, email: str) -> _Candidate:
    throttle.attempt(unit, email)
    user = None if "\0" in email else identity.find_user(unit, email)
    if user is None or not service.may_enter(user):
        return _Candidate(user, None)
    sealed = totp.sealed(unit, user.id) if totp.is_enrolled(unit, user.id) else None
    return _Candidate(user, service.password_hash(unit, user.id), sealed)


def _decide(
    unit: UnitOfWork,
    house: House,
    entry: Entry,
    candidate: _Candidate,
    secret: SecretStr | None,
    *,
    fits: bool,
) -> Entered | Unauthorized:
    """Let them in, or say why not; the refusal is raised when its row of the audit is kept."""
    user = candidate.user and identity.user_of(unit, candidate.user.id)
    # While the hash was worked out, somebody may have been suspended or changed the password.
    fresh = user is not None and service.password_hash(unit, user.id) == candidate.hash
    if user is None or not fits or not fresh or not service.may_enter(user):
        return _refused(unit, user, Unauthorized(_WRONG))
    enrolled = totp.is_enrolled(unit, user.id)
    if enrolled and not entry.code:
        return CodeNeeded("Unauthorized: enter a code of your second factor")
    if enrolled and (secret is None or not totp.accept(unit, user.id, secret, entry.code)):
        return _refused(unit, user, CodeNeeded(_WRONG_CODE))
    demanded = house.settings.second_factor == "required"
    return enter(unit, house, user, entry, enrolling=demanded and not enrolled)


def _refused(unit: UnitOfWork, user: User | None, error: Unauthorized) -> Unauthorized:
    name, user_id = (user.email, user.id) if user else ("unknown", "unknown")
    actor = Principal(PrincipalKind.SESSION, name)
    audit.record(unit, actor, "session.refuse", ("user", user_id))
    return error


def enter(
    unit: UnitOfWork, house: House, user: User, entry: Entry, *, enrolling: bool = False
) -> Entered:
    """Open a session for a person who proved who they are; one that is `enrolling` is good for
    setting up a second factor only."""
    throttle.clear(unit, user.email)
    sessions.end_secret(unit, entry.replaces)
    secret, principal = sessions.open_session(
        unit, user, house.settings, entry.agent, enrolling=enrolling
    )
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


async def prove(
    house: House,
    origin: Origin,
    principal: Principal,
    password: SecretStr,
    check: Callable[[User], None] = lambda _: None,
) -> tuple[User, str | None]:
    """Have who is signed in show that they know their password: a session may be borrowed.

    `check`: what else may refuse, before an attempt is counted. Returns the person and the hash
    that fitted. Raises `Forbidden`, `TooManyRequests`, `Unavailable`.
    """
    given = passwords.normalised(password)
    await house.refusals.peek(origin.address)

    def before(unit: UnitOfWork) -> tuple[User, str | None]:
        user = identity.user_of(unit, principal.user_id)
        if user is None:
            raise Unauthorized(_WRONG)
        check(user)
        throttle.attempt(unit, user.email)
        return user, service.password_hash(unit, user.id)

    user, stored = await house.store.write(before, origin)
    if not await HASHER.verify(stored, given):
        await house.refusals.check(origin.address)
        raise Forbidden(_WRONG_PRESENT)
    return user, stored


async def change_password(
    house: House, origin: Origin, principal: Principal, old: SecretStr, new: SecretStr
) -> SecretStr:
    """Another password for who is signed in; every other session ends, this one gets the secret
    that is returned. Raises as `prove`, and `BadRequest` for a password that the rules do not take.
    """
    chosen = passwords.normalised(new)

    def check(user: User) -> None:
        service.check_password(chosen, user, house.settings)

    user, stored = await prove(house, origin, principal, old, check)
    hashed = await HASHER.hash(chosen)

    def work(unit: UnitOfWork) -> SecretStr:
        if service.password_hash(unit, user.id) != stored:
            raise Forbidden(_WRONG_PRESENT)
        service.set_password(unit, principal, user, hashed, keep=principal.token_id)
        return sessions.renew(unit, principal)

    return await house.store.write(work, origin)
