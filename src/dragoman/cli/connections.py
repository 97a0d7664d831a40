"""`dragoman connections list` and `test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError
from dragoman.cli.output import Json, Output, progress, say, shown, table

if TYPE_CHECKING:
    from dragoman.connections.schemas import DiagnosisAnswer

group = typer.Typer(help="Connections: list, test, apply, export.", no_args_is_help=True)


@group.command("list")
def list_connections(
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in the trash too.")] = False,
    as_json: Json = False,
) -> None:
    """List connections."""
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import listing

    with local.work() as unit:
        wanted = listing.ListFilter(include_deleted=deleted)
        rows = listing.list_visible(unit, OPERATOR, wanted)
    columns = ("id", "name", "dialect", "database", "base_role")
    shown_columns = (*columns, "deleted_at") if deleted else columns
    Output(as_json).rows(rows, shown_columns, empty="No connections yet: `dragoman connect`.")


@group.command("test")
def diagnose(
    connection: Annotated[str, typer.Argument(metavar="ID", help="Name or id.")],
    as_json: Json = False,
) -> None:
    """Diagnose a connection, stage by stage; exit code 1 when a stage fails."""
    import asyncio

    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.cli.lookup import find
    from dragoman.connections import dialling

    with local.house() as house:
        with house.store.begin(local.origin()) as unit:
            found = find(unit, connection)
            located = dialling.locate_itself(unit, OPERATOR, found.id, Permission.CONNECTIONS_TEST)
        with progress(f"Diagnosing {found.name}"):
            diagnosis = asyncio.run(dialling.diagnose_connection(house, located))
    print_diagnosis(diagnosis, as_json=as_json)
    require_success(diagnosis)


def print_diagnosis(diagnosis: DiagnosisAnswer, *, as_json: bool) -> None:
    """The stages as a table, or as JSON."""
    if as_json:
        Output(as_json).value(diagnosis)
        return
    columns = ("stage", "status", "milliseconds", "message")
    table(columns, [[getattr(stage, name) for name in columns] for stage in diagnosis.stages])


def require_success(diagnosis: DiagnosisAnswer) -> None:
    """Raise `CommandError` with the failed stage and its fix."""
    for stage in diagnosis.stages:
        if stage.status == "failed":
            raise CommandError(f"{stage.stage}: {shown(stage.message)}", shown(stage.fix))
    if not diagnosis.success:
        raise CommandError("The diagnosis failed.")
    say("The connection works.")
