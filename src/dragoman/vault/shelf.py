"""Secrets of any resource: sealed for one destination, in one table.

Connections have a table of their own, whose rows may also name secrets that are kept outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Select, String, Table, Text, delete, insert, select

from dragoman.store.metadata import Time, metadata
from dragoman.vault.context import Context
from dragoman.vault.rotation import SealedTable
from dragoman.vault.seal import Vault

if TYPE_CHECKING:
    from dragoman.secret import SecretStr
    from dragoman.store import UnitOfWork

table = Table(
    "sealed_secrets",
    metadata,
    Column("resource", String(40), primary_key=True),
    Column("resource_id", String(80), primary_key=True),
    Column("property", String(80), primary_key=True),
    Column("value", Text, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("updated_at", Time, nullable=False),
    sqlite_with_rowid=False,
)
SEALED = SealedTable(table, ("resource", "resource_id", "property"))


def put(unit: UnitOfWork, vault: Vault, context: Context, secret: SecretStr) -> None:
    """Seal a secret and store it in place of the one of that name."""
    remove(unit, context.resource, context.resource_id, context.property)
    sealed = vault.seal(secret, context)
    row = {
        "resource": context.resource,
        "resource_id": context.resource_id,
        "property": context.property,
        "value": sealed,
        "key_id": vault.key_id(sealed),
        "updated_at": unit.now,
    }
    unit.db.execute(insert(table).values(row))


def kept(unit: UnitOfWork, resource: str, resource_id: str) -> dict[str, str]:
    """The sealed texts of a resource, by property. `Vault.open` them off the event loop."""
    mine = (table.c.resource == resource) & (table.c.resource_id == resource_id)
    statement = select(table.c.property, table.c.value).where(mine)
    return {row.property: row.value for row in unit.db.execute(statement)}


def remove(unit: UnitOfWork, resource: str, resource_id: str, name: str | None = None) -> None:
    """Delete one secret of a resource, or all of them."""
    mine = (table.c.resource == resource) & (table.c.resource_id == resource_id)
    if name is not None:
        mine &= table.c.property == name
    unit.db.execute(delete(table).where(mine))


def sweep(unit: UnitOfWork, resource: str, living: Select[tuple[str]]) -> None:
    """Delete the secrets of those resources of a kind that are not among the `living` ids."""
    gone = (table.c.resource == resource) & table.c.resource_id.not_in(living)
    unit.db.execute(delete(table).where(gone))
