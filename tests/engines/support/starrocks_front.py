"""A protocol stub of StarRocks: MySQL's protocol by mysql-mimic, SQL translated for DuckDB.

    python starrocks_front.py PORT USER PASSWORD

Runs in the environment that has mysql-mimic, alone. It knows the variables that the adapter may set
and no other, stops statements by query_timeout and KILL as the documentation says, and has the
columns of information_schema that the documentation lists. It says nothing of the real server.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import duckdb
import mysql_mimic.server
import sqlglot
from mysql_mimic import IdentityProvider, MysqlServer, User, packets
from mysql_mimic.auth import NativePasswordAuthPlugin
from mysql_mimic.connection import Connection
from mysql_mimic.constants import KillKind
from mysql_mimic.errors import MysqlError
from mysql_mimic.results import ResultColumn, ResultSet
from mysql_mimic.session import BaseSession
from mysql_mimic.types import ColumnType
from mysql_mimic.variables import GlobalVariables, SessionVariables

CATALOG = """
CREATE SCHEMA shop; CREATE SCHEMA "it's"; CREATE SCHEMA facts;
CREATE TABLE shop.victim (a INTEGER); INSERT INTO shop.victim VALUES (1);
CREATE TABLE facts.schemata (schema_name VARCHAR);
INSERT INTO facts.schemata VALUES ('shop'), ('it''s'), ('_statistics_'), ('information_schema');
CREATE TABLE facts.tables (table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR,
    table_comment VARCHAR, table_rows BIGINT);
INSERT INTO facts.tables VALUES ('shop', 'victim', 'BASE TABLE', '', 1),
    ('shop', 'order_line', 'BASE TABLE', 'Lines', 7), ('it''s', 'seen', 'VIEW', '', NULL),
    ('_statistics_', 'column_statistics', 'BASE TABLE', '', 3);
CREATE TABLE facts.tables_config (table_schema VARCHAR, table_name VARCHAR, primary_key VARCHAR);
INSERT INTO facts.tables_config VALUES ('shop', 'victim', ''),
    ('shop', 'order_line', '`order_id`, `line`');
CREATE TABLE facts.columns (table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR,
    ordinal_position BIGINT, column_type VARCHAR, is_nullable VARCHAR, column_default VARCHAR,
    column_comment VARCHAR);
INSERT INTO facts.columns VALUES
    ('shop', 'victim', 'a', 1, 'int(11)', 'YES', NULL, ''),
    ('shop', 'order_line', 'line', 2, 'int(11)', 'NO', NULL, ''),
    ('shop', 'order_line', 'order_id', 1, 'bigint(20)', 'NO', NULL, 'the order'),
    ('shop', 'order_line', 'price', 3, 'decimal(10, 2)', 'YES', '0', ''),
    ('it''s', 'seen', 'a', 1, 'int(11)', 'YES', NULL, '');
"""
DATABASES = ("shop", "it's")
VARIABLES = {"query_timeout", "time_zone"}
TYPES = {
    "BOOLEAN": ColumnType.TINY,
    "TINYINT": ColumnType.TINY,
    "INTEGER": ColumnType.LONG,
    "BIGINT": ColumnType.LONGLONG,
    "DOUBLE": ColumnType.DOUBLE,
    "DATE": ColumnType.DATE,
    "TIMESTAMP": ColumnType.DATETIME,
}
BAD_DATABASE, TIMED_OUT, GENERAL, UNKNOWN_VARIABLE = 5501, 5024, 1064, 1193
ANALYZING = "Getting analyzing error. Detail message: "
running: dict[int, tuple[str, str]] = {}


def refused(code: int, text: str) -> MysqlError:
    return MysqlError(text, code)  # type: ignore[arg-type]


class Streaming(Connection):
    """Sends rows as they come, and can be stopped between them; KILL QUERY needs a query."""

    busy = False

    async def authenticate(self, **given: Any) -> None:
        """With the check of the database's name that mysql-mimic leaves out."""
        name = self.session.database
        if name and name not in DATABASES:
            text = f"Unknown database '{name}'"
            await self.stream.write(self.error(msg=text, code=BAD_DATABASE))
            raise refused(BAD_DATABASE, text)
        await super().authenticate(**given)

    async def handle_query(self, data: bytes) -> None:
        self.busy = True
        try:
            await super().handle_query(data)
        finally:
            self.busy = False
            running[self.connection_id] = (str(self.session.username), "")

    def kill(self, kind: KillKind = KillKind.CONNECTION) -> None:
        if self.busy or kind is KillKind.CONNECTION:
            super().kill(kind)

    async def write_text_resultset(self, result_set: ResultSet) -> None:
        columns = result_set.columns
        head = [packets.make_column_count(self.capabilities, len(columns))]
        head += [
            packets.make_column_definition_41(
                server_charset=self.server_charset,
                name=column.name,
                column_type=column.type,
                character_set=column.character_set,
            )
            for column in columns
        ]
        self.stream.write_many([*head, self.eof()])
        if isinstance(result_set.rows, list):
            self.stream.write_text_rows(result_set.rows, columns)
        else:
            async for chunk in result_set.rows:
                self.stream.write_text_rows(chunk, columns)
                await self.stream.drain()
                await asyncio.sleep(0)
        await self.stream.write(self.ok_or_eof())


mysql_mimic.server.Connection = Streaming  # type: ignore[misc]


class Stub(BaseSession):
    engine = duckdb.connect()

    def __init__(self) -> None:
        self.variables = SessionVariables(GlobalVariables())
        self.username: str | None = None
        self.database: str | None = None
        self.limit = 300

    async def init(self, connection: Any) -> None:
        self.connection = connection

    async def use(self, database: str) -> None:
        if database not in DATABASES:
            raise refused(BAD_DATABASE, f"Unknown database '{database}'")
        self.database = database

    async def handle_query(self, sql: str, attrs: dict[str, str]) -> Any:
        own = self.connection.connection_id
        running[own] = (str(self.username), sql)
        try:
            return await asyncio.wait_for(self.answer(sql.strip()), self.limit)
        except TimeoutError:
            text = "Query timeout. Increase the query_timeout session variable and retry"
            raise refused(TIMED_OUT, text) from None

    async def close(self) -> None:
        running.pop(self.connection.connection_id, None)

    async def answer(self, sql: str) -> Any:
        if found := re.fullmatch(r"SET (SESSION )?(\w+) = (.*)", sql, re.IGNORECASE):
            return self.set(found[2].lower(), found[3].strip("'"))
        if re.match(r"SET (NAMES|AUTOCOMMIT)", sql, re.IGNORECASE):
            return None
        if found := re.fullmatch(r"KILL (QUERY )?(\d+)", sql, re.IGNORECASE):
            kind = KillKind.QUERY if found[1] else KillKind.CONNECTION
            return await self.connection.control.kill(int(found[2]), kind)
        if found := re.fullmatch(r"SELECT sleep\((\d+)\) AS \w+", sql, re.IGNORECASE):
            await asyncio.sleep(int(found[1]))
        return self.fact(sql.upper()) or await self.query(sql)

    def fact(self, sql: str) -> Any:
        facts = {
            "SHOW FULL PROCESSLIST": [(key, *value) for key, value in running.items()],
            "SELECT CONNECTION_ID()": [(self.connection.connection_id,)],
            "SELECT VERSION()": [("8.0.33",)],
        }
        rows = facts.get(sql)
        return rows and (rows, [f"c{i}" for i in range(len(rows[0]))])

    def set(self, name: str, value: str) -> None:
        if name not in VARIABLES:
            raise refused(UNKNOWN_VARIABLE, f"Unknown system variable '{name}'")
        if name == "query_timeout":
            self.limit = int(value)

    async def query(self, sql: str) -> ResultSet:
        if not re.match(r"\(*\s*(SELECT|WITH|VALUES)\b", sql, re.IGNORECASE):
            raise refused(GENERAL, f"Getting syntax error at line 1, column 1. {sql[:20]}")
        sql = re.sub(r"TABLE\((generate_series\([^)]*\))\)", r"\1", sql)
        try:
            tree = sqlglot.parse_one(sql, read="starrocks")
        except sqlglot.errors.ParseError as error:
            raise refused(GENERAL, f"Getting syntax error: {error}") from None
        for table in tree.find_all(sqlglot.exp.Table):
            if table.db.lower() == "information_schema":
                table.set("db", sqlglot.exp.to_identifier("facts"))
        cursor = self.engine.cursor()
        cursor.execute(f"SET schema = '{self.database or 'shop'}'")
        try:
            cursor.execute(tree.sql("duckdb"))
        except duckdb.ParserException as error:
            raise refused(GENERAL, f"Getting syntax error: {error}") from None
        except duckdb.CatalogException:
            raise refused(5502, f"{ANALYZING}Unknown table 'no_such_table'") from None
        except duckdb.BinderException:
            raise refused(GENERAL, f"{ANALYZING}Column 'x' cannot be resolved") from None
        columns = [
            ResultColumn(name, TYPES.get(str(kind), ColumnType.VAR_STRING))
            for name, kind, *_ in cursor.description
        ]
        return ResultSet(self.rows(cursor), columns)

    async def rows(self, cursor: Any) -> Any:
        while chunk := cursor.fetchmany(4096):
            yield chunk


class Users(IdentityProvider):
    def __init__(self, name: str, password: str) -> None:
        secret = NativePasswordAuthPlugin.create_auth_string(password)
        self.user = User(name, auth_string=secret, auth_plugin="mysql_native_password")

    def get_plugins(self) -> list[NativePasswordAuthPlugin]:
        return [NativePasswordAuthPlugin()]

    async def get_user(self, username: str) -> User | None:
        return self.user if username == self.user.name else None


async def main(port: str, user: str, password: str) -> None:
    Stub.engine.execute(CATALOG)
    server = MysqlServer(Stub, identity_provider=Users(user, password))
    await server.start_server(host="127.0.0.1", port=int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
