"""Exasol."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit

# 1900-01-01 was a Monday.
_WEEKDAY = "MOD(MOD(DAYS_BETWEEN({x}, DATE '1900-01-01'), 7) + 7, 7)"
_PARTS = {
    Part.DAY_OF_WEEK: _WEEKDAY,
    Part.DAY_OF_YEAR: "TO_NUMBER(TO_CHAR({x}, 'DDD'))",
    Part.WEEK_OF_YEAR: "WEEK({x})",
    Part.QUARTER: "CEIL(MONTH({x}) / 3)",
    Part.SECOND: "FLOOR(SECOND({x}))",
    Part.EPOCH: "FLOOR(SECONDS_BETWEEN({x}, TIMESTAMP '1970-01-01 00:00:00'))",
}


class ExasolFunctions(SqlFunctions):
    """Source: docs.exasol.com, functions. The empty text is NULL; nothing depends on
    NLS_FIRST_DAY_OF_WEEK."""

    parser = "exasol"
    truth_operators = False
    distinct_operator = False
    empty_is_null = True
    types = {
        CastType.STRING: "VARCHAR(2000000)",
        CastType.INTEGER: "DECIMAL(18,0)",
        CastType.DOUBLE: "DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "TIMESTAMP",
    }

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Instants show the session's zone, UTC."""
        source = "UTC" if kind is TimeKind.ZONED else source
        if source == target:
            return x
        return f"CONVERT_TZ({x}, {self.string(source)}, {self.string(target)})"

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: DATE_TRUNC."""
        if unit is Unit.WEEK:
            return f"ADD_DAYS({self.cast(x, CastType.DATE)}, -{_WEEKDAY.format(x=x)})"
        return super().truncate(x, unit)

    def add_days(self, x: str, days: int) -> str:
        """Source: ADD_DAYS."""
        return f"ADD_DAYS({x}, {days})"

    def add_months(self, x: str, months: int) -> str:
        """Source: ADD_MONTHS."""
        return f"ADD_MONTHS({x}, {months})"

    def part(self, x: str, part: Part) -> str:
        """Source: DAYS_BETWEEN, WEEK (ISO), SECONDS_BETWEEN."""
        if part in _PARTS:
            return self.cast(_PARTS[part].format(x=x), CastType.INTEGER)
        return super().part(x, part)

    def list_distinct(self, x: str, separator: str) -> str:
        """Source: LISTAGG."""
        text = self.cast(x, CastType.STRING)
        return f"LISTAGG(DISTINCT {text}, {self.string(separator)}) WITHIN GROUP (ORDER BY {text})"


FUNCTIONS = ExasolFunctions()
