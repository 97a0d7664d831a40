"""Bare Starlette under the uvicorn settings of `dragoman serve`: the floor to compare with.

    bare.py list FILE       GET  /api/v1/connections answers the bytes of FILE
    bare.py insert PLAN     POST /api/v1/connections decodes the body and inserts the row of PLAN

PLAN is JSON: `database` (a path), `pragmas`, `table`, `row` (column to value), and where it is not
`name` the column `named` that takes the body's `name`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/api/v1/connections"
JSON = "application/json"


def list_app(body: bytes) -> Starlette:
    """One route that answers the same bytes each time."""

    async def answer(_request: Request) -> Response:
        return Response(body, media_type=JSON)

    return Starlette(routes=[Route(PATH, answer)])


def insert_app(plan: dict[str, Any]) -> Starlette:
    """One route that inserts a row, one transaction each, on the one writer thread."""
    writer = ThreadPoolExecutor(1)
    insert = _inserter(plan)

    async def create(request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(writer, insert, body["name"])
        return Response(msgspec.json.encode({"success": True, "data": made}), 201, media_type=JSON)

    return Starlette(routes=[Route(PATH, create, methods=["POST"])])


def _inserter(plan: dict[str, Any]) -> Callable[[str], str]:
    connection = sqlite3.connect(
        plan["database"], check_same_thread=False, isolation_level=None, timeout=5
    )
    for pragma in plan["pragmas"]:
        connection.execute(f"PRAGMA {pragma}")
    row: dict[str, Any] = plan["row"]
    named = plan.get("named", "name")
    statement = "INSERT INTO {} ({}) VALUES ({})".format(
        plan["table"], ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    )

    def insert(name: str) -> str:
        made = str(uuid.uuid4())
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(statement, {**row, "id": made, named: name})
        connection.execute("COMMIT")
        return made

    return insert


def serve(app: Starlette) -> None:
    """Serve on a free port, which is printed first."""
    # The options are those of dragoman.cli.serve.
    config = uvicorn.Config(
        app,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        backlog=2048,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    kind, file = sys.argv[1:]
    content = Path(file).read_bytes()
    serve(list_app(content) if kind == "list" else insert_app(json.loads(content)))
