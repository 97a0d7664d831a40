"""Databricks SQL: a workspace host, a warehouse's HTTP path, three ways to sign in."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, ClassVar

from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Dialect,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.features import Feature
from dragoman.dialects.hosts import check_host
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import Spelling
from dragoman.dialects.tls_rule import agreed
from dragoman.dialects.user_grants import UserGrant
from dragoman.dialects.values import BadValue

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

_USERS = "databricks-oauth-user"
_PATH = re.compile(r"(?:/[A-Za-z0-9_.-]+)+/?")


class Databricks(Dialect):
    """Databricks. `database` is the Unity Catalog catalog of names written without one."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT COUNT(*) AS {mark} FROM range(100000000) a CROSS JOIN range(1000000) b"
        " WHERE a.id + b.id = -1",
        hour="hour(TIMESTAMP '2024-02-29 12:34:56+00:00')",
        numbers="(SELECT id AS n FROM range({count})) AS t",
        quoted="'aü€😀\\'\"'",
        values={
            Feature.TIMESTAMP: "TIMESTAMP_NTZ '2024-02-29 12:34:56.789'",
            Feature.TIMESTAMP_TZ: "TIMESTAMP '2024-02-29 13:34:56+01:00'",
            Feature.ARRAY: "array(1, 2)",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="databricks",
        label="Databricks",
        driver=Driver("databricks.sql", "databricks-sql-connector", "databricks"),
        authentication=(
            Authentication(
                "databricks-personal-access-token",
                "Personal access token (as password)",
                ("passwordUnencrypted",),
                optional=("username",),
            ),
            Authentication(
                "databricks-oauth-m2m",
                "OAuth of a service principal",
                ("oauthClientId", "oauthClientSecretUnencrypted"),
            ),
            Authentication(
                _USERS,
                "OAuth of each user",
                ("oauthClientId", "oauthClientSecretUnencrypted"),
                optional=("username", "passwordUnencrypted"),
                advises={
                    "passwordUnencrypted": "Without a token of a service account the schema "
                    "cannot be refreshed: each user signs in for their own queries only.",
                },
            ),
        ),
        uses={
            "host": Use(
                required=True, hint="The workspace, for example dbc-1.cloud.databricks.com."
            ),
            "database": Use(required=True, hint="The default catalog."),
            "username": Use(),
            "warehouse": Use(
                required=True, hint="The HTTP path, for example /sql/1.0/warehouses/1a2b3c."
            ),
            "includeOtherCatalogs": Use(),
            "authenticationType": Use(default="databricks-personal-access-token"),
            "enableDbSemanticLayerIntegration": Use(),
            "enableDbSemanticLayerTopics": Use(),
            "oauthClientId": Use(),
            "oauthClientSecretUnencrypted": Use(),
            "useMachineAuth": Use(),
        },
        multi_catalog=True,
        sqlglot="databricks",
        proof=Proof.STUB,
        live=True,
        lacks={
            Feature.TIME: "Databricks has no time of day.",
            Feature.JSON: "JSON is text here, or a VARIANT.",
            Feature.READ_ONLY_SESSION: "Databricks has no read-only session.",
            Feature.ROLLED_BACK: "Databricks keeps what a statement writes.",
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
        notes=(
            "`warehouse` is the HTTP path of a SQL warehouse; the port is always 443.",
            "There is no read-only session: give rights to read only.",
            "The catalog is read from information_schema, which a Hive metastore does not have.",
            "Results come through the warehouse, never from the cloud's storage.",
        ),
    )

    def choose_authentication(self, draft: Draft) -> Authentication | None:
        """Machine sign-in without `authenticationType` means the service principal."""
        if "authenticationType" not in draft.settings and draft.settings.get("useMachineAuth"):
            return self.declaration.authentication[1]
        return super().choose_authentication(draft)

    def check(self, draft: Draft) -> None:
        """Host, HTTP path, and settings that contradict each other."""
        check_workspace(draft, "host")
        _check_path(draft)
        settings = draft.settings
        token = settings.get("authenticationType") == "databricks-personal-access-token"
        if token and settings.get("useMachineAuth"):
            draft.warn("useMachineAuth", "It has no effect with a personal access token.")
        topics = settings.get("enableDbSemanticLayerTopics")
        if topics and not settings.get("enableDbSemanticLayerIntegration"):
            draft.warn(
                "enableDbSemanticLayerTopics",
                "It has no effect without enableDbSemanticLayerIntegration.",
            )

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """The workspace, by HTTPS."""
        return target.host, 443

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Verify the workspace; see `Dialect.starttls`."""
        return agreed(probe_tls(sock, address.host, policy, timeout=timeout))

    def user_grant(self, target: Target) -> UserGrant | None:
        """Databricks documentation, "Authorize user access to Databricks with OAuth"."""
        if target.text("authenticationType") != _USERS:
            return None
        base = f"https://{target.host}/oidc/v1"
        return UserGrant(f"{base}/authorize", f"{base}/token", "all-apis offline_access")

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.databricks.session import DatabricksSession

        return DatabricksSession(target, network, options)

    def quote(self, identifier: str) -> str:
        """In backticks, as in Spark."""
        return "`" + identifier.replace("`", "``") + "`"


def check_workspace(draft: Draft, name: str) -> None:
    """The setting `name` is the host of a workspace; people copy the whole address."""
    sent = str(draft.settings.get(name, ""))
    if not sent:
        return
    bare = re.sub(r"^https://", "", sent, flags=re.IGNORECASE).rstrip("/")
    try:
        draft.settings[name] = check_host(bare)
    except BadValue as bad:
        draft.reject(name, bad.message, bad.fix)
        return
    if bare != sent:
        draft.warn(name, f"Cut to the host name: {bare}.")


def _check_path(draft: Draft) -> None:
    sent = str(draft.settings.get("warehouse", ""))
    if not sent:
        return
    path = sent if sent.startswith("/") else f"/{sent}"
    if not path.startswith("/sql/") or not _PATH.fullmatch(path) or ".." in path:
        draft.reject(
            "warehouse",
            "Not the HTTP path of a warehouse",
            "Copy it from the warehouse's connection details: /sql/1.0/warehouses/….",
        )
    elif path != sent:
        draft.settings["warehouse"] = path
        draft.warn("warehouse", f"A slash was put in front: {path}.")


DIALECT = Databricks()
