"""A stub of Exasol's WebSocket protocol with DuckDB behind it. No Exasol: it proves the protocol.

    python exasol_stub.py DIRECTORY PORT USER PASSWORD CERTIFICATE KEY

It knows login (the password under its RSA key), execute, fetch, closeResultSet, abortQuery, the
attributes queryTimeout and autocommit, and the system tables that the adapter reads. SQL is
DuckDB's, names keep their case. `DIRECTORY/running` has the statement under way; SIGUSR1 drops
every connection.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import queue
import re
import signal
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHUNK_ROWS = 25_000
INLINE_ROWS = 1_000
USERS = "NOT IN ('main', 'pg_catalog', 'information_schema')"
SYSTEM_TABLES = f"""
CREATE VIEW EXA_ALL_SCHEMAS AS SELECT schema_name AS SCHEMA_NAME,
  CASE schema_name WHEN 'shop' THEN 'what is sold' END AS SCHEMA_COMMENT
  FROM duckdb_schemas() WHERE database_name NOT IN ('system', 'temp') AND schema_name {USERS};
CREATE VIEW EXA_ALL_TABLES AS SELECT schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME,
  comment AS TABLE_COMMENT, estimated_size AS TABLE_ROW_COUNT
  FROM duckdb_tables() WHERE database_name NOT IN ('system', 'temp') AND schema_name {USERS};
CREATE VIEW EXA_ALL_VIEWS AS SELECT schema_name AS VIEW_SCHEMA, view_name AS VIEW_NAME,
  comment AS VIEW_COMMENT FROM duckdb_views()
  WHERE database_name NOT IN ('system', 'temp') AND schema_name {USERS};
CREATE VIEW EXA_ALL_COLUMNS AS SELECT schema_name AS COLUMN_SCHEMA, table_name AS COLUMN_TABLE,
  column_name AS COLUMN_NAME, column_index AS COLUMN_ORDINAL_POSITION, data_type AS COLUMN_TYPE,
  is_nullable AS COLUMN_IS_NULLABLE, column_default AS COLUMN_DEFAULT, comment AS COLUMN_COMMENT
  FROM duckdb_columns() WHERE database_name NOT IN ('system', 'temp') AND schema_name {USERS};
CREATE VIEW EXA_ALL_CONSTRAINT_COLUMNS AS SELECT schema_name AS CONSTRAINT_SCHEMA,
  table_name AS CONSTRAINT_TABLE, constraint_type AS CONSTRAINT_TYPE,
  constraint_name AS CONSTRAINT_NAME, unnest(range(1, len(constraint_column_names) + 1))
    AS ORDINAL_POSITION, unnest(constraint_column_names) AS COLUMN_NAME,
  CASE WHEN constraint_type = 'FOREIGN KEY' THEN schema_name END AS REFERENCED_SCHEMA,
  CASE WHEN constraint_type = 'FOREIGN KEY' THEN referenced_table END AS REFERENCED_TABLE,
  unnest(referenced_column_names) AS REFERENCED_COLUMN
  FROM duckdb_constraints() WHERE database_name NOT IN ('system', 'temp');
"""
SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop.victim (a INTEGER); INSERT INTO shop.victim VALUES (1);
CREATE TABLE shop.customers (id INTEGER PRIMARY KEY, name VARCHAR DEFAULT 'nobody');
COMMENT ON TABLE shop.customers IS 'who buys'; COMMENT ON COLUMN shop.customers.name IS 'in full';
CREATE TABLE shop.orders (day DATE, customer INTEGER REFERENCES shop.customers (id));
CREATE VIEW shop.names AS SELECT name FROM shop.customers;
CREATE SCHEMA other; CREATE TABLE other."it's" (b DOUBLE NOT NULL);
"""


class Refused(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Frames:
    """RFC 6455 as a server: text messages, closing."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self.lock = threading.Lock()

    def handshake(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(4096) or b"\r\n\r\n"
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
        if found is None:
            raise ConnectionError("no WebSocket")
        digest = hashlib.sha1(found[1] + GUID.encode()).digest()
        accept = base64.b64encode(digest).decode()
        self.sock.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise ConnectionError("gone")
            data += piece
        return bytes(data)

    def receive(self) -> Any:
        first, length = self.exactly(2)
        length &= 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.exactly(8))
        mask = self.exactly(4)
        data = self.exactly(length)
        if first & 0x0F == 8:
            raise ConnectionError("closed")
        return json.loads(bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        size = len(data)
        if size < 126:
            head = bytes([0x81, size])
        elif size < 1 << 16:
            head = b"\x81\x7e" + struct.pack("!H", size)
        else:
            head = b"\x81\x7f" + struct.pack("!Q", size)
        with self.lock:
            self.sock.sendall(head + data)


class Client:
    """One connection: a thread reads the commands, another carries them out."""

    def __init__(self, sock: ssl.SSLSocket, stub: Stub) -> None:
        self.frames = Frames(sock)
        self.stub = stub
        self.database = stub.database.cursor()
        self.database.execute("SET search_path = 'main'; SET TimeZone = 'Europe/Berlin'")
        self.attributes: dict[str, Any] = {}
        self.commands: queue.Queue[Any] = queue.Queue()
        self.results: dict[int, list[dict[str, Any]]] = {}
        self.stopped = ""
        self.signed_in = False

    def serve(self) -> None:
        self.frames.handshake()
        threading.Thread(target=self.work, daemon=True).start()
        try:
            while True:
                command = self.frames.receive()
                if command.get("command") == "abortQuery":
                    self.stop("R0003")
                else:
                    self.commands.put(command)
        finally:
            self.commands.put(None)
            self.stop("R0003")

    def stop(self, code: str) -> None:
        self.stopped = self.stopped or code
        self.database.interrupt()

    def work(self) -> None:
        while (command := self.commands.get()) is not None:
            try:
                answer = {"status": "ok", **self.answer(command)}
            except (Refused, duckdb.Error) as error:
                refused = error if isinstance(error, Refused) else self.refusal(error)
                told = {"sqlCode": refused.code, "text": str(refused)}
                answer = {"status": "error", "exception": told}
            with contextlib.suppress(OSError):
                self.frames.send(answer)

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = command.get("command")
        if name == "login":
            return {"responseData": {"publicKeyPem": self.stub.public}}
        if "username" in command:
            return {"responseData": self.login(command)}
        if not self.signed_in:
            raise Refused("08004", "not signed in")
        if name == "execute":
            return {"responseData": self.execute(command["sqlText"])}
        if name == "fetch":
            return {"responseData": self.fetch(command)}
        if name == "closeResultSet":
            for handle in command["resultSetHandles"]:
                self.results.pop(handle, None)
                with contextlib.suppress(duckdb.Error):
                    self.database.execute(f"DROP TABLE IF EXISTS temp.result_{handle}")
        return {"attributes": self.attributes}

    def login(self, command: dict[str, Any]) -> dict[str, Any]:
        with contextlib.suppress(OSError):
            self.stub.log(command)
        given = self.stub.key.decrypt(base64.b64decode(command["password"]), padding.PKCS1v15())
        if (command["username"], given.decode()) != (self.stub.username, self.stub.password):
            raise Refused("08004", "Connection exception - authentication failed.")
        self.signed_in = True
        self.attributes = command["attributes"]
        return {"sessionId": "1", "protocolVersion": 3, "releaseVersion": "8.0.0"}

    def execute(self, sql: str) -> dict[str, Any]:
        self.stopped = ""
        limit = self.attributes.get("queryTimeout") or 0
        clock = threading.Timer(limit, self.stop, ("R0001",)) if limit else None
        self.stub.running.write_text(sql)
        try:
            if clock:
                clock.start()
            return self.run(sql)
        finally:
            self.stub.running.write_text("")
            if clock:
                clock.cancel()

    def refusal(self, error: duckdb.Error) -> Refused:
        """In Exasol's words, as its manual gives them."""
        if self.stopped:
            return Refused(self.stopped, "Query terminated")
        said = str(error).splitlines()[0]
        if isinstance(error, duckdb.ParserException):
            return Refused("42000", f"syntax error, {said}")
        if isinstance(error, (duckdb.CatalogException, duckdb.BinderException)):
            return Refused("42000", f"object not found: {said}")
        return Refused("22002", said)

    def run(self, sql: str) -> dict[str, Any]:
        if session := re.match(r"ALTER SESSION SET (\w+) = (.*)", sql):
            if session[1] == "TIME_ZONE":
                self.database.execute(f"SET TimeZone = {session[2]}")
            return self.nothing()
        if schema := re.match(r'OPEN SCHEMA "(.*)"', sql):
            try:
                self.database.execute(f"SET search_path = '{schema[1]},main'")
            except duckdb.CatalogException:
                raise Refused("42000", f"schema {schema[1]} not found") from None
            return self.nothing()
        if sql in {"COMMIT", "ROLLBACK"}:
            with contextlib.suppress(duckdb.TransactionException):
                self.database.execute(sql)
            return self.nothing()
        with contextlib.suppress(duckdb.TransactionException):
            self.database.execute("BEGIN")
        if not re.match(r"\W*(SELECT|WITH|VALUES|FROM|TABLE)\b", sql, re.IGNORECASE):
            self.database.execute(sql)
            return self.nothing()
        return self.select(sql)

    def select(self, sql: str) -> dict[str, Any]:
        handle = self.stub.next_handle()
        # The line break ends a comment; the order of a table is that of its rows.
        self.database.execute(f"CREATE TEMP TABLE result_{handle} AS {sql}\n")
        shape = self.database.execute(f"SELECT * FROM temp.result_{handle} LIMIT 0").description
        columns = [{"name": c[0], "dataType": data_type(str(c[1]))} for c in shape]
        (total,) = self.database.execute(f"SELECT count(*) FROM temp.result_{handle}").fetchall()[0]
        found: dict[str, Any] = {
            "columns": columns,
            "numColumns": len(columns),
            "numRows": total,
            "numRowsInMessage": 0,
        }
        if total <= INLINE_ROWS:
            found |= {"numRowsInMessage": total}
            if total:
                found["data"] = self.rows(handle, columns, 0)
            self.database.execute(f"DROP TABLE temp.result_{handle}")
        else:
            found["resultSetHandle"] = handle
            self.results[handle] = columns
        return {"numResults": 1, "results": [{"resultType": "resultSet", "resultSet": found}]}

    def fetch(self, command: dict[str, Any]) -> dict[str, Any]:
        handle = command["resultSetHandle"]
        if handle not in self.results:
            raise Refused("00000", "no such result set")
        data = self.rows(handle, self.results[handle], command["startPosition"])
        return {"numRows": len(data[0]) if data else 0, "data": data}

    def rows(self, handle: int, columns: list[dict[str, Any]], start: int) -> list[list[Any]]:
        listed = ", ".join(written(c["dataType"]["type"], f'"{c["name"]}"') for c in columns)
        found = self.database.execute(
            f"SELECT {listed} FROM temp.result_{handle} LIMIT {CHUNK_ROWS} OFFSET {start}"
        ).fetchall()
        return [list(column) for column in zip(*found, strict=True)]

    @staticmethod
    def nothing() -> dict[str, Any]:
        return {"numResults": 1, "results": [{"resultType": "rowCount", "rowCount": 0}]}


def data_type(kind: str) -> dict[str, Any]:
    if kind in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}:
        return {"type": "DECIMAL", "precision": 18, "scale": 0}
    if kind == "HUGEINT":
        return {"type": "DECIMAL", "precision": 36, "scale": 0}
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return {"type": "DECIMAL", "precision": int(found[1]), "scale": int(found[2])}
    if kind in {"DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}:
        return {"type": kind}
    known: dict[str, dict[str, Any]] = {
        "TIMESTAMP WITH TIME ZONE": {
            "type": "TIMESTAMP WITH LOCAL TIME ZONE",
            "withLocalTimeZone": True,
        },
        "INTERVAL": {"type": "INTERVAL DAY TO SECOND", "precision": 9, "fraction": 3},
    }
    return known.get(kind, {"type": "VARCHAR", "size": 2_000_000, "characterSet": "UTF8"})


def written(kind: str, column: str) -> str:
    if kind in {"DOUBLE", "BOOLEAN"}:
        return column
    if kind == "DECIMAL":
        return f"CASE WHEN {column} IS NULL THEN NULL ELSE {column}::VARCHAR END"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%f') || '000'"
    if kind == "INTERVAL DAY TO SECOND":
        return f"'+000000001 ' || ({column} - INTERVAL 1 DAY)::VARCHAR || '.250'"
    return f"{column}::VARCHAR"


class Stub:
    def __init__(self, home: Path, username: str, password: str) -> None:
        self.database = duckdb.connect(":memory:exa")
        self.database.execute(SYSTEM_TABLES)
        self.database.execute(SHOP)
        self.key = rsa.generate_private_key(65537, 2048)
        self.public = (
            self.key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )
        self.username, self.password = username, password
        self.running, self.logins = home / "running", home / "logins"
        self.running.write_text("")
        self.clients: set[Client] = set()
        self.handles = 0
        self.lock = threading.Lock()

    def next_handle(self) -> int:
        with self.lock:
            self.handles += 1
            return self.handles

    def log(self, command: dict[str, Any]) -> None:
        with self.logins.open("a") as file:
            file.write(json.dumps(command) + "\n")

    def drop(self, *_: Any) -> None:
        for client in list(self.clients):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(client.frames.sock, socket.SHUT_RDWR)

    def serve(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError, ValueError):
            secured = context.wrap_socket(sock, server_side=True)
            client = Client(secured, self)
            self.clients.add(client)
            try:
                client.serve()
            finally:
                self.clients.discard(client)
                secured.close()


def main() -> None:
    home, port, username, password, certificate, key = sys.argv[1:]
    stub = Stub(Path(home), username, password)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    signal.signal(signal.SIGUSR1, stub.drop)
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=stub.serve, args=(sock, context), daemon=True).start()


if __name__ == "__main__":
    main()
