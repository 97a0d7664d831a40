"""Identity providers on the wire."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class ProviderSettings(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What an identity provider may do here.

    `issuer`: exactly as the provider's metadata has it. `linkByEmail`: the first sign-in of
    somebody with a verified address of `emailDomains` is taken for the account that has it.
    `createUsers`: who has no account gets one. `emailDomains`: no address of another is let in;
    empty is any. `trustEmail`: addresses count as verified though the provider does not say so.
    `groupsMode`: `add` only adds to groups; `exact` also takes out of those that `groupNames`
    names, or of all where it is empty. `groupNames`: value of the claim to name of a group; empty
    means that both have one name. `attributes`: user attribute to claim. A claim inside another
    is written with dots. `acrValues`: one of these the provider has to vouch for. `keepIdToken`: it
    is kept, sealed, as long as the session, for a provider that wants it back for signing out.
    """

    name: str
    issuer: str
    client_id: str
    enabled: bool = True
    scopes: list[str] = msgspec.field(default_factory=lambda: ["openid", "profile", "email"])
    create_users: bool = False
    link_by_email: bool = False
    email_domains: list[str] = []
    trust_email: bool = False
    email_claim: str = "email"
    name_claim: str = "name"
    groups_claim: str | None = None
    groups_mode: Literal["add", "exact"] = "add"
    group_names: dict[str, str] = {}
    attributes: dict[str, str] = {}
    acr_values: list[str] = []
    keep_id_token: bool = False


class ProviderBody(ProviderSettings, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """An identity provider. `clientSecret`: text, or `{"$secret": "env:NAME"}` for one that is kept
    outside; null for a client that has none. Without it the secret that is there stays, as long as
    `issuer` and `clientId` do."""

    slug: str
    client_secret: str | dict[str, str] | UnsetType | None = UNSET


class ProviderRow(ProviderSettings, rename="camel", kw_only=True):
    """An identity provider as admins see it. `clientSecret`: `stored`, or where it is kept. The
    three addresses are for the provider's own settings."""

    id: str
    slug: str
    client_secret: str | None
    redirect_uri: str
    signed_out_uri: str
    back_channel_logout_uri: str
    created_at: str
    updated_at: str


class ProviderList(msgspec.Struct, rename="camel"):
    """All identity providers, by name."""

    identity_providers: list[ProviderRow]


class ProviderCheck(msgspec.Struct, rename="camel"):
    """What the provider says of itself at this moment."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    keys: int


class Button(msgspec.Struct, rename="camel"):
    """A way to sign in through a provider."""

    name: str
    url: str


class SignedOut(msgspec.Struct, rename="camel", omit_defaults=True):
    """The session has ended. `signOutUrl`: where the browser goes to sign out of the provider."""

    success: bool = True
    sign_out_url: str | None = None
