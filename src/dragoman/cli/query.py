"""`dragoman query`: one reading statement, in this process, its rows in the form asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, say, table

if TYPE_CHECKING:
    from dragoman.dialects.base import Rows
    from dragoman.house import House
    from dragoman.queries.service import Query

TABLE_ROWS = 1000


class Form(StrEnum):
    """How the rows are written."""

    TABLE = "table"
    ARROW = "arrow"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


def query(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Name or id.")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="The statement; - reads stdin.")],
    form: Annotated[Form, typer.Option("--format", help="How to write the rows.")] = Form.TABLE,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name of the session's zone.")] = None,
    as_json: Json = False,
) -> None:
    """Run one reading statement on a connection and print its rows."""
    chosen = Form.JSON if as_json else form
    if chosen is Form.ARROW and sys.stdout.isatty():
        raise CommandError(
            "Arrow is not for a terminal.", "Send it to a file: > f.arrow", Exit.USAGE
        )
    statement = sys.stdin.read() if sql == "-" else sql
    with local.house() as house:
        asked = _query(house, connection, statement, chosen, limit, timezone)
        _in_thread(asked, chosen, whole=limit is not None)


def _query(
    house: House, connection: str, sql: str, form: Form, limit: int | None, timezone: str | None
) -> Query:
    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.cli.lookup import find
    from dragoman.connections import dialling
    from dragoman.queries import schemas
    from dragoman.queries.service import Query
    from dragoman.queries.zones import session_zone

    body = {"sql": sql, "limit": limit, "timezone": timezone}
    question = schemas.question(body)
    with house.store.begin(local.origin()) as unit:
        found = find(unit, connection)
        located = dialling.locate(unit, OPERATOR, found.id, Permission.CONNECTIONS_SQL)
    where = dialling.opened(house, located)
    zone, warnings = session_zone(where.settings, question.timezone)
    for warning in warnings:
        say(warning)
    # One row more than a table shows tells whether there are more.
    least = TABLE_ROWS + 1 if limit is None and form is Form.TABLE else limit
    return Query(house, where, question.sql, least, zone)


def _in_thread(query: Query, form: Form, *, whole: bool) -> None:
    """Runs it beside the main thread, so that Ctrl-C reaches us and stops it in the database."""

    def work() -> None:
        with query.rows() as rows:
            if form is Form.TABLE:
                _print_table(rows, whole=whole)
            else:
                _write(rows, form)

    with ThreadPoolExecutor(1, thread_name_prefix="query") as worker:
        running = worker.submit(work)
        try:
            running.result()
        except KeyboardInterrupt:
            query.cancel()
            raise
    for notice in dict.fromkeys(query.notices):
        say(notice)


def _print_table(rows: Rows, *, whole: bool) -> None:
    batches = [batch.to_pylist() for batch in rows.batches]
    found = list(chain.from_iterable(batches))
    names = list(rows.schema.names)
    cut = not whole and len(found) > TABLE_ROWS
    shown = found[:TABLE_ROWS] if cut else found
    table(names, [[row[name] for name in names] for row in shown])
    if cut:
        say(f"Only the first {TABLE_ROWS} rows; --limit or --format gives more.")


def _write(rows: Rows, form: Form) -> None:
    from dragoman.queries.formats import FORMATS_BY_KEY, encode

    out = sys.stdout.buffer
    pieces: Iterator[bytes] = encode(rows.schema, rows.batches, FORMATS_BY_KEY[form.value])
    for piece in pieces:
        out.write(piece)
    if form is Form.JSON:
        out.write(b"\n")  # a text of lines, as the other forms are; Arrow is bytes
    out.flush()
