"""Setting up and removing a second factor; what each asks for, and what it ends."""

from __future__ import annotations

from functools import partial

from dragoman.access.principal import Principal
from dragoman.api.errors import Forbidden
from dragoman.house import House
from dragoman.identity import service as identity
from dragoman.secret import SecretStr
from dragoman.signin import entering, sessions, throttle, totp
from dragoman.signin.totp import Enrolment
from dragoman.store import Origin, UnitOfWork


async def begin(
    house: House, origin: Origin, principal: Principal, password: SecretStr
) -> Enrolment:
    """A new secret for an authenticator. Raises as `entering.prove`, and `Conflict`."""
    user, _ = await entering.prove(house, origin, principal, password)

    def work(unit: UnitOfWork) -> Enrolment:
        throttle.clear(unit, user.email)
        return totp.begin(unit, house.vault, principal)

    return await house.store.write(work, origin)


async def confirm(
    house: House, origin: Origin, principal: Principal, code: str
) -> tuple[list[str], SecretStr]:
    """Ask for codes from now on. Other sessions end; this one gets another secret.

    Returns the recovery codes and the session's secret. Raises `BadRequest`.
    """
    secret = await _secret(house, origin, principal)

    def work(unit: UnitOfWork) -> tuple[list[str], SecretStr]:
        codes = totp.confirm(unit, principal, secret, code)
        sessions.end_all(unit, principal.user_id or "", but=principal.token_id)
        return codes, sessions.renew(unit, principal)

    return await house.store.write(work, origin)


async def remove(
    house: House, origin: Origin, principal: Principal, password: SecretStr, code: str
) -> SecretStr:
    """Ask for codes no more; returns the session's new secret. Needs the password and a code.

    Raises as `entering.prove`; `Forbidden` for a wrong code, and where everybody needs one.
    """
    if house.settings.second_factor == "required":
        raise Forbidden("Forbidden: everybody needs a second factor here")
    user, _ = await entering.prove(house, origin, principal, password)
    secret = await _secret(house, origin, principal)

    def work(unit: UnitOfWork) -> SecretStr | None:
        if not totp.accept(unit, user.id, secret, code):
            return None
        throttle.clear(unit, user.email)
        totp.remove(unit, principal, user.id)
        sessions.end_all(unit, user.id, but=principal.token_id)
        return sessions.renew(unit, principal)

    renewed = await house.store.write(work, origin)
    if renewed is None:
        await house.refusals.check(origin.address)
        raise Forbidden("Forbidden: the code is wrong, too old, or was used already")
    return renewed


def reset(unit: UnitOfWork, actor: Principal, user_id: str) -> None:
    """Take the second factor of somebody who lost theirs away; their sessions end.

    Raises `NotFound`.
    """
    user = identity.get_of_kind(unit, user_id, identity.Kind.MEMBER)
    totp.remove(unit, actor, user.id)
    sessions.end_all(unit, user.id)


async def _secret(house: House, origin: Origin, principal: Principal) -> SecretStr:
    user_id = principal.user_id or ""
    text = totp.needed(await house.store.read(partial(totp.sealed, user_id=user_id), origin))
    return await entering.open_secret(house, user_id, text)
