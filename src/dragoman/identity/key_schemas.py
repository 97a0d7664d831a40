"""Wire shapes of API keys (contract §5.11). What the contract does not have follows at the end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dragoman.api.paging import PageInfo
from dragoman.identity.tokens import LONGEST_OVERLAP, USUAL_OVERLAP

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Future = Annotated[datetime, Meta(tz=True)]
Permissions = Annotated[list[str], Meta(min_length=1, max_length=100)]
Connections = Annotated[list[str], Meta(min_length=1, max_length=100)]


class Maker(msgspec.Struct, rename="camel"):
    """Who made an organization key, or owns a personal token. Personal tokens of a suspended
    member do not work; organization keys of one do."""

    membership_id: str
    name: str
    email: str
    suspended: bool


class KeyScope(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a token is narrowed to: permissions by name, connections by id. Null narrows nothing
    of that kind."""

    permissions: Permissions | None = None
    connection_ids: Connections | None = None


class ApiKey(msgspec.Struct, rename="camel", kw_only=True):
    """A token. Times are ISO 8601 UTC. `enabled` says whether it was disabled, `expired` whether
    it has come to its end; `hint` shows how it begins and ends. After a rotation the secret before
    works until `previousSecretExpiresAt`."""

    id: str
    type: str
    name: str
    enabled: bool
    membership_id: str | None
    created_at: str
    hint: str
    created_by: Maker | None
    expires_at: str | None
    expired: bool
    last_used_at: str | None
    scope: KeyScope | None
    previous_secret_expires_at: str | None


class KeyWithSecret(ApiKey, rename="camel", kw_only=True):
    """A token just made or rotated. `token` is its secret, which is never shown again."""

    token: str


class KeyList(msgspec.Struct, rename="camel"):
    """One page of tokens."""

    page_info: PageInfo
    records: list[ApiKey]


class KeyUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """Organization keys only."""

    enabled: bool


class NewKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A token to make: one of the organization, or a personal one of the caller's own. One that
    names no end lasts until it is revoked."""

    type: Literal["organization", "personal"]
    name: Name
    expires_at: Future | None = None
    scope: KeyScope | None = None


class Rotation(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Hours that the secret before goes on working; 0 ends it at once."""

    overlap_hours: Annotated[int, Meta(ge=0, le=LONGEST_OVERLAP)] = USUAL_OVERLAP


class Revoked(msgspec.Struct):
    """The answer of a revocation."""

    message: str = "API token revoked"
    success: bool = True
