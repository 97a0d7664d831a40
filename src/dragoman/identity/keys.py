"""Who may see and change which API keys. A person has their own; admins have all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_

from dragoman.access.policy import ALWAYS, NOTHING, RULES, Permission, allow
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.scope import Scope
from dragoman.api.call import uuid_of
from dragoman.api.errors import BadRequest, Conflict, Forbidden, NotFound
from dragoman.identity import service, tokens
from dragoman.identity.key_schemas import ApiKey, KeyScope, KeyWithSecret, Maker, NewKey
from dragoman.identity.tables import tokens as table
from dragoman.identity.tables import users
from dragoman.secret import SecretStr
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

_NAMES = tuple(p.value for p in Permission if p not in ALWAYS and not RULES[p].whole)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of tokens. `kind` None: of every kind; `after`: the last id of the page before."""

    size: int
    kind: str | None = None
    by_name: bool = False
    descending: bool = True
    after: str | None = None


def page(unit: UnitOfWork, principal: Principal, wanted: Wanted) -> tuple[list[ApiKey], bool, int]:
    """Tokens, whether there are more, and how many in all. Raises `BadRequest` (cursor)."""
    mine = _seen(principal) & table.c.revoked_at.is_(None)
    if wanted.kind is not None:
        mine &= table.c.kind == wanted.kind
    total = unit.db.execute(select(func.count()).select_from(table).where(mine)).scalar_one()
    order = (table.c.name if wanted.by_name else table.c.created_at, table.c.id)
    statement = _KEYS.where(mine).limit(wanted.size + 1)
    if wanted.after is not None:
        statement = statement.where(_beyond(unit, wanted, order))
    sorted_ = [column.desc() if wanted.descending else column for column in order]
    found = unit.db.execute(statement.order_by(*sorted_)).all()
    shown = [_shown(unit, row) for row in found[: wanted.size]]
    return shown, len(found) > wanted.size, total


def _beyond(unit: UnitOfWork, wanted: Wanted, order: tuple[Any, ...]) -> ColumnElement[bool]:
    # One that was revoked meanwhile still has its place.
    last = unit.db.execute(select(*order).where(table.c.id == wanted.after)).first()
    if last is None:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return tuple_(*order) < tuple(last) if wanted.descending else tuple_(*order) > tuple(last)


def get(unit: UnitOfWork, principal: Principal, token_id: str) -> ApiKey:
    """A token that the principal may see. Raises `NotFound`."""
    return _shown(unit, _row(unit, principal, token_id))


def create(unit: UnitOfWork, principal: Principal, body: NewKey, most: int) -> KeyWithSecret:
    """Make a token; `most`: personal tokens of one person, 0 is no limit.

    Raises `BadRequest`, `Forbidden`, and `Conflict` for one token too many.
    """
    user = service.user_of(unit, principal.user_id)
    if body.type == "personal":
        if user is None or not principal.is_person:
            raise Forbidden("Forbidden: an organization key has no personal tokens")
        _leave_room(unit, user.id, most)
    elif not _manages(principal):
        raise Forbidden("Forbidden: organization keys are for organization admins")
    scope = None if body.scope is None else _checked(body.scope)
    token_id, secret = tokens.issue(
        unit, principal, body.type, user, body.name, body.expires_at, scope
    )
    return _with_secret(unit, principal, token_id, secret)


def set_enabled(unit: UnitOfWork, principal: Principal, token_id: str, *, enabled: bool) -> ApiKey:
    """Disable an organization key or let it work again. Raises `BadRequest`, `NotFound`."""
    found = _row(unit, principal, token_id)
    if found.kind != PrincipalKind.ORGANIZATION.value:
        raise BadRequest("Bad Request: only organization API tokens can be enabled or disabled")
    tokens.set_enabled(unit, principal, token_id, enabled=enabled)
    return get(unit, principal, token_id)


def revoke(unit: UnitOfWork, principal: Principal, token_id: str) -> None:
    """End a token for good. Raises `NotFound`."""
    _row(unit, principal, token_id)
    tokens.revoke(unit, principal, token_id)


def rotate(unit: UnitOfWork, principal: Principal, token_id: str, hours: int) -> KeyWithSecret:
    """A new secret for a token. Raises `Forbidden` for somebody else's personal token, whose
    secret would let the caller be that person; `Conflict`, `NotFound`."""
    found = _row(unit, principal, token_id)
    if found.kind == "mcp":
        raise BadRequest("Bad Request: the application renews its token itself")
    if found.id != principal.token_id:
        if principal.scope is not None:
            raise Forbidden("Forbidden: a narrowed token rotates only itself")
        if found.user_id is not None and not _owns(principal, found):
            raise Forbidden("Forbidden: a personal token is rotated by its owner")
    secret = tokens.rotate(unit, principal, token_id, hours)
    return _with_secret(unit, principal, token_id, secret)


def _manages(principal: Principal) -> bool:
    return allow(principal, Permission.API_KEYS_MANAGE, NOTHING)


def _owns(principal: Principal, found: AnyRow) -> bool:
    return principal.is_person and found.user_id == principal.user_id


def _seen(principal: Principal) -> ColumnElement[bool]:
    """The condition of tokens that the principal may see: its own, or all of them."""
    if _manages(principal):
        return table.c.id.is_not(None)
    itself = table.c.id == principal.token_id
    return or_(itself, table.c.user_id == principal.user_id) if principal.is_person else itself


def _leave_room(unit: UnitOfWork, user_id: str, most: int) -> None:
    # Locked, so that two at once do not both take the last place.
    unit.db.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    live = or_(table.c.expires_at.is_(None), table.c.expires_at > unit.now)
    mine = (table.c.user_id == user_id) & table.c.revoked_at.is_(None) & live
    mine &= table.c.kind == PrincipalKind.PERSONAL.value
    count = unit.db.execute(select(func.count()).select_from(table).where(mine)).scalar_one()
    if 0 < most <= count:
        raise Conflict(f"You have {count} personal tokens, the most there may be: revoke one first")


def _checked(scope: KeyScope) -> Scope:
    """A scope with known permissions and ids of the right form. Raises `BadRequest`."""
    unknown = [name for name in scope.permissions or () if name not in _NAMES]
    if unknown:
        raise BadRequest(
            f"Bad Request: scope.permissions: no permission '{unknown[0][:80]}'. "
            f"One of {', '.join(_NAMES)}."
        )
    ids = [uuid_of(each, "scope.connectionIds") for each in scope.connection_ids or ()]
    return Scope(
        None if scope.permissions is None else tuple(sorted(set(scope.permissions))),
        None if scope.connection_ids is None else tuple(sorted(set(ids))),
    )


_KEYS: Select[*tuple[Any, ...]] = select(
    table.c.id,
    table.c.kind,
    table.c.name,
    table.c.hint,
    table.c.user_id,
    table.c.enabled,
    table.c.created_at,
    table.c.expires_at,
    table.c.last_used_at,
    table.c.scope,
    table.c.previous_until,
    users.c.id.label("maker_id"),
    users.c.name.label("maker_name"),
    users.c.email,
    users.c.disabled_at,
).outerjoin_from(table, users, users.c.id == tokens.PERSON)


def _row(unit: UnitOfWork, principal: Principal, token_id: str) -> AnyRow:
    mine = _seen(principal) & (table.c.id == token_id) & table.c.revoked_at.is_(None)
    found = unit.db.execute(_KEYS.where(mine)).first()
    if found is None:
        raise NotFound(f"API token with id {token_id} does not exist")
    return found


def _with_secret(
    unit: UnitOfWork, principal: Principal, token_id: str, secret: SecretStr
) -> KeyWithSecret:
    shown = get(unit, principal, token_id)
    fields = {name: getattr(shown, name) for name in ApiKey.__struct_fields__}
    return KeyWithSecret(**fields, token=secret.reveal())


def _shown(unit: UnitOfWork, row: AnyRow) -> ApiKey:
    maker = None
    if row.maker_id is not None:
        maker = Maker(row.maker_id, row.maker_name, row.email, row.disabled_at is not None)
    scope, previous = tokens.scope_of(row.scope), row.previous_until
    return ApiKey(
        id=row.id,
        type=row.kind,
        name=row.name,
        enabled=row.enabled,
        membership_id=row.user_id,
        created_at=row.created_at,
        hint=row.hint,
        created_by=maker,
        expires_at=row.expires_at,
        expired=row.expires_at is not None and row.expires_at <= unit.now,
        last_used_at=row.last_used_at,
        scope=None if scope is None else _scope_shown(scope),
        previous_secret_expires_at=previous if previous and previous > unit.now else None,
    )


def _scope_shown(scope: Scope) -> KeyScope:
    permissions, ids = scope.permissions, scope.connection_ids
    return KeyScope(
        None if permissions is None else list(permissions), None if ids is None else list(ids)
    )
