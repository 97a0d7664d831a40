"""Microsoft Fabric: the SQL endpoint of a warehouse or a lakehouse, which speaks SQL Server's
protocol and knows Entra's users only."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from dragoman.dialects import entra
from dragoman.dialects.base import Declaration, Driver, Proof, Use
from dragoman.dialects.mssql import MSSQL


class Fabric(MSSQL):
    """Fabric, as later versions of the contract name it; it differs in who may sign in."""

    declaration: ClassVar[Declaration] = replace(
        MSSQL.declaration,
        name="fabric",
        label="Microsoft Fabric",
        driver=Driver("mssql_python", "mssql-python", "fabric"),
        authentication=(
            entra.PRINCIPAL,
            entra.WORKLOAD,
        ),
        uses={
            "host": Use(required=True, hint="The SQL connection string of the endpoint."),
            "port": Use(),
            "database": Use(required=True, hint="The warehouse or lakehouse."),
            "username": Use(hint="The client id of the service principal."),
            "defaultSchema": Use(default="dbo"),
            "authenticationType": Use(default=entra.PRINCIPAL.value),
            **entra.USES,
        },
        proof=Proof.DRIVER,
        notes=(
            "Fabric takes service principals and users of Entra only; there are no SQL logins.",
            "A token is made at each sign-in, and sent over verified TLS only.",
        ),
    )


DIALECT = Fabric()
