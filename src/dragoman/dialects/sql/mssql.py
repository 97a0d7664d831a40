"""Microsoft SQL Server (2016 and later), Azure SQL."""

from __future__ import annotations

from datetime import date, datetime

from dragoman.dialects.sql import windows_zones
from dragoman.dialects.sql.functions import NotExpressible, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit

# 1900-01-01 was a Monday; a remainder keeps the sign of what is divided.
_WEEKDAY = "((DATEDIFF(day, '19000101', {x}) % 7 + 7) % 7)"
_PARTS = {
    Part.DAY_OF_WEEK: _WEEKDAY,
    Part.DAY_OF_MONTH: "DAY({x})",
    Part.DAY_OF_YEAR: "DATEPART(dayofyear, {x})",
    Part.WEEK_OF_YEAR: "DATEPART(iso_week, {x})",
    Part.EPOCH: "DATEDIFF_BIG(second, '19700101', {x})",
}
_CUTS = {
    Unit.DAY: "CAST({x} AS DATE)",
    Unit.WEEK: f"DATEADD(day, -{_WEEKDAY}, CAST({{x}} AS DATE))",
    Unit.MONTH: "DATEFROMPARTS(YEAR({x}), MONTH({x}), 1)",
    Unit.QUARTER: "DATEFROMPARTS(YEAR({x}), DATEPART(quarter, {x}) * 3 - 2, 1)",
    Unit.YEAR: "DATEFROMPARTS(YEAR({x}), 1, 1)",
}


class MssqlFunctions(SqlFunctions):
    """Source: learn.microsoft.com, Transact-SQL reference. Nothing depends on DATEFIRST.

    There are no boolean values, percentiles are window functions only, and STRING_AGG takes no
    DISTINCT: rows are ranked instead. Texts compare as the collation says.
    """

    parser = "tsql"
    truth_operators = False
    distinct_operator = False
    boolean_values = False
    null_order = False
    native_percentile = False
    native_list = False
    order_to_limit = True
    types = {
        CastType.STRING: "NVARCHAR(MAX)",
        CastType.INTEGER: "BIGINT",
        CastType.DOUBLE: "FLOAT",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "DATETIME2(6)",
    }

    def name(self, identifier: str) -> str:
        """Source: delimited identifiers."""
        return "[" + identifier.replace("]", "]]") + "]"

    def string(self, value: str) -> str:
        """Unicode."""
        return "N" + super().string(value)

    def boolean(self, value: bool) -> str:
        """A bit."""
        return f"CAST({int(value)} AS BIT)"

    def date(self, value: date) -> str:
        """There are no DATE literals."""
        return f"CAST('{value.isoformat()}' AS DATE)"

    def timestamp(self, value: datetime) -> str:
        """There are no TIMESTAMP literals."""
        return f"CAST('{value.isoformat()}' AS DATETIME2(6))"

    def zoned(self, value: datetime) -> str:
        """An instant."""
        return f"CAST('{value.isoformat()}' AS DATETIMEOFFSET(6))"

    def value(self, condition: str) -> str:
        """A bit, NULL where the condition is unknown."""
        return f"CAST(CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END AS BIT)"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Zones have the names of Windows."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = f"{x} AT TIME ZONE {self._zone(source)}"
        return self.cast(f"{x} AT TIME ZONE {self._zone(target)}", CastType.TIMESTAMP)

    def _zone(self, name: str) -> str:
        found = windows_zones.of(name)
        if found is None:
            raise NotExpressible(f"SQL Server knows no time zone {name}")
        return f"'{found}'"

    def truncate(self, x: str, unit: Unit) -> str:
        """DATETRUNC is new in 2022."""
        if unit.of_days:
            return _CUTS[unit].format(x=x)
        day = f"CAST(CAST({x} AS DATE) AS DATETIME2(6))"
        return f"DATEADD({unit.value}, DATEDIFF({unit.value}, {day}, {x}), {day})"

    def add_days(self, x: str, days: int) -> str:
        """Source: DATEADD."""
        return f"DATEADD(day, {days}, {x})"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATEADD."""
        return f"DATEADD(month, {months}, {x})"

    def part(self, x: str, part: Part) -> str:
        """Source: DATEPART, DATEDIFF_BIG."""
        template = _PARTS.get(part, f"DATEPART({part.value}, {{x}})")
        return self.cast(template.format(x=x), CastType.INTEGER)

    def modulo(self, a: str, n: int) -> str:
        """Source: %."""
        return f"({a} % {n})"

    def divide_whole(self, a: str, n: int) -> str:
        """Whole numbers divide whole."""
        return f"({self.cast(a, CastType.INTEGER)} / {n})"

    def ceiling(self, x: str) -> str:
        """Source: CEILING."""
        return f"CEILING({x})"

    def list_all(self, x: str, separator: str) -> str:
        """Source: STRING_AGG."""
        text = self.cast(x, CastType.STRING)
        return f"STRING_AGG({text}, {self.string(separator)}) WITHIN GROUP (ORDER BY {text})"

    def average(self, x: str) -> str:
        """The mean of whole numbers would be cut."""
        return f"AVG({x} * 1.0)"

    def limit(self, limit: int | None, offset: int) -> str:
        """OFFSET must be there for FETCH."""
        if limit is None and not offset:
            return ""
        fetch = "" if limit is None else f" FETCH NEXT {limit} ROWS ONLY"
        return f"OFFSET {offset} ROWS{fetch}"


FUNCTIONS = MssqlFunctions()
