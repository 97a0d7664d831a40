"""Signing in to a connection's database as oneself: to the provider, and back with a code.

What has to be remembered meanwhile travels along, sealed for the person who began and bound to
their session: another person's browser cannot end it, so nobody's rights become somebody else's.
Source: RFC 6749 section 4.1, RFC 7636, RFC 9700 (state bound to the user agent, PKCE always).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets as random
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.connections import dialling, personal, secrets, service
from dragoman.connections.personal import Tokens
from dragoman.connections.records import Connection
from dragoman.dialects.base import Target
from dragoman.dialects.user_grants import UserGrant
from dragoman.house import House
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import Context, VaultError

CALLBACK: Final = "/callback/oauth"
PERMISSION: Final = Permission.CONNECTIONS_READ
_STEP_SECONDS: Final = 5.0
_STATE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered while the person is at the provider. `verifier`: of PKCE."""

    connection_id: str
    verifier: str
    until: float


def found(
    unit: UnitOfWork, principal: Principal, connection_id: str
) -> tuple[Connection, UserGrant | None]:
    """A connection that the principal may use, and where people sign in to it. Raises as
    `service.get`."""
    connection = service.get(unit, principal, connection_id, PERMISSION)
    return connection, personal.grant_of(connection)


def begin(house: House, principal: Principal, located: dialling.Located) -> str:
    """The provider's address to send the person to. May wait for a key command.

    Raises `BadRequest` where nobody signs in for themselves, and `DatabaseFailure` (settings).
    """
    connection = located.connection
    grant = _grant(connection)
    # A host may be saved as a name: the browser goes there, and later the server does.
    house.network.check_url(grant.authorize_url)
    client = personal.client_of(house, connection, _own(house, located).secrets)
    verifier = random.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    state = State(connection.id, verifier, time.time() + _STATE_SECONDS)
    asked = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": house.settings.base_url + CALLBACK,
        "scope": grant.scope,
        "state": _sealed(house, principal, state),
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **grant.extra,
    }
    joint = "&" if "?" in grant.authorize_url else "?"
    return f"{grant.authorize_url}{joint}{urlencode(asked)}"


def state_of(house: House, principal: Principal, text: str) -> State:
    """What was remembered for this person and session. Raises `BadRequest`."""
    try:
        opened = house.vault.open(text, _context(principal)).reveal()
        state = State(**json.loads(opened))
    except (VaultError, ValueError, TypeError):
        raise BadRequest(
            "Bad Request: state: this sign-in was not begun here; begin it again"
        ) from None
    if time.time() > state.until:
        raise BadRequest("Bad Request: state: this sign-in took too long; begin it again")
    return state


def exchange(house: House, located: dialling.Located, state: State, code: str) -> Tokens:
    """The tokens for the provider's code. Raises `DatabaseFailure`."""
    from dragoman.dialects.adapters.token_endpoint import Refused, ask

    connection = located.connection
    client = personal.client_of(house, connection, _own(house, located).secrets)
    form: dict[str, str | SecretStr] = {
        "grant_type": "authorization_code",
        "code": SecretStr(code),
        "redirect_uri": house.settings.base_url + CALLBACK,
        "code_verifier": SecretStr(state.verifier),
    }
    url = _grant(connection).token_url
    try:
        return Tokens.of(ask(house.network, url, form, client, _STEP_SECONDS))
    except Refused as refused:
        raise personal.not_given(refused) from None


def keep(
    unit: UnitOfWork, house: House, principal: Principal, read: Connection, tokens: Tokens
) -> None:
    """Keep the tokens for the person. Raises `BadRequest` when the connection changed meanwhile."""
    now, _ = found(unit, principal, read.id)
    if secrets.destination(now.settings) != secrets.destination(read.settings):
        raise BadRequest("Bad Request: the connection changed meanwhile; sign in again")
    personal.store(unit, house.vault, now, str(principal.user_id), tokens)
    audit.record(unit, principal, "connection.sign_in", ("connection", now.id))


def end(unit: UnitOfWork, principal: Principal, connection_id: str) -> None:
    """Forget the person's tokens."""
    connection, _ = found(unit, principal, connection_id)
    if personal.forget(unit, connection.id, str(principal.user_id)):
        audit.record(unit, principal, "connection.sign_out", ("connection", connection.id))


def _grant(connection: Connection) -> UserGrant:
    grant = personal.grant_of(connection)
    if grant is None:
        raise BadRequest("Bad Request: nobody signs in to this connection for themselves")
    return grant


def _own(house: House, located: dialling.Located) -> Target:
    """The connection's own target, its secrets opened."""
    bare = dialling.Located(located.connection, located.secrets)
    return dialling.opened(house, bare).target


def _sealed(house: House, principal: Principal, state: State) -> str:
    plain: dict[str, Any] = {
        "connection_id": state.connection_id,
        "verifier": state.verifier,
        "until": state.until,
    }
    return house.vault.seal(SecretStr(json.dumps(plain)), _context(principal))


def _context(principal: Principal) -> Context:
    session = {"session": principal.token_id}
    return Context("database_sign_in", str(principal.user_id), "state", session)
