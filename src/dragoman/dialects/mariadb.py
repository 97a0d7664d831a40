"""MariaDB."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from dragoman.dialects.aws import RdsIam
from dragoman.dialects.base import Declaration, Proof
from dragoman.dialects.features import Feature
from dragoman.dialects.mysql import MySQLWire, declare
from dragoman.dialects.spelling import Spelling


class MariaDB(RdsIam, MySQLWire):
    """MariaDB 10.5 or later."""

    declaration: ClassVar[Declaration] = declare(
        "mariadb",
        "MariaDB",
        Proof.ENGINE,
        "JSON columns are text to this server.",
        lacks={Feature.JSON: "JSON is text here, by another name."},
    )
    spelling: ClassVar[Spelling] = replace(
        MySQLWire.spelling, numbers="(SELECT seq AS n FROM seq_1_to_{count}) AS t"
    )


DIALECT = MariaDB()
