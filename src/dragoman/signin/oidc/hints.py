"""ID tokens that are kept for signing out, for providers that want theirs back (`keepIdToken`).

Sealed on the shelf for the issuer, and gone with the session: a statement about a person.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from dragoman.secret import SecretStr
from dragoman.signin.tables import sessions
from dragoman.store import UnitOfWork
from dragoman.vault import Context, Vault, shelf

_RESOURCE, _PROPERTY = "session", "idToken"
_CHARACTERS = 4000  # what an address can carry everywhere


class Hint(msgspec.Struct, frozen=True):
    """A sealed ID token. `session_id`: of the session that it opened."""

    session_id: str
    sealed: str

    def open(self, vault: Vault, issuer: str) -> SecretStr:
        """The token. Call it off the event loop. Raises `VaultError`."""
        return vault.open(self.sealed, _context(self.session_id, issuer))


def keep(unit: UnitOfWork, vault: Vault, session_id: str, issuer: str, token: SecretStr) -> None:
    """Keep the token that opened a session, unless it is too long to be sent back."""
    if len(token.reveal()) <= _CHARACTERS:
        shelf.put(unit, vault, _context(session_id, issuer), token)


def take(unit: UnitOfWork, session_id: str) -> Hint | None:
    """The token of a session that ends; it is kept no longer."""
    sealed = shelf.kept(unit, _RESOURCE, session_id).get(_PROPERTY)
    if sealed is None:
        return None
    shelf.remove(unit, _RESOURCE, session_id)
    return Hint(session_id, sealed)


def tidy(unit: UnitOfWork) -> None:
    """Delete those of sessions that ended in other ways."""
    shelf.sweep(unit, _RESOURCE, select(sessions.c.id))


def _context(session_id: str, issuer: str) -> Context:
    return Context(_RESOURCE, session_id, _PROPERTY, {"issuer": issuer})
