"""`dragoman connections apply` and `export`: connections as code, secrets by reference only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dragoman.cli import local
from dragoman.cli.exits import Exit
from dragoman.cli.output import Json, Output, say, shown


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="A list of connections.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; exit code 3 if anything.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Move connections that are not in it to the trash.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the connections what the file says, all or nothing; again, it changes nothing."""
    from dragoman.cli import plan

    bodies = plan.read(file)
    with local.house() as house:
        changes = plan.carry_out(house, bodies, prune=prune, save=not dry_run)
    if as_json:
        Output(as_json).value(changes)
    else:
        _print(changes)
    would = "would be" if dry_run else "are"
    say(f"{len(changes)} connections {would} changed." if changes else "Nothing to change.")
    if dry_run and changes:
        raise typer.Exit(Exit.WOULD_CHANGE)


def export(as_json: Json = False) -> None:
    """Print all connections in the form that `apply` reads; sealed secrets are left out."""
    import yaml

    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.cli import plan
    from dragoman.connections import listing, service

    with local.work() as unit:
        rows = listing.list_visible(unit, OPERATOR, listing.ListFilter())
        found = [service.get(unit, OPERATOR, r.id, Permission.CONNECTIONS_READ) for r in rows]
        bodies = [plan.body_of(unit, connection) for connection in found]
    if as_json:
        Output(as_json).value(bodies)
    else:
        print(yaml.safe_dump(bodies, sort_keys=False, allow_unicode=True), end="")


def _print(changes: list[dict[str, Any]]) -> None:
    signs = {"create": "+", "update": "~", "delete": "-"}
    for change in changes:
        print(f"{signs[change['action']]} {shown(change['name'])} ({change['dialect']})")
        for name, (before, after) in change["changes"].items():
            if change["action"] == "update":
                print(f"    {name}: {_value(before)} -> {_value(after)}")
            else:
                print(f"    {name}: {_value(after)}")


def _value(value: object) -> str:
    return "(none)" if value is None else shown(value)
