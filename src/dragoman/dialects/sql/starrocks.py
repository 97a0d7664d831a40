"""StarRocks: MySQL's dialect with functions of its own."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, Unit
from dragoman.dialects.sql.mysql import MysqlFunctions

_PARTS = {Part.DAY_OF_WEEK: "(DAYOFWEEK_ISO({x}) - 1)", Part.WEEK_OF_YEAR: "WEEK_ISO({x})"}


class StarrocksFunctions(MysqlFunctions):
    """Source: docs.starrocks.io, SQL reference."""

    parser = "starrocks"
    null_order = True
    native_percentile = True
    types = {
        CastType.STRING: "STRING",
        CastType.INTEGER: "BIGINT",
        CastType.DOUBLE: "DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "DATETIME",
    }

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: DATE_TRUNC."""
        return SqlFunctions.truncate(self, x, unit)

    def part(self, x: str, part: Part) -> str:
        """Source: DAYOFWEEK_ISO, WEEK_ISO."""
        return _PARTS[part].format(x=x) if part in _PARTS else super().part(x, part)

    def percentile(self, x: str, fraction: str) -> str:
        """Source: PERCENTILE_CONT."""
        return f"PERCENTILE_CONT({x}, {fraction})"


FUNCTIONS = StarrocksFunctions()
