"""From what a provider says of somebody to the account that is theirs, its groups and attributes.

Somebody is known by issuer and subject, never by address: addresses change hands. An account that
is here already is taken for theirs once, at the first sign-in, and only under all of these: the
provider may (`linkByEmail`), it vouches for the address, the address is of a domain that an admin
gave to this provider, and no other subject of this issuer has that account.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import insert, select, update

from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import BadRequest, Conflict
from dragoman.identity import service as identity
from dragoman.identity.service import Provided, User
from dragoman.signin import service
from dragoman.signin.embed_rights import is_entity_group
from dragoman.signin.oidc.idtokens import subject_of
from dragoman.signin.oidc.providers import Provider
from dragoman.signin.oidc.refusals import Reason, Refused
from dragoman.signin.oidc.schemas import ProviderSettings
from dragoman.signin.tables import subjects
from dragoman.store import UnitOfWork

Claims = Mapping[str, Any]
_MAX_GROUPS = 2000


class Told(msgspec.Struct, frozen=True):
    """What a provider says of somebody, in the form that counts here."""

    subject: str
    email: str | None
    name: str
    groups: tuple[str, ...] | None
    attributes: dict[str, Any]


def told(claims: Claims, settings: ProviderSettings) -> Told:
    """Read the claims as the provider's settings say. Raises `Refused`."""
    _check_factor(claims, settings)
    name = claim(claims, settings.name_claim)
    return Told(
        subject_of(claims),
        _email(claims, settings),
        name.strip()[:400] if isinstance(name, str) and name.isprintable() else "",
        _groups(claims, settings),
        {name: _value(claim(claims, path)) for name, path in settings.attributes.items()},
    )


def wanting(claims: Claims, settings: ProviderSettings) -> bool:
    """Whether the provider has to be asked for more than its ID token says."""
    paths = [settings.email_claim, settings.name_claim, *settings.attributes.values()]
    paths += [settings.groups_claim] if settings.groups_claim else []
    unverified = not settings.trust_email and "email_verified" not in claims
    return unverified or any(claim(claims, path) is None for path in paths)


def claim(claims: Claims, path: str) -> Any:
    """A claim of that name; else one inside others, names with dots between. None for none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = cast("dict[str, Any]", found).get(name)
    return found


def admit(unit: UnitOfWork, provider: Provider, said: Told) -> User:
    """The account of whom the provider means, as the provider says they are. Raises `Refused`."""
    settings = provider.settings
    user = _known(unit, settings.issuer, said.subject)
    if user is None:
        user = _first(unit, settings, said)
    if not service.may_enter(user):
        raise Refused(Reason.SUSPENDED, f"{user.email} is suspended, or no member")
    actor = Principal(PrincipalKind.SESSION, user.email, user_id=user.id)
    try:
        if said.name and said.name != user.name:
            profile = identity.profile_of(unit, user.id)
            kept = Provided(user.external_id, profile)
            user = identity.change_user(unit, actor, user, user.email, said.name, kept)
        identity.set_attributes(unit, actor, user.id, said.attributes)
    except BadRequest as error:
        raise Refused(Reason.MAPPING, error.message.partition(": ")[2]) from None
    if said.groups is not None:
        _set_groups(unit, actor, settings, user, said.groups)
    return user


def user_id(unit: UnitOfWork, issuer: str, subject: str) -> str | None:
    """The id of whom the issuer means."""
    mine = subjects.c.digest == digest(issuer, subject)
    return unit.db.execute(select(subjects.c.user_id).where(mine)).scalar()


def digest(*parts: str) -> bytes:
    """SHA-256 over texts that stay apart."""
    made = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        made.update(len(raw).to_bytes(8, "big") + raw)
    return made.digest()


def _known(unit: UnitOfWork, issuer: str, subject: str) -> User | None:
    mine = subjects.c.digest == digest(issuer, subject)
    seen = update(subjects).where(mine).values(seen_at=unit.now)
    if unit.db.execute(seen).rowcount == 0:
        return None
    return identity.user_of(unit, user_id(unit, issuer, subject))


def _first(unit: UnitOfWork, settings: ProviderSettings, said: Told) -> User:
    """The account of somebody who was never here through this issuer."""
    if said.email is None:
        raise _no_email(settings)
    user = identity.find_user(unit, said.email)
    if user is None:
        user = _made(unit, settings, said, said.email)
    elif not settings.link_by_email:
        raise Refused(
            Reason.NOBODY, f"{said.email} has an account, and linkByEmail is off for the provider"
        )
    others = (subjects.c.user_id == user.id) & (subjects.c.issuer == settings.issuer)
    if unit.db.execute(select(subjects.c.digest).where(others)).first() is not None:
        raise Refused(
            Reason.OTHER_IDENTITY,
            f"{said.email} belongs to another subject of this issuer (did it change hands?)",
        )
    row = {
        "digest": digest(settings.issuer, said.subject),
        "user_id": user.id,
        "issuer": settings.issuer,
        "subject": said.subject,
        "created_at": unit.now,
        "seen_at": unit.now,
    }
    unit.db.execute(insert(subjects).values(row))
    return user


def _made(unit: UnitOfWork, settings: ProviderSettings, said: Told, email: str) -> User:
    if not settings.create_users:
        raise Refused(Reason.NOBODY, f"nobody here has the address {email}, and createUsers is off")
    actor = Principal(PrincipalKind.SESSION, email)
    try:
        return identity.create_user(unit, actor, email, said.name)
    except (BadRequest, Conflict) as error:
        raise Refused(Reason.MAPPING, error.message) from None


def _email(claims: Claims, settings: ProviderSettings) -> str | None:
    """An address that the provider vouches for. Raises `Refused` for any other."""
    value = claim(claims, settings.email_claim)
    if not isinstance(value, str) or not value.strip():
        if settings.email_domains:
            raise _no_email(settings)
        return None
    email = value.strip().lower()
    # Letters that become others in lower case (the sign of Kelvin, a k) would be another's address.
    if unicodedata.normalize("NFKC", value) != value:
        raise Refused(Reason.MAPPING, "the address has characters that stand for others")
    if not settings.trust_email and not _vouched(claims, value):
        raise Refused(Reason.NOT_VERIFIED, "the provider does not say that the address is verified")
    if settings.email_domains and email.rpartition("@")[2] not in settings.email_domains:
        raise Refused(Reason.DOMAIN, "the address is of no domain in emailDomains")
    return email


def _vouched(claims: Claims, email: str) -> bool:
    """`email_verified` speaks of the claim `email`, and of no other that an address is read from
    (OpenID Connect Core 1.0, section 5.1)."""
    return claims.get("email") == email and claims.get("email_verified") in (True, "true")


def _no_email(settings: ProviderSettings) -> Refused:
    return Refused(Reason.NO_EMAIL, f"no address in the claim {settings.email_claim}")


def _check_factor(claims: Claims, settings: ProviderSettings) -> None:
    if settings.acr_values and claims.get("acr") not in settings.acr_values:
        raise Refused(Reason.FACTOR, "the provider vouches for none of acrValues (claim acr)")


def _groups(claims: Claims, settings: ProviderSettings) -> tuple[str, ...] | None:
    """Names in the groups claim; None where groups are no matter of the provider."""
    if settings.groups_claim is None:
        return None
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, dict) and settings.groups_claim in elsewhere:
        # Entra ID, for who is in more than 200 groups: to take it for none would be wrong.
        raise Refused(Reason.MAPPING, "the groups are too many for the provider's token")
    value = claim(claims, settings.groups_claim)
    found = cast("list[Any]", value) if isinstance(value, list) else [value]
    names = tuple(name for name in found if isinstance(name, str) and name and "\0" not in name)
    if len(names) > _MAX_GROUPS:
        raise Refused(Reason.MAPPING, f"the provider names more than {_MAX_GROUPS} groups")
    return names


def _set_groups(
    unit: UnitOfWork,
    actor: Principal,
    settings: ProviderSettings,
    user: User,
    names: tuple[str, ...],
) -> None:
    """Groups that are not there are passed over: a provider makes none. Those of embedding are an
    application's matter."""
    chosen = settings.group_names
    wanted_names = {chosen.get(name) if chosen else name for name in names}
    every = (group for group in identity.list_groups(unit) if not is_entity_group(group.name))
    known = {group.name.casefold(): group for group in every}
    found = (known.get(name.strip().casefold()) for name in wanted_names if name)
    wanted = {group.id: group for group in found if group is not None}
    there = {group.id: group for group in identity.groups_of(unit, user.id)}
    for group_id, group in wanted.items():
        if group_id not in there:
            identity.change_members(unit, actor, group, add=[user.id])
    if settings.groups_mode == "add":
        return
    governed = {name.strip().casefold() for name in chosen.values()}
    for group_id, group in there.items():
        name = group.name.casefold()
        if name in known and group_id not in wanted and (not chosen or name in governed):
            identity.change_members(unit, actor, group, remove=[user.id])


def _value(value: Any) -> Any:
    """A claim as the value of an attribute: texts, numbers and truths, or a list of them."""
    if isinstance(value, list):
        return [_value(each) for each in cast("list[Any]", value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise Refused(Reason.MAPPING, "a claim that an attribute is mapped to holds an object")
