"""Acting as a user (`userId`, contract §1.6): for organization keys only."""

from __future__ import annotations

from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import Forbidden, NotFound
from dragoman.identity.users import Kind, user_of
from dragoman.store import UnitOfWork


def as_user(unit: UnitOfWork, principal: Principal, user_id: str | None) -> Principal:
    """The principal that counts: the user that an organization key names, with that user's rights
    and the key's narrowing, `by` the key; without a name, or with one's own, the principal.

    Raises `Forbidden` for anybody but an organization key, `NotFound` for a user who is unknown or
    suspended.
    """
    if user_id is None:
        return principal
    if principal.kind is not PrincipalKind.ORGANIZATION:
        if user_id == principal.user_id:
            return principal
        raise Forbidden("Forbidden: User-scoped API keys cannot act on behalf of other users")
    user = user_of(unit, user_id)
    if user is None or user.disabled_at is not None:
        raise NotFound("Not Found: User not found")
    person = Principal(
        PrincipalKind.PERSONAL,
        user.email,
        user_id=user.id,
        organization_admin=user.organization_admin,
        by=principal,
        embedded=user.kind == Kind.EMBED,
    )
    return person.narrowed(principal.scope)
