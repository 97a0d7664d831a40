"""Tokens of Microsoft Entra for a database: for a service principal, a user, or this server.

This server's identity is a workload identity: a file with a token that the platform keeps up to
date (Kubernetes does). The metadata service of a virtual machine is never dialled.
Sources: Microsoft identity platform, "OAuth 2.0 client credentials flow", "OAuth 2.0 Resource Owner
Password Credentials"; Azure Workload Identity, "Azure AD Workload Identity Webhook" (variables).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dragoman.dialects import entra
from dragoman.dialects.adapters.token_endpoint import Refused, ask
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.minting import Minted
from dragoman.dialects.network import Network
from dragoman.secret import SecretStr

# Attribute of a connection, set before it is made (Microsoft, "Using Microsoft Entra ID with the
# ODBC Driver").
SQL_COPT_SS_ACCESS_TOKEN: Final = 1256
# The public client of Microsoft.Data.SqlClient: a password needs one that every tenant knows.
_SQL_CLIENT: Final = "2fd908ad-0664-4344-b9be-cd3e8b574c38"
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VARIABLES: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")
_MOST: Final = 1 << 16

Form = dict[str, str | SecretStr]


@dataclass(frozen=True, slots=True)
class EntraToken:
    """Makes tokens for the target's database."""

    target: Target

    @property
    def advice(self) -> str:
        """See `Minter`."""
        who = "This server's identity" if entra.by_machine(self.target) else "The Entra user"
        return (
            f"{who} needs a user in this database: CREATE USER [name] FROM EXTERNAL PROVIDER, and "
            "in Fabric a role in the workspace."
        )

    def mint(self, network: Network, seconds: float) -> Minted:
        """See `Minter.mint`."""
        cloud, _ = entra.cloud_of(self.target.host)
        tenant, form = self._asked()
        if not tenant:
            raise _settings("Which Entra tenant to sign in to is not said.", _TENANT_FIX)
        url = f"https://{cloud.login}/{tenant}/oauth2/v2.0/token"
        try:
            given = ask(
                network, url, {**form, "scope": f"{cloud.resource}/.default"}, None, seconds
            )
        except Refused as refused:
            raise refused.failure("Entra", _REFUSED_FIX) from None
        return Minted(self.target.username, given.access_token, given.seconds)

    def _asked(self) -> tuple[str, Form]:
        """The tenant, and the form but for what the token is for."""
        if entra.by_machine(self.target):
            return _of_this_server()
        user, tenant = entra.client_and_tenant(self.target)
        password = self.target.password
        if self.target.text("authenticationType") == entra.PASSWORD.value:
            form: Form = {"grant_type": "password", "client_id": _SQL_CLIENT}
            return tenant, {**form, "username": user, "password": password}
        form = {"grant_type": "client_credentials", "client_id": user, "client_secret": password}
        return tenant, form


def attributes(token: SecretStr) -> dict[int, bytes]:
    """The token as the ODBC driver takes it: its length, then UTF-16."""
    data = token.reveal().encode("utf-16-le")
    return {SQL_COPT_SS_ACCESS_TOKEN: struct.pack("<I", len(data)) + data}


def _of_this_server() -> tuple[str, Form]:
    client, tenant, file = (os.environ.get(name, "") for name in _VARIABLES)
    if not (client and tenant and file):
        raise _settings("This server has no workload identity of Entra.", _IDENTITY_FIX)
    try:
        # Read anew each time: whoever issues the token replaces the file.
        token = Path(file).read_text("utf-8")[:_MOST].strip()
    except (OSError, ValueError):
        token = ""
    if not token:
        raise _settings("The file with this server's token cannot be read.", _IDENTITY_FIX)
    return tenant, {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_assertion_type": _JWT_BEARER,
        "client_assertion": SecretStr(token),
    }


_TENANT_FIX: Final = f"Set {entra.TENANT}, or write CLIENT@TENANT as username."
_REFUSED_FIX: Final = (
    "Check client id, secret and tenant. Who needs a second factor cannot sign in with a "
    "password alone: use a service principal."
)
_IDENTITY_FIX: Final = f"Set {', '.join(_VARIABLES)} where the server runs (AKS sets them)."


def _settings(message: str, fix: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.SETTINGS, Cause.SETTINGS_INVALID, message, fix)
