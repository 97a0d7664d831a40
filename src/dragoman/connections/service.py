"""The rules of connections. Every function takes an open unit of work and a principal."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from dragoman import audit, jobs
from dragoman.access.policy import Permission, Rights, Thing, Verdict, judge, rights_of
from dragoman.access.principal import Principal
from dragoman.access.roles import Role
from dragoman.api.errors import BadRequest, Conflict, Forbidden, Gone, NotFound
from dragoman.connections import listing, personal, secrets
from dragoman.connections.events import Event, announce
from dragoman.connections.listing import reached
from dragoman.connections.records import (
    Connection,
    columns,
    connection_of,
    environment_columns,
    load,
    row_of,
)
from dragoman.connections.schemas import EnvironmentUserAttribute
from dragoman.connections.tables import connections as table
from dragoman.dialects.properties import PROPERTIES, SECRETS
from dragoman.dialects.validation import Draft, Problem
from dragoman.identity import service as identity
from dragoman.secret import SecretReference, SecretStr
from dragoman.settings import Settings
from dragoman.store import UnitOfWork
from dragoman.store.prepared import PreparedInsert
from dragoman.vault import Vault


def create(
    unit: UnitOfWork, vault: Vault, principal: Principal, draft: Draft, *, build: bool = False
) -> str:
    """Save a checked draft; returns the new id. Raises `Forbidden`, `BadRequest` (role).

    `build`: read the catalog at once, by a job of the same transaction.
    """
    may_create(unit, principal)
    settings = _settled(unit, draft)
    connection_id = str(uuid.uuid4())
    _INSERT.leave(
        unit,
        id=connection_id,
        **columns(settings),
        version=1,
        created_by=principal.user_id,
        created_at=unit.now,
        updated_at=unit.now,
    )
    secrets.add(unit, vault, connection_id, settings, draft.secrets)
    if principal.user_id is not None and not principal.organization_admin:
        # Who makes a connection may go on working with it.
        admin = Role.CONNECTION_ADMIN.value
        identity.grant_role(unit, principal, principal.user_id, connection_id, admin)
    after = {**settings, "secrets": sorted(draft.secrets)}
    audit.record(unit, principal, "connection.create", ("connection", connection_id), after=after)
    made = Connection(connection_id, settings, 1, None, None, unit.now, unit.now, None)
    announce(unit, principal, made, Event.CREATED, build=build)
    return connection_id


def get(
    unit: UnitOfWork, principal: Principal, connection_id: str, permission: Permission
) -> Connection:
    """A connection that the principal may use so.

    Raises `NotFound` for one that is missing, in the trash, or hidden from the principal, and
    `Forbidden` for one that the principal may see but not use so.
    """
    found = _authorised(unit, principal, connection_id, permission)
    if found.deleted_at is not None:
        raise _missing(connection_id)
    return found


def readable(unit: UnitOfWork, principal: Principal) -> list[str] | None:
    """Ids of the connections that the principal may read; None means every one."""
    if principal.organization_admin:
        return None
    return [row.id for row in listing.list_visible(unit, principal, listing.ListFilter())]


def detail(unit: UnitOfWork, connection: Connection) -> dict[str, Any]:
    """All of a connection but its secrets, of which only the kind of keeping is told."""
    row = msgspec.to_builtins(row_of(connection))
    kept = secrets.names(unit, connection.id)
    shown = {"secrets": {name: reference or "stored" for name, reference in kept.items()}}
    return {
        **{name: None for name in PROPERTIES if name not in SECRETS},
        **connection.settings,
        **row,
        **shown,
    }


def change(
    unit: UnitOfWork,
    vault: Vault,
    principal: Principal,
    connection: Connection,
    draft: Draft,
    environment: EnvironmentUserAttribute | msgspec.UnsetType | None = msgspec.UNSET,
    *,
    build: bool = False,
) -> str:
    """Save a changed draft over the connection; returns sentences that say what changed.

    `draft` holds all settings as they shall be, and the secrets that were sent again. `build`:
    read the catalog again where the change concerns it.
    Raises `BadRequest` when a stored secret would travel to another destination.
    """
    settings = _settled(unit, draft, connection.settings)
    _check_base_role(unit, principal, connection, settings)
    _keep_secrets_home(unit, connection, settings, set(draft.secrets))
    values: dict[str, Any] = {**columns(settings), "version": connection.version + 1}
    if environment is not msgspec.UNSET:
        values |= environment_columns(environment)
    _update(unit, connection, values)
    secrets.put(unit, vault, connection.id, settings, draft.secrets)
    before, after = _difference(connection.settings, settings)
    told = {**after, "secrets": sorted(draft.secrets)}
    if environment is not msgspec.UNSET:
        told["environmentUserAttribute"] = msgspec.to_builtins(environment)
    audit.record(unit, principal, "connection.update", ("connection", connection.id), before, told)
    _tell(unit, principal, connection.id, Event.CHANGED, build=build)
    return _sentences(set(after), bool(draft.secrets), environment is not msgspec.UNSET)


def delete(unit: UnitOfWork, principal: Principal, connection_id: str) -> None:
    """Move a connection to the trash and wipe its secrets. Raises `Gone` the second time."""
    found = _authorised(unit, principal, connection_id, Permission.CONNECTIONS_DELETE)
    if found.deleted_at is not None:
        raise Gone("Connection already archived")
    values = {"deleted_at": unit.now, "updated_at": unit.now, "version": table.c.version + 1}
    mine = (table.c.id == connection_id) & table.c.deleted_at.is_(None)
    if unit.db.execute(update(table).where(mine).values(values)).rowcount == 0:
        raise Gone("Connection already archived")
    secrets.wipe(unit, connection_id)
    personal.forget(unit, connection_id)
    jobs.cancel(unit, connection_id, "The connection was deleted.")
    audit.record(unit, principal, "connection.delete", ("connection", connection_id))
    _tell(unit, principal, connection_id, Event.DELETED)


def deleted(unit: UnitOfWork, principal: Principal, connection_id: str) -> Connection:
    """A connection in the trash. Raises `Conflict` for one that is not."""
    found = _authorised(unit, principal, connection_id, Permission.CONNECTIONS_DELETE)
    if found.deleted_at is None:
        raise Conflict("The connection is not in the trash")
    return found


def restore(
    unit: UnitOfWork,
    vault: Vault,
    principal: Principal,
    connection: Connection,
    draft: Draft,
    *,
    build: bool = False,
) -> None:
    """Bring a connection back from the trash with the draft's settings and new secrets.

    `build`: read its catalog at once. Raises `Conflict` when another request was faster.
    """
    settings = _settled(unit, draft)
    _check_base_role(unit, principal, connection, settings)
    values = {**columns(settings), "deleted_at": None, "version": connection.version + 1}
    _update(unit, connection, values)
    secrets.put(unit, vault, connection.id, settings, draft.secrets)
    after = {**settings, "secrets": sorted(draft.secrets)}
    audit.record(unit, principal, "connection.restore", ("connection", connection.id), after=after)
    _tell(unit, principal, connection.id, Event.RESTORED, build=build)


def stored_body(connection: Connection) -> dict[str, Any]:
    """The settings as a body that `drafts.check` takes, to change or restore a connection."""
    return dict(connection.settings)


def secret_names(unit: UnitOfWork, connection: Connection) -> frozenset[str]:
    """Names of the secrets that are stored for a connection."""
    return frozenset(secrets.names(unit, connection.id))


def with_base_role(unit: UnitOfWork, role: str) -> int:
    """How many connections, deleted ones too, have that base role."""
    statement = select(func.count()).select_from(table).where(table.c.base_role == role)
    return unit.db.execute(statement).scalar_one()


def live(unit: UnitOfWork, principal: Principal, permission: Permission) -> list[Connection]:
    """The connections, not deleted ones, on which the principal has the permission."""
    mine = reached(unit, principal, permission) & table.c.deleted_at.is_(None)
    return [connection_of(row) for row in unit.db.execute(select(table).where(mine))]


def role_problems(unit: UnitOfWork, body: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the `baseRole` of a body, for `drafts.check` to tell with the rest."""
    role = body.get("baseRole")
    if not isinstance(role, str) or role == "" or identity.find_role(unit, role) is not None:
        return []
    return [Problem("baseRole", f"Unknown role '{role[:80]}'", identity.ROLES_OFFERED)]


def may_create(unit: UnitOfWork, principal: Principal) -> None:
    """Raise `Forbidden` unless the principal may create connections."""
    if principal.organization_admin:
        return
    own = identity.granted_connections(unit, principal, Permission.CONNECTIONS_CREATE)
    # A role on a connection in the trash is no more than a memory.
    live = select(table.c.id).where(table.c.id.in_(own), table.c.deleted_at.is_(None)).limit(1)
    if not own or unit.db.execute(live).first() is None:
        raise Forbidden(
            "Forbidden: creating connections needs an admin of the organization or of a connection"
        )


def rights_on(
    unit: UnitOfWork, principal: Principal, connection: Connection, model_id: str | None = None
) -> Rights:
    """What the principal may do to a connection, or to one of its models."""
    if principal.organization_admin:
        return rights_of(Role.CONNECTION_ADMIN)
    base_role = str(connection.settings["baseRole"])
    return identity.rights_on(unit, principal, connection.id, base_role, model_id)


def reachable(
    unit: UnitOfWork, principal: Principal, permission: Permission, *, deleted: bool = False
) -> dict[str, str | None]:
    """The connections on which the principal has the permission: id to when it was deleted.
    Without `deleted` only live ones."""
    statement = select(table.c.id, table.c.deleted_at).where(reached(unit, principal, permission))
    if not deleted:
        statement = statement.where(table.c.deleted_at.is_(None))
    return {row.id: row.deleted_at for row in unit.db.execute(statement)}


def when_deleted(unit: UnitOfWork, ids: Iterable[str]) -> dict[str, str | None]:
    """Of those connections, whoever may see them: id to when it was deleted."""
    statement = select(table.c.id, table.c.deleted_at).where(table.c.id.in_(set(ids)))
    return {row.id: row.deleted_at for row in unit.db.execute(statement)} if ids else {}


def _tell(
    unit: UnitOfWork,
    principal: Principal,
    connection_id: str,
    event: Event,
    *,
    build: bool = False,
) -> None:
    now = load(unit, connection_id)
    if now is not None:
        announce(unit, principal, now, event, build=build)


def _authorised(
    unit: UnitOfWork, principal: Principal, connection_id: str, permission: Permission
) -> Connection:
    found = load(unit, connection_id)
    if found is None:
        raise _missing(connection_id)
    verdict = judge(principal, permission, rights_on(unit, principal, found), Thing.CONNECTION)
    if verdict is Verdict.FORBIDDEN:
        raise Forbidden(f"Forbidden: {permission.value} needs a higher role on this connection")
    if verdict is Verdict.HIDDEN:
        raise _missing(connection_id)
    return found


def _missing(connection_id: str) -> NotFound:
    return NotFound(f"Connection with id {connection_id} does not exist")


def _settled(
    unit: UnitOfWork, draft: Draft, stored: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The settings to store. Defaults are filled in now, so that a later version's other
    defaults neither change an old connection nor the destination its secrets are sealed for."""
    settings = draft.effective(stored)
    settings["baseRole"] = identity.role_name(unit, str(settings["baseRole"]))
    return settings


def _check_base_role(
    unit: UnitOfWork, principal: Principal, connection: Connection, settings: Mapping[str, Any]
) -> None:
    """Nobody makes everybody stronger than themselves. Raises `Forbidden`."""
    name = str(settings["baseRole"])
    changed = name != connection.settings["baseRole"]
    if changed and not identity.rights_named(unit, name) <= rights_on(unit, principal, connection):
        raise Forbidden(f"Forbidden: the base role {name} may do more than you may")


def _update(unit: UnitOfWork, connection: Connection, values: Mapping[str, Any]) -> None:
    mine = (table.c.id == connection.id) & (table.c.version == connection.version)
    changed = update(table).where(mine).values(**values, updated_at=unit.now)
    if unit.db.execute(changed).rowcount == 0:
        raise Conflict("The connection was changed by another request; read it again")


def _keep_secrets_home(
    unit: UnitOfWork, connection: Connection, settings: Mapping[str, Any], sent: set[str]
) -> None:
    """A saved secret never travels to a new address: it must be sent again (security §1)."""
    old, new = secrets.destination(connection.settings), secrets.destination(settings)
    moved = sorted(name for name in new if new[name] != old[name])
    kept = sorted(set(secrets.names(unit, connection.id)) - sent)
    if not moved or not kept:
        return
    from dragoman.connections.drafts import refusal

    why = f"Must be sent again, since {', '.join(moved)} changed"
    fix = "A saved secret is never sent to a new address."
    error = refusal([Problem(name, why, fix) for name in kept])
    error.extra["code"] = "secret_required"
    raise error


def _difference(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return {n: before.get(n) for n in names}, {n: after.get(n) for n in names}


def _sentences(changed: set[str], credentials: bool, environment: bool) -> str:
    said: list[str] = []
    if "baseRole" in changed:
        said.append("Updated connection default role.")
    if credentials:
        said.append("Updated connection credentials.")
    if environment:
        said.append("Updated connection environment user attribute.")
    if changed - {"baseRole"}:
        said.append("Updated connection settings.")
    return " ".join(said) or "Nothing changed."


_INSERT = PreparedInsert(
    table,
    *("id", "name", "dialect", "database", "default_schema", "base_role", "settings"),
    *("version", "created_by", "created_at", "updated_at"),
)


def require_same_dialect(connection: Connection, sent: object) -> None:
    """A connection's dialect is for ever. Raises `BadRequest`."""
    if sent is not None and sent != connection.dialect:
        raise BadRequest(f"Bad Request: dialect: cannot change from {connection.dialect}")


def forbidden_reference(reference: SecretReference, allowed: Settings) -> tuple[str, str] | None:
    """Why the operator rules a reference to a secret out, and what to do; None if they do not."""
    return secrets.forbidden(reference, allowed)


def resolve_reference(reference: SecretReference, allowed: Settings) -> SecretStr:
    """The secret that a reference names. It may wait for a file, so call it off the event loop.
    Raises `DatabaseFailure` (settings)."""
    return secrets.resolve(reference, allowed)
