"""`dragoman demo`: a server, sample data, a connection and a first query, all through the API."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say, step, table

if TYPE_CHECKING:
    import subprocess

    from dragoman.cli.demo_server import Client

SQL = """\
SELECT l_returnflag AS flag, l_linestatus AS status, count(*) AS line_items,
       sum(l_quantity) AS quantity,
       round(sum(l_extendedprice * (1 - l_discount)), 2) AS revenue,
       round(avg(l_discount), 4) AS average_discount
FROM lineitem
WHERE l_shipdate <= DATE '1998-09-02'
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus"""
FIRST_QUESTION = "SELECT count(*) AS orders FROM orders"


class Engine(StrEnum):
    """The databases that the demo can make."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Running:
    """What is up: the server's address and process, and a client with a token."""

    home: Path
    client: Client
    server: subprocess.Popen[str]


def demo(
    context: typer.Context,
    dialect: Annotated[Engine, typer.Option(help="The database to make.")] = Engine.DUCKDB,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    keep_running: Annotated[
        bool | None,
        typer.Option(
            "--keep-running/--no-keep-running",
            help="Stay until Ctrl-C. Default: on a terminal.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a server with TPC-H data, connect it, diagnose it, list it and ask it a question.

    All of it lives in ./.demo (or in the directory that --home names) and nowhere else.
    """
    from dragoman.cli import demo_home

    stay = sys.stdout.isatty() and sys.stdin.isatty() if keep_running is None else keep_running
    # Ctrl-C, the end of a service and of a terminal take one way out: what was started is stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # Only --home counts, not DRAGOMAN_HOME: that one names the home of a real server.
    asked: Path | str | None = context.parent.params.get("home") if context.parent else None
    place = demo_home.fresh(Path(asked or ".demo"))
    with place as home, _database(dialect, home) as body, _server(home, port) as up:
        answers = _show(up.client, body, Output(as_json))
        if as_json:
            Output(as_json).value({"address": up.client.address, "home": str(home), **answers})
        else:
            _next(up, dialect, answers["id"], stay)
        if stay:
            _stay(up)
    say("Stopped.")


def _stay(running: Running) -> None:
    """Wait for Ctrl-C, the way out that was asked for."""
    with contextlib.suppress(KeyboardInterrupt):
        running.server.wait()
        raise CommandError("The server ended by itself.", f"See {running.home / 'server.log'}.")


@contextlib.contextmanager
def _database(dialect: Engine, home: Path) -> Generator[dict[str, Any]]:
    """Makes the data and the database; yields the body that connects it."""
    from dragoman.cli import demo_data

    say(f"Dragoman demo: TPC-H, scale {demo_data.SCALE}, in {dialect.value}")
    with step("Make the TPC-H data"):
        files = demo_data.generate(home / "tpch")
    if dialect is Engine.DUCKDB:
        with step("Load it into a DuckDB file"):
            demo_data.load_duckdb(files, home / "data" / "tpch.duckdb")
        yield {"dialect": "duckdb", "name": "TPC-H", "database": "tpch.duckdb"}
        return
    with _postgres() as server:
        with step("Load it into PostgreSQL"):
            reader = demo_data.load_postgres(files, server)
        yield {
            "dialect": "postgres",
            "name": "TPC-H",
            "host": reader.host,
            "port": reader.port,
            "database": reader.database,
            "username": reader.username,
            "passwordUnencrypted": reader.password,
            "defaultSchema": "public",
            # The question below names its views without their schema.
            "alwaysScopeViewNames": False,
        }


@contextlib.contextmanager
def _postgres() -> Generator[Any]:
    from dragoman.cli.demo_postgres import embedded_postgres

    with contextlib.ExitStack() as stack:
        with step("Start PostgreSQL"):
            server = stack.enter_context(embedded_postgres())
        yield server


@contextlib.contextmanager
def _server(home: Path, port: int) -> Generator[Running]:
    from dragoman.cli import demo_server

    with contextlib.ExitStack() as stack:
        with step("Start the server"):
            process, address = stack.enter_context(demo_server.started(home, port))
        with step("Make a token"):
            token = demo_server.make_token(home)
        yield Running(home, demo_server.Client(address, token), process)


def _show(client: Client, body: dict[str, Any], out: Output) -> dict[str, Any]:
    """Connect, diagnose, list and ask; prints each answer, and returns them all."""
    with step("Connect it: POST /api/v1/connections"):
        connection_id = str(client.call("POST", "/api/v1/connections", body)["data"])
    path = f"/api/v1/connections/{connection_id}"
    with step("Diagnose it: POST /api/v1/connections/{id}/test"):
        diagnosis = client.call("POST", f"{path}/test", {})
    _print(out, ("stage", "status", "milliseconds", "message"), diagnosis["stages"])
    if not diagnosis["success"]:
        failed = next(stage for stage in diagnosis["stages"] if stage["status"] == "failed")
        raise CommandError(f"{failed['stage']}: {failed['message']}", failed["fix"])
    with step("List connections: GET /api/v1/connections"):
        listed = client.call("GET", "/api/v1/connections")["connections"]
    _print(out, ("id", "name", "dialect", "database", "baseRole"), listed)
    with step("Ask, rows as Arrow: POST /api/v1/connections/{id}/query"):
        names, rows = client.arrow(f"{path}/query", {"sql": SQL})
    _print(out, names, rows)
    asked = _ask_in_fields(client, connection_id, out)
    return {"id": connection_id, "stages": diagnosis["stages"], "rows": rows, **asked}


def _ask_in_fields(client: Client, connection_id: str, out: Output) -> dict[str, Any]:
    """A model over the connection, and a question over three of its tables."""
    from dragoman.cli import demo_question
    from dragoman.cli.charts import bars

    with step("Wait for its schema model"):
        demo_question.wait_for_schema(client, connection_id)
    with step("Add joins, keys and a measure: POST /api/v1/models/{id}/yaml"):
        model_id = demo_question.make_model(client, connection_id)
    with step("Ask in fields: POST /api/v1/query/run"):
        sql, rows = demo_question.ask(client, model_id)
    if not out.as_json:
        print(f"\n{sql}\n")
        _print(out, demo_question.FIELDS, rows)
        bars(demo_question.FIELDS, [[row[name] for name in demo_question.FIELDS] for row in rows])
    return {"model": model_id, "sql": sql, "answer": rows}


def _print(out: Output, names: Sequence[str], rows: list[dict[str, Any]]) -> None:
    if not out.as_json:
        table(names, [[row[name] for name in names] for row in rows])


def _next(running: Running, dialect: Engine, connection_id: str, stay: bool) -> None:
    """The next three commands to try; each works as printed from this directory."""
    home = shlex.quote(str(_short(running.home)))
    program = shlex.quote(str(_short(Path(sys.argv[0])))) if _is_script() else "dragoman"
    ask = f"{program} --home {home} query {connection_id} '{FIRST_QUESTION}'"
    token = f'-H "Authorization: Bearer $(cat {home}/token)"'
    address = running.client.address
    print("Next:")
    if stay:
        print(f"  {ask}")
        print(f"  curl {token} {address}/api/v1/connections")
        print(f"  Open {address}/docs     (Ctrl-C here stops the demo)")
        return
    again = f"{program} --home {home} demo --dialect {dialect.value} --keep-running"
    serve = f"{program} --home {home} serve"
    if dialect is Engine.DUCKDB:
        print(f"  {ask}")
    else:
        print(f"  {again}")
    print(f"  {serve}     # documentation at http://127.0.0.1:8000/docs")
    print(f"  curl {token} http://127.0.0.1:8000/api/v1/connections")


def _is_script() -> bool:
    return Path(sys.argv[0]).name == "dragoman"


def _short(path: Path) -> Path:
    """Relative to the working directory where that is shorter."""
    with contextlib.suppress(ValueError):
        return path.absolute().relative_to(Path.cwd())
    return path


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def missing(package: str) -> CommandError:
    """The demo's own packages are in an extra."""
    fix = "pip install 'dragoman[demo]'"
    return CommandError(f"The demo needs {package}, which is not installed.", fix, Exit.FAILED)
