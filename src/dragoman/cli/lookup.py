"""From what a person types to a connection or a model: its id, or its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from dragoman.connections.service import Connection
    from dragoman.models.service import Model
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


def find_model(unit: UnitOfWork, text: str) -> Model:
    """The one model or branch with this id or name; a schema model has its connection's.

    Raises `CommandError` for none and for several.
    """
    from dragoman.access.principal import OPERATOR
    from dragoman.models import service as models

    every = models.page(unit, OPERATOR, models.ListFilter(size=10_000)).models
    found = [each for each in every if each.id == text.lower()]
    named = [each for each in every if each.name == text]
    found = found or [each for each in named if each.kind is not models.Kind.SCHEMA] or named
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} models are called {text}." if found else f"No model is called {text}."
    raise CommandError(what, "Give the id of one.", Exit.USAGE if found else Exit.NOT_FOUND)
