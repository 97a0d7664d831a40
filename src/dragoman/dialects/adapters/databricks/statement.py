"""One statement on a warehouse: executed, waited for, fetched batch by batch.

Staged results (cloud fetch) are not asked for: their addresses are other hosts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from dragoman.dialects.adapters.databricks.errors import Failed, checked
from dragoman.dialects.adapters.databricks.service import types
from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.streaming import Attempt, cancelled

_ROWS: Final = 100_000
_BYTES: Final = 16 << 20
_LONGEST_PAUSE: Final = 0.25
_CANCELED: Final = 3
_CLOSED: Final = 4
_TIMED_OUT: Final = 8
TIME_OUT_STATE: Final = "57KD0"


class Statement:
    """A statement under way. `cancel` may be called from any thread, the rest from one."""

    def __init__(self, client: Any, canceller: Any, session: Any, attempt: Attempt | None) -> None:
        """`client`, `canceller`: of the generated service, one for each thread."""
        self._client = client
        self._canceller = canceller
        self._session = session
        self._attempt = attempt
        self._handle: Any = None
        self._first: Any = None
        self._arrow = b""
        self._closed = False
        self._cancelling = threading.Lock()

    def begin(self, sql: str) -> Schema:
        """Execute it and wait until it is done; gives the schema. Raises anything."""
        t = types()
        request = t.TExecuteStatementReq(
            sessionHandle=self._session,
            statement=sql,
            runAsync=True,
            getDirectResults=t.TSparkGetDirectResults(maxRows=_ROWS, maxBytes=_BYTES),
            canReadArrowResult=True,
            canDownloadResult=False,
            canDecompressLZ4Result=False,
            useArrowNativeTypes=t.TSparkArrowTypes(True, True, True, False),
        )
        answer = checked(self._client.ExecuteStatement(request))
        self._handle = answer.operationHandle
        direct = answer.directResults
        if direct is not None:
            self._closed = direct.closeOperation is not None
            self._first = direct.resultSet
        self._wait(direct.operationStatus if direct is not None else None)
        return self._schema(direct.resultSetMetadata if direct is not None else None)

    def batches(self) -> Iterator[RecordBatch]:
        """The rows as they come."""
        answer, self._first = self._first, None
        while True:
            if answer is None:
                answer = self._fetch()
            checked(answer)
            for part in (answer.results and answer.results.arrowBatches) or ():
                yield from pyarrow().ipc.open_stream(self._arrow + part.batch)
            if not answer.hasMoreRows:
                return
            answer = None

    def cancel(self) -> None:
        """Stop it in the warehouse; harmless when it is over. Raises anything."""
        if self._handle is not None:
            request = types().TCancelOperationReq(operationHandle=self._handle)
            # A person and the clock may both want it.
            with self._cancelling:
                self._canceller.CancelOperation(request)

    def close(self) -> None:
        """Give the result back, which also ends what still runs. Raises anything."""
        if self._handle is not None and not self._closed:
            self._closed = True
            request = types().TCloseOperationReq(operationHandle=self._handle)
            self._client.CloseOperation(request)

    def _wait(self, status: Any) -> None:
        states = types().TOperationState
        running = {states.INITIALIZED_STATE, states.RUNNING_STATE, states.PENDING_STATE}
        pause = 0.01
        while status is None or status.operationState in running:
            if self._attempt is not None and (verdict := self._attempt.verdict()) is not None:
                raise verdict
            if status is not None:
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            request = types().TGetOperationStatusReq(operationHandle=self._handle)
            status = checked(self._client.GetOperationStatus(request))
        if status.operationState == states.FINISHED_STATE:
            return
        raise _ended(status)

    def _schema(self, described: Any) -> Schema:
        t = types()
        if described is None:
            request = t.TGetResultSetMetadataReq(operationHandle=self._handle)
            described = self._client.GetResultSetMetadata(request)
        checked(described)
        if described.resultFormat != t.TSparkRowSetType.ARROW_BASED_SET or described.lz4Compressed:
            raise Failed("The warehouse sends this answer in a form that is not read here.", None)
        self._arrow = described.arrowSchema or b""
        return pyarrow().ipc.open_stream(self._arrow).schema

    def _fetch(self) -> Any:
        t = types()
        return self._client.FetchResults(
            t.TFetchResultsReq(
                operationHandle=self._handle,
                orientation=t.TFetchOrientation.FETCH_NEXT,
                maxRows=_ROWS,
                maxBytes=_BYTES,
            )
        )


def _ended(status: Any) -> Exception:
    """Why a statement that is over has no answer."""
    if status.operationState == _CANCELED:
        return cancelled()
    if status.operationState == _TIMED_OUT:
        return Failed("The statement ran into its time limit.", TIME_OUT_STATE)
    message = str(status.displayMessage or status.errorMessage or "")
    return Failed(message, status.sqlState, lost=status.operationState == _CLOSED)
