"""A session of Trino: requests over kept connections, each statement in a read-only transaction.

HTTP keeps no state between requests: user, catalog, time zone and limits travel with each.
"""

from __future__ import annotations

import contextlib
import threading
import zoneinfo
from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.adapters.trino import catalog, errors
from dragoman.dialects.adapters.trino.statement import Statement, ask, begin_read_only, roll_back
from dragoman.dialects.adapters.trino.transport import CheckedDoor, http_session
from dragoman.dialects.adapters.trino.types import Types
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns
from dragoman.dialects.network import Network
from dragoman.dialects.sql.trino import FUNCTIONS
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# The server answers within a second, rows or not; this long is a coordinator in trouble.
_ANSWER_SECONDS: Final = 30.0
# How long the server may take to stop a statement before we hang up.
_GRACE_SECONDS: Final = 5.0
_LIMIT = "query_max_run_time"
_DURING_QUERY = frozenset({Stage.DNS, Stage.TCP, Stage.TLS})


class TrinoSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("trino", options)
        self._target = target
        self._door = CheckedDoor(target, network, options.connect_seconds)
        self._http = http_session(target, self._door)
        self._timezone = options.timezone or "UTC"
        if not _known_here(self._timezone):
            self._use_utc()
        self._properties = {_LIMIT: f"{max(1, round(options.timeout_seconds * 1000))}ms"}
        self._statement: Statement | None = None
        self._over = threading.Event()
        self._request = self._new_request(options.connect_seconds)
        try:
            self._sign_in()
        except Exception:
            self.close()
            raise
        self._request = self._new_request(_ANSWER_SECONDS)

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        rows = self._guarded(
            f"SELECT schema_name FROM {self._information}.schemata"  # noqa: S608 - quoted
            " WHERE schema_name <> 'information_schema' ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        chosen = "table_schema <> 'information_schema'"
        if schemas:
            chosen = f"table_schema IN ({', '.join(map(FUNCTIONS.string, schemas))})"
        # The server lists only tables on which this user has some privilege.
        rows = self._guarded(
            f"SELECT count(*) FROM {self._information}.tables WHERE {chosen}"  # noqa: S608 - quoted
        )
        return int(rows[0][0])

    def reset(self) -> None:
        """Forget whatever the server may have put into the headers."""
        self._end_previous()
        self._request = self._new_request(_ANSWER_SECONDS)

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception):
            self._http.close()
        self._door.hang_up()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._watch(attempt)
        if self._options.read_only:
            begin_read_only(self._request, attempt)
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        statement = self._statement = Statement(self._request, attempt)
        statement.begin(sql)
        notices.extend(self.notices)
        types = Types(self._timezone, notices)
        columns = [types.column(described) for described in statement.columns or ()]
        return arrow_rows.schema_of(columns), self._batches(statement, columns)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._watch(attempt)
        statement = self._statement = Statement(self._request, attempt)
        statement.begin(catalog.statement(self._modelled(), wanted))
        yield from catalog.tables((row for page in statement.pages() for row in page), wanted)

    def _modelled(self) -> list[str]:
        """The default catalog, and the others that the settings name."""
        own = self._target.database.lower()
        others = self._target.text("includeOtherCatalogs")
        if not others.strip():
            return [own]
        chosen = compile_patterns(others, qualified=False)
        found = (str(row[0]) for row in ask(self._request, "SHOW CATALOGS", self._limit))
        return [own, *(name for name in found if name != own and chosen.matches(name))]

    @staticmethod
    def _batches(
        statement: Statement, columns: Sequence[arrow_rows.Column]
    ) -> Iterator[RecordBatch]:
        """Each page as soon as it is there."""
        for page in statement.pages():
            at = 0

            def fetch(size: int, page: Sequence[Any] = page) -> Sequence[Any]:
                nonlocal at
                at += size
                return page[at - size : at]

            yield from arrow_rows.batches(fetch, columns)

    def _stop(self) -> None:
        if (statement := self._statement) is not None:
            with self._door.at_most(_GRACE_SECONDS):
                statement.cancel()

    def _end(self, *, exhausted: bool) -> None:
        self._over.set()
        statement, self._statement = self._statement, None
        # If either fails the session is not used again, and the server ends the transaction.
        with self._door.at_most(_GRACE_SECONDS):
            if statement is not None and not exhausted:
                statement.cancel()
            roll_back(self._request, _GRACE_SECONDS)

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _failure(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        """A coordinator that cannot be dialled any more, in the middle of a session, is lost."""
        if isinstance(error, DatabaseFailure) and error.stage in _DURING_QUERY:
            error = errors.lost()
        return super()._failure(error, attempt)

    def _watch(self, attempt: Attempt) -> None:
        """Our own timer, since the server looks at its limits once in a while only."""
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._limit):
                return
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._door.hang_up()

        threading.Thread(target=watch, name="trino-timer", daemon=True).start()

    def _sign_in(self) -> None:
        """Ask for the catalogs: the cheapest question that shows who is let in, and to what."""
        with self._door.at_most(2 * self._options.connect_seconds) as late:
            try:
                found = [str(row[0]) for row in self._catalogs()]
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                if late.is_set():
                    raise _too_slow() from None
                raise errors.connect_failure(error, self._target.secrets) from None
        if self._target.database.lower() not in found:
            raise _no_catalog(self._target.database, found)

    def _catalogs(self) -> list[Sequence[Any]]:
        """Without the settings that this server or this user's rights refuse, with a notice."""
        while True:
            try:
                return ask(self._request, "SHOW CATALOGS", 2 * self._options.connect_seconds)
            except Exception as error:
                said = str(getattr(error, "message", ""))
                if "ime zone" in said and self._timezone != "UTC":
                    self._use_utc()
                elif _LIMIT in said and self._properties:
                    self._note("This user may set no time limit; statements are stopped from here.")
                    self._properties = {}
                else:
                    raise
            self._request = self._new_request(self._options.connect_seconds)

    def _use_utc(self) -> None:
        self._note(f"The time zone {self._timezone} is not known; UTC is used.")
        self._timezone = "UTC"

    def _note(self, notice: str) -> None:
        self.notices.append(notice)

    def _new_request(self, seconds: float) -> Any:
        """`seconds`: how long an answer may take."""
        from trino.client import ClientSession, TrinoRequest

        session = ClientSession(
            user=self._target.username,
            catalog=self._target.database.lower(),
            schema=self._target.text("defaultSchema") or None,  # pyright: ignore[reportArgumentType]
            source="dragoman",
            properties=dict(self._properties),
            timezone=self._timezone,
        )
        return TrinoRequest(
            host=self._target.host,
            port=self._target.port,
            client_session=session,
            http_session=self._http,
            http_scheme="http",  # the door encrypts
            auth=None,
            request_timeout=seconds,
        )

    @property
    def _limit(self) -> float:
        return self._options.timeout_seconds

    @property
    def _information(self) -> str:
        quoted = self._target.database.lower().replace('"', '""')
        return f'"{quoted}".information_schema'

    def _guarded(self, sql: str) -> list[Sequence[Any]]:
        """A statement of ours, its few rows read at once."""
        self._end_previous()
        try:
            return ask(self._request, sql, self._limit)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None


def _known_here(zone: str) -> bool:
    """The client refuses zones that Python does not know."""
    try:
        zoneinfo.ZoneInfo(zone)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
        return False
    return True


def _too_slow() -> DatabaseFailure:
    said = "The server did not finish its answer in time."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.TIMEOUT, said)


def _no_catalog(name: str, found: list[str]) -> DatabaseFailure:
    shown = ", ".join(found[:10]) or "none"
    return DatabaseFailure(
        Stage.DATABASE,
        Cause.DATABASE_NOT_FOUND,
        f"There is no catalog {name}, or this user may not see it.",
        f"Catalogs within reach: {shown}{', …' if len(found) > 10 else ''}.",
    )
