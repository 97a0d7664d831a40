"""A session of a Databricks SQL warehouse."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import pool_manager
from dragoman.dialects.adapters.databricks import catalog, errors, metric_views
from dragoman.dialects.adapters.databricks.service import client, types
from dragoman.dialects.adapters.databricks.statement import Statement
from dragoman.dialects.adapters.databricks.token import Tokens
from dragoman.dialects.adapters.databricks.transport import Messages, TlsDoor, Web
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.semantic_objects import SemanticObject
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out
from dragoman.dialects.tags import Tags

# The service answers within seconds, done or not; this long is a service in trouble.
_ANSWER_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 5.0
_MOST_SECONDS: Final = 172_800
_DURING_QUERY = frozenset({Stage.DNS, Stage.TCP, Stage.TLS})


class DatabricksSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("databricks", options)
        self._target = target
        self._door = TlsDoor(target, network, options.connect_seconds)
        self._manager = pool_manager(self._door)
        web = Web(self._manager, target.host)
        self._tokens = Tokens(target, web, options.connect_seconds)
        self._messages = self._new_messages(web)
        self._client = client(self._messages)
        self._canceller = client(self._new_messages(web))
        self._statement: Statement | None = None
        self._over = threading.Event()
        self._handle: Any = None
        try:
            self._sign_in()
        except Exception:
            self.close()
            raise
        self._messages.seconds = _ANSWER_SECONDS

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return [str(row[0]) for row in self._guarded(catalog.schemas(self._target.database))]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        # The service lists only tables on which this user has some privilege.
        return int(self._guarded(catalog.count(self._target.database, schemas))[0][0])

    def reset(self) -> None:
        """A new session: the service has no way to forget one's settings."""
        self._end_previous()
        self._close_session()
        try:
            self._handle = self._opened(self._target.text("defaultSchema"))
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception), self._door.at_most(self._options.connect_seconds):
            self._close_session()
        with contextlib.suppress(Exception):
            self._manager.clear()
        self._door.hang_up()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._watch(attempt)
        statement = self._statement = self._new_statement(attempt)
        schema = statement.begin(sql)
        notices.extend(self.notices)
        return schema, statement.batches()

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._watch(attempt)
        tags = self._tags(wanted, attempt)
        statement = self._statement = self._new_statement(attempt)
        statement.begin(catalog.statement(self._target.database, wanted))
        tables = catalog.tables(_rows(statement), self._target.database, wanted)
        yield from map(tags.put_on, tables)

    def _tags(self, wanted: CatalogFilter, attempt: Attempt) -> Tags:
        """None, and a notice, where the service would not tell them."""
        sql = catalog.tags(self._target.database, wanted)
        statement = self._statement = self._new_statement(attempt)
        try:
            statement.begin(sql)
            found = Tags(_rows(statement))
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            failure = self._failure(error, attempt)
            if not failure.refuses:
                raise failure from None
            self.notices.append(f"Tags could not be read: {failure.message}")
            found = Tags()
        statement.close()
        return found

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        """See `Session.semantic_objects`."""
        database = self._target.database
        found: list[SemanticObject] = []
        for schema, name, comment, written in self._guarded(catalog.metric_views(database, wanted)):
            if not wanted.wants(schema, database):
                continue
            made = metric_views.metric_view(database, schema, name, comment or None, written)
            if made is None:
                self.notices.append(f"The metric view {schema}.{name} cannot be read as YAML.")
            else:
                found.append(made)
        return found

    def _stop(self) -> None:
        if (statement := self._statement) is not None:
            statement.cancel()

    def _end(self, *, exhausted: bool) -> None:
        self._over.set()
        statement, self._statement = self._statement, None
        if statement is not None and not self.broken:
            statement.close()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _failure(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        """A workspace that cannot be dialled any more, in the middle of a session, is lost."""
        if isinstance(error, DatabaseFailure) and error.stage in _DURING_QUERY:
            error = ConnectionError()
        failure = super()._failure(error, attempt)
        self.broken = self.broken or failure.cause is Cause.CONNECTION_LOST
        return failure

    def _watch(self, attempt: Attempt) -> None:
        """Our own clock: the service's knows whole seconds, and a queue is not in them."""
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._options.timeout_seconds):
                return
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._door.hang_up()

        threading.Thread(target=watch, name="databricks-timer", daemon=True).start()

    def _sign_in(self) -> None:
        with self._door.at_most(2 * self._options.connect_seconds) as late:
            try:
                self._handle = self._opened(self._target.text("defaultSchema"))
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                if late.is_set():
                    raise _too_slow() from None
                raise errors.connect_failure(error, self._target.secrets) from None

    def _opened(self, schema: str) -> Any:
        try:
            return self._open_session(schema)
        except errors.Failed as error:
            if not schema or "SCHEMA_NOT_FOUND" not in error.message:
                raise
        # For the diagnosis to say, not a reason to fail.
        notice = f"There is no schema {schema} to be the default."
        if notice not in self.notices:
            self.notices.append(notice)
        return self._open_session("")

    def _open_session(self, schema: str) -> Any:
        t = types()
        request = t.TOpenSessionReq(
            client_protocol_i64=t.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7,
            client_protocol=None,
            initialNamespace=t.TNamespace(self._target.database, schema or None),
            canUseMultipleCatalogs=True,
            configuration={
                "STATEMENT_TIMEOUT": str(_limit(self._options.timeout_seconds)),
                "TIMEZONE": self._options.timezone or "UTC",
                "spark.thriftserver.arrowBasedRowSet.timestampAsString": "false",
            },
        )
        return errors.checked(self._client.OpenSession(request)).sessionHandle

    def _close_session(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(Exception):
                self._client.CloseSession(types().TCloseSessionReq(sessionHandle=handle))

    def _new_messages(self, web: Web) -> Messages:
        path, seconds = self._target.text("warehouse"), self._options.connect_seconds
        return Messages(web, path, self._tokens.authorization, seconds)

    def _new_statement(self, attempt: Attempt | None) -> Statement:
        return Statement(self._client, self._canceller, self._handle, attempt)

    def _guarded(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement of ours, its few rows read at once."""
        self._end_previous()
        statement = self._new_statement(None)
        try:
            statement.begin(sql)
            rows = list(_rows(statement))
            statement.close()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None
        return rows


def _rows(statement: Statement) -> Iterator[tuple[Any, ...]]:
    for batch in statement.batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _limit(seconds: float) -> int:
    """The service takes whole seconds up to two days; 0 is not a limit of zero seconds."""
    return min(max(1, math.ceil(seconds)), _MOST_SECONDS)


def _too_slow() -> DatabaseFailure:
    message = "The workspace did not finish its answer in time."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.TIMEOUT, message)
