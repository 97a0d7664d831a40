"""A stub of Databricks' Thrift service with DuckDB behind. No Databricks: it proves the protocol.

    python databricks_stub.py DIRECTORY PORT TOKEN CERTIFICATE KEY

It knows /oidc/v1/token (the client `principal`, whose secret is TOKEN) and one warehouse. SQL comes
as Spark's and is turned into DuckDB's by sqlglot. `DIRECTORY/running` has the statement under way,
`DIRECTORY/said` what arrived; SIGUSR1 drops every connection and forgets every session, as a
warehouse that starts anew.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from databricks.sql.thrift_api.TCLIService import TCLIService
from databricks.sql.thrift_api.TCLIService import ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

WAREHOUSE = "/sql/1.0/warehouses/1a2b"
POLL_SECONDS = 1.0
BATCH_ROWS = 25_000
DIRECT_ROWS = 1_000
OWN = "('main', 'pg_catalog', 'information_schema')"
ONLY = f"database_name NOT IN ('system', 'temp') AND schema_name NOT IN {OWN}"
SHOP = f"""
CREATE SCHEMA shop;
CREATE TABLE shop.victim (a INTEGER); INSERT INTO shop.victim VALUES (1);
CREATE TABLE shop.customers (id INTEGER PRIMARY KEY, name VARCHAR DEFAULT 'nobody');
COMMENT ON TABLE shop.customers IS 'who buys'; COMMENT ON COLUMN shop.customers.name IS 'in full';
CREATE TABLE shop.orders (day DATE, customer INTEGER);
CREATE VIEW shop.names AS SELECT name FROM shop.customers;
CREATE SCHEMA other; CREATE TABLE other."it's" (b DOUBLE NOT NULL);
CREATE SCHEMA info;
CREATE VIEW info.schemata AS SELECT schema_name,
  CASE schema_name WHEN 'shop' THEN 'what is sold' END AS comment
  FROM duckdb_schemas() WHERE {ONLY} AND schema_name <> 'info';
CREATE VIEW info.tables AS SELECT schema_name AS table_schema, table_name,
  'MANAGED' AS table_type, comment FROM duckdb_tables() WHERE {ONLY}
  UNION ALL SELECT schema_name, view_name, 'VIEW', comment FROM duckdb_views()
  WHERE {ONLY} AND schema_name <> 'info';
CREATE VIEW info.columns AS SELECT schema_name AS table_schema, table_name, column_name,
  column_index AS ordinal_position, data_type AS full_data_type, column_default, comment,
  CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS is_nullable
  FROM duckdb_columns() WHERE {ONLY} AND schema_name <> 'info';
CREATE VIEW info.key_column_usage AS SELECT * FROM (VALUES
  ('shop', 'pk', 'main', 'shop', 'customers', 'id', 1, NULL),
  ('shop', 'fk', 'main', 'shop', 'orders', 'customer', 1, 1)) AS k(constraint_schema,
  constraint_name, table_catalog, table_schema, table_name, column_name, ordinal_position,
  position_in_unique_constraint);
CREATE VIEW info.table_tags AS SELECT * FROM (VALUES
  ('main', 'shop', 'customers', 'team', 'sales'), ('main', 'shop', 'customers', 'gold', ''),
  ('main', 'other', 'it''s', 'team', 'else')) AS g(catalog_name, schema_name, table_name, tag_name,
  tag_value);
CREATE VIEW info.column_tags AS SELECT * FROM (VALUES
  ('main', 'shop', 'customers', 'name', 'pii', 'name'),
  ('main', 'shop', 'customers', 'gone', 'x', ''))
  AS g(catalog_name, schema_name, table_name, column_name, tag_name, tag_value);
CREATE VIEW info.referential_constraints AS SELECT 'shop' AS constraint_schema,
  'fk' AS constraint_name, 'shop' AS unique_constraint_schema, 'pk' AS unique_constraint_name;
"""
GOOD = t.TStatus(t.TStatusCode.SUCCESS_STATUS)
STATES = t.TOperationState


def bad(message: str, code: int = t.TStatusCode.ERROR_STATUS) -> t.TStatus:
    return t.TStatus(code, sqlState="42000", errorMessage=message)


def identifier() -> t.THandleIdentifier:
    return t.THandleIdentifier(secrets.token_bytes(16), secrets.token_bytes(16))


class Operation:
    """One statement, in a thread of its own."""

    def __init__(self, database: duckdb.DuckDBPyConnection, sql: str, limit: float, stub: Stub):
        self.database, self.sql, self.stub = database, sql, stub
        self.state, self.error, self.sql_state = STATES.RUNNING_STATE, "", ""
        self.reader: Any = None
        self.done = threading.Event()
        self.clock = threading.Timer(limit, self.stop, (STATES.TIMEDOUT_STATE,))
        threading.Thread(target=self.work, daemon=True).start()
        self.clock.start()

    def stop(self, state: int) -> None:
        if not self.done.is_set():
            self.state = state
            self.database.interrupt()

    def work(self) -> None:
        self.stub.running.write_text(self.sql)
        try:
            self.database.execute(translated(self.sql))
            self.reader = self.database.to_arrow_reader(BATCH_ROWS)
            if self.state == STATES.RUNNING_STATE:
                self.state = STATES.FINISHED_STATE
        except (duckdb.Error, sqlglot.errors.SqlglotError) as error:
            if self.state == STATES.RUNNING_STATE:
                self.state = STATES.ERROR_STATE
                self.error, self.sql_state = in_their_words(error)
        finally:
            self.clock.cancel()
            self.stub.running.write_text("")
            self.done.set()

    def status(self) -> t.TGetOperationStatusResp:
        self.done.wait(POLL_SECONDS)
        return t.TGetOperationStatusResp(
            GOOD, self.state, sqlState=self.sql_state, errorMessage=self.error
        )


def translated(sql: str) -> str:
    sql = re.sub(r"`main`\.information_schema\b", "info", sql)
    return sqlglot.transpile(sql, read="databricks", write="duckdb")[0]


def in_their_words(error: Exception) -> tuple[str, str]:
    said = str(error).splitlines()[0]
    if isinstance(error, (sqlglot.errors.SqlglotError, duckdb.ParserException)):
        return f"[PARSE_SYNTAX_ERROR] Syntax error at or near: {said}", "42601"
    if isinstance(error, duckdb.BinderException):
        return f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] {said}", "42703"
    if isinstance(error, duckdb.CatalogException):
        return f"[TABLE_OR_VIEW_NOT_FOUND] {said}", "42P01"
    return f"[DIVIDE_BY_ZERO] {said}", "22012"


class Service:
    """The handler of the generated processor."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub

    def OpenSession(self, request: Any) -> Any:  # noqa: N802
        self.stub.say("configuration", request.configuration)
        named = request.initialNamespace
        if named.catalogName != "main":
            told = f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{named.catalogName}' was not found."
            return t.TOpenSessionResp(bad(told), None)
        database = self.stub.database.cursor()
        try:
            database.execute(f"SET search_path = '{named.schemaName or 'main'}'")
        except duckdb.Error:
            told = f"[SCHEMA_NOT_FOUND] The schema `{named.schemaName}` cannot be found."
            return t.TOpenSessionResp(bad(told), None)
        handle = identifier()
        asked = request.configuration
        self.stub.sessions[handle.guid] = (
            f"SET search_path = '{named.schemaName or 'main'}';"
            f" SET TimeZone = '{asked['TIMEZONE']}'",
            float(asked["STATEMENT_TIMEOUT"]),
        )
        version = t.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7
        return t.TOpenSessionResp(
            GOOD, version, t.TSessionHandle(handle), canUseMultipleCatalogs=True
        )

    def CloseSession(self, request: Any) -> Any:  # noqa: N802
        self.stub.sessions.pop(request.sessionHandle.sessionId.guid, None)
        return t.TCloseSessionResp(GOOD)

    def ExecuteStatement(self, request: Any) -> Any:  # noqa: N802
        self.stub.say("statement", request.statement)
        self.stub.say("download", request.canDownloadResult)
        found = self.stub.sessions.get(request.sessionHandle.sessionId.guid)
        if found is None:
            return t.TExecuteStatementResp(bad("gone", t.TStatusCode.INVALID_HANDLE_STATUS), None)
        settings, limit = found
        database = self.stub.database.cursor()
        database.execute(settings)
        operation = Operation(database, request.statement, limit, self.stub)
        handle = t.TOperationHandle(identifier(), t.TOperationType.EXECUTE_STATEMENT, True)
        self.stub.operations[handle.operationId.guid] = operation
        operation.done.wait(0.2)
        answer = t.TExecuteStatementResp(GOOD, handle)
        if operation.state == STATES.FINISHED_STATE:
            answer.directResults = t.TSparkDirectResults(
                t.TGetOperationStatusResp(GOOD, operation.state),
                self.described(operation),
                self.fetched(operation),
            )
        return answer

    def GetOperationStatus(self, request: Any) -> Any:  # noqa: N802
        operation = self.operation(request)
        if operation is None:
            gone = bad("gone", t.TStatusCode.INVALID_HANDLE_STATUS)
            return t.TGetOperationStatusResp(gone, STATES.CLOSED_STATE)
        return operation.status()

    def GetResultSetMetadata(self, request: Any) -> Any:  # noqa: N802
        return self.described(self.operation(request))

    def FetchResults(self, request: Any) -> Any:  # noqa: N802
        operation = self.operation(request)
        if operation is None:
            return t.TFetchResultsResp(bad("gone", t.TStatusCode.INVALID_HANDLE_STATUS))
        return self.fetched(operation)

    def CancelOperation(self, request: Any) -> Any:  # noqa: N802
        if operation := self.operation(request):
            operation.stop(STATES.CANCELED_STATE)
        return t.TCancelOperationResp(GOOD)

    def CloseOperation(self, request: Any) -> Any:  # noqa: N802
        if operation := self.stub.operations.pop(request.operationHandle.operationId.guid, None):
            operation.stop(STATES.CANCELED_STATE)
        return t.TCloseOperationResp(GOOD)

    def operation(self, request: Any) -> Any:
        return self.stub.operations.get(request.operationHandle.operationId.guid)

    @staticmethod
    def described(operation: Operation) -> Any:
        return t.TGetResultSetMetadataResp(
            GOOD,
            resultFormat=t.TSparkRowSetType.ARROW_BASED_SET,
            lz4Compressed=False,
            arrowSchema=operation.reader.schema.serialize().to_pybytes(),
        )

    @staticmethod
    def fetched(operation: Operation) -> Any:
        try:
            batch = operation.reader.read_next_batch()
        except StopIteration:
            return t.TFetchResultsResp(GOOD, False, t.TRowSet(0, [], arrowBatches=[]))
        except (duckdb.Error, pa.ArrowException) as error:
            return t.TFetchResultsResp(bad(str(error)))
        sent = t.TSparkArrowBatch(batch.serialize().to_pybytes(), batch.num_rows)
        return t.TFetchResultsResp(GOOD, True, t.TRowSet(0, [], arrowBatches=[sent]))


class Stub:
    def __init__(self, home: Path, token: str) -> None:
        self.database = duckdb.connect()
        self.database.execute(SHOP)
        self.token = token
        self.minted: set[str] = set()
        self.sessions: dict[bytes, Any] = {}
        self.operations: dict[bytes, Operation] = {}
        self.sockets: set[socket.socket] = set()
        self.running, self.said = home / "running", home / "said"
        self.running.write_text("")
        self.said.write_text("")
        self.processor = TCLIService.Processor(Service(self))

    def say(self, what: str, value: Any) -> None:
        with self.said.open("a") as file:
            file.write(json.dumps({what: value}) + "\n")

    def drop(self, *_: Any) -> None:
        self.sessions.clear()
        for operation in list(self.operations.values()):
            operation.stop(STATES.CLOSED_STATE)
        self.operations.clear()
        for each in list(self.sockets):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)


def handler(stub: Stub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a class
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            stub.sockets.add(self.connection)

        def finish(self) -> None:
            stub.sockets.discard(self.connection)
            with contextlib.suppress(OSError):
                super().finish()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            stub.say("agent", self.headers.get("user-agent"))
            if self.path == "/oidc/v1/token":
                self.give_token(body)
            elif self.path != WAREHOUSE:
                self.answer(404, b"")
            elif self.headers.get("authorization", "")[7:] not in {stub.token, *stub.minted}:
                self.answer(403, b"", {"x-databricks-reason-phrase": "Invalid access token."})
            else:
                outgoing = TMemoryBuffer()
                stub.processor.process(
                    TBinaryProtocol(TMemoryBuffer(body)), TBinaryProtocol(outgoing)
                )
                self.answer(200, outgoing.getvalue())

        def give_token(self, form: bytes) -> None:
            stub.say("token asked", form.decode())
            right = base64.b64encode(f"principal:{stub.token}".encode()).decode()
            if self.headers.get("authorization") != f"Basic {right}":
                self.answer(401, b'{"error": "invalid_client"}')
                return
            token = secrets.token_hex(8)
            stub.minted.add(token)
            self.answer(200, json.dumps({"access_token": token, "expires_in": 1}).encode())

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(OSError):
            secured = self.context.wrap_socket(request, server_side=True)
            super().finish_request(secured, client_address)

    def handle_error(self, *_: Any) -> None:
        pass


def main() -> None:
    home, port, token, certificate, key = sys.argv[1:]
    stub = Stub(Path(home), token)
    signal.signal(signal.SIGUSR1, stub.drop)
    server = Server(("127.0.0.1", int(port)), handler(stub))
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(certificate, key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
