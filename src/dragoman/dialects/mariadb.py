"""MariaDB."""

from __future__ import annotations

from typing import ClassVar

from dragoman.dialects.base import Declaration, Proof
from dragoman.dialects.mysql import MySQLWire, declare


class MariaDB(MySQLWire):
    """MariaDB 10.5 or later."""

    declaration: ClassVar[Declaration] = declare(
        "mariadb", "MariaDB", Proof.ENGINE, "JSON columns are text to this server."
    )


DIALECT = MariaDB()
