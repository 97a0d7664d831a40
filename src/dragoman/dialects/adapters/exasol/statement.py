"""One statement: executed, then fetched a message at a time, column by column.

Source: Exasol's WebSocket API v3, commands execute, fetch and closeResultSet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects.arrow_rows import Values

_FETCH_BYTES: Final = 5 << 20


class Statement:
    """A statement under way. `columns`: as the server describes them; none without rows."""

    def __init__(self, connection: Any, sql: str) -> None:
        """Execute it. Raises anything."""
        self._connection = connection
        answer = connection.req({"command": "execute", "sqlText": sql})
        result = answer["responseData"]["results"][0]
        self._set: dict[str, Any] = result.get("resultSet") or {}
        self._handle: int | None = self._set.get("resultSetHandle")
        self.columns: list[dict[str, Any]] = self._set.get("columns", [])

    def chunks(self) -> Iterator[Sequence[Values]]:
        """The values of each message, one sequence a column."""
        if first := self._set.pop("data", None):
            yield first
            del first
        at, total = int(self._set.get("numRowsInMessage", 0)), int(self._set.get("numRows", 0))
        while self._handle is not None and at < total:
            answer = self._fetch(at)
            count = int(answer["numRows"])
            if count < 1:
                raise ConnectionError("the server sent fewer rows than it announced")
            at += count
            # One message at a time is held: this one is gone before the next arrives.
            yield answer.pop("data")

    def close(self) -> None:
        """Give the result back; harmless at any time. Raises anything."""
        handle, self._handle = self._handle, None
        if handle is not None and not self._connection.is_closed:
            self._connection.req({"command": "closeResultSet", "resultSetHandles": [handle]})

    def _fetch(self, at: int) -> dict[str, Any]:
        answer = self._connection.req(
            {
                "command": "fetch",
                "resultSetHandle": self._handle,
                "startPosition": at,
                "numBytes": _FETCH_BYTES,
            }
        )
        return answer["responseData"]


def ask(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a statement of ours, which has few of them. Raises anything."""
    return list(stream(Statement(connection, sql)))


def stream(statement: Statement) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement of ours, as the server writes them; closed at the end."""
    for chunk in statement.chunks():
        yield from zip(*chunk, strict=True)
    statement.close()
