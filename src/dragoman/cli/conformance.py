"""`dragoman conformance`: the conformance suite on a connection of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, progress, say, table

if TYPE_CHECKING:
    from dragoman.dialects.conformance import Report, Subject
    from dragoman.house import House


def conformance(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Name or id.")],
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="SCHEMA",
            help="Also try to make a table in this schema, which the database must refuse.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECK", help="This check; repeatable.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the report as JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show that a dialect keeps its promises on your database; exit code 1 when it does not.

    Reads only, unless --write is given: a few million generated rows, and statements that are
    stopped after a second or two. No secret is in the report; a check that failed may name the
    host, the user or a schema.
    """
    from dragoman.dialects.conformance import CHECKS

    chosen = frozenset(only or ())
    if unknown := chosen - {check.name for check in CHECKS}:
        fix = "Checks: " + ", ".join(check.name for check in CHECKS)
        raise CommandError(f"There is no check {sorted(unknown)[0]}.", fix, Exit.USAGE)
    with local.house() as house:
        found = _run(_subject(house, connection, write), chosen)
    if report is not None:
        _write(report, found)
    _show(found, as_json)
    if not found.good:
        raise CommandError(
            "The dialect does not keep all its promises here.",
            "Send the report (--report FILE) to the makers of Dragoman.",
        )


def _subject(house: House, connection: str, schema: str | None) -> Subject:
    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.cli.lookup import find
    from dragoman.connections import dialling
    from dragoman.dialects.conformance import Subject

    with house.store.begin(local.origin()) as unit:
        found = find(unit, connection)
        located = dialling.locate_itself(unit, OPERATOR, found.id, Permission.CONNECTIONS_SQL)
    where = dialling.opened(house, located)
    options = dialling.session_options(house, where.settings)
    return Subject(where.dialect, where.target, house.network, options.files, schema)


def _run(subject: Subject, only: frozenset[str]) -> Report:
    from dragoman.dialects.conformance import CHECKS, report_for, run

    subject.dialect.declaration.driver.require()
    report = report_for(subject.dialect)
    for check in CHECKS:
        if not only or check.name in only:
            with progress(check.promise):
                result = run(check, subject)
            report.results.append(result)
            say(f"  {result.status.value:<8} {result.seconds:6.1f} s  {check.promise}")
    return report


def _show(found: Report, as_json: bool) -> None:
    if as_json:
        Output(as_json).value(found.as_json())
        return
    columns = ("check", "status", "found")
    table(columns, [[getattr(result, name) for name in columns] for result in found.results])


def _write(file: Path, found: Report) -> None:
    import json

    text: Any = json.dumps(found.as_json(), indent=1, ensure_ascii=False)
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise CommandError(f"Cannot write {file}: {error.strerror}.") from None
