"""What a file of connections asks for, set against the store: the differences, and doing them."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dragoman.cli import local
from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import say

if TYPE_CHECKING:
    from dragoman.connections.service import Connection
    from dragoman.house import House
    from dragoman.store import UnitOfWork

Body = dict[str, Any]
Change = dict[str, Any]
_ENVIRONMENT = "environmentUserAttribute"


class _Undo(Exception):
    """Ends a dry run: the transaction is rolled back."""


def read(file: Path) -> list[Body]:
    """The bodies of a file, by name. Raises `CommandError` with every problem found."""
    entries = parse(file, "connections", "/api/v1/connections")
    # As in the API, null means absent.
    bodies = [{k: v for k, v in entry.items() if v is not None} for entry in entries]
    names = [str(body.get("name")) for body in bodies]
    problems = [f"{n!r} is there twice" for n in sorted({n for n in names if names.count(n) > 1})]
    problems += [problem for body in bodies for problem in _plain_secrets(body)]
    problems += [f"entry {i} has no name" for i, b in enumerate(bodies, 1) if not b.get("name")]
    if problems:
        fix = 'Keep secrets outside: {"$secret": "env:NAME"} or {"$secret": "file:NAME"}.'
        text = f"{file}: " + "; ".join(problems)
        raise CommandError(text, fix if "plain text" in text else "", Exit.REFUSED)
    return bodies


def carry_out(house: House, bodies: list[Body], *, prune: bool, save: bool) -> list[Change]:
    """Every change that the bodies ask for, in one transaction; undone again unless `save`.

    A dry run does the same work, so it finds the same errors.
    """
    with undone(house, save=save) as unit:
        return _all(house, unit, bodies, prune=prune)


@contextlib.contextmanager
def undone(house: House, *, save: bool) -> Generator[UnitOfWork]:
    """A unit of work whose changes are undone at the end, unless `save`."""
    with contextlib.suppress(_Undo), house.store.begin(local.origin()) as unit:
        yield unit
        if not save:
            raise _Undo


def body_of(unit: UnitOfWork, connection: Connection) -> Body:
    """A stored connection as a body: what differs from the defaults, and references."""
    from dragoman.connections import secrets
    from dragoman.dialects import registry

    declared = registry.get(connection.dialect).declaration
    body: Body = {"name": connection.name, "dialect": connection.dialect}
    for name, value in connection.settings.items():
        if name not in body and value is not None and value != declared.default(name):
            body[name] = value
    if connection.environment_attribute is not None:
        body[_ENVIRONMENT] = _environment(connection)
    for name, reference in secrets.names(unit, connection.id).items():
        if reference is None:
            say(f"{connection.name}: {name} is sealed here and is not exported.")
        else:
            body[name] = {"$secret": reference}
    return body


def _all(house: House, unit: UnitOfWork, bodies: list[Body], *, prune: bool) -> list[Change]:
    stored = _stored(unit, {str(body["name"]) for body in bodies})
    changes: list[Change] = []
    for body in bodies:
        try:
            change = _one(house, unit, body, stored.pop(str(body["name"]), None))
        except Exception as error:
            say(f"In {body['name']}:")
            raise error
        if change is not None:
            changes.append(change)
    if prune:
        changes += [_delete(unit, connection) for connection in stored.values()]
    return changes


def _one(house: House, unit: UnitOfWork, body: Body, found: Connection | None) -> Change | None:
    """Create or change one connection; None when it is as the body says."""
    import msgspec

    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import changes, drafts, secrets, service

    body = dict(body)
    sent = changes.environment(body)
    environment = None if sent is msgspec.UNSET else sent  # left out: not set, as all is
    kept = secrets.names(unit, found.id) if found else {}
    if found is not None:
        service.require_same_dialect(found, body.get("dialect"))
    left = frozenset(set(kept) - set(body))
    problems = service.role_problems(unit, body)
    draft = drafts.check(house, body, kept=left, problems=problems)
    for warning in draft.warnings:
        say(f"{body['name']}: {warning.field}: {warning.message}")
    settled = draft.effective(found.settings if found else None)
    after = {**_settled(unit, settled), **_references(draft.secrets)}
    after[_ENVIRONMENT] = msgspec.to_builtins(environment)
    before = {**found.settings, **_kept_references(kept, after)} if found else {}
    before[_ENVIRONMENT] = _environment(found) if found else None
    differences = {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    build = house.settings.builds_schema
    if found is None:
        connection_id = service.create(unit, house.vault, OPERATOR, draft, build=build)
        if environment is not None:
            made = service.get(unit, OPERATOR, connection_id, Permission.CONNECTIONS_UPDATE)
            service.change(unit, house.vault, OPERATOR, made, draft, environment)
        return _change("create", body["name"], draft.dialect, connection_id, differences)
    if not differences:
        return None
    # The references go along each time, since a secret does not follow to a new address by itself.
    service.change(unit, house.vault, OPERATOR, found, draft, environment, build=build)
    return _change("update", found.name, found.dialect, found.id, differences)


def _environment(connection: Connection) -> Body | None:
    """Which user attribute picks the environment, in the wire form."""
    if connection.environment_attribute is None:
        return None
    values = connection.environment_default_values
    return {"attributeName": connection.environment_attribute, "defaultValues": values}


def _delete(unit: UnitOfWork, connection: Connection) -> Change:
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import service

    service.delete(unit, OPERATOR, connection.id)
    return _change("delete", connection.name, connection.dialect, connection.id, {})


def _change(
    action: str, name: str, dialect: str, connection_id: str, differences: dict[str, Any]
) -> Change:
    return {
        "action": action,
        "name": name,
        "dialect": dialect,
        "id": connection_id,
        "changes": differences,
    }


def _settled(unit: UnitOfWork, settings: Body) -> Body:
    """As the service stores them: a role has one spelling."""
    from dragoman.identity import service as identity

    return {**settings, "baseRole": identity.role_name(unit, str(settings["baseRole"]))}


def _references(secrets: dict[str, Any]) -> Body:
    return {name: str(reference) for name, reference in secrets.items()}


def _kept_references(kept: dict[str, str | None], after: Body) -> Body:
    """Stored secrets that the file speaks of; those it leaves out stay as they are."""
    return {name: ref or "(sealed)" for name, ref in kept.items() if name in after}


def _stored(unit: UnitOfWork, wanted: set[str]) -> dict[str, Connection]:
    """Live connections by name. Raises `CommandError` for a wanted name that several have."""
    from dragoman.access.policy import Permission
    from dragoman.access.principal import OPERATOR
    from dragoman.connections import listing, service

    found: dict[str, Connection] = {}
    for row in listing.list_visible(unit, OPERATOR, listing.ListFilter()):
        if row.name in found and row.name in wanted:
            text = f"Several connections have the name {row.name}; a file goes by names."
            raise CommandError(text, "Rename or delete all but one.", Exit.REFUSED)
        key = row.name if row.name not in found else row.id
        found[key] = service.get(unit, OPERATOR, row.id, Permission.CONNECTIONS_READ)
    return found


def _plain_secrets(body: Body) -> list[str]:
    """Secrets that stand in the file itself. A file is copied, mailed and committed."""
    from dragoman.dialects.properties import SECRETS

    return [
        f"{body.get('name')}: {name} is given in plain text"
        for name in sorted(SECRETS & set(body))
        if not (isinstance(body[name], dict) and set(body[name]) == {"$secret"})
    ]


def parse(file: Path, what: str, path: str) -> list[Body]:
    """The entries of a YAML file, a list of them; `what` they are, and the `path` that takes their
    like. Raises `CommandError`."""
    import yaml

    try:
        parsed: Any = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"Cannot read {file}: {error}", code=Exit.NOT_FOUND) from None
    except yaml.YAMLError as error:
        # The place only: the text around it may hold a secret.
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CommandError(f"{file}{where}: not YAML.", code=Exit.REFUSED) from None
    if isinstance(parsed, dict):
        parsed = cast("Body", parsed).get(what.rpartition(" ")[2])
    entries = cast("list[Any]", parsed) if isinstance(parsed, list) else None
    if entries is None or not all(isinstance(entry, dict) for entry in entries):
        fix = f"Each entry is a body of `POST {path}`."
        raise CommandError(f"{file}: a list of {what} is expected.", fix, Exit.REFUSED)
    return entries
