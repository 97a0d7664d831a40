"""`dragoman connect`: from questions, or from options, to a tested and saved connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import answers, local
from dragoman.cli.connections import print_diagnosis, require_success
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, progress, say

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft
    from dragoman.house import House


def connect(
    dialect: Annotated[str | None, typer.Option(help="The dialect; asked when absent.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A property; asks no questions."),
    ] = None,
    secrets: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="NAME=SOURCE",
            help="env:VARIABLE or file:NAME (a reference), @FILE (its content now), - (stdin).",
        ),
    ] = None,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Diagnose before saving.")] = True,
    as_json: Json = False,
) -> None:
    """Connect a database: asks what the dialect needs, tests, saves, prints the id.

    With --set or --secret it asks nothing, and saves only what passes the test.
    """
    given = bool(settings or secrets)
    if given and dialect is None:
        raise CommandError("--set and --secret need --dialect.", code=Exit.USAGE)
    with local.house() as house:
        if given:
            body = answers.from_options(str(dialect), settings or [], secrets or [])
            draft = _checked(house, body)
        else:
            draft = _asked(house, dialect)
        if test:
            _test(house, draft, interactive=not given, quiet=as_json)
        connection_id = _save(house, draft)
    if as_json:
        warnings = [{"field": w.field, "message": w.message} for w in draft.warnings]
        Output(as_json).value({"id": connection_id, "warnings": warnings})
    else:
        print(connection_id)
        say(f"Saved. Try: dragoman query {connection_id} 'SELECT 1'")


def _asked(house: House, dialect: str | None) -> Draft:
    """Asks until the settings pass; only what was wrong is asked again."""
    from dragoman.api.errors import BadRequest

    body = answers.ask(dialect)
    while True:
        try:
            return _checked(house, body)
        except BadRequest as refused:
            for problem in refused.errors:
                say(
                    f"{problem.field}: {problem.message}"
                    + (f" {problem.fix}" if problem.fix else "")
                )
            if not answers.ask_again(body, [problem.field for problem in refused.errors]):
                raise


def _checked(house: House, body: dict[str, Any]) -> Draft:
    from dragoman.connections import drafts, service

    with house.store.begin() as unit:
        problems = service.role_problems(unit, body)
    draft = drafts.check(house, body, problems=problems)
    for warning in draft.warnings:
        say(f"Note: {warning.field}: {warning.message}")
    return draft


def _test(house: House, draft: Draft, *, interactive: bool, quiet: bool) -> None:
    """Diagnose; a failure ends the command, unless a person says to save it all the same."""
    import asyncio

    from dragoman.connections import dialling

    with progress("Testing the connection"):
        diagnosis = asyncio.run(dialling.diagnose_draft(house, draft))
    if not quiet:
        print_diagnosis(diagnosis, as_json=False)
    try:
        require_success(diagnosis)
    except CommandError as failed:
        if not interactive:
            raise
        say(failed.message)
        if failed.fix:
            say(f"Fix: {failed.fix}")
        if not typer.confirm("It does not work yet. Save it all the same?", err=True):
            raise CommandError("Nothing was saved.") from None


def _save(house: House, draft: Draft) -> str:
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import service

    build = house.settings.builds_schema
    with house.store.begin(local.origin()) as unit:
        return service.create(unit, house.vault, OPERATOR, draft, build=build)
