"""fakesnow's server with what it leaves out, for tests of the Snowflake adapter.

    python fakesnow_front.py PORT CERTIFICATE KEY SETTINGS.json

Runs in the environment that has fakesnow, alone. SQL, types, catalog views and error numbers are
fakesnow's (DuckDB under SQL translated from Snowflake's). This file stands in for the service:
passwords and key-pair tokens are checked, an unknown database is refused, an abort stops the
statement, answers of many rows are split into chunks under another host name, and the two SHOW
commands of keys answer with rows from the settings.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import importlib
import json
import ssl
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pyarrow as pa
import uvicorn
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


@dataclass(eq=False)
class Statement:
    """One that DuckDB is given, and whether it shall end."""

    sql: str
    connection: Any
    unwanted: bool = False


# The package has a function of the same name.
server: Any = importlib.import_module("fakesnow.server")
SETTINGS: dict[str, Any] = {}
CHUNKS: dict[str, bytes] = {}
LOGINS: list[dict[str, Any]] = []
ABORTED: list[str] = []
RUNNING: list[Statement] = []
CHUNK_ROWS = 20_000
STAGE = "https://stage.example.test"
STAGE_HEADER = ("x-amz-server-side-encryption-customer-key", "key-of-the-stage")


def refused(code: str, message: str) -> JSONResponse:
    data = {"nextAction": None, "errorCode": code}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})


async def body_of(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    return json.loads(raw) if raw else {}


async def login(request: Request) -> Response:
    data = (await body_of(request))["data"]
    seen = {key: data.get(key) for key in ("LOGIN_NAME", "ACCOUNT_NAME", "AUTHENTICATOR")}
    seen["PASSWORD_SENT"] = "PASSWORD" in data
    seen |= {"SESSION_PARAMETERS": data.get("SESSION_PARAMETERS"), "HOST": request.url.hostname}
    seen |= {"QUERY": dict(request.query_params), "CLIENT": data.get("CLIENT_ENVIRONMENT")}
    LOGINS.append(seen)
    if SETTINGS.get("redirect"):
        return RedirectResponse(SETTINGS["redirect"], 307)
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        if not token_is_right(data):
            return refused("390144", "JWT token is invalid. [8b2f1c]")
    elif data.get("AUTHENTICATOR") == "OAUTH":
        if data.get("TOKEN") not in SETTINGS.get("oauth", ()):
            return refused("390303", "Invalid OAuth access token. [8b2f1c]")
    elif (data.get("LOGIN_NAME"), data.get("PASSWORD")) != tuple(SETTINGS["login"]):
        return refused("390100", "Incorrect username or password was specified.")
    if request.query_params.get("databaseName", "SHOP").upper() not in SETTINGS["databases"]:
        return refused("390201", "The requested database does not exist or not authorized.")
    return await server.login_request(request)


def token_is_right(data: dict[str, Any]) -> bool:
    """As "Key-pair authentication" says: RS256, issuer ACCOUNT.USER.SHA256:fingerprint."""
    key = serialization.load_pem_public_key(SETTINGS["public_key"].encode())
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
    subject = f"{SETTINGS['account']}.{SETTINGS['login'][0].upper()}"
    try:
        claims = jwt.decode(data["TOKEN"], key, ["RS256"], issuer=f"{subject}.{fingerprint}")
    except jwt.InvalidTokenError:
        return False
    return claims["sub"] == subject and 0 < claims["exp"] - claims["iat"] <= 3600


async def query(request: Request) -> Response:
    sent = await body_of(request)
    sql = sent["sqlText"]
    if server.to_token(request) not in server.sessions:
        return refused("390112", "Your session has expired. Please login again.")
    for command in ("PRIMARY", "IMPORTED"):
        if sql.startswith(f"SHOW {command} KEYS IN DATABASE"):
            return JSONResponse(shown(SETTINGS[f"{command.lower()}_keys"]))
    if "account_usage.tag_references" in sql:
        if (rows := SETTINGS["tags"]) is None:
            return refused("002003", "Schema 'SNOWFLAKE.ACCOUNT_USAGE' does not exist.")
        return JSONResponse(shown(rows))
    statement = Statement(sql, connection_of(request))
    RUNNING.append(statement)
    watching = asyncio.create_task(watch(statement, request))
    try:
        answer = await server.query_request(request)
        # DuckDB refuses while it ends an interrupted statement; the service lets the next one wait.
        for _ in range(100):
            if b"connection is busy with another call" not in bytes(answer.body):
                break
            await asyncio.sleep(0.05)
            answer = await server.query_request(request)
    finally:
        RUNNING.remove(statement)
        await watching
    said = json.loads(bytes(answer.body))
    if answer.status_code == 500 and sql in ABORTED:
        # fakesnow knows no interrupted statement; this is what the service says.
        return refused("000604", "SQL execution canceled")
    split(said.get("data") or {})
    return JSONResponse(said, answer.status_code)


def connection_of(request: Request) -> Any:
    return server.to_conn(server.to_token(request))._duck_conn


async def watch(statement: Statement, request: Request) -> None:
    """End it when it is aborted or nobody waits for it any more. DuckDB forgets an interrupt that
    comes before it has begun, so one is not enough: the statement would run for the days it takes.
    """
    while statement in RUNNING:
        if statement.unwanted or await request.is_disconnected():
            statement.connection.interrupt()
        await asyncio.sleep(0.05)


def end(sql: str | None, connection: Any | None) -> None:
    """Mark running statements, all when nothing is given."""
    for statement in RUNNING:
        if sql in (None, statement.sql) and connection in (None, statement.connection):
            statement.unwanted = True


def shown(rows: list[list[str]]) -> dict[str, Any]:
    width = len(rows[0]) if rows else 13
    types = [
        {"name": f"c{i}", "type": "text", "nullable": True, "length": 99, "byteLength": 99,
         "precision": None, "scale": None}
        for i in range(width)
    ]  # fmt: skip
    data = {
        "rowtype": types, "rowset": rows, "total": len(rows), "queryResultFormat": "json",
        "queryId": str(uuid.uuid4()), "statementTypeId": 24576, "parameters": [],
        "finalDatabaseName": "SHOP", "finalSchemaName": "PUBLIC",
    }  # fmt: skip
    return {"data": data, "success": True}


def split(data: dict[str, Any]) -> None:
    """Answers of many rows: the first rows inline, the rest as files of a stage."""
    if data.get("queryResultFormat") != "arrow" or data.get("total", 0) <= CHUNK_ROWS:
        return
    table = pa.ipc.open_stream(base64.b64decode(data["rowsetBase64"])).read_all()
    parts = [table.slice(at, CHUNK_ROWS) for at in range(0, table.num_rows, CHUNK_ROWS)]
    data["rowsetBase64"] = base64.b64encode(server.to_ipc(parts[0])).decode()
    data["chunkHeaders"] = dict([STAGE_HEADER])
    data["chunks"] = []
    for part in parts[1:]:
        name = uuid.uuid4().hex
        CHUNKS[name] = gzip.compress(server.to_ipc(part), 1)
        size = len(CHUNKS[name])
        url = f"{SETTINGS.get('stage', STAGE)}/results/{name}?signature=x"
        data["chunks"].append(
            {"url": url, "rowCount": part.num_rows, "uncompressedSize": size,
             "compressedSize": size}
        )  # fmt: skip


async def chunk(request: Request) -> Response:
    host = request.headers["host"]
    if host != "stage.example.test" or request.headers.get(STAGE_HEADER[0]) != STAGE_HEADER[1]:
        return Response("not the stage", 403)
    if "Authorization" in request.headers:
        return Response("the session's token does not belong here", 403)
    return Response(CHUNKS[request.path_params["name"]], headers={"Content-Encoding": "gzip"})


async def abort(request: Request) -> Response:
    sql = (await body_of(request)).get("sqlText", "")
    ABORTED.append(sql)
    end(sql, connection_of(request))
    return JSONResponse({"success": True, "data": None})


async def renew(request: Request) -> Response:
    return refused("390114", "Authentication token has expired. The user must authenticate again.")


async def state(request: Request) -> Response:
    running = [statement.sql for statement in RUNNING]
    return JSONResponse({"logins": LOGINS, "running": running, "aborted": ABORTED})


async def change(request: Request) -> Response:
    """Tests set or end things here: settings, or `drop` for all sessions."""
    asked = await body_of(request)
    if asked.pop("drop", None):
        end(None, None)
        server.sessions.clear()
    SETTINGS.update(asked)
    return Response()


app = Starlette(
    routes=[
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/session/token-request", renew, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/v1/abort-request", abort, methods=["POST"]),
        Route("/results/{name}", chunk),
        Route("/front/state", state),
        Route("/front/change", change, methods=["POST"]),
        *server.routes,
    ]
)


def main(port: str, certificate: str, key: str, settings: str) -> None:
    SETTINGS.update(json.loads(Path(settings).read_text()))
    for name in SETTINGS["databases"]:
        server.shared_fs.connect(name, "PUBLIC").close()
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), ssl_certfile=certificate, ssl_keyfile=key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER, log_level="warning",
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
