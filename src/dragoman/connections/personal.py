"""What a person allowed for a database that everybody signs in to for themselves.

Kept are the access token, its end, and the refresh token, as one sealed text that opens for this
person, this connection and its present destination only. A token near its end is renewed by whoever
needs it; of several processes one wins, and the others take what it stored.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from dragoman.access.principal import Principal
from dragoman.connections import secrets
from dragoman.connections.records import Connection
from dragoman.connections.tables import connection_user_tokens as table
from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.user_grants import ACCESS_TOKEN, UserGrant
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.vault import Context, Vault, VaultError
from dragoman.vault.rotation import SealedTable

if TYPE_CHECKING:
    from dragoman.dialects.adapters.token_endpoint import Client, Granted, Refused
    from dragoman.house import House

SEALED: Final = SealedTable(table, ("connection_id", "user_id"))
# Renewed when less is left: a token is asked for at sign-in, and drivers may use it for a while.
_LEFT_SECONDS: Final = 900.0
_STEP_SECONDS: Final = 5.0
# Who renews waits for who renews already; several tokens share a lock.
_LOCKS: Final = tuple(threading.Lock() for _ in range(64))


@dataclass(frozen=True, slots=True)
class Held:
    """What a person has for a connection: sealed tokens of one sign-in, or nothing yet (None)."""

    user_id: str
    grant_id: str | None
    sealed: str | None
    signed_in_at: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens, opened. `until`: seconds since the epoch; `life`: seconds when it was given."""

    access: SecretStr
    refresh: SecretStr | None
    until: float
    life: float

    @classmethod
    def of(cls, granted: Granted, old: SecretStr | None = None) -> Tokens:
        """As they were given now; a provider that sends no new refresh token leaves the old one."""
        until = time.time() + granted.seconds
        return cls(granted.access_token, granted.refresh_token or old, until, granted.seconds)

    @property
    def renew_at(self) -> float:
        """From when on the access token is not given to anybody."""
        return self.until - min(_LEFT_SECONDS, self.life / 2)


def person_of(principal: Principal) -> str | None:
    """The person who asks; None for keys, the command line and jobs, which the service account
    serves."""
    asks = principal.is_person or principal.by is not None
    return principal.user_id if asks else None


def grant_of(connection: Connection) -> UserGrant | None:
    """Where people sign in to the connection's database; None where one identity serves all."""
    target = Target(connection.dialect, connection.settings, {})
    return registry.get(connection.dialect).user_grant(target)


def held(unit: UnitOfWork, principal: Principal, connection: Connection) -> Held | None:
    """What the principal signs in with; None for what the connection's own secrets are used."""
    user_id = person_of(principal)
    if user_id is None or grant_of(connection) is None:
        return None
    return find(unit, connection.id, user_id)


def find(unit: UnitOfWork, connection_id: str, user_id: str) -> Held:
    """What that person has."""
    mine = (table.c.connection_id == connection_id) & (table.c.user_id == user_id)
    chosen = select(table.c.grant_id, table.c.value, table.c.signed_in_at).where(mine)
    row = unit.db.execute(chosen).first()
    return Held(user_id, *row) if row else Held(user_id, None, None)


def store(
    unit: UnitOfWork, vault: Vault, connection: Connection, user_id: str, tokens: Tokens
) -> None:
    """Keep the tokens of a person who signed in now, in place of older ones."""
    forget(unit, connection.id, user_id)
    sealed = _seal(vault, connection, user_id, tokens)
    row = {
        "connection_id": connection.id,
        "user_id": user_id,
        "grant_id": str(uuid.uuid4()),
        "value": sealed,
        "key_id": vault.key_id(sealed),
        "signed_in_at": unit.now,
        "updated_at": unit.now,
    }
    unit.db.execute(insert(table).values(row))


def forget(unit: UnitOfWork, connection_id: str, user_id: str | None = None) -> bool:
    """Delete what one person has, or everybody; whether there was something."""
    mine = table.c.connection_id == connection_id
    if user_id is not None:
        mine &= table.c.user_id == user_id
    return unit.db.execute(delete(table).where(mine)).rowcount > 0


def page_of(house: House, connection_id: str) -> str:
    """Where a person signs in to the connection's database, in a browser."""
    return f"{house.settings.base_url}/connections/{connection_id}/sign-in"


def client_of(house: House, connection: Connection, own: Mapping[str, SecretStr]) -> Client:
    """The client that asks, as the provider knows it; `own`: the connection's opened secrets.

    Raises `DatabaseFailure` (settings).
    """
    from dragoman.dialects.adapters.token_endpoint import Client

    grant, settings = grant_of(connection), house.settings
    if grant is not None and grant.operators_client:
        client = Client(settings.google_client_id, settings.google_client_secret)
    else:
        secret = own.get("oauthClientSecretUnencrypted", SecretStr(""))
        client = Client(str(connection.settings.get("oauthClientId") or ""), secret)
    if not client.id or not client.secret:
        raise DatabaseFailure(
            Stage.SETTINGS,
            Cause.SETTINGS_INVALID,
            "There is no OAuth client with which people could sign in.",
            "Set oauthClientId and its secret, or (bigquery-oauth-user) have the operator set "
            "DRAGOMAN_GOOGLE_CLIENT_ID and DRAGOMAN_GOOGLE_CLIENT_SECRET.",
        )
    return client


def target(house: House, connection: Connection, mine: Held, own: Target) -> Target:
    """The target that signs in as the person. It has no secret of the connection; its `renew` gives
    it with a token that holds.

    `own`: the connection's target with its opened secrets. Raises `DatabaseFailure`.
    """
    keeper = _Keeper(house, connection, mine, own)
    bare = replace(own, secrets={})

    def renew() -> Target:
        return replace(bare, secrets={ACCESS_TOKEN: keeper.access()}, renew=renew)

    return replace(bare, renew=renew)


class _Keeper:
    """Gives the access token of one person for one connection, renewed when it is near its end."""

    def __init__(self, house: House, connection: Connection, mine: Held, own: Target) -> None:
        self._house = house
        self._connection = connection
        self._mine = mine
        self._own = own
        self._tokens: Tokens | None = None
        self._lock = _LOCKS[hash((connection.id, mine.user_id)) % len(_LOCKS)]

    def access(self) -> SecretStr:
        """Raises `DatabaseFailure`: sign_in_needed, or what keeps the endpoint from answering."""
        tokens = self._tokens or self._opened(self._mine.sealed)
        if time.time() >= tokens.renew_at:
            with self._lock:
                tokens = self._renewed()
        self._tokens = tokens
        return tokens.access

    def _renewed(self) -> Tokens:
        from dragoman.dialects.adapters.token_endpoint import Refused, ask

        tokens = self._stored()
        if time.time() < tokens.renew_at:
            return tokens  # somebody else did it meanwhile
        if tokens.refresh is None:
            if time.time() < tokens.until - _STEP_SECONDS:
                return tokens
            raise self._needed("Your sign-in to this database has ended.")
        grant = grant_of(self._connection)
        assert grant is not None  # noqa: S101 - a person has tokens only where there is one
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh}
        client = client_of(self._house, self._connection, self._own.secrets)
        try:
            granted = ask(self._house.network, grant.token_url, form, client, _STEP_SECONDS)
        except Refused as refused:
            return self._after(refused, tokens)
        made = Tokens.of(granted, tokens.refresh)
        self._keep(made)
        return made

    def _after(self, refused: Refused, tried: Tokens) -> Tokens:
        """A refresh token that works once may have been used by another process a moment ago."""
        now = self._stored()
        if now.access != tried.access and time.time() < now.renew_at:
            return now
        if refused.error == "invalid_grant":
            raise self._needed("Your sign-in to this database has ended or was taken back.")
        raise not_given(refused)

    def _stored(self) -> Tokens:
        with self._house.store.look() as unit:
            now = find(unit, self._connection.id, self._mine.user_id)
        return self._opened(now.sealed)

    def _keep(self, tokens: Tokens) -> None:
        vault = self._house.vault
        sealed = _seal(vault, self._connection, self._mine.user_id, tokens)
        mine = (table.c.connection_id == self._connection.id) & (
            table.c.user_id == self._mine.user_id
        )
        with self._house.store.begin() as unit:
            # Only in place of what is there: who signed out meanwhile stays signed out.
            values = {"value": sealed, "key_id": vault.key_id(sealed), "updated_at": unit.now}
            unit.db.execute(update(table).where(mine).values(values))

    def _opened(self, sealed: str | None) -> Tokens:
        if sealed is None:
            raise self._needed("You have not signed in to this database.")
        context = _context(self._connection, self._mine.user_id)
        try:
            return _tokens(json.loads(self._house.vault.open(sealed, context).reveal()))
        except VaultError:
            # The connection leads elsewhere now: what was allowed for one place stays there.
            raise self._needed("The connection changed since you signed in to it.") from None

    def _needed(self, message: str) -> DatabaseFailure:
        page = page_of(self._house, self._connection.id)
        fix = f"Sign in at {page} in your browser, then try again."
        return DatabaseFailure(Stage.AUTHENTICATION, Cause.SIGN_IN_NEEDED, message, fix)


def not_given(refused: Refused) -> DatabaseFailure:
    """The provider gives no token, for a reason that is not the person's."""
    return refused.failure(
        "The provider",
        "Check oauthClientId and its secret, and that the client may use this server's "
        "/callback/oauth.",
    )


def refused_by_database(
    house: House, connection_id: str, failure: DatabaseFailure
) -> DatabaseFailure:
    """A database that refuses a person's token: there is nothing that an admin could correct."""
    page = page_of(house, connection_id)
    fix = f"Sign in again at {page}, and ask whether the database knows your user."
    return DatabaseFailure(failure.stage, failure.cause, failure.message, fix, failure.code)


def _seal(vault: Vault, connection: Connection, user_id: str, tokens: Tokens) -> str:
    plain: dict[str, Any] = {
        "access": tokens.access.reveal(),
        "refresh": tokens.refresh.reveal() if tokens.refresh else None,
        "until": tokens.until,
        "life": tokens.life,
    }
    return vault.seal(SecretStr(json.dumps(plain)), _context(connection, user_id))


def _tokens(plain: Mapping[str, Any]) -> Tokens:
    refresh = SecretStr(plain["refresh"]) if plain["refresh"] else None
    return Tokens(SecretStr(plain["access"]), refresh, plain["until"], plain["life"])


def _context(connection: Connection, user_id: str) -> Context:
    place = secrets.destination(connection.settings)
    return Context("connection_user", f"{connection.id}:{user_id}", "tokens", place)
