"""A session of BigQuery: every statement is a job, and a dry run first says what it would do."""

from __future__ import annotations

import contextlib
import itertools
import threading
import uuid
from collections.abc import Generator, Iterator
from typing import Any, Final, cast

from dragoman.dialects.adapters.bigquery import catalog, errors, types
from dragoman.dialects.adapters.bigquery.client import retry, sign_in
from dragoman.dialects.adapters.bigquery.storage import Reader
from dragoman.dialects.adapters.https import Door, Interrupted
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# The service's limit comes first; ours rings when it is late, then the socket's.
_OWN_CLOCK_SECONDS: Final = 0.3
_GRACE_SECONDS: Final = 15.0
# The first page comes with the news that the job is done, even where all rows then come by stream.
_FIRST_ROWS: Final = 1_000
_PAGE_ROWS: Final = 10_000
# Below this, opening a stream takes longer than the pages do.
_STORAGE_ROWS: Final = 20_000
_ADVICE: Final = "Check that nothing between here and Google answers in its place."


class BigQuerySession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Sign in. Raises `DatabaseFailure`."""
        super().__init__("bigquery", options)
        self._target = target
        self._network = network
        self._door = Door(network, options.connect_seconds, _ADVICE)
        self._client = sign_in(target, self._door, options.connect_seconds)
        self._door.answer_seconds = options.timeout_seconds + _GRACE_SECONDS
        self._job = ""
        self._reader: Reader | None = None
        self._clock: threading.Timer | None = None

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """Datasets of the connection's region; see `Session.schemas`."""
        self._end_previous()
        region = self._target.text("region").lower()
        try:
            with self._answered(None):
                found = list(self._client.list_datasets(retry=retry()))
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None
        places = [(d.dataset_id, str(d._properties.get("location") or region)) for d in found]
        return sorted(name for name, place in places if place.lower() == region)

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        source = catalog.source(self._target.database, self._target.text("region"))
        # The view lists only tables that this account may see.
        sql = f"SELECT COUNT(*) FROM {source}.TABLES"  # noqa: S608 - quoted
        if schemas:
            sql += " WHERE table_schema IN UNNEST(@schemas)"
        return int(self._guarded(sql, {"schemas": schemas} if schemas else None)[0][0])

    def reset(self) -> None:
        """Nothing to forget: no job knows of another."""
        self._end_previous()

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception, Interrupted):
            self._client.close()
        self._door.hang_up()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        with self._answered(attempt):
            self._start_clock(attempt)
            self._check(sql)
            if (verdict := attempt.verdict()) is not None:
                raise verdict
            rows = self._rows(sql)
            notices.extend(self.notices)
            given, first = self._fetched(rows, notices)
            schema = types.schema_of(rows.schema, self._timezone, first)
            return schema, self._calm(types.batches(given, schema), attempt)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        """Two statements for each project."""

        def ask(sql: str, values: dict[str, Any] | None) -> list[Any]:
            if (verdict := attempt.verdict()) is not None:
                raise verdict
            with self._answered(attempt):
                return list(self._rows(sql, values))

        self._start_clock(attempt)
        region = self._target.text("region")
        for project in catalog.projects(self._target):
            yield from catalog.tables(ask, project, region, wanted, self.notices)

    def _stop(self) -> None:
        """Whoever waits stops waiting at once; then the job is cancelled, over another socket."""
        job, reader = self._job, self._reader
        self._door.hang_up()
        if reader is not None:
            reader.close()
        if job:
            with (
                contextlib.suppress(Interrupted),
                self._door.at_most(self._options.connect_seconds),
            ):
                self._client.cancel_job(job, retry=None)

    def _end(self, *, exhausted: bool) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._job = ""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    @property
    def _timezone(self) -> str:
        return self._options.timezone or "UTC"

    def _check(self, sql: str) -> None:
        """The service's own word on what kind of statement it is; a dry run is free."""
        asked = self._client.query(
            sql, job_config=self._config(dry_run=True), retry=retry(), job_retry=None
        )
        if asked.statement_type != "SELECT":
            raise DatabaseFailure(
                Stage.QUERY,
                Cause.READ_ONLY,
                f"{asked.statement_type or 'This'} is not a statement that reads.",
                "Send one statement that reads, such as SELECT.",
            )

    def _rows(self, sql: str, values: dict[str, Any] | None = None) -> Any:
        """Run a job to its end; gives Google's iterator of rows."""
        self._job = f"dragoman-{uuid.uuid4().hex}"
        job = self._client.query(
            sql,
            job_config=self._config(values),
            job_id=self._job,
            retry=retry(),
            job_retry=None,
        )
        rows = job.result(page_size=_FIRST_ROWS, retry=retry(), job_retry=None)
        rows._page_size = _PAGE_ROWS
        return rows

    def _config(self, values: dict[str, Any] | None = None, *, dry_run: bool = False) -> Any:
        from google.cloud import bigquery

        config: Any = bigquery.QueryJobConfig(use_legacy_sql=False, dry_run=dry_run)
        config.labels = {"application": "dragoman"}
        config.connection_properties = [bigquery.ConnectionProperty("time_zone", self._timezone)]
        if not dry_run:
            config.job_timeout_ms = round(self._options.timeout_seconds * 1000)
        limit = self._target.text("maxBillingBytes")
        if limit:
            config.maximum_bytes_billed = int(limit)
        schema = self._target.text("defaultSchema")
        if schema:
            config.default_dataset = f"{self._target.database}.{schema}"
        if values:
            config.query_parameters = [
                bigquery.ArrayQueryParameter(name, "STRING", cast("list[str]", value))
                if isinstance(value, list)
                else bigquery.ScalarQueryParameter(name, "STRING", value)
                for name, value in values.items()
            ]
        return config

    def _fetched(
        self, rows: Any, notices: list[str]
    ) -> tuple[Iterator[RecordBatch], RecordBatch | None]:
        """Batches and the first of them: by stream where rows are many, else by pages."""
        if (rows.total_rows or 0) > _STORAGE_ROWS:
            try:
                self._reader = Reader(self._network, self._client._credentials)
                seconds = self._options.connect_seconds
                streamed = self._reader.batches(self._target.database, rows._table, seconds)
                return _peeked(streamed)
            except Exception as error:  # noqa: BLE001 - the pages give the same rows
                why = errors.query_failure(error, self._target).message
                if isinstance(error, DatabaseFailure):
                    why = error.message
                notices.append(f"Rows come by pages, which is slow: {why}")
        return _peeked(rows.to_arrow_iterable())

    @contextlib.contextmanager
    def _answered(self, attempt: Attempt | None) -> Generator[None]:
        """Turns a conversation that ended into a failure, or into what we ended it for."""
        try:
            yield
        except Interrupted as stopped:
            verdict = attempt.verdict() if attempt else None
            raise verdict or self._lost(stopped.failure) from None

    def _lost(self, failure: DatabaseFailure) -> DatabaseFailure:
        if failure.stage is not Stage.AUTHENTICATION:
            return failure
        if failure.cause is Cause.TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return DatabaseFailure(Stage.QUERY, failure.cause, failure.message)

    def _calm(self, batches: Iterator[RecordBatch], attempt: Attempt) -> Iterator[RecordBatch]:
        with self._answered(attempt):
            yield from batches

    def _start_clock(self, attempt: Attempt) -> None:
        def ring() -> None:
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()

        self._clock = threading.Timer(self._options.timeout_seconds + _OWN_CLOCK_SECONDS, ring)
        self._clock.daemon = True
        self._clock.start()

    def _guarded(self, sql: str, values: dict[str, Any] | None = None) -> list[Any]:
        """A statement of ours, its rows read at once."""
        try:
            with self._answered(None):
                return list(self._rows(sql, values))
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None


def _peeked(
    batches: Iterator[RecordBatch],
) -> tuple[Iterator[RecordBatch], RecordBatch | None]:
    first = next(batches, None)
    return (iter(()) if first is None else itertools.chain([first], batches)), first
