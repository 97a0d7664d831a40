"""`dragoman user`: members, their attributes and their roles on connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.cli import local
from dragoman.cli.exits import CommandError
from dragoman.cli.output import Json, Output, say

if TYPE_CHECKING:
    from dragoman.signin.links import Purpose

group = typer.Typer(
    help="Users: add, invite, list, suspend, attributes, grants.", no_args_is_help=True
)

Email = Annotated[str, typer.Argument(metavar="EMAIL")]


@group.command("add")
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="An admin of the organization.")] = False,
    as_json: Json = False,
) -> None:
    """Add a member."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service

    with local.work() as unit:
        user = service.create_user(unit, OPERATOR, email, name, admin=admin)
    Output(as_json).done(f"User {user.email} is added.", user)


Print = Annotated[bool, typer.Option("--print", help="Print the link, though mail is set up.")]


@group.command("invite")
def invite(
    email: Email,
    name: Annotated[str, typer.Option(help="The person's name.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="An admin of the organization.")] = False,
    printed: Print = False,
    as_json: Json = False,
) -> None:
    """Mail or print a link by which a person chooses their first password; adds them if needed."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service

    with local.work() as unit:
        user = service.find_user(unit, email)
        user = user or service.create_user(unit, OPERATOR, email, name, admin=admin)
    _hand_over(user.email, "invite", printed, as_json)


@group.command("reset-password")
def reset_password(email: Email, printed: Print = False, as_json: Json = False) -> None:
    """Mail or print a link by which a person chooses another password."""
    _hand_over(email, "reset", printed, as_json)


@group.command("reset-second-factor")
def reset_second_factor(email: Email, as_json: Json = False) -> None:
    """Take away the second factor of somebody who lost it; their sessions end."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service
    from dragoman.signin import second_factor

    with local.work() as unit:
        user = service.get_user(unit, email)
        second_factor.reset(unit, OPERATOR, user.id)
    Output(as_json).done(f"{user.email} signs in without a code again.", {"user": user.email})


@group.command("list")
def list_users(as_json: Json = False) -> None:
    """List all members."""
    from dragoman.identity import service

    with local.work() as unit:
        found = service.list_users(unit)
    columns = ("email", "name", "organization_admin", "disabled_at", "created_at", "id")
    Output(as_json).rows(found, columns, empty="No users yet.")


@group.command("suspend")
def suspend(email: Email, as_json: Json = False) -> None:
    """Suspend a member: their tokens and sessions stop working at once."""
    _set_disabled(email, True, as_json)


@group.command("resume")
def resume(email: Email, as_json: Json = False) -> None:
    """Let a suspended member back."""
    _set_disabled(email, False, as_json)


@group.command("attribute")
def attribute(
    email: Email,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    values: Annotated[list[str] | None, typer.Argument(metavar="VALUE...")] = None,
    as_json: Json = False,
) -> None:
    """Give a user an attribute's values; no value removes the attribute."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service

    given = values or []
    with local.work() as unit:
        user = service.get_user(unit, email)
        service.set_attribute(unit, OPERATOR, user.id, name, given)
    text = f"{user.email}: {name} = {', '.join(given)}" if given else f"{user.email}: no {name}"
    Output(as_json).done(text, {"user": user.email, "attribute": name, "values": given})


@group.command("grant")
def grant(
    email: Email,
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Name or id.")],
    role: Annotated[str, typer.Argument(metavar="ROLE")],
    as_json: Json = False,
) -> None:
    """Give a user a role on a connection."""
    from dragoman.access.principal import OPERATOR
    from dragoman.cli.lookup import find
    from dragoman.identity import service

    with local.work() as unit:
        user = service.get_user(unit, email)
        found = find(unit, connection)
        service.grant_role(unit, OPERATOR, user.id, found.id, role)
    text = f"{user.email} is {role} on {found.name}."
    Output(as_json).done(text, {"user": user.email, "connectionId": found.id, "role": role})


def _hand_over(email: str, purpose: Purpose, printed: bool, as_json: bool) -> None:
    """Make a link and mail it; print it where no mail server is set up, or it is asked for."""
    from dragoman import mail
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service
    from dragoman.signin import links, sending

    settings = local.settings()
    network = local.egress(settings)
    with local.work(settings) as unit:
        user = service.get_user(unit, email)
        secret = links.make(unit, OPERATOR, user, purpose)
    address, hours = links.address(settings, secret).reveal(), links.hours(purpose)
    if mail.is_set_up(settings) and not printed:
        try:
            sending.send(settings, network, user, purpose, secret)
        except mail.MailFailure as failure:
            raise CommandError(f"No mail was sent: {failure}.", "Use --print.") from None
        Output(as_json).done(f"A link was mailed to {user.email}.", {"mailed": user.email})
    elif as_json:
        Output(as_json).value({"user": user.email, "link": address, "hours": hours})
    else:
        print(address)
        say(f"For {user.email}. The link works once, within {hours} hours.")


def _set_disabled(email: str, disabled: bool, as_json: bool) -> None:
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import events, service
    from dragoman.signin.service import follow_user

    events.listen(follow_user)
    with local.work() as unit:
        user = service.get_user(unit, email)
        service.set_disabled(unit, OPERATOR, user, disabled=disabled)
    text = f"User {user.email} is {'suspended' if disabled else 'back'}."
    Output(as_json).done(text, {"user": user.email, "disabled": disabled})
