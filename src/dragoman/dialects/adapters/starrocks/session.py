"""A session of StarRocks over MySQL's protocol.

Different from MySQL: the time limit is `query_timeout`, there is no read-only transaction, and most
errors share one number and differ in their text.

Sources: StarRocks documentation, "System variables" and "KILL"; its file ErrorCode.java.
"""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from dragoman.dialects import arrow_rows, mysql_connect
from dragoman.dialects.adapters.starrocks import catalog
from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.arrow_rows import Column, decimal_type, parsed, values
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.mysql_session import MySQLSession, close_cursor
from dragoman.dialects.mysql_types import Types
from dragoman.dialects.network import Address, Network, TlsPolicy
from dragoman.dialects.streaming import Attempt, timed_out

# The driver gives up this long after the server should have stopped the statement.
_GRACE_SECONDS: Final = 15.0
_UNKNOWN_DATABASE: Final = frozenset({"1049", "5501"})
_TEXTS: Final = (
    (
        Cause.QUERY_TIMEOUT,
        re.compile(r"query_timeout|exceeded time limit|reached its timeout", re.I),
    ),
    (Cause.PERMISSION_DENIED, re.compile(r"access denied", re.I)),
    (Cause.CANCELLED, re.compile(r"cancelled|query was killed", re.I)),
    (
        Cause.OBJECT_NOT_FOUND,
        re.compile(
            r"cannot be resolved|unknown (table|database|catalog|column)|no matching function", re.I
        ),
    ),
    (Cause.SYNTAX_ERROR, re.compile(r"syntax error", re.I)),
)
_TEXT_CODES: Final = frozenset({253, 254})
_DECIMAL_CODES: Final = frozenset({0, 246})


class StarRocksTypes(Types):
    """MySQL's types, and what this server announces otherwise."""

    def column(self, field: Any) -> Column:
        """LARGEINT and nested values come as text that says it is binary; lengths say little."""
        code = int(field.type_code)
        if code in _TEXT_CODES:
            return values(str(field.name), pyarrow().string())
        if code in _DECIMAL_CODES:
            scale = int(field.scale)
            kind = decimal_type(38 if scale <= 38 else 76, scale)
            return parsed(str(field.name), kind)
        return super().column(field)


class SameServer:
    """The network, but a name that stands for several servers leads to the one already met."""

    def __init__(self, network: Network, ip: str) -> None:
        self._network = network
        self._ip = ip

    @property
    def tls(self) -> TlsPolicy:
        """See `Network.tls`."""
        return self._network.tls

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See `Network.resolve`."""
        return self._network.resolve(host, port)

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        """See `Network.connect`. TLS still verifies the name."""
        if self._ip not in [address.ip for address in self.resolve(host, port)]:
            return self._network.connect(host, port, timeout)
        sock, address = self._network.connect(self._ip, port, timeout)
        return sock, replace(address, host=host)


class StarRocksSession(MySQLSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__(target, network, options)
        self._sqlglot = "starrocks"

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        rows = self._guarded(
            f"SELECT schema_name FROM information_schema.schemata"  # noqa: S608 - a constant
            f" WHERE schema_name NOT IN {catalog.SYSTEM} ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        chosen = f"table_schema NOT IN {catalog.SYSTEM}"
        if schemas:
            chosen = f"table_schema IN ({', '.join(['%s'] * len(schemas))})"
        # The server lists only tables on which this user has some privilege.
        rows = self._guarded(
            f"SELECT count(*) FROM information_schema.tables WHERE {chosen}",  # noqa: S608 - bound
            schemas,
        )
        return int(rows[0][0])

    def reset(self) -> None:
        """Set the settings anew: no statement that a user may run leaves anything else behind."""
        self._end_previous()
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        cursor = self._started(sql)
        notices.extend(self.notices)
        types = StarRocksTypes(self._timezone, notices)
        columns = [types.column(field) for field in cursor._result.fields]
        rows = arrow_rows.batches(cursor.fetchmany, columns, arrow_rows.FIRST_ROWS)
        return arrow_rows.schema_of(columns), rows

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        cursor = self._started(*catalog.statement(wanted))
        yield from catalog.tables(cursor.fetchall_unbuffered(), wanted)

    def _started(self, sql: str, given: list[str] | None = None) -> Any:
        from pymysql.cursors import SSCursor

        cursor = self._cursor = self._connection.cursor(SSCursor)
        cursor.execute(sql, given or None)
        return cursor

    def _stop(self) -> None:
        """On the frontend that runs the statement: its number means nothing to another."""
        network = SameServer(self._network, self._peer)
        killer = mysql_connect.sign_in(self._target, network, self._options, None)
        try:
            killer.query(f"KILL QUERY {self._id}")
        finally:
            killer.close()

    def _end(self, *, exhausted: bool) -> None:
        """No transaction to end; otherwise as in MySQL."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            if not exhausted and self._unread(cursor):
                self._stop()
            close_cursor(cursor)
        if not self._connection.open:
            self.broken = True

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = super()._translate(error, attempt)
        if failure.cause is Cause.CONNECTION_LOST or failure.code is None:
            return failure
        cause = next((c for c, text in _TEXTS if text.search(failure.message)), failure.cause)
        if cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return DatabaseFailure(failure.stage, cause, failure.message, failure.fix, failure.code)

    def _sign_in(self) -> Any:
        try:
            return self._dial(self._database)
        except DatabaseFailure as failure:
            missing = failure.cause in {Cause.DATABASE_NOT_FOUND, Cause.PERMISSION_DENIED}
            if not missing or self._database == self._target.database:
                raise
        # The default schema is not there: that is for the diagnosis to say, not a reason to fail.
        self.notices.append(f"There is no schema {self._database} to be the default.")
        self._database = self._target.database
        return self._dial(self._database)

    def _dial(self, database: str | None) -> Any:
        try:
            connection = super()._dial(database)
        except DatabaseFailure as failure:
            if failure.code not in _UNKNOWN_DATABASE:
                raise
            raise DatabaseFailure(
                Stage.DATABASE,
                Cause.DATABASE_NOT_FOUND,
                failure.message,
                "Check the name of the database.",
                failure.code,
            ) from None
        self._peer = str(connection._sock.getpeername()[0])
        return connection

    def _prepare(self) -> None:
        """Settings of the session; set again at each reset."""
        limit = self._options.timeout_seconds
        self._connection._read_timeout = limit + _GRACE_SECONDS
        self._ask(f"SET query_timeout = {max(1, math.ceil(limit))}")
        self._set_time_zone(self._options.timezone or "UTC")
