"""MotherDuck: DuckDB in the cloud, reached through a DuckDB extension."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

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
from dragoman.dialects.duckdb import DuckDB
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.tls_rule import agreed

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]{0,254}")


class WithExtension(Driver):
    """DuckDB with MotherDuck's extension, which is not on PyPI."""

    def require(self) -> None:
        """As `Driver.require`, and the extension has to be installed as well."""
        super().require()
        from dragoman.dialects.adapters.motherduck import require_extension

        require_extension()


class MotherDuck(Dialect):
    """MotherDuck. The database's name says where to go; the password is a service token."""

    spelling = DuckDB.spelling
    declaration: ClassVar[Declaration] = replace(
        DuckDB.declaration,
        name="motherduck",
        label="MotherDuck",
        driver=WithExtension("duckdb", "duckdb", "motherduck"),
        authentication=(Authentication(None, "Service token", ("passwordUnencrypted",)),),
        uses={
            "database": Use(required=True, hint="The name of the database, without md:."),
            "includeOtherCatalogs": Use(),
        },
        without=(),
        multi_catalog=True,
        isolated=(
            "MotherDuck's extension is native code that nobody else can look into, loaded into "
            "DuckDB, and it dials by itself."
        ),
        proof=Proof.DRIVER,
        live=True,
        extension=False,
        notes=(
            "The password is a service token; a read-scaling token is enough.",
            "DuckDB's extension motherduck has to be installed on the server's machine.",
            "The extension dials by itself: hold it to the service with a firewall.",
        ),
    )

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """The service's API; the extension dials it by itself."""
        from dragoman.dialects.adapters.motherduck import HOST, PORT

        return HOST, PORT

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Verify the service's certificate; see `Dialect.starttls`."""
        return agreed(probe_tls(sock, address.host, policy, timeout=timeout))

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.motherduck import open_session

        return open_session(target, network, options)

    def check(self, draft: Draft) -> None:
        """`database` is a bare name: a path or an option would change what DuckDB opens."""
        sent = str(draft.settings.get("database", ""))
        name = sent.removeprefix("md:")
        if name != sent:
            draft.settings["database"] = name
            draft.warn("database", "The prefix md: was cut off.")
        if "database" in draft.settings and not _NAME.fullmatch(name):
            draft.reject(
                "database",
                "Not a MotherDuck database name",
                "Letters, digits, underscores, hyphens and spaces; no path, no options.",
            )

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or "main"


DIALECT = MotherDuck()
