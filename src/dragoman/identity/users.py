"""Users of every kind: made, found, changed and deleted, each change with its audit row.

A member signs in and has tokens; an e-mail-only user gets what schedules send and nothing else; an
embed user comes from an application that shows our pages (contract §5.10, §5.13). An e-mail address
belongs to one member or e-mail-only user; embed users are told apart by `embed_external_id`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity import events
from dragoman.identity.tables import users
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow
from dragoman.store.prepared import Prepared, PreparedInsert

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")
NAME_CHARACTERS = 400
# RFC 2606: no such address can be anybody's.
_NO_ADDRESS = "{id}@embed.invalid"


class Kind(StrEnum):
    """What a user is."""

    MEMBER = "member"
    EMAIL_ONLY = "email_only"
    EMBED = "embed"


class User(msgspec.Struct, rename="camel"):
    """A user of the organization. `id` is the membership id. `external_id`: what an identity
    provider calls the user. An embed user without an address has one that cannot be written to."""

    id: str
    email: str
    name: str
    organization_admin: bool
    disabled_at: str | None
    created_at: str
    kind: str = Kind.MEMBER.value
    external_id: str | None = None
    updated_at: str = ""
    embed_external_id: str | None = None
    embed_entity: str | None = None


class Provided(msgspec.Struct, frozen=True):
    """What an identity provider says of a user besides name and address. `profile`: JSON."""

    external_id: str | None = None
    profile: Mapping[str, Any] | None = None
    active: bool = True


def create_user(
    unit: UnitOfWork,
    actor: Principal,
    email: str,
    name: str = "",
    *,
    admin: bool = False,
    kind: Kind = Kind.MEMBER,
    provided: Provided | None = None,
) -> User:
    """Add a user; the address of an e-mail-only user becomes a member's, who keeps the id.

    Raises `BadRequest` for a bad address, `Conflict` for a taken one.
    """
    return make_user(unit, actor, email, name, admin=admin, kind=kind, provided=provided)[0]


def make_user(
    unit: UnitOfWork,
    actor: Principal,
    email: str,
    name: str = "",
    *,
    admin: bool = False,
    kind: Kind = Kind.MEMBER,
    provided: Provided | None = None,
) -> tuple[User, bool]:
    """As `create_user`; and whether nobody was there before, so that nothing else can be known of
    the user."""
    address, said = checked_email(email), provided or Provided()
    found = _BY_EMAIL.first(unit, email=address)
    if found is not None:
        return _promoted(unit, actor, user_from(found), name, kind, said), False
    at = unit.now
    user = User(
        str(uuid.uuid4()),
        address,
        checked_name(name) or address,
        admin,
        None if said.active else at,
        at,
        kind.value,
        said.external_id,
        at,
    )
    _insert(unit, user, profile=said.profile)
    audit.record(unit, actor, "user.create", ("user", user.id), after=_shown(user))
    return user, True


def ensure_embed_user(
    unit: UnitOfWork,
    actor: Principal,
    external_id: str,
    name: str,
    *,
    email: str | None = None,
    entity: str | None = None,
) -> User:
    """The embed user of that external id: made at the first call; later ones set name, address and
    entity anew. Raises `BadRequest` for an empty id or a bad address."""
    if not external_id or "\0" in external_id or len(external_id) > NAME_CHARACTERS:
        raise BadRequest(f"Bad Request: externalId has 1 to {NAME_CHARACTERS} characters")
    address = checked_email(email) if email else None
    shown = checked_name(name) or external_id
    row = unit.db.execute(_USERS.where(users.c.embed_external_id == external_id)).first()
    if row is None:
        return _new_embed_user(unit, actor, external_id, shown, address, entity)
    user = user_from(row)
    wanted = {"name": shown, "embed_email": address, "embed_entity": entity}
    now_has = {
        "name": user.name,
        "embed_email": embed_email(user),
        "embed_entity": user.embed_entity,
    }
    changed = {key: value for key, value in wanted.items() if now_has[key] != value}
    return _update(unit, actor, user, changed, now_has) if changed else user


def change_user(
    unit: UnitOfWork,
    actor: Principal,
    user: User,
    email: str,
    name: str,
    provided: Provided,
) -> User:
    """Give a user these properties in place of the former ones; `active` is for `set_disabled`.

    Raises as `create_user`."""
    address = checked_email(email)
    if address != user.email and _BY_EMAIL.first(unit, email=address) is not None:
        raise _taken(address)
    before = {"email": user.email, "name": user.name, "external_id": user.external_id}
    before["profile"] = _stored(profile_of(unit, user.id))
    wanted = {
        "email": address,
        "name": checked_name(name) or address,
        "external_id": provided.external_id,
        "profile": _stored(provided.profile),
    }
    changed = {key: value for key, value in wanted.items() if before[key] != value}
    return _update(unit, actor, user, changed, before) if changed else user


def delete_user(unit: UnitOfWork, actor: Principal, user: User) -> None:
    """Delete a user with their tokens, roles, attributes and memberships."""
    events.announce(unit, user, events.Event.DELETED)
    unit.db.execute(delete(users).where(users.c.id == user.id))
    audit.record(unit, actor, "user.delete", ("user", user.id), before=_shown(user))


def touch(unit: UnitOfWork, user_id: str) -> None:
    """Note that something about the user changed now."""
    unit.db.execute(update(users).where(users.c.id == user_id).values(updated_at=unit.now))


def find_user(unit: UnitOfWork, email: str) -> User | None:
    """The member with this address, in any case. Others have no password, session or token, so
    whoever looks for somebody to give one to does not find them."""
    user = find_address(unit, email)
    return user if user is not None and user.kind == Kind.MEMBER else None


def find_address(unit: UnitOfWork, email: str) -> User | None:
    """The member or e-mail-only user with this address, in any case."""
    row = _BY_EMAIL.first(unit, email=email.strip().lower())
    return user_from(row) if row else None


def user_of(unit: UnitOfWork, user_id: str | None) -> User | None:
    """The user of that id, of whatever kind."""
    if user_id is None:
        return None
    row = unit.db.execute(_USERS.where(users.c.id == user_id)).first()
    return user_from(row) if row else None


def living(unit: UnitOfWork, user_ids: Collection[str]) -> set[str]:
    """Those of the ids whose users are there, and not suspended."""
    mine = users.c.id.in_(user_ids) & users.c.disabled_at.is_(None)
    return set(unit.db.execute(select(users.c.id).where(mine)).scalars())


def get_user(unit: UnitOfWork, email: str) -> User:
    """As `find_user`, but raises `NotFound`."""
    user = find_user(unit, email)
    if user is None:
        raise NotFound(f"No user has the e-mail address {email[:80]}")
    return user


def get_of_kind(unit: UnitOfWork, user_id: str, kind: Kind, *, hold: bool = False) -> User:
    """The user of that id and kind. `hold`: nobody else changes them before the end of the unit of
    work. Raises `NotFound`."""
    if hold:
        unit.db.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    user = user_of(unit, user_id)
    if user is None or user.kind != kind:
        raise NotFound(f"No user {user_id[:80]}")
    return user


def list_users(unit: UnitOfWork) -> list[User]:
    """All users by e-mail address."""
    return [user_from(row) for row in unit.db.execute(_USERS.order_by(users.c.email))]


def profile_of(unit: UnitOfWork, user_id: str) -> dict[str, Any]:
    """What else an identity provider said of the user."""
    text = unit.db.execute(select(users.c.profile).where(users.c.id == user_id)).scalar()
    return msgspec.json.decode(text) if text else {}


def embed_email(user: User) -> str | None:
    """The address that an embed user came with."""
    return None if user.email == _NO_ADDRESS.format(id=user.id) else user.email


def checked_email(email: str) -> str:
    """The address as it is stored. Raises `BadRequest`."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise BadRequest(f"Bad Request: '{email[:80]}' is not an e-mail address")
    return address


def checked_name(name: str) -> str:
    """A person's name without what surrounds it. Raises `BadRequest`."""
    shown = name.strip()
    if "\0" in shown or len(shown) > NAME_CHARACTERS:
        raise BadRequest(f"Bad Request: a name has up to {NAME_CHARACTERS} characters and no NUL")
    return shown


def _promoted(
    unit: UnitOfWork,
    actor: Principal,
    user: User,
    name: str,
    kind: Kind,
    said: Provided,
) -> User:
    """An e-mail-only user as a member. Raises `Conflict` for everybody else."""
    if user.kind != Kind.EMAIL_ONLY or kind is not Kind.MEMBER:
        raise _taken(user.email)
    changed = {
        "kind": kind.value,
        "name": checked_name(name) or user.name,
        "external_id": said.external_id,
        "profile": _stored(said.profile),
        "disabled_at": None if said.active else unit.now,
    }
    return _update(unit, actor, user, changed, {"kind": user.kind, "name": user.name})


def _new_embed_user(
    unit: UnitOfWork,
    actor: Principal,
    external_id: str,
    name: str,
    email: str | None,
    entity: str | None,
) -> User:
    made, at = str(uuid.uuid4()), unit.now
    own = _NO_ADDRESS.format(id=made)
    user = User(made, own, name, False, None, at, Kind.EMBED.value, None, at, external_id, entity)
    _insert(unit, user, embed_email=email)
    user.email = email or own
    audit.record(unit, actor, "user.create", ("user", made), after=_shown(user))
    return user


def _insert(
    unit: UnitOfWork,
    user: User,
    *,
    profile: Mapping[str, Any] | None = None,
    embed_email: str | None = None,
) -> None:
    more = {"name_key": user.name.casefold(), "profile": _stored(profile)}
    row = {**msgspec.structs.asdict(user), **more, "embed_email": embed_email}
    try:
        _INSERT.run(unit, **row)
    except IntegrityError:  # another process was faster
        raise _taken(user.email) from None


def _update(
    unit: UnitOfWork,
    actor: Principal,
    user: User,
    changed: Mapping[str, Any],
    before: Mapping[str, Any],
) -> User:
    values = {**changed, "updated_at": unit.now}
    if "name" in changed:
        values["name_key"] = str(changed["name"]).casefold()
    try:
        unit.db.execute(update(users).where(users.c.id == user.id).values(values))
    except IntegrityError:
        raise _taken(str(changed.get("email", user.email))) from None
    audit.record(
        unit,
        actor,
        "user.update",
        ("user", user.id),
        before={key: before.get(key) for key in changed},
        after=changed,
    )
    return get_of_kind(unit, user.id, Kind(changed.get("kind", user.kind)))


def _taken(address: str) -> Conflict:
    return Conflict(f"A user with the e-mail address {address} is there already")


def _stored(profile: Mapping[str, Any] | None) -> str | None:
    return msgspec.json.encode(dict(profile)).decode() if profile else None


def _shown(user: User) -> dict[str, object]:
    shown: dict[str, object] = {
        "email": user.email,
        "name": user.name,
        "organizationAdmin": user.organization_admin,
    }
    return shown if user.kind == Kind.MEMBER else {**shown, "kind": user.kind}


COLUMNS = tuple(
    func.coalesce(users.c.embed_email, users.c.email).label("email")
    if name == "email"
    else users.c[name]
    for name in User.__struct_fields__
)
_USERS = select(*COLUMNS)
_BY_EMAIL = Prepared(_USERS.where(users.c.email == bindparam("email")))
_INSERT = PreparedInsert(users, *(column.name for column in users.c))


def user_from(row: AnyRow | tuple[Any, ...]) -> User:
    """The user of a row of `COLUMNS`."""
    user = User(*row)
    # The driver of SQLite has numbers for truth.
    user.organization_admin = bool(user.organization_admin)
    return user
