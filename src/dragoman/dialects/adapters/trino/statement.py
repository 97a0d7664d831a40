"""One statement on a coordinator: posted, then page after page by the address of the next.

Source: Trino documentation, "Trino client REST API".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dragoman.dialects.adapters.trino import errors
from dragoman.dialects.streaming import Attempt


class Statement:
    """A statement under way. `cancel` may be called from any thread, the rest from one.

    `columns`: as the server describes them; None until it does.
    """

    def __init__(self, request: Any, attempt: Attempt) -> None:
        """`request`: a `TrinoRequest`."""
        self._request = request
        self._attempt = attempt
        self._next: str | None = None
        self._rows: Sequence[Sequence[Any]] = ()
        self.columns: list[dict[str, Any]] | None = None
        self.headers: dict[str, str] = {}

    def begin(self, sql: str) -> None:
        """Post it, and wait until its columns are known or it is over. Raises anything."""
        self._take(self._request.post(sql))
        while self.columns is None and self._next is not None:
            self._advance()

    def pages(self) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows as they come; empty pages are left out."""
        while True:
            rows, self._rows = self._rows, ()
            if rows:
                yield rows
            elif self._next is None:
                return
            else:
                self._advance()

    def cancel(self) -> None:
        """Stop it in the server; harmless when it is over. Raises anything."""
        if (following := self._next) is not None:
            self._request.delete(following)

    def _advance(self) -> None:
        # A server that names a next page for ever must not keep us for ever.
        self._attempt.timed_out = self._attempt.timed_out or self._attempt.overdue()
        if (verdict := self._attempt.verdict()) is not None:
            raise verdict
        self._take(self._request.get(self._next))

    def _take(self, response: Any) -> None:
        status = self._request.process(errors.checked(response))
        self.headers.update(response.headers)
        self._next = status.next_uri
        self._rows = status.rows
        if status.columns:
            self.columns = status.columns


def ask(request: Any, sql: str, seconds: float) -> list[Sequence[Any]]:
    """All rows of a statement of ours, which has few of them. Raises anything."""
    statement = Statement(request, Attempt(seconds))
    statement.begin(sql)
    return [row for page in statement.pages() for row in page]


_STARTED = "X-Trino-Started-Transaction-Id"


def begin_read_only(request: Any, attempt: Attempt) -> None:
    """From here on the server refuses what writes, until `roll_back`. Raises anything."""
    request.transaction_id = "NONE"
    statement = Statement(request, attempt)
    try:
        statement.begin("START TRANSACTION READ ONLY")
        for _ in statement.pages():
            pass
    finally:
        found = {name.lower(): value for name, value in statement.headers.items()}
        request.transaction_id = found.get(_STARTED.lower())
    if request.transaction_id is None:
        raise ValueError("the server started no transaction")


def roll_back(request: Any, seconds: float) -> None:
    """End the transaction; nothing happens when there is none. Raises anything."""
    if request.transaction_id is None:
        return
    try:
        ask(request, "ROLLBACK", seconds)
    finally:
        request.transaction_id = None
