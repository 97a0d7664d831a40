"""A connection's secrets: sealed for one destination, or named by reference; opened to dial."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import delete, select

from dragoman.connections.tables import connection_secrets as table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.properties import DESTINATION
from dragoman.secret import Secret, SecretReference, SecretStr
from dragoman.settings import Settings
from dragoman.store import UnitOfWork
from dragoman.store.prepared import PreparedInsert
from dragoman.vault import Context, Vault, VaultError
from dragoman.vault.rotation import SealedTable

MAX_FILE = 65_536
# A reference has no key id.
SEALED = SealedTable(table, ("connection_id", "property"))


class Kept(NamedTuple):
    """A stored secret: sealed text, or the name of one kept outside when `reference` is set."""

    property: str
    reference: bool
    value: str


def destination(settings: Mapping[str, Any]) -> dict[str, str | int | None]:
    """Where a secret of a connection with these settings may be sent."""
    return {name: _part(settings.get(name)) for name in DESTINATION}


def _part(value: Any) -> str | int | None:
    return str(value).lower() if isinstance(value, bool) else value


def put(
    unit: UnitOfWork,
    vault: Vault,
    connection_id: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, Secret],
) -> None:
    """Seal and store secrets in place of those of the same name."""
    _remove(unit, connection_id, list(secrets))
    add(unit, vault, connection_id, settings, secrets)


def add(
    unit: UnitOfWork,
    vault: Vault,
    connection_id: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, Secret],
) -> None:
    """Seal and store secrets that the connection does not have yet."""
    for name, secret in secrets.items():
        row: dict[str, Any] = {"connection_id": connection_id, "property": name}
        if isinstance(secret, SecretReference):
            row |= {"reference": True, "value": str(secret), "key_id": None}
        else:
            sealed = vault.seal(secret, _context(connection_id, name, settings))
            row |= {"reference": False, "value": sealed, "key_id": vault.key_id(sealed)}
        _INSERT.leave(unit, **row, updated_at=unit.now)


_INSERT = PreparedInsert(table, *(column.name for column in table.c))


def names(unit: UnitOfWork, connection_id: str) -> dict[str, str | None]:
    """Which secrets a connection has: name to reference, or to None for a sealed one."""
    stored = kept(unit, connection_id)
    return {each.property: each.value if each.reference else None for each in stored}


def wipe(unit: UnitOfWork, connection_id: str) -> None:
    """Delete all secrets of a connection."""
    unit.db.execute(delete(table).where(table.c.connection_id == connection_id))


def kept(unit: UnitOfWork, connection_id: str) -> list[Kept]:
    """All secrets of a connection as they are stored."""
    statement = select(table.c.property, table.c.reference, table.c.value).where(
        table.c.connection_id == connection_id
    )
    return [Kept(*row) for row in unit.db.execute(statement)]


def reveal(
    stored: Iterable[Kept],
    vault: Vault,
    allowed: Settings,
    connection_id: str,
    settings: Mapping[str, Any],
) -> dict[str, SecretStr]:
    """Open the secrets of a connection for its present destination.

    It may wait for a key command or a file, so call it off the event loop and outside of a unit.
    Raises `DatabaseFailure` (stage settings) for a reference that does not resolve and for a
    sealed text that does not open: it was moved from another row or address.
    """
    opened: dict[str, SecretStr] = {}
    for each in stored:
        if each.reference:
            opened[each.property] = resolve(_reference(each.value), allowed)
        else:
            context = _context(connection_id, each.property, settings)
            opened[each.property] = _open(vault, each.value, context)
    return opened


def resolve_all(secrets: Mapping[str, Secret], allowed: Settings) -> dict[str, SecretStr]:
    """Secrets of a body that is not saved, references resolved. Raises as `resolve`."""
    return {
        name: resolve(secret, allowed) if isinstance(secret, SecretReference) else secret
        for name, secret in secrets.items()
    }


def resolve(reference: SecretReference, allowed: Settings) -> SecretStr:
    """The secret that a reference names, read anew each time.

    Raises `DatabaseFailure` (stage settings) when the operator does not allow the name or
    nothing is there; the text never says which file or variable exists outside what is allowed.
    """
    reason = forbidden(reference, allowed)
    if reason is not None:
        raise _unresolved(*reason)
    if reference.scheme == "env":
        return _from_environment(reference.name)
    return _from_file(reference.name, allowed.secret_directories)


def forbidden(reference: SecretReference, allowed: Settings) -> tuple[str, str] | None:
    """Why the operator's settings rule a reference out, and what to do; None if they do not."""
    if reference.scheme == "file":
        if any(allowed.secret_directories):
            return None
        fix = "The operator names directories in DRAGOMAN_SECRET_DIRECTORIES."
        return "No file may be used as a secret.", fix
    prefixes = [prefix for prefix in allowed.secret_env_prefixes if prefix]
    if any(reference.name.startswith(prefix) for prefix in prefixes):
        return None
    choices = f"Its name must start with {' or '.join(prefixes)}" if prefixes else "None may be"
    message = f"The variable {reference.name} may not be used as a secret."
    return message, f"{choices} (DRAGOMAN_SECRET_ENV_PREFIXES)."


def _from_environment(name: str) -> SecretStr:
    value = os.environ.get(name)
    if not value:
        raise _unresolved(f"The variable {name} is not set.", "Set it where the server runs.")
    return SecretStr(value)


def _from_file(name: str, directories: Iterable[str]) -> SecretStr:
    for directory in directories:
        path = _within(directory, name)
        if path is not None:
            return _read(path, name)
    raise _unresolved(
        f"No secret file {name} in the allowed directories.",
        "Put it into one of DRAGOMAN_SECRET_DIRECTORIES.",
    )


def _within(directory: str, name: str) -> Path | None:
    """The file of that name, links followed, if it lies in the directory; else None."""
    try:
        root = Path(directory).resolve()
        path = (root / name).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, NUL
        return None


def _read(path: Path, name: str) -> SecretStr:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise _unresolved(f"The secret file {name} is larger than {MAX_FILE} bytes.", "")
        # Files written by editors and secret mounts often end with one newline.
        return SecretStr(content.decode().removesuffix("\n"))
    except OSError as error:
        fix = "Let the server's user read it."
        raise _unresolved(f"The secret file {name} cannot be read.", fix) from error
    except UnicodeDecodeError as error:
        raise _unresolved(f"The secret file {name} is not UTF-8 text.", "") from error


def _context(connection_id: str, name: str, settings: Mapping[str, Any]) -> Context:
    return Context("connection", connection_id, name, destination(settings))


def _open(vault: Vault, sealed: str, context: Context) -> SecretStr:
    try:
        return vault.open(sealed, context)
    except VaultError as error:
        raise _unresolved(
            f"The stored {context.property} does not open ({type(error).__name__}).",
            "Send the secret again, or bring back the key it was sealed with.",
        ) from error


def _reference(text: str) -> SecretReference:
    scheme, _, name = text.partition(":")
    return SecretReference("env" if scheme == "env" else "file", name)


def _remove(unit: UnitOfWork, connection_id: str, which: list[str]) -> None:
    mine = table.c.connection_id == connection_id
    unit.db.execute(delete(table).where(mine, table.c.property.in_(which)))


def _unresolved(message: str, fix: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.SETTINGS, Cause.SECRET_UNRESOLVED, message, fix=fix or None)
