"""Databricks Lakebase: PostgreSQL's protocol, with an OAuth token for a password."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final

from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.databricks import check_workspace
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.postgres import PostgresWire

if TYPE_CHECKING:
    from dragoman.dialects.minting import Minter
    from dragoman.dialects.validation import Draft

_MACHINE: Final = "useMachineAuth"
# The name of an instance, or the path of an endpoint.
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_INSTANCE = re.compile(rf"{_NAME}|projects/{_NAME}/branches/{_NAME}/endpoints/{_NAME}")


class DatabricksLakebase(PostgresWire):
    """Lakebase. TLS is always required."""

    plaintext_allowed = False
    declaration: ClassVar[Declaration] = Declaration(
        name="databricks_lakebase",
        label="Databricks Lakebase",
        driver=Driver("psycopg", "psycopg", "databricks_lakebase"),
        authentication=(
            Authentication(
                None,
                "User and password, or user and OAuth token",
                ("username", "passwordUnencrypted"),
            ),
            Authentication(
                None,
                "OAuth of a service principal (useMachineAuth): a token is made at each sign-in",
                ("oauthClientId", "oauthClientSecretUnencrypted", "workspaceHost"),
                optional=("username", "databaseInstance"),
                chosen_by=_MACHINE,
            ),
        ),
        uses={
            "host": Use(required=True, hint="The instance's host name."),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(
                hint="A role, or the e-mail or client id the token is for; a service principal's "
                "is its client id."
            ),
            "inferRelationshipsFromForeignKeys": Use(),
            "oauthClientId": Use(hint="The application id of a service principal."),
            "oauthClientSecretUnencrypted": Use(),
            _MACHINE: Use(),
            "workspaceHost": Use(hint="For example dbc-1.cloud.databricks.com."),
            "databaseInstance": Use(
                hint="An instance's name, or projects/…/branches/…/endpoints/…. Without it the "
                "workspace is asked which instance has this host."
            ),
        },
        default_port=5432,
        sqlglot="postgres",
        proof=Proof.RELATIVE,
        live=True,
        unbounded=True,
        notes=(
            "A stored OAuth token ends after about an hour: a native role's password lasts, and "
            "with useMachineAuth tokens are made as they are needed.",
        ),
    )

    def minter(self, target: Target) -> Minter | None:
        """See `Dialect.minter`."""
        if not target.settings.get(_MACHINE):
            return None
        from dragoman.dialects.adapters.databricks.database import DatabaseToken

        return DatabaseToken(target)

    def check(self, draft: Draft) -> None:
        """The forms of the workspace's host and of the instance."""
        check_workspace(draft, "workspaceHost")
        instance = draft.settings.get("databaseInstance")
        if instance is not None and not _INSTANCE.fullmatch(str(instance)):
            example = "For example shop, or projects/shop/branches/production/endpoints/primary."
            draft.reject("databaseInstance", "Not the name of an instance", example)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; a refused password is told as a token that may have ended."""
        if self.minter(target) is not None:
            return super().connect(target, network, options)
        try:
            return super().connect(target, network, options)
        except DatabaseFailure as failure:
            from dragoman.dialects.adapters.lakebase import with_hint

            raise with_hint(failure, target.password, datetime.now(UTC)) from None


DIALECT = DatabricksLakebase()
