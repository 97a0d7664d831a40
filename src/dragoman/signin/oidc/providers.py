"""Identity providers as the store has them: made, changed, found and deleted.

A client secret is sealed for its issuer and its client id: with another of either it has to be sent
again, so that nobody who may change a provider can have the secret sent to a server of theirs.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.connections import service as connections
from dragoman.dialects import values
from dragoman.identity import service as identity
from dragoman.secret import SecretReference, SecretStr
from dragoman.settings import Settings
from dragoman.signin.oidc.checking import bad
from dragoman.signin.oidc.schemas import ProviderBody, ProviderRow, ProviderSettings
from dragoman.signin.tables import providers as table
from dragoman.signin.tables import sessions
from dragoman.store import UnitOfWork
from dragoman.vault import Context, Vault, shelf

PATH = "/signin/oidc"
RESOURCE = "identity_provider"
_PROPERTY = "clientSecret"


class Provider(msgspec.Struct, frozen=True):
    """A provider with what opens its secret."""

    id: str
    slug: str
    settings: ProviderSettings
    reference: str | None
    sealed: str | None
    created_at: str
    updated_at: str


def every(unit: UnitOfWork) -> list[Provider]:
    """All providers, by name."""
    found = [_provider(unit, row) for row in unit.db.execute(select(table))]
    return sorted(found, key=lambda each: (each.settings.name.casefold(), each.slug))


def find(unit: UnitOfWork, slug: str) -> Provider | None:
    """The provider of that short name."""
    row = unit.db.execute(select(table).where(table.c.slug == slug)).first()
    return _provider(unit, row) if row else None


def get(unit: UnitOfWork, slug: str) -> Provider:
    """As `find`, but raises `NotFound`."""
    found = find(unit, slug)
    if found is None:
        raise NotFound(f"No identity provider {slug[:80]}")
    return found


def of_id(unit: UnitOfWork, provider_id: str | None) -> Provider | None:
    """The provider of that id."""
    row = unit.db.execute(select(table).where(table.c.id == provider_id)).first()
    return _provider(unit, row) if row else None


def create(
    unit: UnitOfWork, vault: Vault, actor: Principal, body: ProviderBody, allowed: Settings
) -> Provider:
    """Save a checked body. Raises `BadRequest`, `Conflict`."""
    made, settings = str(uuid.uuid4()), _settings(body)
    _check_attributes(unit, settings)
    row = {"id": made, "created_at": unit.now, **_row(unit, body, settings)}
    try:
        unit.db.execute(insert(table).values(row))
    except IntegrityError:
        raise Conflict(f"An identity provider {body.slug} is there already") from None
    _keep_secret(unit, vault, made, settings, body, allowed)
    audit.record(unit, actor, f"{RESOURCE}.create", (RESOURCE, made), after=_told(body, settings))
    return get(unit, body.slug)


def change(
    unit: UnitOfWork,
    vault: Vault,
    actor: Principal,
    slug: str,
    body: ProviderBody,
    allowed: Settings,
) -> Provider:
    """Save a checked body in place of what was there. Raises as `create`, and `NotFound`."""
    before, settings = get(unit, slug), _settings(body)
    _check_attributes(unit, settings)
    kept = before.reference or before.sealed
    moved = _destination(before.settings) != _destination(settings)
    if body.client_secret is msgspec.UNSET and moved and kept:
        raise BadRequest(
            "Bad Request: clientSecret: send it again, it was for another issuer or clientId"
        )
    mine = update(table).where(table.c.id == before.id)
    try:
        unit.db.execute(mine.values(_row(unit, body, settings)))
    except IntegrityError:
        raise Conflict(f"An identity provider {body.slug} is there already") from None
    _keep_secret(unit, vault, before.id, settings, body, allowed)
    if not settings.enabled or moved:
        _end_sessions(unit, before.id)
    audit.record(
        unit,
        actor,
        f"{RESOURCE}.update",
        (RESOURCE, before.id),
        before={"slug": before.slug, **msgspec.to_builtins(before.settings)},
        after=_told(body, settings),
    )
    return get(unit, body.slug)


def remove(unit: UnitOfWork, actor: Principal, slug: str) -> None:
    """Delete a provider, its secret, and the sessions of whom it let in. Raises `NotFound`."""
    found = get(unit, slug)
    unit.db.execute(delete(table).where(table.c.id == found.id))
    shelf.remove(unit, RESOURCE, found.id)
    _end_sessions(unit, found.id)
    before = {"slug": found.slug, "issuer": found.settings.issuer}
    audit.record(unit, actor, f"{RESOURCE}.delete", (RESOURCE, found.id), before=before)


def secret_of(provider: Provider, vault: Vault, allowed: Settings) -> SecretStr | None:
    """The client secret; None for a client without. Call it off the event loop. Raises
    `DatabaseFailure` for a reference that does not resolve, `VaultError`."""
    if provider.reference is not None:
        return connections.resolve_reference(_reference(provider.reference), allowed)
    if provider.sealed is None:
        return None
    return vault.open(provider.sealed, _context(provider.id, provider.settings))


def shown(provider: Provider, base_url: str) -> ProviderRow:
    """The provider as admins see it."""
    own = base_url + place(provider.slug)
    return ProviderRow(
        **{name: getattr(provider.settings, name) for name in ProviderSettings.__struct_fields__},
        id=provider.id,
        slug=provider.slug,
        client_secret=provider.reference or ("stored" if provider.sealed else None),
        redirect_uri=f"{own}/callback",
        signed_out_uri=f"{base_url}/signin",
        back_channel_logout_uri=f"{own}/logout",
        created_at=provider.created_at,
        updated_at=provider.updated_at,
    )


def place(slug: str) -> str:
    """Where the pages of a provider are."""
    return f"{PATH}/{slug}"


def _check_attributes(unit: UnitOfWork, settings: ProviderSettings) -> None:
    known = identity.custom(unit)
    for name in settings.attributes:
        if name not in known:
            raise bad("attributes", f"there is no user attribute '{name[:80]}'")


def _settings(body: ProviderBody) -> ProviderSettings:
    fields = {name: getattr(body, name) for name in ProviderSettings.__struct_fields__}
    fields["email_domains"] = [domain.lower() for domain in body.email_domains]
    return ProviderSettings(**fields)


def _row(unit: UnitOfWork, body: ProviderBody, settings: ProviderSettings) -> dict[str, Any]:
    return {
        "slug": body.slug,
        "issuer": settings.issuer,
        "settings": msgspec.json.encode(settings).decode(),
        "updated_at": unit.now,
    }


def _keep_secret(
    unit: UnitOfWork,
    vault: Vault,
    provider_id: str,
    settings: ProviderSettings,
    body: ProviderBody,
    allowed: Settings,
) -> None:
    if body.client_secret is msgspec.UNSET:
        return
    shelf.remove(unit, RESOURCE, provider_id)
    secret = _secret(body, allowed)
    named = str(secret) if isinstance(secret, SecretReference) else None
    mine = update(table).where(table.c.id == provider_id)
    unit.db.execute(mine.values(secret_reference=named))
    if isinstance(secret, SecretStr):
        shelf.put(unit, vault, _context(provider_id, settings), secret)


def _secret(body: ProviderBody, allowed: Settings) -> SecretStr | SecretReference | None:
    if body.client_secret is None:
        return None
    try:
        secret = values.secret(body.client_secret)
    except values.BadValue as error:
        raise bad(_PROPERTY, error.message) from None
    if isinstance(secret, SecretReference):
        reason = connections.forbidden_reference(secret, allowed)
        if reason is not None:
            raise bad(_PROPERTY, " ".join(reason))
    elif not secret.reveal():
        raise bad(_PROPERTY, "it is empty; null is for a client without a secret")
    return secret


def _reference(text: str) -> SecretReference:
    scheme, _, name = text.partition(":")
    return SecretReference("env" if scheme == "env" else "file", name)


def _context(provider_id: str, settings: ProviderSettings) -> Context:
    return Context(RESOURCE, provider_id, _PROPERTY, _destination(settings))


def _destination(settings: ProviderSettings) -> dict[str, str | int | None]:
    return {"issuer": settings.issuer, "clientId": settings.client_id}


def _end_sessions(unit: UnitOfWork, provider_id: str) -> None:
    unit.db.execute(delete(sessions).where(sessions.c.provider_id == provider_id))


def _told(body: ProviderBody, settings: ProviderSettings) -> dict[str, Any]:
    told = {"slug": body.slug, **msgspec.to_builtins(settings)}
    return told if body.client_secret is msgspec.UNSET else {**told, "clientSecret": "given"}


def _provider(unit: UnitOfWork, row: Any) -> Provider:
    settings = msgspec.json.decode(row.settings, type=ProviderSettings)
    sealed = shelf.kept(unit, RESOURCE, row.id).get(_PROPERTY)
    return Provider(
        row.id, row.slug, settings, row.secret_reference, sealed, row.created_at, row.updated_at
    )
