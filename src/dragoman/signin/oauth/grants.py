"""What people gave to applications: a code, then an access token and a refresh token, in one row.

Codes and refresh tokens count once. One that comes again was stolen by the one or by the other: the
grant ends, and its tokens with it (RFC 6749 section 4.1.2, RFC 9700 section 4.14). Two refreshes
of one application at the same moment are no theft; the second is only refused. The access token is
an API key of the person, of the type `mcp`, so that they see and revoke it like their others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import uuid
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, insert, select, update

from dragoman import audit, clock
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.scope import Scope
from dragoman.api.errors import NotFound
from dragoman.identity import service as identity
from dragoman.identity.service import User
from dragoman.secret import SecretStr
from dragoman.signin import service
from dragoman.signin.oauth.asking import APPLICATIONS, SCOPE, Asked
from dragoman.signin.oauth.refusals import Refused
from dragoman.signin.tables import grants
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

CODE_LIFE = timedelta(seconds=60)
ACCESS_LIFE = timedelta(hours=1)
REFRESH_LIFE = timedelta(days=30)
_KNOWN_LIFE = timedelta(hours=1)  # so long a code that comes again is known
_AT_ONCE = timedelta(seconds=30)
_MOST = 20  # grants of one person; a further one ends the oldest
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, section 4.1


class Issued(msgspec.Struct, frozen=True):
    """An answer of the token endpoint (RFC 6749, section 5.1)."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    scope: str = SCOPE


Outcome = Issued | Refused
"""A refusal is returned, not raised: what it ends has to be kept."""


def approve(unit: UnitOfWork, principal: Principal, asked: Asked) -> SecretStr:
    """A code for the application that the person lets in."""
    grant_id, code = str(uuid.uuid4()), SecretStr(secrets.token_urlsafe(32))
    row = {
        "id": grant_id,
        "user_id": principal.user_id,
        "application": asked.application.id,
        "redirect_uri": asked.redirect_uri,
        "challenge": asked.challenge,
        "code_digest": _digest(code.reveal()),
        "code_until": clock.wire(unit.moment + CODE_LIFE),
        "ends_at": clock.wire(unit.moment + _KNOWN_LIFE),
    }
    unit.db.execute(insert(grants).values(row))
    _audit(unit, principal, "application.authorize", grant_id, asked.application.id)
    return code


def exchange(
    unit: UnitOfWork, application: str, code: str, redirect_uri: str, verifier: str
) -> Outcome:
    """Tokens for a code."""
    found = _find(unit, application, grants.c.code_digest == _digest(code))
    if found is None:
        return _refused("the code is unknown")
    if found.token_id is not None:
        return _stolen(unit, found, "the code was used already")
    if found.code_until <= unit.now:
        return _refused("the code is older than a minute")
    fits = hmac.compare_digest(_challenge(verifier), found.challenge)
    if not fits or redirect_uri != found.redirect_uri:
        # Whoever has the code without the verifier gets no second guess.
        return _stolen(unit, found, "code_verifier or redirect_uri is not that of the request")
    user = identity.user_of(unit, found.user_id)
    if user is None or not service.may_enter(user):
        return _refused("the person is suspended")
    _make_room(unit, user.id)
    name, ends = APPLICATIONS[application].name, unit.moment + ACCESS_LIFE
    # Narrowed to everything: as every narrowed token it makes no others, which would outlive it.
    token_id, access = identity.issue_token(unit, _actor(user), "mcp", user, name, ends, Scope())
    return _handed_out(unit, found, access, {"token_id": token_id})


def refresh(unit: UnitOfWork, application: str, token: str) -> Outcome:
    """Other tokens in place of those of a grant."""
    digest = _digest(token)
    either = (grants.c.refresh_digest == digest) | (grants.c.former_digest == digest)
    found = _find(unit, application, either)
    if found is None or found.ends_at <= unit.now:
        return _refused("the refresh token is unknown, or has ended")
    if found.refresh_digest != digest:
        if found.refreshed_at > clock.wire(unit.moment - _AT_ONCE):
            return _refused("the refresh token was used a moment ago")
        return _stolen(unit, found, "the refresh token was used already")
    user = identity.user_of(unit, found.user_id)
    if user is None or not service.may_enter(user):
        return _refused("the person is suspended")
    try:
        access = identity.renew_token(unit, _actor(user), found.token_id, unit.moment + ACCESS_LIFE)
    except NotFound:
        _delete(unit, found)
        return _refused("the access was revoked")
    return _handed_out(unit, found, access, {"former_digest": digest})


def revoke(unit: UnitOfWork, application: str, token: str) -> None:
    """End the grant of a refresh token (RFC 7009); what is none of this application is passed
    over."""
    found = _find(unit, application, grants.c.refresh_digest == _digest(token))
    if found is not None:
        user = identity.user_of(unit, found.user_id)
        _end(unit, found, _actor(user) if user else _nobody(application))


def _handed_out(
    unit: UnitOfWork, found: AnyRow, access: SecretStr, changed: dict[str, Any]
) -> Issued:
    fresh = SecretStr(secrets.token_urlsafe(32))
    values = {
        **changed,
        "refresh_digest": _digest(fresh.reveal()),
        "refreshed_at": unit.now,
        "ends_at": clock.wire(unit.moment + REFRESH_LIFE),
    }
    unit.db.execute(update(grants).where(grants.c.id == found.id).values(values))
    seconds = int(ACCESS_LIFE.total_seconds())
    return Issued(access.reveal(), fresh.reveal(), seconds)


def _find(unit: UnitOfWork, application: str, which: ColumnElement[bool]) -> AnyRow | None:
    # Locked: of two that come with one code, the later sees what the earlier did.
    statement = select(grants).where(which, grants.c.application == application)
    return unit.db.execute(statement.with_for_update()).first()


def _make_room(unit: UnitOfWork, user_id: str) -> None:
    mine = (grants.c.user_id == user_id) & grants.c.token_id.is_not(None)
    newest = select(grants).where(mine).order_by(grants.c.refreshed_at.desc())
    for found in unit.db.execute(newest.offset(_MOST - 1)).all():
        _end(unit, found, _nobody(found.application))


def _stolen(unit: UnitOfWork, found: AnyRow, detail: str) -> Refused:
    _audit(unit, _nobody(found.application), "application.refuse", found.id, found.application)
    _end(unit, found, _nobody(found.application))
    return _refused(detail)


def _end(unit: UnitOfWork, found: AnyRow, actor: Principal) -> None:
    _delete(unit, found)
    if found.token_id is not None:
        identity.end_token(unit, actor, found.token_id)


def _delete(unit: UnitOfWork, found: AnyRow) -> None:
    unit.db.execute(delete(grants).where(grants.c.id == found.id))


def _audit(
    unit: UnitOfWork, actor: Principal, action: str, grant_id: str, application: str
) -> None:
    audit.record(unit, actor, action, ("application", grant_id), after={"client": application})


def _actor(user: User) -> Principal:
    return Principal(PrincipalKind.SESSION, user.email, user_id=user.id)


def _nobody(application: str) -> Principal:
    return Principal(PrincipalKind.SESSION, application)


def _refused(detail: str) -> Refused:
    return Refused("invalid_grant", detail)


def _challenge(verifier: str) -> str:
    if not _VERIFIER.fullmatch(verifier):
        return ""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
