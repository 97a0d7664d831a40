"""From a thread that reads rows to the client's socket: one query's answer on its way.

The first piece is awaited before the status goes out, so that an error before it has a body of its
own. An error after it breaks the connection: a part of an answer never looks like a whole one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable
from concurrent.futures import Future

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dragoman.api.errors import Unavailable
from dragoman.dialects.failures import DatabaseFailure
from dragoman.queries.formats import Format, encode
from dragoman.queries.handover import Abandoned, Handover, parts
from dragoman.queries.running import RUNNING
from dragoman.queries.service import Query

log = structlog.get_logger()
# A client that takes nothing for so long holds a session of the database for nobody.
STALL_SECONDS = 120.0
CLIENT_CLOSED_REQUEST = 499  # nobody reads it; it is for the log
MAX_WARNING_BYTES = 4_096


class AnswerBroken(Exception):
    """Raised into the server, which then closes the connection without a proper end."""


class Delivery:
    """A query under way to one client. All but `cancel` belong to the event loop."""

    def __init__(self, query: Query, form: Format, receive: Receive) -> None:
        self.query = query
        self.form = form
        self.client_left = False
        self._handover = Handover(asyncio.get_running_loop())
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Stop the statement and break the answer off; from any thread, harmless at any time."""
        self.query.cancel()
        self._handover.abandon()

    async def start(self) -> tuple[list[bytes], bool]:
        """Run the query until its first piece is there; see `Handover.take`.

        Raises `DatabaseFailure`, `Unavailable`, and `Abandoned` when the client left.
        """
        RUNNING.enter(self, self.query.house)
        try:
            produced = self.query.house.reading.submit(self._produce)
        except RuntimeError:
            RUNNING.leave(self)
            raise _stopping() from None
        produced.add_done_callback(self._never_begun)
        self._watcher = asyncio.create_task(self._watch())
        try:
            return await self._handover.take()
        except BaseException as error:
            self.finish()
            self.cancel()
            if isinstance(error, Abandoned) and not self.client_left:
                raise _stopping() from None
            raise

    async def take(self) -> tuple[list[bytes], bool]:
        """The next pieces; see `Handover.take`."""
        return await self._handover.take()

    def finish(self) -> None:
        """The client's leaving matters no more. Comes before the last piece is sent: the server
        reports a finished answer as a client that left."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        self.cancel()

    def _produce(self) -> None:
        """Read, encode and hand over; runs in a thread."""
        try:
            with self.query.rows() as rows:
                for piece in encode(rows.schema, rows.batches, self.form):
                    self.query.tally.bytes += len(piece)
                    self._handover.put(piece)
                self._handover.end()
        except BaseException as error:  # noqa: BLE001 - the taker raises it
            self._handover.end(error)
        finally:
            RUNNING.leave(self)

    def _never_begun(self, produced: Future[None]) -> None:
        if produced.cancelled():
            RUNNING.leave(self)
            self._handover.end(_stopping())


class StreamedAnswer(Response):
    """An answer whose first pieces are there. Raises `AnswerBroken` when the rest fails."""

    def __init__(
        self, delivery: Delivery, first: tuple[list[bytes], bool], warnings: Iterable[str]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.media_type = None
        self._delivery = delivery
        self._first = first
        headers = {"Content-Type": delivery.form.media_type}
        told = [*warnings, *delivery.query.notices]
        if told:
            headers["X-Dragoman-Warnings"] = warnings_header(told)
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then the pieces as they come."""
        try:
            await self._send(send)
        except Abandoned:
            if not self._delivery.client_left:
                self._break("stopped")
        except DatabaseFailure as failure:
            self._break(failure.cause.value)
        except TimeoutError:
            self._break("client takes nothing")
        except Exception as error:  # noqa: BLE001 - whatever it was, the answer is no whole one
            self._break(type(error).__name__)
        finally:
            # Everything was handed over, or nobody wants it: harmless in the first case.
            self._delivery.finish()
            self._delivery.cancel()

    async def _send(self, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        pieces, ended = self._first
        while True:
            for part in itertools.chain.from_iterable(map(parts, pieces)):
                await self._send_part(send, part, last=False)
            if ended:
                break
            pieces, ended = await self._delivery.take()
        await self._send_part(send, b"", last=True)

    async def _send_part(self, send: Send, part: bytes, *, last: bool) -> None:
        if last:
            self._delivery.finish()
        async with asyncio.timeout(STALL_SECONDS):
            await send({"type": "http.response.body", "body": part, "more_body": not last})

    def _break(self, reason: str) -> None:
        """Leave without an end; the texts of databases stay out, they may quote data."""
        query = self._delivery.query
        log.warning(
            "answer broken off",
            reason=reason,
            connection_id=query.destination.connection_id,
            dialect=query.dialect,
            request_id=query.request_id,
        )
        raise AnswerBroken(f"the answer broke off: {reason}") from None


def warnings_header(warnings: Iterable[str]) -> str:
    """The value of `X-Dragoman-Warnings`: a JSON array of sentences in ASCII, at most 4 KB."""
    kept: list[str] = []
    for warning in dict.fromkeys(warnings):
        if len(json.dumps([*kept, warning])) > MAX_WARNING_BYTES:
            break
        kept.append(warning)
    return json.dumps(kept)


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping.", headers={"Retry-After": "5"})
