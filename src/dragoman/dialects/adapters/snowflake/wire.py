"""The connector's sessions of HTTP, all of whose connections come through the door.

Large answers are fetched from a stage (S3, Azure, Google) whose address the service names; these
connections too.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, Final

from dragoman.dialects.adapters.https import Door, guard

_CARRIED: Final = "snowflake.connector.vendored"


def session_manager(door: Door) -> Any:
    """The connector's source of HTTP sessions."""
    return _manager_class()(door)


@functools.cache
def _manager_class() -> Any:
    from snowflake.connector import session_manager as connectors

    requests: Any = importlib.import_module(f"{_CARRIED}.requests")
    base: Any = connectors.SessionManager

    class CheckedSessions(base):
        """Sessions of requests with our adapter and nothing from the environment."""

        def __init__(self, door: Door) -> None:
            super().__init__(connectors.HttpConfig(max_retries=0))
            self.door = door

        def make_session(self, *, url: str | None = None) -> Any:
            session = requests.Session()
            guard(session, self.door, f"{_CARRIED}.requests", f"{_CARRIED}.urllib3")
            return session

        def clone(self, **given: Any) -> Any:
            return CheckedSessions(self.door)

    return CheckedSessions
