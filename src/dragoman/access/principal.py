"""Who asks: the principal that a token, or the command line, stands for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """Organization key, personal token, or the operator on the server's own command line."""

    ORGANIZATION = "organization"
    PERSONAL = "personal"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """`user_id` is the person whose attributes apply: a personal token's owner, or the maker of
    an organization key; None where there is none."""

    kind: PrincipalKind
    name: str
    token_id: str | None = None
    user_id: str | None = None
    organization_admin: bool = False


OPERATOR = Principal(PrincipalKind.OPERATOR, "command line", organization_admin=True)
