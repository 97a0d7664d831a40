"""A session of MySQL or MariaDB: rows streamed by pymysql, turned to Arrow batch by batch."""

from __future__ import annotations

import contextlib
import zoneinfo
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from dragoman.dialects import arrow_rows, mysql_catalog, mysql_connect, mysql_errors
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.mysql_types import Types
from dragoman.dialects.network import Network
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# The driver gives up this long after the server should have stopped the statement.
_GRACE_SECONDS: Final = 15.0
_RESET_CONNECTION: Final = 0x1F
_GROUP_CONCAT_BYTES: Final = 1 << 30
_NO_LIMIT: Final = (1 << 64) - 1
# Modes that change where a text ends: what is checked and written here is read by the usual rules.
# The last ones are names for several modes, these among them.
_LEXICAL_MODES: Final = frozenset(
    {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"}
)
_NOT_SYSTEM = "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"


class MySQLSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("mysql", options)
        self._target = target
        self._network = network
        self._cursor: Any = None
        self._timezone = "UTC"
        self._database = target.text("defaultSchema") or target.database
        self._connection = self._sign_in()
        try:
            self._prepare()
            self._id = int(self._ask("SELECT CONNECTION_ID()")[0][0])
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.close()
            raise self._failure(error, None) from None

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        rows = self._guarded(
            f"SELECT schema_name FROM information_schema.schemata"  # noqa: S608 - a constant
            f" WHERE schema_name {_NOT_SYSTEM} ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        chosen = f"table_schema {_NOT_SYSTEM}"
        if schemas:
            chosen = f"table_schema IN ({', '.join(['%s'] * len(schemas))})"
        # The server lists only tables on which this user has some privilege.
        rows = self._guarded(
            f"SELECT count(*) FROM information_schema.tables WHERE {chosen}",  # noqa: S608 - bound
            schemas,
        )
        return int(rows[0][0])

    def reset(self) -> None:
        """Forget variables, temporary tables and locks (COM_RESET_CONNECTION)."""
        self._end_previous()
        try:
            self._connection._execute_command(_RESET_CONNECTION, b"")
            self._connection._read_ok_packet()
            self._connection.set_character_set("utf8mb4")
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception):
            self._connection.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        from pymysql.cursors import SSCursor

        mode = " READ ONLY" if self._options.read_only else ""
        self._ask(f"START TRANSACTION{mode}")
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        cursor = self._cursor = self._connection.cursor(SSCursor)
        cursor.execute(sql)
        notices.extend(self.notices)
        types = Types(self._timezone, notices)
        columns = [types.column(field) for field in cursor._result.fields]
        rows = arrow_rows.batches(cursor.fetchmany, columns, arrow_rows.FIRST_ROWS)
        return arrow_rows.schema_of(columns), rows

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        from pymysql.cursors import SSCursor

        folds = str(self._ask(mysql_catalog.FOLDING)[0][0]) != "0"
        server = mysql_catalog.Server(self._connection.get_server_info(), folds)
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        cursor = self._cursor = self._connection.cursor(SSCursor)
        cursor.execute(*mysql_catalog.statement(wanted, server))
        yield from mysql_catalog.tables(cursor.fetchall_unbuffered(), wanted, server)

    def _stop(self) -> None:
        killer = self._dial(None)
        try:
            killer.query(f"KILL QUERY {self._id}")
        finally:
            killer.close()

    def _end(self, *, exhausted: bool) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            if not exhausted and self._unread(cursor):
                # Otherwise closing reads the rest of the rows, however many there are.
                self._stop()
            close_cursor(cursor)
        if self._connection.open:
            self._ask("ROLLBACK")
        else:
            self.broken = True

    @staticmethod
    def _unread(cursor: Any) -> bool:
        return bool(getattr(cursor._result, "unbuffered_active", False))

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = mysql_errors.query_failure(error, self._target.secrets)
        if mysql_errors.is_time_out(failure):
            return timed_out(self._options.timeout_seconds)
        if isinstance(error, RuntimeError):
            # What the server sent is unread: nothing on this connection can be trusted.
            self._connection._force_close()
        return failure

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
        """Each sign-in asks as whom: a minted password of the first may be over."""
        self._target = self._target.current()
        return mysql_connect.sign_in(self._target, self._network, self._options, database)

    def _prepare(self) -> None:
        """Settings of the session; set again after each reset."""
        limit = self._options.timeout_seconds
        self._connection._read_timeout = limit + _GRACE_SECONDS
        if self._options.read_only:
            self._ask("SET SESSION TRANSACTION READ ONLY")
        version, modes = map(str, self._ask("SELECT VERSION(), @@sql_mode")[0])
        if "mariadb" in version.lower():
            self._ask(f"SET SESSION max_statement_time = {limit:.6f}")
        else:
            self._ask(f"SET SESSION max_execution_time = {max(1, round(limit * 1000))}")
        # A reader that takes its time must not lose the connection after the default of a minute.
        wait = f"net_write_timeout = {max(60, round(limit))}"
        # MySQL cuts what GROUP_CONCAT gives after 1,024 bytes, with no more than a warning.
        # A limit of rows that a server sets cuts answers without a word.
        whole = f"group_concat_max_len = {_GROUP_CONCAT_BYTES}, sql_select_limit = {_NO_LIMIT}"
        kept = ",".join(mode for mode in modes.split(",") if mode not in _LEXICAL_MODES)
        self._ask(f"SET SESSION {wait}, {whole}, sql_mode = %s", [kept])
        self._set_time_zone(self._options.timezone or "UTC")

    def _set_time_zone(self, zone: str) -> None:
        if zone == "UTC":
            self._ask("SET time_zone = '+00:00'")
            return
        try:
            self._ask("SET time_zone = %s", [zone])
            self._timezone = zone
        except Exception as error:
            if mysql_errors.number(error) != mysql_errors.UNKNOWN_TIME_ZONE:
                raise
            self._set_offset(zone)

    def _set_offset(self, zone: str) -> None:
        """The server knows no zones by name, as when freshly installed."""
        offset = f"{datetime.now(zoneinfo.ZoneInfo(zone)):%z}"
        self._timezone = f"{offset[:3]}:{offset[3:5]}"
        self._ask(f"SET time_zone = '{self._timezone}'")
        notice = (
            f"The server does not know the time zone {zone}; its offset of today, "
            f"{self._timezone}, is used (load the zone tables: mysql_tzinfo_to_sql)."
        )
        if notice not in self.notices:
            self.notices.append(notice)

    def _guarded(self, sql: str, values: list[str] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self._ask(sql, values)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def _ask(self, sql: str, values: list[str] | None = None) -> list[tuple[Any, ...]]:
        """A statement of ours, its few rows read at once."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())


def close_cursor(cursor: Any) -> None:
    """Close a cursor of pymysql; on a connection that is gone nothing of it goes on reading."""
    result = cursor._result
    try:
        cursor.close()
    except Exception:  # noqa: BLE001 - the connection's own end says that it is gone
        if result is not None:
            result.unbuffered_active = False  # otherwise its destructor reads on
