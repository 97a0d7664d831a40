"""A small HTTP front for chdb: ClickHouse's own engine, spoken to as a ClickHouse server is.

    python chdb_front.py DIRECTORY PORT USER PASSWORD [CERTIFICATE KEY]

Runs in the environment that has chdb, alone. SQL, types, settings, read-only mode, time limits,
KILL QUERY and error numbers are the engine's. This file stands in for the server's HTTP handler:
the password check, the check of the database's name, ids of statements, headers, and the text of an
error in the middle of an answer. /drop ends all other connections.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import secrets
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from chdb.state.sqlitelike import connect

NOT_SETTINGS = {
    "query", "database", "default_format", "query_id", "wait_end_of_query",
    "client_protocol_version", "enable_http_compression", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)")
KILL = re.compile(r"(KILL QUERY WHERE )query_id = '(\w+)'", re.IGNORECASE)
AUTHENTICATION_FAILED, UNKNOWN_DATABASE = 516, 81


class Refused(Exception):
    """What the server's own handler would refuse before the engine is asked."""


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, directory: str, port: int, login: tuple[str, str]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.directory = directory
        self.login = base64.b64encode(":".join(login).encode()).decode()
        self.tls: ssl.SSLContext | None = None
        self.clients: set[socket.socket] = set()
        # The engine ends with its last connection: this one stays.
        self.engine = connect(directory)

    def drop_all_but(self, own: socket.socket) -> None:
        for client in list(self.clients - {own}):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(client, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests leave when they like."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536
    server: Front

    def setup(self) -> None:
        self.request.settimeout(30)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.clients.add(self.request)

    def finish(self) -> None:
        self.server.clients.discard(self.request)
        super().finish()

    def handle_one_request(self) -> None:
        # As the real handler does with the first bytes of a TLS handshake.
        if self.server.tls is None and self.rfile.peek(1)[:1] == b"\x16":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.wfile.flush()
            self.close_connection = True
            return
        super().handle_one_request()

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, format: str, *args: Any) -> None:
        """The tests look at answers, not at a log."""

    def answer(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if address.path == "/drop":
            self.server.drop_all_but(self.request)
            self.whole(b"", "")
            return
        parameters = dict(parse_qsl(address.query, keep_blank_values=True))
        try:
            self.check_login()
            self.ask(parameters, "\n".join(filter(None, (parameters.get("query"), body))))
        except (RuntimeError, Refused) as error:
            self.refuse(str(error))

    def check_login(self) -> None:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic" or not secrets.compare_digest(given, self.server.login):
            raise Refused(
                f"Code: {AUTHENTICATION_FAILED}. DB::Exception: default: Authentication failed: "
                "password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"
            )

    def ask(self, parameters: dict[str, str], sql: str) -> None:
        found = FORMAT.search(sql)
        form = found[1] if found else parameters.get("default_format", "TabSeparated")
        sql = sql[: found.start()] if found else sql
        if found and FORMAT.search(sql):
            raise Refused("Code: 62. DB::Exception: Syntax error: two FORMAT. (SYNTAX_ERROR)")
        # The engine gives its own ids; ours stands in the text of the statement.
        if killed := KILL.match(sql):
            sql = f"{killed[1]}position(query, {literal(killed[2])}) > 0 AND query NOT LIKE 'KILL%'"
        elif "query_id" in parameters:
            sql = f"/* {parameters['query_id']} */ {sql}"
        with contextlib.closing(connect(self.server.directory)) as connection:
            self.prepare(connection, parameters)
            bound = {n[6:]: v for n, v in parameters.items() if n.startswith("param_")}
            for name, value in bound.items():
                connection.query(f"SET param_{name} = {literal(value)}")
            if form == "ArrowStream":
                self.stream(connection, sql)
            else:
                self.whole(connection.query(sql, form).bytes(), form)

    def prepare(self, connection: Any, parameters: dict[str, str]) -> None:
        database = parameters.get("database")
        if database:
            known = connection.query("SELECT name FROM system.databases", "TSV").bytes().decode()
            if database not in known.split("\n"):
                raise Refused(
                    f"Code: {UNKNOWN_DATABASE}. DB::Exception: Database {database} does not exist. "
                    "(UNKNOWN_DATABASE)"
                )
            connection.query(f"USE `{database}`")
        # chdb reads a statement without SELECT as one with it; the server does not.
        given = {"implicit_select": "0"} | {
            name: value
            for name, value in parameters.items()
            if name not in NOT_SETTINGS and not name.startswith("param_")
        }
        # In one statement, as the server takes them: then readonly holds for all that follows.
        pairs = ", ".join(f"{name} = {literal(value)}" for name, value in given.items())
        connection.query(f"SET {pairs}")

    def stream(self, connection: Any, sql: str) -> None:
        try:
            chunks = iter(connection.send_query(sql, "ArrowStream"))
            first = next(chunks, None)
        except RuntimeError as error:
            # chdb streams SELECT only; the server streams all.
            if "Streaming query is not supported" not in str(error):
                raise
            first = None
        data = first.bytes() if first is not None else b""
        if not data:
            self.whole(connection.query(sql, "ArrowStream").bytes(), "ArrowStream")
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-ClickHouse-Format", "ArrowStream")
        self.end_headers()
        # The engine gives each piece as a stream of its own.
        piece = pa.ipc.open_stream(io.BytesIO(data))
        with pa.ipc.new_stream(pa.PythonFile(Chunked(self), "w"), piece.schema) as writer:
            try:
                while True:
                    for batch in piece:
                        writer.write_batch(batch)
                    following = next(chunks, None)
                    if following is None:
                        break
                    piece = pa.ipc.open_stream(io.BytesIO(following.bytes()))
            except RuntimeError as error:
                self.break_off(str(error))
                raise ConnectionAbortedError from error
        self.wfile.write(b"0\r\n\r\n")

    def break_off(self, text: str) -> None:
        """As the server does when it has begun to answer: the error as text, and no proper end."""
        said = CODE.search(text)
        Chunked(self).write(text[said.start() if said else 0 :].encode())
        self.close_connection = True

    def whole(self, data: bytes, form: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-ClickHouse-Format", form)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, text: str) -> None:
        said = CODE.search(text)
        data = (text[said.start() :] + " (version 26.9 (chdb))" if said else text).encode()
        forbidden = said is not None and int(said[1]) == AUTHENTICATION_FAILED
        self.send_response(403 if forbidden else 500)
        self.send_header("Content-Length", str(len(data)))
        if said is not None:
            self.send_header("X-ClickHouse-Exception-Code", said[1])
        self.end_headers()
        self.wfile.write(data)


class Chunked:
    """A file whose writes are chunks of an HTTP answer."""

    closed = False

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def write(self, data: bytes) -> int:
        data = bytes(data)
        if data:
            self.handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """The answer goes on after the file."""


def main(directory: str, port: str, user: str, password: str, *tls: str) -> None:
    front = Front(directory, int(port), (user, password))
    if tls:
        front.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        front.tls.load_cert_chain(*tls)
    threading.Thread(target=front.serve_forever).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
