"""A MotherDuck session: DuckDB's session, opened on `md:<database>` by an extension of DuckDB.

The extension dials by itself and resolves names by itself. So the service's address is resolved,
checked and spoken to over verified TLS before, which shows that the network allows it; where the
extension dials afterwards is out of our hands. It is never downloaded here: the operator installs
it. The token is a configuration value, so it stands in no statement and in no name of a database.

DuckDB gives connections of one name the same instance, settings and token included. So each session
asks for a name of its own, which nobody keeps after its end.

Each statement runs in a read-only transaction of DuckDB that is rolled back. Local files, further
extensions and changes of settings are closed once the database is attached; MotherDuck's "SaaS
mode" locks settings too, so it is the last that is set.
Sources: MotherDuck documentation, "Connection string parameters", "Attach modes", "Authenticating
to MotherDuck"; DuckDB documentation, "Transaction Management".
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects import duckdb_catalog
from dragoman.dialects.adapters.motherduck_errors import not_opened, redacted
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.duckdb_session import MEMORY_LIMIT, DuckDBSession
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import BadNames, split_names
from dragoman.dialects.network import Network, probe_tls
from dragoman.dialects.sql.duckdb import FUNCTIONS
from dragoman.dialects.streaming import Attempt
from dragoman.dialects.tls_rule import agreed

if TYPE_CHECKING:
    import duckdb

HOST: Final = "api.motherduck.com"
PORT: Final = 443
Open = Callable[[str, dict[str, Any]], "duckdb.DuckDBPyConnection"]
"""Opens what a name stands for with these settings, as `duckdb.connect` does."""

_CONFIG: Final[dict[str, str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": MEMORY_LIMIT,
    "custom_user_agent": "dragoman",
}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]{0,254}")


def require_extension() -> None:
    """Raise `DatabaseFailure` (driver) unless the extension is there; nothing is downloaded."""
    import duckdb

    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        found = connection.execute(
            "SELECT installed FROM duckdb_extensions() WHERE extension_name = 'motherduck'"
        ).fetchone()
    if not (found and found[0]):
        raise DatabaseFailure(
            Stage.DRIVER,
            Cause.DRIVER_MISSING,
            f"DuckDB {duckdb.__version__} has no extension motherduck on this machine.",
            "As the user that runs the server: python -c \"import duckdb; duckdb.sql('INSTALL"
            " motherduck')\". MotherDuck says which versions of DuckDB it takes.",
        )


def open_session(target: Target, network: Network, options: SessionOptions) -> MotherDuckSession:
    """Check the way to the service, then sign in. Raises `DatabaseFailure`."""
    import duckdb

    require_extension()
    refuse_environment(os.environ)
    sock, address = network.connect(HOST, PORT, options.connect_seconds)
    with sock:
        agreed(probe_tls(sock, address.host, network.tls, timeout=options.connect_seconds))
    return MotherDuckSession(
        target, options, lambda name, config: duckdb.connect(name, config=config)
    )


def refuse_environment(variables: Mapping[str, str]) -> None:
    """The extension reads variables of its own, which could change where it dials and as whom.

    Raises `DatabaseFailure` (settings) when there is one.
    """
    found = sorted(name for name in variables if name.lower().startswith("motherduck_"))
    if found:
        raise DatabaseFailure(
            Stage.SETTINGS,
            Cause.SETTINGS_INVALID,
            f"The server's environment has {found[0]}, which DuckDB's extension would follow.",
            "Take it out of the environment: the connection holds the token.",
        )


def database_url(database: str) -> str:
    """A name for the database that no other session has; no secret is in it.

    Raises `DatabaseFailure` (settings) for what is no plain name.
    """
    if not _PLAIN_NAME.fullmatch(database):
        raise _no_name()
    own = secrets.token_hex(8)
    return f"md:{database}?attach_mode=single&dbinstance_inactivity_ttl=0s&cache_buster={own}"


class MotherDuckSession(DuckDBSession):
    """See `Session`."""

    def __init__(self, target: Target, options: SessionOptions, opener: Open) -> None:
        """Sign in and lock. Raises `DatabaseFailure`."""
        self._target = target
        self._opener = opener
        self._catalogs = _catalogs(target)
        # The session's "file" is a name here; `_open` below is what opens it.
        super().__init__(Path(target.database), target, options)

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._connection.execute(
            "BEGIN TRANSACTION READ ONLY" if self._options.read_only else "BEGIN TRANSACTION"
        )
        return super()._begin(sql, attempt, notices)

    def _end(self, *, exhausted: bool) -> None:
        super()._end(exhausted=exhausted)
        self._connection.execute("ROLLBACK")

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        """One statement for each database that the settings name."""
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        first, *others = self._catalogs
        _, batches = self._begin(duckdb_catalog.statement(first, wanted), attempt, [])
        yield from duckdb_catalog.tables(batches, first, wanted)
        for name in others:
            relation = self._connection.sql(duckdb_catalog.statement(name, wanted))
            yield from duckdb_catalog.tables(relation.to_arrow_reader(), name, wanted)

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        return redacted(super()._translate(error, attempt), self._target.secrets)

    def _open(self) -> duckdb.DuckDBPyConnection:
        self._name = self._target.database
        config = {**_CONFIG, "motherduck_token": self._target.password.reveal()}
        try:
            connection = self._opener(database_url(self._name), config)
        except Exception as error:  # noqa: BLE001 - whatever DuckDB raises
            raise not_opened(error, self._name, self._target.secrets) from None
        try:
            self._lock_down(connection)
        except Exception as error:  # noqa: BLE001 - whatever DuckDB raises
            connection.close()
            raise not_opened(error, self._name, self._target.secrets) from None
        return connection

    def _lock_down(self, connection: duckdb.DuckDBPyConnection) -> None:
        for other in self._catalogs[1:]:
            connection.execute(f"ATTACH {FUNCTIONS.string(f'md:{other}')}")
        connection.execute(f"USE {FUNCTIONS.name(self._name)}")
        self._use_default_schema(connection)
        zone = FUNCTIONS.string(self._options.timezone or "UTC")
        connection.execute(f"SET TimeZone = {zone}")
        connection.execute("SET motherduck_saas_mode = true")
        locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
        if not (locked and locked[0]):
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")


def _catalogs(target: Target) -> list[str]:
    """The database and the others that are to be read, each once and each a plain name."""
    try:
        others = split_names(target.text("includeOtherCatalogs"))
    except BadNames:
        raise _no_name() from None
    names = list(dict.fromkeys([target.database, *others]))
    if not all(map(_PLAIN_NAME.fullmatch, names)):
        raise _no_name()
    return names


def _no_name() -> DatabaseFailure:
    return DatabaseFailure(
        Stage.SETTINGS,
        Cause.SETTINGS_INVALID,
        "That is no name of a MotherDuck database.",
        "Letters, digits, underscores, hyphens and spaces; no path, no options.",
    )
