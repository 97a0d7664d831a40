"""What a token was narrowed to: some permissions, some connections, or both."""

from __future__ import annotations

import msgspec


class Scope(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Names of permissions and ids of connections; None narrows nothing of that kind.

    `whole`: the owner is an admin of the organization, who may do everything on the connections
    named. Stored as JSON without `whole`, since an owner may cease to be one.
    """

    permissions: tuple[str, ...] | None = None
    connection_ids: tuple[str, ...] | None = None
    whole: bool = False

    def permits(self, permission: str) -> bool:
        """Whether the permission is among those named."""
        return self.permissions is None or permission in self.permissions

    def reaches(self, connection_id: str) -> bool:
        """Whether the connection is among those named."""
        return self.connection_ids is None or connection_id in self.connection_ids
