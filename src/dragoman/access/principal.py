"""Who asks: the principal that a token, or the command line, stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from dragoman.access.scope import Scope


class PrincipalKind(StrEnum):
    """Organization key, personal token, a person's session in a browser, one that may do nothing
    before its second factor is set up, one of an embed user, or the operator on the
    server's own command line."""

    ORGANIZATION = "organization"
    PERSONAL = "personal"
    SESSION = "session"
    ENROLLING = "enrolling"
    EMBED = "embed"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """`user_id` is the person whose attributes apply: a personal token's owner, who signed in, or
    the maker of an organization key; None where there is none. `token_id` is the token's id or the
    session's. `scope`: what the token was narrowed to. `by`: the organization key that acts as this
    person. `embedded`: an embed user, for whom base roles do not hold."""

    kind: PrincipalKind
    name: str
    token_id: str | None = None
    user_id: str | None = None
    organization_admin: bool = False
    scope: Scope | None = None
    by: Principal | None = None
    embedded: bool = False

    @property
    def actor(self) -> Principal:
        """Who really acts: the organization key that acts as this person, or the principal."""
        return self.by or self

    @property
    def is_person(self) -> bool:
        """Whether this is one person, by a personal token or signed in: what only organization
        keys may do, they may not, not even as an admin."""
        return self.kind is PrincipalKind.PERSONAL or self.is_session

    @property
    def is_session(self) -> bool:
        """Whether somebody signed in with a browser."""
        return self.kind in (PrincipalKind.SESSION, PrincipalKind.ENROLLING, PrincipalKind.EMBED)

    def narrowed(self, scope: Scope | None) -> Principal:
        """The principal with a narrowed token. On some connections only, an admin of the
        organization is none: what belongs to no connection is out of reach."""
        if scope is None or scope.connection_ids is None:
            return replace(self, scope=scope)
        whole = Scope(scope.permissions, scope.connection_ids, self.organization_admin)
        return replace(self, scope=whole, organization_admin=False)


OPERATOR = Principal(PrincipalKind.OPERATOR, "command line", organization_admin=True)
