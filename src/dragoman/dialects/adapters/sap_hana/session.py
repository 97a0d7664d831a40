"""A session of SAP HANA: each statement in a read-only transaction of its own.

The driver is told not to spread over the hosts of a system, and sees a port of this machine only.
Source: SAP, "SAP HANA Client Interface Programming Reference", Python.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.adapters.local_tunnel import LOCAL, LocalTunnel, dial
from dragoman.dialects.adapters.sap_hana import catalog, errors
from dragoman.dialects.adapters.sap_hana.types import column
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

TLS_SECONDS: Final = 2.0
_GRACE_SECONDS: Final = 5.0


class SapHanaSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__(None, options)
        self._target = target
        self._cursor: Any = None
        self._over = threading.Event()
        verify = not target.settings.get("trustServerCertificate")
        seconds = options.connect_seconds
        server = dial(target, network, seconds, TLS_SECONDS, verify)
        self._tunnel = LocalTunnel(server, seconds, lambda _: True)
        timer = threading.Timer(seconds, self._tunnel.close)
        timer.start()
        try:
            self._connection = self._sign_in()
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self._tunnel.close()
            raise self._failure(error, None) from None
        finally:
            timer.cancel()
        if options.timezone not in (None, "UTC"):
            self.notices.append("SAP HANA has no time zone of a session: use UTCTOLOCAL.")

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1 FROM DUMMY")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return [str(row[0]) for row in self._guarded(catalog.SCHEMAS)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        # The views show only what this user has a privilege on.
        return int(self._guarded(catalog.count(schemas))[0][0])

    def reset(self) -> None:
        """Undo the open transaction and set the session's settings again."""
        self._end_previous()
        try:
            self._connection.rollback()
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        timer = threading.Timer(_GRACE_SECONDS, self._tunnel.close)
        timer.start()
        with contextlib.suppress(Exception):
            self._connection.close()
        timer.cancel()
        self._tunnel.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        cursor = self._start(sql, attempt)
        notices.extend(self.notices)
        columns = [column(described) for described in cursor.description]
        rows = arrow_rows.batches(cursor.fetchmany, columns, arrow_rows.FIRST_ROWS)
        return arrow_rows.schema_of(columns), rows

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        cursor = self._start(catalog.statement(wanted), attempt)
        yield from catalog.tables(_rows(cursor), wanted)

    def _start(self, sql: str, attempt: Attempt) -> Any:
        self._watch(attempt)
        if self._options.read_only:
            self._ask("SET TRANSACTION READ ONLY")
        cursor = self._cursor = self._connection.cursor()
        cursor.execute(sql)
        return cursor

    def _stop(self) -> None:
        self._connection.cancel()

    def _end(self, *, exhausted: bool) -> None:
        cursor, self._cursor = self._cursor, None
        try:
            if cursor is not None:
                cursor.close()
            self._connection.rollback()
        finally:
            self._over.set()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _watch(self, attempt: Attempt) -> None:
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._options.timeout_seconds):
                return
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._tunnel.close()

        threading.Thread(target=watch, name="hana-timer", daemon=True).start()

    def _sign_in(self) -> Any:
        dbapi: Any = importlib.import_module("hdbcli.dbapi")
        try:
            return dbapi.connect(
                address=LOCAL,
                port=self._tunnel.port,
                user=self._target.username,
                password=self._target.password.reveal(),
                # The tunnel encrypts; what is plain stays inside this machine.
                encrypt=False,
                autocommit=False,
                distribution="OFF",
                reconnect=False,
                connectTimeout=round(self._options.connect_seconds * 1000),
            )
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise errors.connect_failure(error, self._target.secrets) from None

    def _prepare(self) -> None:
        if wanted := self._target.database:
            found = str(self._ask("SELECT DATABASE_NAME FROM SYS.M_DATABASE")[0][0])
            if found.upper() != wanted.upper():
                raise DatabaseFailure(
                    Stage.DATABASE,
                    Cause.DATABASE_NOT_FOUND,
                    f"On this port is the database {found}, not {wanted}.",
                    "Give the SQL port of the tenant (SYS_DATABASES.M_SERVICES names it).",
                )
        if schema := self._target.text("defaultSchema"):
            self._set_schema(schema)

    def _set_schema(self, schema: str) -> None:
        quoted = '"' + schema.replace('"', '""') + '"'
        try:
            self._ask(f"SET SCHEMA {quoted}")
        except Exception as error:
            if errors.query_failure(error, {}).cause is Cause.CONNECTION_LOST:
                raise
            # For the diagnosis to say, not a reason to fail.
            self.notices.append(f"There is no schema {schema} to be the default.")

    def _guarded(self, sql: str) -> list[Any]:
        self._end_previous()
        try:
            return self._ask(sql)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def _ask(self, sql: str) -> list[Any]:
        """A statement of ours, its few rows read at once."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()


def _rows(cursor: Any) -> Iterator[Any]:
    while rows := cursor.fetchmany(arrow_rows.BATCH_ROWS):
        yield from rows
