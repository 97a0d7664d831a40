"""A DuckDB session: one locked in-memory instance of its own with the file attached read-only.

Each session has its own instance, because settings (the time zone among them) belong to the
instance and are locked before the first statement of a user runs. Opening one takes about 12 ms.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.dialects import duckdb_catalog, duckdb_types
from dragoman.dialects.arrow import RecordBatch, RecordBatchReader, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.sample import sample_file
from dragoman.dialects.sql.duckdb import FUNCTIONS
from dragoman.dialects.streaming import Attempt, StreamingSession
from dragoman.dialects.texts import tidy

if TYPE_CHECKING:
    import duckdb

SAMPLE = ":memory:"
BATCH_ROWS = 16_384
MEMORY_LIMIT = "1GB"
_THREADS = min(4, os.cpu_count() or 1)
SESSION_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": MEMORY_LIMIT,
    "threads": str(_THREADS),
}
_TAKEN_NAMES = frozenset({"main", "memory", "system", "temp", "information_schema", "pg_catalog"})


def open_session(target: Target, options: SessionOptions) -> DuckDBSession:
    """Open the database that the target names. Raises `DatabaseFailure`."""
    return DuckDBSession(database_file(target.database, options.files), target, options)


def database_file(database: str, root: Path | None) -> Path:
    """The file that `database` stands for, links followed; it lies under `root`.

    Raises `DatabaseFailure` (database): permission_denied outside of it, database_not_found.
    """
    if database == SAMPLE:
        return sample_file()
    if root is None:
        raise _refused("This server allows no database files, only :memory: (the sample data).")
    top = root.resolve()
    try:
        found = (top / database).resolve()
        inside = found.is_relative_to(top)
        present = inside and found.is_file()
    except (OSError, ValueError, RuntimeError):
        raise _missing(database) from None
    if not inside:
        raise _refused(f"{tidy(database)} is not under the directory of database files.")
    if not present:
        raise _missing(database)
    return found


class DuckDBSession(StreamingSession):
    """See `Session`. The time limit is kept by a timer here: DuckDB has none of its own."""

    def __init__(self, path: Path, target: Target, options: SessionOptions) -> None:
        super().__init__("duckdb", options)
        self._path = path
        self._name = _catalog_name(path, target.database)
        self._default_schema = target.text("defaultSchema")
        self._timer: threading.Timer | None = None
        self._reader: RecordBatchReader | None = None
        self._lock = threading.Lock()
        self._connection = self._open()

    def ping(self) -> None:
        """See `Session.ping`."""
        self._ask("SELECT 1")

    def reset(self) -> None:
        """Forget everything by opening the file anew."""
        self._end_previous()
        self._connection.close()
        self._connection = self._open()

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        self._connection.close()

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        rows = self._ask(
            "SELECT schema_name FROM information_schema.schemata WHERE catalog_name = ?"
            " AND schema_name NOT IN ('information_schema', 'pg_catalog') ORDER BY 1",
            [self._name],
        )
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        rows = self._ask(
            "SELECT count(*) FROM information_schema.tables WHERE table_catalog = ?"
            " AND (len(?) = 0 OR list_contains(?, table_schema))",
            [self._name, schemas, schemas],
        )
        return int(rows[0][0])

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        # The reader blocks until the first rows are there, so the timer starts before it.
        self._timer = threading.Timer(
            self._options.timeout_seconds, self._time_out, args=(attempt,)
        )
        self._timer.daemon = True
        self._timer.start()
        # `sql`, not `execute`: the latter would hold the whole result in memory.
        relation = self._connection.sql(sql)
        if (readable := duckdb_types.readable(sql, relation)) is not None:
            relation = self._connection.sql(readable)
        reader: RecordBatchReader = relation.to_arrow_reader(BATCH_ROWS)
        self._reader = reader
        return reader.schema, iter(reader)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        _, batches = self._begin(duckdb_catalog.statement(self._name, wanted), attempt, [])
        yield from duckdb_catalog.tables(batches, self._name, wanted)

    def _time_out(self, attempt: Attempt) -> None:
        with self._lock:
            if self._attempt is attempt:
                attempt.timed_out = True
                self._connection.interrupt()

    def _stop(self) -> None:
        with self._lock:
            if self._attempt is not None:
                self._connection.interrupt()

    def _end(self, *, exhausted: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        return _failure(error)

    def _ask(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        self._end_previous()
        try:
            return self._connection.execute(sql, parameters or []).fetchall()
        except Exception as error:  # noqa: BLE001 - whatever DuckDB raises
            raise _failure(error) from None

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        connection = duckdb.connect(SAMPLE, config=SESSION_CONFIG)
        try:
            self._attach(connection)
        except Exception as error:  # noqa: BLE001 - whatever DuckDB raises
            connection.close()
            raise _not_opened(error, self._path) from None
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        mode = "READ_ONLY" if self._options.read_only else "READ_WRITE"
        path, name = FUNCTIONS.string(str(self._path)), FUNCTIONS.name(self._name)
        connection.execute(f"ATTACH {path} AS {name} ({mode})")
        connection.execute(f"USE {name}")
        self._use_default_schema(connection)
        connection.execute(f"SET TimeZone = {FUNCTIONS.string(self._options.timezone or 'UTC')}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def _use_default_schema(self, connection: duckdb.DuckDBPyConnection) -> None:
        import duckdb

        if not self._default_schema:
            return
        try:
            catalog, schema = FUNCTIONS.name(self._name), FUNCTIONS.name(self._default_schema)
            connection.execute(f"USE {catalog}.{schema}")
        except duckdb.Error:
            self.notices = [f"There is no schema {self._default_schema} to be the default."]


def _catalog_name(path: Path, database: str) -> str:
    stem = "sample" if database == SAMPLE else path.stem
    return f"{stem}_db" if stem.lower() in _TAKEN_NAMES else stem


def _failure(error: Exception) -> DatabaseFailure:
    """The failure of a statement. Mid-stream errors are a bare OSError with DuckDB's text."""
    import duckdb

    text = tidy(str(error))
    causes: tuple[tuple[type[Exception], Cause], ...] = (
        (duckdb.ParserException, Cause.SYNTAX_ERROR),
        (duckdb.CatalogException, Cause.OBJECT_NOT_FOUND),
        (duckdb.PermissionException, Cause.PERMISSION_DENIED),
        (duckdb.InterruptException, Cause.CANCELLED),
        (duckdb.ConnectionException, Cause.CONNECTION_LOST),
    )
    cause = next((cause for kind, cause in causes if isinstance(error, kind)), Cause.OTHER)
    if cause is Cause.OTHER and "read-only" in text:
        cause = Cause.READ_ONLY
    elif isinstance(error, duckdb.BinderException) and "not found" in text:
        cause = Cause.OBJECT_NOT_FOUND
    fix = None
    if "Out of Memory" in text:
        fix = f"Ask for less: a query may use {MEMORY_LIMIT} of memory."
    return DatabaseFailure(Stage.QUERY, cause, text, fix)


def _not_opened(error: Exception, path: Path) -> DatabaseFailure:
    text = str(error)
    if "lock" in text.lower():
        message = f"{path.name} is open for writing in another program."
        fix = "Close it there, or give this server a copy."
    elif "not a valid DuckDB" in text:
        message, fix = f"{path.name} is not a DuckDB database file.", "Check the file's name."
    else:
        message = f"{path.name} could not be opened: {tidy(text.replace(str(path), path.name))}"
        fix = None
    return DatabaseFailure(Stage.DATABASE, Cause.OTHER, message, fix)


def _missing(database: str) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.DATABASE,
        Cause.DATABASE_NOT_FOUND,
        f"There is no database file {tidy(database)}.",
        "Give its path below the directory of database files, or use :memory:.",
    )


def _refused(message: str) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.DATABASE,
        Cause.PERMISSION_DENIED,
        message,
        "The operator names the directory with the setting duckdb_root.",
    )
