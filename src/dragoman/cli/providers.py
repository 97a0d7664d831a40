"""`dragoman provider`: identity providers, kept in a file or changed one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.cli import answers, local, plan
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import Json, Output, say

if TYPE_CHECKING:
    from dragoman.house import House
    from dragoman.signin.oidc.providers import Provider
    from dragoman.signin.oidc.schemas import ProviderBody
    from dragoman.store import UnitOfWork

group = typer.Typer(help="Identity providers.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="SLUG", help="The provider's short name.")]
_SECRET = "clientSecret"  # noqa: S105 - the name of a property


@group.callback()
def providers() -> None:
    """Identity providers."""


@group.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="A list of providers.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; exit code 3 if anything.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the providers in the file what it says, all or nothing; again, it changes nothing."""
    entries = plan.parse(file, "identity providers", "/api/v1/identity-providers")
    for entry in entries:
        if isinstance(entry.get(_SECRET), str):
            text = f"{file}: {entry.get('slug')}: {_SECRET} is given in plain text"
            fix = (
                'Write {"$secret": "env:NAME"}, or leave it out and use `dragoman provider secret`.'
            )
            raise CommandError(text, fix, Exit.REFUSED)
    with local.house() as house, plan.undone(house, save=not dry_run) as unit:
        told = [change for entry in entries if (change := _apply(house, unit, entry))]
    if as_json:
        Output(as_json).value(told)
    would = "would be" if dry_run else "are"
    for change in told:
        say(f"{change['slug']}: {change['action']}. Its redirect address: {change['redirectUri']}")
    say(f"{len(told)} providers {would} changed." if told else "Nothing to change.")
    if dry_run and told:
        raise typer.Exit(Exit.WOULD_CHANGE)


@group.command("list")
def list_providers(as_json: Json = False) -> None:
    """All providers, with the addresses that their own settings want to know."""
    from dragoman.signin.oidc import providers as service

    base = local.settings().base_url
    with local.work() as unit:
        rows = [service.shown(each, base) for each in service.every(unit)]
    columns = ("slug", "name", "enabled", "issuer", "redirect_uri")
    Output(as_json).rows(rows, columns, "No identity providers.")


@group.command("export")
def export(as_json: Json = False) -> None:
    """Print all providers in the form that `apply` reads; sealed secrets are left out."""
    import yaml

    from dragoman.signin.oidc import providers as service

    with local.work() as unit:
        bodies = [_body(each) for each in service.every(unit)]
    if as_json:
        Output(as_json).value(bodies)
    else:
        print(yaml.safe_dump(bodies, sort_keys=False, allow_unicode=True), end="")


@group.command("secret")
def secret(
    slug: Name,
    source: Annotated[
        str,
        typer.Argument(help="env:VARIABLE or file:NAME (a reference), @FILE (its content now), -."),
    ] = "-",
    as_json: Json = False,
) -> None:
    """Give a provider its client secret; without a source it is read from stdin, and sealed."""
    given = answers.secret(_SECRET, source)
    with local.house() as house, house.store.begin(local.origin()) as unit:
        from dragoman.signin.oidc import providers as service

        found = service.get(unit, slug)
        _save(house, unit, {**_body(found), _SECRET: given}, found)
    Output(as_json).done(f"{slug} has another client secret.", {"slug": slug})


@group.command("check")
def check(slug: Name, as_json: Json = False) -> None:
    """Ask a provider what it says of itself; exit code 1 when it cannot be understood."""
    from dragoman.signin.oidc import discovery
    from dragoman.signin.oidc import providers as service
    from dragoman.signin.oidc.refusals import Refused

    with local.house() as house:
        with house.store.begin(local.origin()) as unit:
            issuer = service.get(unit, slug).settings.issuer
        try:
            said = discovery.DIRECTORY.document(house.network, issuer)
            keys = discovery.DIRECTORY.keys(house.network, issuer, None)
        except Refused as refused:
            raise CommandError(refused.detail, code=Exit.FAILED) from None
    told = {"issuer": issuer, "authorizationEndpoint": said.authorize, "keys": len(keys)}
    Output(as_json).value(told, f"{issuer} answers, with {len(keys)} keys.")


@group.command("remove")
def remove(slug: Name, as_json: Json = False) -> None:
    """Delete a provider; the sessions of whom it let in end."""
    from dragoman.access.principal import OPERATOR
    from dragoman.signin.oidc import providers as service

    with local.work() as unit:
        service.remove(unit, OPERATOR, slug)
    Output(as_json).done(f"{slug} is deleted.", {"slug": slug})


def _apply(house: House, unit: UnitOfWork, entry: dict[str, Any]) -> dict[str, str] | None:
    """Create or change one provider; None when it is as the entry says."""
    from dragoman.signin.oidc import providers as service

    found = service.find(unit, str(entry.get("slug", "")))
    made = _save(house, unit, entry, found)
    kept = found is not None and (made.settings, made.reference) == (
        found.settings,
        found.reference,
    )
    if kept and made.sealed == (found.sealed if found else None):
        return None
    uri = service.shown(made, house.settings.base_url).redirect_uri
    return {"slug": made.slug, "action": "changed" if found else "added", "redirectUri": uri}


def _save(
    house: House, unit: UnitOfWork, entry: dict[str, Any], found: Provider | None
) -> Provider:
    from dragoman.access.principal import OPERATOR
    from dragoman.api.call import typed
    from dragoman.signin.oidc import checking
    from dragoman.signin.oidc import providers as service
    from dragoman.signin.oidc.schemas import ProviderBody

    body = typed(entry, ProviderBody)
    checking.check(body, house.network)
    if found is None:
        return service.create(unit, house.vault, OPERATOR, body, house.settings)
    if _is_same(body, found):
        return found
    return service.change(unit, house.vault, OPERATOR, found.slug, body, house.settings)


def _is_same(body: ProviderBody, found: Provider) -> bool:
    import msgspec

    from dragoman.signin.oidc.schemas import ProviderSettings

    same = all(
        getattr(body, name) == getattr(found.settings, name)
        for name in ProviderSettings.__struct_fields__
    )
    secret = body.client_secret
    if secret is msgspec.UNSET:
        return same
    reference = secret.get("$secret") if isinstance(secret, dict) else None
    plain = isinstance(secret, str)
    return same and not plain and found.sealed is None and reference == found.reference


def _body(found: Provider) -> dict[str, Any]:
    """A provider as `apply` reads it: what differs from the defaults."""
    import msgspec

    from dragoman.signin.oidc.schemas import ProviderSettings

    plain = ProviderSettings(name="", issuer="", client_id="")
    usual, own = msgspec.to_builtins(plain), msgspec.to_builtins(found.settings)
    body = {"slug": found.slug, **{n: v for n, v in own.items() if v != usual[n]}}
    if found.reference is not None:
        body[_SECRET] = {"$secret": found.reference}
    elif found.sealed is None:
        body[_SECRET] = None
    return body
