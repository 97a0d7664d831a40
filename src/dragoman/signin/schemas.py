"""Shapes on the wire. Secrets of a body become `SecretStr` in the route, before anything else."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.signin.oidc.schemas import Button
from dragoman.signin.sessions import Session


class SignIn(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Who signs in."""

    email: str
    password: str
    code: str = ""


class Code(msgspec.Struct, forbid_unknown_fields=True):
    """A code of the second factor."""

    code: str


class Present(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The present password, of who is signed in."""

    current_password: str


class PresentAndCode(Present, rename="camel", forbid_unknown_fields=True):
    """The present password and a code of the second factor, or a recovery code."""

    code: str


class RecoveryCodes(msgspec.Struct, rename="camel"):
    """Shown once: each stands for a code of the second factor, once. The session goes on with
    another cookie and this `csrfToken`."""

    recovery_codes: list[str]
    csrf_token: str


class EmbedVisitor(msgspec.Struct, rename="camel"):
    """Whom an application lets in."""

    external_id: str
    name: str
    content_path: str | None = None
    email: str | None = None
    entity: str | None = None
    groups: list[str] | None = None
    connection_roles: dict[str, str] | None = None
    model_roles: dict[str, str] | None = None
    user_attributes: dict[str, Any] | None = None


class EmbedUrlOrder(EmbedVisitor, rename="camel"):
    """Whom an application lets in, and the secret that it signs with."""

    secret: str = ""


class EmbedUrl(msgspec.Struct):
    """A signed address, good once and for an hour."""

    url: str


class EmbedSession(msgspec.Struct, rename="camel"):
    """A session that waits to be redeemed."""

    session_id: str


class Forgotten(msgspec.Struct, forbid_unknown_fields=True):
    """Whose password was lost."""

    email: str


class ByLink(msgspec.Struct, forbid_unknown_fields=True):
    """A password for the owner of a link."""

    link: str
    password: str


class ChangePassword(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Another password for who is signed in."""

    current_password: str
    new_password: str


class Who(msgspec.Struct, rename="camel"):
    """Who is signed in. `csrfToken` goes into the header `X-CSRF-Token` of every request that
    changes something; a token needs none."""

    kind: str
    name: str
    user_id: str | None
    organization_admin: bool
    csrf_token: str | None


class Ways(msgspec.Struct, rename="camel"):
    """How people may sign in here. `mail`: whether a lost password can be asked for."""

    password: bool
    mail: bool
    providers: list[Button]


class SessionList(msgspec.Struct):
    """One's own living sessions, newest first."""

    sessions: list[Session]
