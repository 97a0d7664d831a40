"""A Redshift session: psycopg, with the rows fetched from a cursor that the server keeps.

Why psycopg: Amazon's own driver gathers the whole answer before the first row, and ADBC's
PostgreSQL driver dropped Redshift, which has no binary COPY. Why DECLARE and FETCH as statements of
our own: Redshift refuses to prepare DECLARE, and psycopg's named cursor describes it as a portal.
Such statements go by the simple protocol, which would take several statements in one text. So a
text must be a single one both by Redshift's rules of quoting and by PostgreSQL's.

Each statement runs in a read-only transaction that is rolled back. There is no DISCARD in Redshift.
Sources: Amazon Redshift Database Developer Guide, "BEGIN", "DECLARE", "FETCH", "SET".
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects import postgres_connect, postgres_errors
from dragoman.dialects.adapters.redshift import catalog
from dragoman.dialects.adapters.redshift.types import FETCH_ROWS, Answer, keep_texts
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.sql.redshift import FUNCTIONS
from dragoman.dialects.statements import first_keyword
from dragoman.dialects.streaming import Attempt, StreamingSession, cancelled, timed_out

if TYPE_CHECKING:
    import psycopg

    from dragoman.dialects.postgres import PostgresWire

_CURSOR: Final = "dragoman"
_DECLARED: Final = frozenset({"SELECT", "WITH"})
_CANCEL_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 0.4  # how long after the server's own time limit ours acts


def open_session(
    dialect: PostgresWire, target: Target, network: Network, options: SessionOptions
) -> Session:
    """Dial and sign in. Raises `DatabaseFailure`."""
    values, address = postgres_connect.parameters(
        target, network, options, plaintext_allowed=dialect.plaintext_allowed
    )
    target = target.current()
    try:
        return RedshiftSession(postgres_connect.conninfo(values, target), target, options)
    except DatabaseFailure as failure:
        if failure.stage is Stage.TLS:
            # libpq's words are terse: a probe of our own finds better ones, or nothing.
            sock, address = network.connect(address.host, address.port, options.connect_seconds)
            with sock:
                dialect.starttls(sock, address, target, network.tls)
        raise


class RedshiftSession(StreamingSession):
    """See `Session`."""

    def __init__(self, conninfo: str, target: Target, options: SessionOptions) -> None:
        """Sign in and set time limit, time zone and search path for the session."""
        super().__init__("redshift", options)
        self._target = target
        self._timezone = options.timezone or "UTC"
        self._timer: threading.Timer | None = None
        self._stopping = threading.Lock()
        self._connection = self._connect(conninfo)
        try:
            self._set_up()
            self._database = str(self._ask("SELECT current_database()")[0][0])
        except DatabaseFailure:
            self._connection.close()
            raise

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        self._ask("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        return [str(row[0]) for row in self._ask(catalog.SCHEMAS)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        return int(self._ask(catalog.count_statement(self._database, schemas), schemas)[0][0])

    def reset(self) -> None:
        """Set our settings anew. Nothing else outlives the rolled back transactions."""
        self._end_previous()
        try:
            self._set_up()
        except DatabaseFailure:
            self.broken = True
            raise

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception):
            self._connection.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        text = self._checked(sql, "postgres")
        self._start(attempt)
        if first_keyword(text) not in _DECLARED:
            # What no cursor can run (SHOW, EXPLAIN) has few rows.
            answer = Answer(self._execute(text), self._timezone, notices)
            return answer.schema, iter((answer.first,))
        self._command(f"DECLARE {_CURSOR} CURSOR FOR {text}")
        answer = Answer(self._fetch(), self._timezone, notices)
        return answer.schema, self._batches(answer)

    def _batches(self, answer: Answer) -> Iterator[RecordBatch]:
        batch = answer.first
        while batch.num_rows:
            yield batch
            if batch.num_rows < FETCH_ROWS:
                return
            batch = answer.batch(self._fetch())

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        self._start(attempt)
        yield from catalog.tables(self._rows, self._database, wanted)

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """All rows of a statement of ours, by the cursor. It must be read to its end."""
        self._command(f"DECLARE {_CURSOR} CURSOR FOR {sql}")
        while rows := self._fetch().fetchall():
            yield from rows
        self._command(f"CLOSE {_CURSOR}")

    def _start(self, attempt: Attempt) -> None:
        self._command("BEGIN READ ONLY" if self._options.read_only else "BEGIN")
        # The server's limit holds for each FETCH anew, this one for all of them.
        limit = self._options.timeout_seconds + _GRACE_SECONDS
        self._timer = threading.Timer(limit, self._time_out, args=(attempt,))
        self._timer.daemon = True
        self._timer.start()
        if (verdict := attempt.verdict()) is not None:
            raise verdict

    def _time_out(self, attempt: Attempt) -> None:
        if self._attempt is attempt:
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()

    def _stop(self) -> None:
        with self._stopping:
            if self._attempt is not None:
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)

    def _end(self, *, exhausted: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._stopping:  # a cancel on its way must not meet the next statement
            try:
                self._command("ROLLBACK")
            except Exception:
                if self._connection.closed:
                    raise
                self._command("ROLLBACK")  # the cancel met the first one

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = postgres_errors.query_failure(error, self._target.secrets)
        # Redshift's words for both: "Query (123) cancelled on user's request".
        stopped = failure.cause is Cause.CANCELLED or "cancelled on user" in failure.message
        if not stopped or attempt is None:
            return failure
        if "statement timeout" in str(error) or attempt.overdue():
            return timed_out(self._options.timeout_seconds)
        return cancelled()

    def _connect(self, conninfo: str) -> psycopg.Connection[Any]:
        import psycopg

        try:
            connection = psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise postgres_errors.connect_failure(error, self._target.secrets) from None
        keep_texts(connection)
        return connection

    def _set_up(self) -> None:
        milliseconds = max(1, round(self._options.timeout_seconds * 1000))
        self._ask(f"SET statement_timeout TO {milliseconds}")
        self._ask(f"SET timezone TO {FUNCTIONS.string(self._timezone)}")
        self._ask("SET datestyle TO 'ISO, MDY'")
        if schema := self._target.text("defaultSchema"):
            self._ask(f"SET search_path TO {FUNCTIONS.name(schema)}, public")

    def _ask(self, sql: str, parameters: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """A question of ours, under the same limit."""
        try:
            cursor = self._execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def _fetch(self) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._execute(f"FETCH FORWARD {FETCH_ROWS} FROM {_CURSOR}")

    def _command(self, sql: str) -> None:
        self._execute(sql).close()

    def _execute(self, sql: str, parameters: Sequence[str] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        # Bytes: a text that is no literal; psycopg encodes a str in the same way.
        return self._connection.execute(sql.encode(), list(parameters) or None)
