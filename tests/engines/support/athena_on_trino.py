"""A stub of Athena's API whose statements a real Trino runs, since Athena speaks Trino's SQL.

A statement has succeeded for the stub when its first rows are there; the service waits for all.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import threading
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject
from tests.engines.support.athena import KEY, REGION, SECRET, Answer, Stub, info, row_of, stubbed
from tests.engines.support.trino import Trino, ask
from tests.support.engines import HOST, Engine

CATALOG = "memory"


class Statement:
    """A statement of Trino under way: its state in Athena's words, and its rows one by one."""

    def __init__(self, port: int, sql: str, schema: str) -> None:
        self.sql, self.state, self.reason = sql, "RUNNING", ""
        self.columns: list[dict[str, Any]] = []
        self._first: list[list[Any]] = []
        self._there = f"http://{HOST}:{port}/v1/statement"
        self._headers = {
            "X-Trino-User": "admin",
            "X-Trino-Catalog": CATALOG,
            "X-Trino-Schema": schema,
        }
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._next: str | None = None
        self.rows: Iterator[list[Any]] = iter(())
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        if self.state == "RUNNING":
            self.state = "CANCELLED"
        if self._next:
            request = urllib.request.Request(self._next, method="DELETE", headers=self._headers)
            with contextlib.suppress(OSError):
                self._opener.open(request, timeout=10).close()

    def _run(self) -> None:
        try:
            page = self._page(self._there, self.sql.encode())
            while "data" not in page and self._next and self.state == "RUNNING":
                page = self._page(self._next)
        except RuntimeError as error:
            self._end("FAILED", str(error))
            return
        titles = [column["name"] for column in self.columns]
        rest = (page["data"] for page in self._pages(page) if "data" in page)
        self.rows = itertools.chain([titles] if titles else [], itertools.chain.from_iterable(rest))
        self._end("SUCCEEDED", "")

    def _end(self, state: str, reason: str) -> None:
        if self.state == "RUNNING":
            self.reason, self.state = reason, state

    def _pages(self, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield page
        while self._next:
            yield self._page(self._next)

    def _page(self, where: str, data: bytes | None = None) -> dict[str, Any]:
        request = urllib.request.Request(where, data, self._headers)
        with self._opener.open(request, timeout=60) as answer:
            page = json.load(answer)
        self._next = page.get("nextUri")
        self.columns = page.get("columns") or self.columns
        if error := page.get("error"):
            raise RuntimeError(f"{error['errorName']}: {error['message']}")
        return page


@dataclass
class OnTrino(Stub):
    """The API: each operation that the adapter calls."""

    port: int = 0
    statements: dict[str, Statement] = field(default_factory=dict)
    kept: dict[str, list[Any]] = field(default_factory=dict)

    def running(self, text: str) -> bool:
        return any(text in s.sql and s.state == "RUNNING" for s in self.statements.values())

    def answer(self, operation: str, body: dict[str, Any]) -> tuple[int, Answer]:  # type: ignore[override]
        return 200, getattr(self, operation)(body)

    def ListDatabases(self, body: dict[str, Any]) -> Answer:  # noqa: N802 - the API's name
        found = ask(Engine(HOST, self.port, CATALOG, "admin", ""), f"SHOW SCHEMAS FROM {CATALOG}")
        return {"DatabaseList": [{"Name": name} for (name,) in found]}

    def StartQueryExecution(self, body: dict[str, Any]) -> Answer:  # noqa: N802
        id_ = body["ClientRequestToken"]
        context = body["QueryExecutionContext"]
        schema = context.get("Database", "default")
        self.statements[id_] = Statement(self.port, body["QueryString"], schema)
        return {"QueryExecutionId": id_}

    def GetQueryExecution(self, body: dict[str, Any]) -> Answer:  # noqa: N802
        found = self.statements[body["QueryExecutionId"]]
        status = {"State": found.state, "StateChangeReason": found.reason}
        return {"QueryExecution": {"StatementType": "DML", "Status": status}}

    def StopQueryExecution(self, body: dict[str, Any]) -> Answer:  # noqa: N802
        self.statements[body["QueryExecutionId"]].stop()
        return {}

    def GetQueryResults(self, body: dict[str, Any]) -> Answer:  # noqa: N802
        found = self.statements[body["QueryExecutionId"]]
        rows = list(itertools.islice(found.rows, body["MaxResults"]))
        kinds = [column["typeSignature"]["rawType"] for column in found.columns]
        texts = [[_text(v, kind) for v, kind in zip(row, kinds, strict=True)] for row in rows]
        more = {"NextToken": "more"} if len(rows) == body["MaxResults"] else {}
        shown = {
            "Rows": [row_of(row) for row in texts],
            "ResultSetMetadata": {"ColumnInfo": [_described(c) for c in found.columns]},
        }
        return {"ResultSet": shown, **more}


def _described(column: dict[str, Any]) -> dict[str, Any]:
    signature = column["typeSignature"]
    digits = [a["value"] for a in signature["arguments"] if a["kind"] == "LONG"]
    precision, scale = digits if signature["rawType"] == "decimal" else (0, 0)
    return info(column["name"], signature["rawType"], precision, scale)


def _text(value: Any, kind: str) -> str | None:
    """A value of Trino's JSON as Athena writes it."""
    if value is None or isinstance(value, str):
        return value if kind != "varbinary" or value is None else _hexadecimal(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(str(_text(each, "")) for each in value) + "]"
    return str(value)


def _hexadecimal(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).hex(" ")
    except ValueError:
        return value  # the title


@contextlib.contextmanager
def athena_on_trino(trino: Trino, directory: Path) -> Generator[Subject]:
    """For the common suite."""
    settings = {
        "region": REGION,
        "database": CATALOG,
        "host": "s3://results/here/",
        "username": KEY,
        "defaultSchema": "default",
    }
    made = OnTrino({}, port=trino.plain_port)
    with stubbed(directory, made) as stub:
        yield Subject(
            registry.get("athena"),
            Target("athena", settings, {"passwordUnencrypted": SecretStr(SECRET)}),
            stub.network,
            writes=(*PLAIN_WRITES, "UNLOAD (SELECT 1) TO 's3://b/p'", "MSCK REPAIR TABLE victim"),
            server_running=made.running,
            schema="default",
        )
