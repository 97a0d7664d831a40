"""Databases that each person signs in to for themselves: where, and what is asked for (OAuth).

The person allows it in a browser, at the provider; the server gets a code, and for the code tokens
of that person for that database. The rest of the house keeps and renews them.
Source: RFC 6749 (authorization code), RFC 7636 (PKCE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dragoman.dialects.base import Target

# Under this name a target has the token that signs in for a person, and then no other secret.
ACCESS_TOKEN: Final = "accessToken"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class UserGrant:
    """A provider: where people allow it, where a code becomes tokens, and what is asked for.

    `extra`: further parameters of the first request. `operators_client`: the client is not the
    connection's, but one that the operator registered with the provider of that name.
    """

    authorize_url: str
    token_url: str
    scope: str
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    operators_client: str = ""


def signs_in_a_person(target: Target) -> bool:
    """Whether the target signs in with a person's token and with nothing else."""
    return target.renew is not None or ACCESS_TOKEN in target.secrets
