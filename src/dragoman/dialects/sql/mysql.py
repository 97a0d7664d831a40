"""MySQL."""

from __future__ import annotations

from datetime import UTC, datetime

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit

_CUTS = {
    Unit.SECOND: "CAST(DATE_FORMAT({x}, '%Y-%m-%d %H:%i:%s') AS DATETIME)",
    Unit.MINUTE: "CAST(DATE_FORMAT({x}, '%Y-%m-%d %H:%i:00') AS DATETIME)",
    Unit.HOUR: "CAST(DATE_FORMAT({x}, '%Y-%m-%d %H:00:00') AS DATETIME)",
    Unit.DAY: "CAST({x} AS DATE)",
    Unit.WEEK: "DATE_SUB(CAST({x} AS DATE), INTERVAL WEEKDAY({x}) DAY)",
    Unit.MONTH: "CAST(DATE_FORMAT({x}, '%Y-%m-01') AS DATE)",
    Unit.QUARTER: "DATE_ADD(MAKEDATE(YEAR({x}), 1), INTERVAL QUARTER({x}) - 1 QUARTER)",
    Unit.YEAR: "MAKEDATE(YEAR({x}), 1)",
}
_PARTS = {
    Part.SECOND: "SECOND({x})",
    Part.MINUTE: "MINUTE({x})",
    Part.HOUR: "HOUR({x})",
    Part.DAY_OF_WEEK: "WEEKDAY({x})",
    Part.DAY_OF_MONTH: "DAYOFMONTH({x})",
    Part.DAY_OF_YEAR: "DAYOFYEAR({x})",
    Part.WEEK_OF_YEAR: "WEEK({x}, 3)",
    Part.MONTH: "MONTH({x})",
    Part.QUARTER: "QUARTER({x})",
    Part.YEAR: "YEAR({x})",
    Part.EPOCH: "TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', {x})",
}
_ALL_ROWS = 18_446_744_073_709_551_615  # a LIMIT beside OFFSET must be there (MySQL, SELECT)


class MysqlFunctions(SqlFunctions):
    """Source: dev.mysql.com/doc, functions and operators. Sessions are in UTC.

    Texts compare as the column's collation says, mostly without regard to case.
    """

    parser = "mysql"
    cuts_averages = True
    null_order = False
    native_percentile = False
    backslash_escapes = True
    types = {
        CastType.STRING: "CHAR",
        CastType.INTEGER: "SIGNED",
        CastType.DOUBLE: "DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "DATETIME(6)",
    }

    def name(self, identifier: str) -> str:
        """Source: schema object names."""
        return "`" + identifier.replace("`", "``") + "`"

    def zoned(self, value: datetime) -> str:
        """TIMESTAMP columns show the session's zone, UTC."""
        return self.timestamp(value.astimezone(UTC).replace(tzinfo=None))

    def null_safe_equal(self, a: str, b: str) -> str:
        """Source: <=>."""
        return f"{a} <=> {b}"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """CONVERT_TZ gives NULL where the server has no tables of time zones: that is made an
        error (a subquery of two rows), since a NULL would be a wrong answer without a word."""
        source = "+00:00" if kind is TimeKind.ZONED or source == "UTC" else source
        if source == target or (source == "+00:00" and target == "UTC"):
            return x
        moved = f"CONVERT_TZ({x}, {self.string(source)}, {self.string(target)})"
        missing = "(SELECT NULL UNION ALL SELECT NULL)"
        checked = f"WHEN {moved} IS NULL THEN {missing} ELSE {moved}"
        return f"(CASE WHEN {x} IS NULL THEN NULL {checked} END)"

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: DATE_FORMAT, WEEKDAY, MAKEDATE."""
        return _CUTS[unit].format(x=x)

    def add_days(self, x: str, days: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD({x}, INTERVAL {days} DAY)"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD({x}, INTERVAL {months} MONTH)"

    def part(self, x: str, part: Part) -> str:
        """Source: WEEKDAY, WEEK (mode 3 is ISO 8601's), TIMESTAMPDIFF."""
        return _PARTS[part].format(x=x)

    def divide_whole(self, a: str, n: int) -> str:
        """Source: DIV."""
        return f"({a} DIV {n})"

    def list_distinct(self, x: str, separator: str) -> str:
        """No cast: a cast text would compare by the session's collation, not by the column's."""
        return f"GROUP_CONCAT(DISTINCT {x} ORDER BY {x} SEPARATOR {self.string(separator)})"

    def limit(self, limit: int | None, offset: int) -> str:
        """There is no OFFSET without LIMIT."""
        return super().limit(_ALL_ROWS if limit is None and offset else limit, offset)


FUNCTIONS = MysqlFunctions()
