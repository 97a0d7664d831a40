"""One-time codes by time: RFC 6238 with 6 digits, 30 seconds, SHA-1, as every authenticator takes
them. One step of clock difference either way is forgiven; a code is good once.

The secret is sealed by the vault. Recovery codes hold 80 random bits, each is good once, and the
store has their SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from urllib.parse import quote, urlencode

import msgspec
from sqlalchemy import delete, func, insert, select, update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict
from dragoman.secret import SecretStr
from dragoman.signin.tables import recovery_codes, totp
from dragoman.store import UnitOfWork
from dragoman.vault import Context, Vault, shelf

STEP_SECONDS, DIGITS, SECRET_BYTES = 30, 6, 20
_DRIFT = (0, -1, 1)
_RECOVERY_CODES = 10
_RESOURCE, _PROPERTY = "second_factor", "totp"
_ISSUER = "Dragoman"
_NO_ENROLMENT = "Bad Request: no second factor is being set up; begin anew"


class Enrolment(msgspec.Struct, rename="camel"):
    """What an authenticator takes: `uri` as a QR code, or `secret` typed in. Shown once."""

    secret: str
    uri: str


class SecondFactor(msgspec.Struct, rename="camel"):
    """Whether somebody has a second factor, and how many recovery codes are left."""

    enrolled: bool
    recovery_codes_left: int


def code_at(secret: SecretStr, step: int) -> str:
    """The code of a step since 1970 (RFC 4226, section 5.3; RFC 6238, section 4.2)."""
    key = base64.b32decode(secret.reveal())
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def state(unit: UnitOfWork, user_id: str) -> SecondFactor:
    """A person's second factor."""
    mine = recovery_codes.c.user_id == user_id
    left = unit.db.execute(select(func.count()).select_from(recovery_codes).where(mine)).scalar()
    return SecondFactor(is_enrolled(unit, user_id), left or 0)


def is_enrolled(unit: UnitOfWork, user_id: str) -> bool:
    """Whether signing in asks this person for a code."""
    confirmed = totp.c.confirmed_at.is_not(None)
    found = unit.db.execute(select(totp.c.user_id).where(totp.c.user_id == user_id, confirmed))
    return found.first() is not None


def begin(unit: UnitOfWork, vault: Vault, principal: Principal) -> Enrolment:
    """A new secret, which counts once a code of it was confirmed. Raises `Conflict` for who has a
    second factor already."""
    user_id = principal.user_id or ""
    if is_enrolled(unit, user_id):
        raise Conflict("A second factor is set up already; remove it first")
    secret = SecretStr(base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode())
    forget(unit, user_id)
    unit.db.execute(insert(totp).values(user_id=user_id, confirmed_at=None, last_step=0))
    shelf.put(unit, vault, _context(user_id), secret)
    return Enrolment(secret.reveal(), _uri(secret, principal.name))


def sealed(unit: UnitOfWork, user_id: str) -> str | None:
    """The sealed secret of a person; None when there is none."""
    return shelf.kept(unit, _RESOURCE, user_id).get(_PROPERTY)


def opened(vault: Vault, user_id: str, text: str) -> SecretStr:
    """The secret itself. Call it off the event loop."""
    return vault.open(text, _context(user_id))


def accept(unit: UnitOfWork, user_id: str, secret: SecretStr, code: str) -> bool:
    """Whether the code is right and new; it is used up then. A recovery code will do as well."""
    given = "".join(code.split()).replace("-", "").upper()
    step = _step_of(unit, secret, given)
    if step is None:
        return _use_recovery_code(unit, user_id, given)
    newer = (totp.c.user_id == user_id) & (totp.c.last_step < step)
    return unit.db.execute(update(totp).where(newer).values(last_step=step)).rowcount == 1


def confirm(unit: UnitOfWork, principal: Principal, secret: SecretStr, code: str) -> list[str]:
    """Count the second factor from now on; the recovery codes, which are shown once.

    Raises `BadRequest` for a wrong code, and when there is nothing to confirm.
    """
    user_id = principal.user_id or ""
    if is_enrolled(unit, user_id):
        raise BadRequest(_NO_ENROLMENT)
    if not accept(unit, user_id, secret, code):
        raise BadRequest("Bad Request: code: it is wrong, too old, or was used already")
    unit.db.execute(update(totp).where(totp.c.user_id == user_id).values(confirmed_at=unit.now))
    made = [_recovery_code() for _ in range(_RECOVERY_CODES)]
    unit.db.execute(insert(recovery_codes), [_row(user_id, code) for code in made])
    audit.record(unit, principal, "second_factor.set", ("user", user_id))
    return made


def remove(unit: UnitOfWork, actor: Principal, user_id: str) -> None:
    """Take a person's second factor away."""
    forget(unit, user_id)
    audit.record(unit, actor, "second_factor.remove", ("user", user_id))


def forget(unit: UnitOfWork, user_id: str) -> None:
    """Delete whatever there is of a second factor."""
    unit.db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    unit.db.execute(delete(totp).where(totp.c.user_id == user_id))
    shelf.remove(unit, _RESOURCE, user_id)


def needed(text: str | None) -> str:
    """The sealed secret that a step needs. Raises `BadRequest` where there is none."""
    if text is None:
        raise BadRequest(_NO_ENROLMENT)
    return text


def _step_of(unit: UnitOfWork, secret: SecretStr, given: str) -> int | None:
    now = int(unit.moment.timestamp()) // STEP_SECONDS
    sent = given.encode(errors="replace")
    right = [
        now + drift
        for drift in _DRIFT
        if hmac.compare_digest(code_at(secret, now + drift).encode(), sent)
    ]
    return next(iter(right), None)


def _use_recovery_code(unit: UnitOfWork, user_id: str, given: str) -> bool:
    table = recovery_codes
    mine = (table.c.user_id == user_id) & (table.c.digest == _digest(given))
    return unit.db.execute(delete(table).where(mine)).rowcount == 1


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(_parts(text))


def _parts(text: str) -> Iterable[str]:
    return (text[start : start + 4] for start in range(0, len(text), 4))


def _row(user_id: str, code: str) -> dict[str, object]:
    return {"user_id": user_id, "digest": _digest(code.replace("-", "").upper())}


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode(errors="surrogatepass")).digest()


def _uri(secret: SecretStr, account: str) -> str:
    """The form that authenticators read from a QR code (Key Uri Format of Google Authenticator)."""
    label = quote(f"{_ISSUER}:{account}", safe="")
    query = urlencode({"secret": secret.reveal(), "issuer": _ISSUER})
    return f"otpauth://totp/{label}?{query}"


def _context(user_id: str) -> Context:
    return Context(_RESOURCE, user_id, _PROPERTY, {})
