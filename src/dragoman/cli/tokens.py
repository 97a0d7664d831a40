"""`dragoman token`: API tokens. The secret of a new one is all that `create` prints on stdout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.cli import local, lookup
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say

if TYPE_CHECKING:
    from dragoman.access.scope import Scope
    from dragoman.identity.service import User
    from dragoman.secret import SecretStr
    from dragoman.store import UnitOfWork

group = typer.Typer(help="API tokens: create, list, rotate, revoke.", no_args_is_help=True)

_LIFE = re.compile(r"([1-9][0-9]{0,4})([hdwy])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}
_LONGEST = timedelta(days=100 * 365)


class Kind(StrEnum):
    """The kinds of tokens."""

    ORGANIZATION = "organization"
    PERSONAL = "personal"


@group.command("create")
def create(
    kind: Annotated[
        Kind, typer.Option(help="organization acts as admin; personal acts as its user.")
    ],
    user: Annotated[
        str | None, typer.Option(help="The user's e-mail address.", metavar="EMAIL")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the token is for.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="Life time: 12h, 90d, 8w or 1y.", metavar="LIFE")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="Narrow it to a permission, or to a connection (name or id); may be repeated.",
            metavar="PERMISSION|CONNECTION",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token and print its secret, once. An organization key takes its user's attributes."""
    if kind is Kind.PERSONAL and user is None:
        raise CommandError("A personal token belongs to a user.", "Add --user EMAIL.", Exit.USAGE)
    life = None if expires is None else life_time(expires)
    with local.work() as unit:
        token_id, secret = make(unit, kind, user, name, life, scope or ())
    _show(token_id, secret, "made", as_json)


def _show(token_id: str, secret: SecretStr, done: str, as_json: bool) -> None:
    if as_json:
        Output(as_json).value({"id": token_id, "token": secret.reveal()})
    else:
        print(secret.reveal())
        say(f"Token {token_id} {done}. Its secret cannot be shown again.")


def make(
    unit: UnitOfWork,
    kind: Kind,
    email: str | None,
    name: str | None = None,
    life: timedelta | None = None,
    scope: Sequence[str] = (),
) -> tuple[str, SecretStr]:
    """A new token's id and secret; its user is made as a plain member when missing."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import tokens

    narrow = _scope(unit, scope)
    owner = None if email is None else _member(unit, email)
    ends = None if life is None else unit.moment + life
    return tokens.issue(unit, OPERATOR, kind.value, owner, name or "command line", ends, narrow)


def _scope(unit: UnitOfWork, given: Sequence[str]) -> Scope | None:
    """A text with a colon that names a permission is one; any other names a connection."""
    from dragoman.access.policy import Permission
    from dragoman.access.scope import Scope

    if not given:
        return None
    permissions = sorted({text for text in given if text in set(Permission)})
    ids = {lookup.find(unit, text).id for text in given if text not in permissions}
    return Scope(tuple(permissions) or None, tuple(sorted(ids)) or None)


@group.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List all tokens, newest first; never their secrets."""
    from dragoman.identity import tokens

    with local.work() as unit:
        found = tokens.list_tokens(unit)
    columns = ("id", "kind", "name", "hint", "user", "created_at", "expires_at", "revoked_at")
    Output(as_json).rows(found, (*columns, "last_used_at"), empty="No tokens yet.")


@group.command("rotate")
def rotate(
    token_id: Annotated[str, typer.Argument(metavar="ID")],
    overlap: Annotated[
        str, typer.Option(help="How long the old secret goes on: 0h to 7d.", metavar="LIFE")
    ] = "24h",
    as_json: Json = False,
) -> None:
    """Give a token a new secret and print it, once."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import tokens

    kept = timedelta() if overlap == "0h" else life_time(overlap, "--overlap")
    hours = int(kept.total_seconds() // 3600)
    with local.work() as unit:
        secret = tokens.rotate(unit, OPERATOR, token_id, hours)
    _show(token_id, secret, f"rotated; the old secret goes on for {hours} hours", as_json)


@group.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """End a token for good."""
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import tokens

    with local.work() as unit:
        tokens.revoke(unit, OPERATOR, token_id)
    Output(as_json).done(f"Token {token_id} is revoked.", {"id": token_id, "revoked": True})


def life_time(text: str, option: str = "--expires") -> timedelta:
    """`90d` as a time span. Raises `CommandError` (usage)."""
    found = _LIFE.fullmatch(text.strip().lower())
    life = timedelta(hours=int(found[1]) * _HOURS[found[2]]) if found else timedelta()
    if not timedelta() < life <= _LONGEST:
        raise CommandError(
            f"{option} {text}: not a life time.", "Write 12h, 90d, 8w or 1y.", Exit.USAGE
        )
    return life


def _member(unit: UnitOfWork, email: str) -> User:
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service

    found = service.find_user(unit, email)
    if found is None:
        found = service.create_user(unit, OPERATOR, email)
        say(f"User {found.email} made, a plain member.")
    return found
