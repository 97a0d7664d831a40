"""A dialect whose driver crashes, hangs, hoards memory or talks nonsense, as its statement says."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from dragoman.dialects.base import Declaration, Dialect, Driver, SessionOptions, Target
from dragoman.dialects.catalog import (
    EVERYTHING,
    CatalogFilter,
    Column,
    ForeignKey,
    Table,
    TableKind,
)
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.semantic_objects import (
    ObjectKind,
    SemanticField,
    SemanticJoin,
    SemanticObject,
    SemanticTable,
)
from dragoman.dialects.streaming import Attempt, StreamingSession

ROWS = 1000
OBJECT = SemanticObject(
    *(ObjectKind.SEMANTIC_VIEW, "c", "s", "ü", None),
    [SemanticTable("t", ("id",), None, ("a", "b"))],
    metrics=[SemanticField("t", "n", "SUM(x)", synonyms=("m",))],
    joins=[SemanticJoin("t", ("a",), "u", ("b",))],
)


def segfault() -> None:
    ctypes.string_at(0)


def hang_with_the_interpreter_held() -> None:
    """PyDLL keeps the GIL, as a driver does that forgets to give it up."""
    ctypes.PyDLL(None).sleep(3600)


def told() -> dict[str, Any]:
    """What this process knows: its number, its command line and environment."""
    return {
        "pid": os.getpid(),
        "argv": Path("/proc/self/cmdline").read_bytes().decode(),
        "environ": dict(os.environ),
    }


class UnrulySession(StreamingSession):
    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        super().__init__("duckdb", options)
        self._target, self._network = target, network
        self._over = threading.Event()
        self.notices = ["no time zone"] if options.timezone else []
        self.resets = 0
        match target.database:
            case "segfault":
                segfault()
            case "hang":
                hang_with_the_interpreter_held()
            case "refuse":
                message = f"wrong password {target.password}"
                raise DatabaseFailure(
                    Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, message, "Type it.", "28P01"
                )
            case "dial":
                sock, _ = network.connect(target.host, target.port, options.connect_seconds)
                with sock:
                    sock.sendall(b"hello of the worker")
                    self.notices = [sock.recv(100).decode(), network.resolve("db.test", 7)[0].ip]
            case _:
                pass

    def ping(self) -> None: ...

    def schemas(self) -> list[str]:
        return ["one", "two"]

    def readable_tables(self, schemas: list[str]) -> int:
        return len(schemas)

    def reset(self) -> None:
        self._end_previous()
        self.resets += 1
        self.notices = [f"reset {self.resets}"]

    def close(self) -> None:
        if self._target.database == "clings":
            hang_with_the_interpreter_held()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        self._over.clear()
        word = sql.split("'")[1]
        if word == "segfault":
            segfault()
        if word == "hang":
            hang_with_the_interpreter_held()
        if word == "nonsense":
            os.write(int(sys.argv[1]), b"\0" * 64)
        batches = self._batches(word)
        first = next(batches)
        notices.append("first notice")

        def all_of_them() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches
            notices.append("last notice")

        return first.schema, all_of_them()

    def _batches(self, word: str) -> Iterator[pa.RecordBatch]:
        if word == "told":
            yield pa.record_batch({"t": [json.dumps(told())]})
            return
        for number in range(3):
            yield pa.record_batch(
                {
                    "n": pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64()),
                    "d": pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
                }
            )
            if word == "crash later":
                segfault()
            if word == "hang later":
                hang_with_the_interpreter_held()
            if word == "hoard":
                _hoard()
            if word == "slow" and self._over.wait(60):
                raise OSError("stopped")
            if word == "deaf":  # to cancels
                time.sleep(60)
            if word == "fail":
                raise DatabaseFailure(Stage.QUERY, Cause.OTHER, "division by zero")

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        return [OBJECT]

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self.notices.append("no keys")
        for number in range(250):
            schema = f"s{number % 2}"
            if wanted.wants(schema):
                column = Column(
                    "c", 1, "int", nullable=False, default="1", comment="ü", primary_key_position=1
                )
                key = ForeignKey("f", ["c"], "s0", "t0", ["c"])
                yield Table(
                    None, schema, f"t{number}", TableKind.VIEW, None, [column], ["c"], [key], 5
                )

    def _stop(self) -> None:
        self._over.set()

    def _end(self, *, exhausted: bool) -> None: ...

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        return DatabaseFailure(Stage.QUERY, Cause.OTHER, str(error))


class Unruly(Dialect):
    declaration: ClassVar[Declaration] = Declaration(
        "unruly", "Unruly", Driver("json", "json", "unruly"), (), {}, live=True, isolated="it may"
    )

    def network_address(self, target: Target) -> tuple[str, int] | None:
        return None

    def connect(self, target: Target, network: Network, options: SessionOptions) -> UnrulySession:
        return UnrulySession(target, network, options)


DIALECT = Unruly()


def _hoard() -> None:
    held = []
    while True:
        held.append(bytearray(16 << 20))
        time.sleep(0.01)
