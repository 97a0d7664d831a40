"""Roles on a connection, each including the ones below it (contract §2.4)."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Built-in roles, weakest first."""

    NO_ACCESS = "NO_ACCESS"
    VIEWER = "VIEWER"
    QUERY_TOPICS = "QUERY_TOPICS"
    QUERIER = "QUERIER"
    MODELER = "MODELER"
    CONNECTION_ADMIN = "CONNECTION_ADMIN"

    @property
    def rank(self) -> int:
        """Priority as the API states it: a higher one is more permissive."""
        return _RANKS[self]


_RANKS = {
    Role.NO_ACCESS: 0,
    Role.VIEWER: 100,
    Role.QUERY_TOPICS: 150,
    Role.QUERIER: 200,
    Role.MODELER: 250,
    Role.CONNECTION_ADMIN: 300,
}

# Two spellings of one role are in use; the connections' own is stored (contract §6.1, row 5).
ALIASES = {"RESTRICTED_QUERIER": Role.QUERY_TOPICS}


def builtin(name: str) -> Role | None:
    """The built-in role of that name, in either spelling; None for any other text."""
    if name in ALIASES:
        return ALIASES[name]
    return Role(name) if name in Role.__members__ else None
