"""A session of Athena: each statement is started, asked about until it is over, and read in pages.

There is nothing to be kept between statements. Athena has no read-only mode: rights in AWS are the
first line of defence, and the check of the statement the second.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.adapters.athena import catalog, errors
from dragoman.dialects.adapters.athena.types import Types
from dragoman.dialects.adapters.aws.endpoint import Endpoint, Service
from dragoman.dialects.adapters.aws.identity import Identity
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.names import compile_patterns
from dragoman.dialects.network import Network
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

_ANSWER_SECONDS: Final = 30.0
# How long AWS may keep silent past the time limit before we hang up.
_GRACE_SECONDS: Final = 5.0
_PAGE_ROWS: Final = 1000  # the most that Athena gives at once
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_ATHENA: Final = Service("athena", prefix="AmazonAthena")
_SYSTEM_SCHEMA: Final = "information_schema"
_OVER: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


class AthenaSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Find out who we are and whether the catalog is there. Raises `DatabaseFailure`."""
        # Statements that read are Trino's. sqlglot marks Hive's with a token of its own in front.
        super().__init__("trino", options)
        self._target = target
        self._timezone = options.timezone or "UTC"
        region, seconds = target.text("region"), options.connect_seconds
        self._identity = Identity(target, region, network, seconds)
        self._athena = Endpoint(_ATHENA, region, network, seconds)
        self._running: str | None = None
        self._wake = threading.Event()
        self._late: threading.Timer | None = None
        if self._timezone != "UTC":
            self.notices.append(
                f"Athena has no time zone for a session: current_date and the like are UTC's. "
                f"Points in time are shown in {self._timezone}."
            )
        try:
            with self._athena.door.at_most(3 * options.connect_seconds):
                self._call("ListDatabases", CatalogName=target.database, MaxResults=1)
        except Exception as error:  # noqa: BLE001 - on a stranger's answer anything is raised
            self.close()
            raise errors.connect_failure(error, target.secrets) from None
        self._athena.seconds = _ANSWER_SECONDS

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        try:
            found = self._listed("ListDatabases", "DatabaseList", CatalogName=self._target.database)
        except Exception as error:  # noqa: BLE001 - the transport raises anything
            raise self._failure(error, None) from None
        return sorted(str(each["Name"]) for each in found if each["Name"] != _SYSTEM_SCHEMA)

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        return int(self._guarded(catalog.count(self._target.database, schemas))[0][0] or 0)

    def reset(self) -> None:
        """Nothing is kept between statements."""
        self._end_previous()

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        self._athena.close()
        self._identity.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._watch()
        columns, pages = self._run(sql, attempt)
        notices.extend(self.notices)
        types = Types(self._timezone, notices)
        made = [types.column(column) for column in columns]
        batches = (batch for page in pages for batch in arrow_rows.batches(_once(page), made))
        return arrow_rows.schema_of(made), batches

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._watch()
        for name in self._modelled():
            columns, pages = self._run(catalog.statement(name, wanted), attempt)
            names = [str(column["Name"]) for column in columns]
            rows = (dict(zip(names, row, strict=True)) for page in pages for row in page)
            yield from catalog.tables(name, rows, wanted)

    def _modelled(self) -> list[str]:
        """The default catalog, and the others that the settings name."""
        own, others = self._target.database, self._target.text("includeOtherCatalogs")
        if not others.strip():
            return [own]
        chosen = compile_patterns(others, qualified=False)
        found = self._listed("ListDataCatalogs", "DataCatalogsSummary")
        names = sorted(str(each["CatalogName"]) for each in found)
        return [own, *(name for name in names if name != own and chosen.matches(name))]

    def _stop(self) -> None:
        self._wake.set()
        if (running := self._running) is not None:
            self._call("StopQueryExecution", QueryExecutionId=running)

    def _end(self, *, exhausted: bool) -> None:
        if (late := self._late) is not None:
            late.cancel()
        running, self._running = self._running, None
        if running is not None:
            with self._athena.door.at_most(_GRACE_SECONDS):
                self._call("StopQueryExecution", QueryExecutionId=running)

    def _watch(self) -> None:
        """The limit is looked at between calls; this is for a call that gets no answer."""
        seconds = self._options.timeout_seconds + _GRACE_SECONDS
        late = self._late = threading.Timer(seconds, self._athena.door.hang_up)
        late.daemon = True
        late.start()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        return errors.query_failure(error, self._target.secrets)

    def _failure(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        """An endpoint that cannot be dialled any more, in the middle of a session, is lost."""
        if isinstance(error, DatabaseFailure) and error.stage in {Stage.TCP, Stage.TLS, Stage.DNS}:
            error = OSError(error.message)
        return super()._failure(error, attempt)

    def _run(
        self, sql: str, attempt: Attempt
    ) -> tuple[list[dict[str, Any]], Iterator[Sequence[Sequence[str | None]]]]:
        """Descriptions of the columns, and the rows in pages."""
        self._wake.clear()
        started = self._call("StartQueryExecution", **self._request(sql))
        id_ = self._running = str(started["QueryExecutionId"])
        ended = self._wait(id_, attempt)
        self._running = None
        if ended["Status"]["State"] != "SUCCEEDED":
            reason = str(ended["Status"].get("StateChangeReason") or "")
            if ended["Status"]["State"] == "CANCELLED":
                said = reason or "The query was stopped in Athena."
                raise DatabaseFailure(Stage.QUERY, Cause.CANCELLED, said)
            raise errors.statement_failure(reason, self._target.secrets)
        first = self._page(id_, None)
        columns: list[dict[str, Any]] = first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        titled = ended.get("StatementType") == "DML"
        return columns, self._pages(id_, first, columns if titled else (), attempt)

    def _pages(
        self, id_: str, page: dict[str, Any], titles: Sequence[dict[str, Any]], attempt: Attempt
    ) -> Iterator[Sequence[Sequence[str | None]]]:
        """`titles`: the columns, if the first row may hold their names as it does for SELECT."""
        rows = _rows(page)
        if titles and rows and rows[0] == [column["Name"] for column in titles]:
            rows = rows[1:]
        while True:
            if rows:
                yield rows
            if not (following := page.get("NextToken")):
                return
            if attempt.overdue():
                raise timed_out(self._options.timeout_seconds)
            page = self._page(id_, following)
            rows = _rows(page)

    def _page(self, id_: str, token: str | None) -> dict[str, Any]:
        more = {"NextToken": token} if token else {}
        return self._call("GetQueryResults", QueryExecutionId=id_, MaxResults=_PAGE_ROWS, **more)

    def _request(self, sql: str) -> dict[str, Any]:
        context = {"Catalog": self._target.database}
        if schema := self._target.text("defaultSchema"):
            context["Database"] = schema
        request: dict[str, Any] = {
            "QueryString": sql,
            # A repeated call does not start it twice.
            "ClientRequestToken": str(uuid.uuid4()),
            "QueryExecutionContext": context,
        }
        if place := self._target.host:
            request["ResultConfiguration"] = {"OutputLocation": place}
        return request

    def _wait(self, id_: str, attempt: Attempt) -> dict[str, Any]:
        """What Athena says of the statement once it is over."""
        pause = _FIRST_PAUSE
        while True:
            told = self._call("GetQueryExecution", QueryExecutionId=id_)["QueryExecution"]
            if told["Status"]["State"] in _OVER:
                return told
            if (verdict := attempt.verdict()) is not None:
                raise verdict
            if attempt.overdue():
                raise timed_out(self._options.timeout_seconds)
            self._wake.wait(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _listed(self, operation: str, part: str, **fields: Any) -> Iterator[dict[str, Any]]:
        """All entries of a listing, page after page."""
        token: str | None = None
        while True:
            page = self._call(operation, **fields, **({"NextToken": token} if token else {}))
            yield from page.get(part) or ()
            if not (token := page.get("NextToken")):
                return

    def _call(self, operation: str, **fields: Any) -> dict[str, Any]:
        return self._athena.json(operation, fields, self._identity.keys().signer())

    def _guarded(self, sql: str) -> list[Sequence[str | None]]:
        """A statement of ours, its few rows read at once."""
        self._end_previous()
        attempt = Attempt(self._options.timeout_seconds)
        try:
            _, pages = self._run(sql, attempt)
            return [row for page in pages for row in page]
        except Exception as error:  # noqa: BLE001 - the transport raises anything
            raise self._failure(error, attempt) from None
        finally:
            self._running = None


def _rows(page: dict[str, Any]) -> list[list[str | None]]:
    """A value that is null is left out of its cell."""
    return [
        [cell.get("VarCharValue") for cell in row.get("Data", ())]
        for row in page["ResultSet"].get("Rows", ())
    ]


def _once(page: Sequence[Sequence[Any]]) -> Callable[[int], Sequence[Sequence[Any]]]:
    """A page as a source of rows that is dry after one draught: pages are small."""
    rest = iter((page, ()))

    def fetch(_: int) -> Sequence[Sequence[Any]]:
        return next(rest)

    return fetch
