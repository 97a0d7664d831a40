"""`dragoman role`: custom roles."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output

group = typer.Typer(help="Custom roles.", no_args_is_help=True)


@group.callback()
def roles() -> None:
    """Custom roles."""


@group.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    base: Annotated[str, typer.Option(help="The built-in role it amounts to.", metavar="ROLE")],
    as_json: Json = False,
) -> None:
    """Define a role that permits what a built-in role permits."""
    from dragoman.access.principal import OPERATOR
    from dragoman.access.roles import Role, builtin
    from dragoman.identity import service

    tier = builtin(base.upper())
    if tier is None:
        raise CommandError(f"No built-in role {base}.", f"One of {', '.join(Role)}.", Exit.REFUSED)
    with local.work() as unit:
        service.create_custom_role(unit, OPERATOR, name, tier)
    Output(as_json).done(f"Role {name} permits what {tier} permits.", {"name": name, "base": tier})
