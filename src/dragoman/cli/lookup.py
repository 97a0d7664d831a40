"""From what a person types to a connection: its id, or its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from dragoman.connections.service import Connection
    from dragoman.store import UnitOfWork


def find(unit: UnitOfWork, text: str) -> Connection:
    """The connection with this id or name. Raises `CommandError` for none and for several."""
    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import listing, service

    rows = listing.list_visible(unit, OPERATOR, listing.ListFilter())
    found = [row.id for row in rows if row.id == text.lower()]
    found = found or [row.id for row in rows if row.name == text]
    found = found or [row.id for row in rows if row.name.casefold() == text.casefold()]
    if len(found) > 1:
        fix = "Give the id: " + ", ".join(found)
        raise CommandError(f"{len(found)} connections have the name {text}.", fix, Exit.USAGE)
    if not found:
        fix = "`dragoman connections list` shows those there are."
        raise CommandError(f"No connection has the id or name {text}.", fix, Exit.NOT_FOUND)
    return service.get(unit, OPERATOR, found[0], Permission.CONNECTIONS_READ)
