"""Signing in by Microsoft Entra: the ways, the clouds, and the rules for settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dragoman.dialects.base import Authentication, Target, Use

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

MACHINE: Final = "useMachineAuth"
TENANT: Final = "entraTenant"
# A GUID or a domain: it becomes part of an address.
_TENANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

PASSWORD: Final = Authentication(
    "mssql-active-directory-password",
    "Entra user and password",
    ("username", "passwordUnencrypted"),
    optional=(TENANT,),
)
PRINCIPAL: Final = Authentication(
    "mssql-active-directory-service-principal",
    "Entra service principal (client id as username, client secret as password)",
    ("username", "passwordUnencrypted"),
    optional=(TENANT,),
)
WORKLOAD: Final = Authentication(
    None,
    "Entra workload identity of this server (useMachineAuth): a token is made at each sign-in",
    (),
    chosen_by=MACHINE,
)
USES: Final = {
    MACHINE: Use(hint="Here: by Entra, with the workload identity that this server has."),
    TENANT: Use(hint="Or as CLIENT@TENANT in username."),
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud of Microsoft: where its tokens are made, what they are for, and whose endpoints it
    has."""

    login: str
    resource: str
    endpoints: tuple[str, ...]


# Source: Microsoft, "Authentication and national clouds"; "Azure Government developer guide";
# "Azure China developer guide"; "Connect to Fabric Data Warehouse".
CLOUDS: Final = (
    Cloud(
        "login.microsoftonline.us",
        "https://database.usgovcloudapi.net",
        (".database.usgovcloudapi.net", ".sql.azuresynapse.usgovcloudapi.net"),
    ),
    Cloud(
        "login.partner.microsoftonline.cn",
        "https://database.chinacloudapi.cn",
        (".database.chinacloudapi.cn", ".sql.azuresynapse.azure.cn"),
    ),
    Cloud(
        "login.microsoftonline.com",
        "https://database.windows.net",
        (
            ".database.windows.net",
            ".sql.azuresynapse.net",
            ".datawarehouse.fabric.microsoft.com",
            ".database.fabric.microsoft.com",
        ),
    ),
)


def cloud_of(host: str) -> tuple[Cloud, bool]:
    """The cloud that makes tokens for the host, and whether the host is one of its endpoints. A
    server of one's own may know Entra too; it uses the public cloud."""
    name = host.lower().rstrip(".")
    for cloud in CLOUDS:
        if name.endswith(cloud.endpoints):
            return cloud, True
    return CLOUDS[-1], False


def by_machine(target: Target) -> bool:
    """Whether the target signs in with the identity of this server."""
    return bool(target.settings.get(MACHINE))


def by_token(target: Target) -> bool:
    """Whether the target signs in by Entra at all."""
    ways = (PASSWORD.value, PRINCIPAL.value)
    return by_machine(target) or target.text("authenticationType") in ways


def client_and_tenant(target: Target) -> tuple[str, str]:
    """User or client, and the tenant; of a user without one the domain, of a client empty."""
    username, tenant = target.username, target.text(TENANT)
    before, _, after = username.rpartition("@")
    if target.text("authenticationType") == PASSWORD.value:
        return username, tenant or after
    return (before, tenant or after) if before else (username, tenant)


def check(draft: Draft, *, untrusted: bool) -> None:
    """The tenant's form, and what sends no token. `untrusted`: whether the dialect lets a user take
    any certificate."""
    settings = draft.settings
    target = Target("", settings, {})
    tenant, machine = settings.get(TENANT), by_machine(target)
    if tenant is not None and not _TENANT.fullmatch(str(tenant)):
        fix = "The tenant's id (a GUID), or one of its domains."
        draft.reject(TENANT, "Not a tenant", fix)
    if not by_token(target):
        if tenant is not None:
            draft.warn(TENANT, "It goes with Entra; it is stored and has no effect.")
        return
    if settings.get("trustServerCertificate") and untrusted:
        draft.warn(
            "trustServerCertificate",
            "It has no effect with Entra: a token is sent to a verified server only.",
        )
    if machine:
        _check_machine(draft)
    elif not draft.refused("username", TENANT):
        _check_tenant(draft, client_and_tenant(target)[1])


def _check_machine(draft: Draft) -> None:
    if not draft.refused("host") and not cloud_of(str(draft.settings.get("host", "")))[1]:
        draft.reject(
            "host",
            "Not an endpoint of Azure or Fabric",
            "This server's own token goes to no other host: use a service principal.",
        )
    for name in ("username", TENANT):
        if draft.settings.get(name) is not None:
            draft.warn(name, f"It has no effect with {MACHINE}.")


def _check_tenant(draft: Draft, tenant: str) -> None:
    if not tenant:
        draft.warn(
            "username",
            f"Which tenant it belongs to is not said: without {TENANT}, or CLIENT@TENANT here, "
            "it cannot sign in.",
        )
    elif not _TENANT.fullmatch(tenant):
        draft.reject("username", "Not CLIENT@TENANT", "For example 6f1c…@example.com.")
