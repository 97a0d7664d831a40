"""ClickHouse."""

from __future__ import annotations

from datetime import UTC, date, datetime

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Match, Part, TimeKind, Unit

_CUTS = {
    Unit.SECOND: "toStartOfSecond(toDateTime64({x}, 6, 'UTC'))",
    Unit.MINUTE: "toStartOfMinute({x})",
    Unit.HOUR: "toStartOfHour({x})",
    Unit.DAY: "toDate32({x})",
    Unit.WEEK: "toStartOfWeek({x}, 1)",
    Unit.MONTH: "toStartOfMonth({x})",
    Unit.QUARTER: "toStartOfQuarter({x})",
    Unit.YEAR: "toStartOfYear({x})",
}
_PARTS = {
    Part.SECOND: "toSecond({x})",
    Part.MINUTE: "toMinute({x})",
    Part.HOUR: "toHour({x})",
    Part.DAY_OF_WEEK: "(toDayOfWeek({x}) - 1)",
    Part.DAY_OF_MONTH: "toDayOfMonth({x})",
    Part.DAY_OF_YEAR: "toDayOfYear({x})",
    Part.WEEK_OF_YEAR: "toISOWeek({x})",
    Part.MONTH: "toMonth({x})",
    Part.QUARTER: "toQuarter({x})",
    Part.YEAR: "toYear({x})",
    Part.EPOCH: "toUnixTimestamp64Second(toDateTime64({x}, 0, 'UTC'))",
}
_MATCHES = {
    Match.CONTAINS: "position({x}, {piece}) > 0",
    Match.STARTS_WITH: "startsWith({x}, {piece})",
    Match.ENDS_WITH: "endsWith({x}, {piece})",
}


SETTINGS = {
    "join_use_nulls": 1,
    "cast_keep_nullable": 1,
    "enable_extended_results_for_datetime_functions": 1,
}
"""What statements of ours need to mean what the standard says."""


class ClickhouseFunctions(SqlFunctions):
    """Source: clickhouse.com/docs, SQL reference. Readings are kept in UTC, sessions are in UTC.

    The settings make joins give NULL and not 0 or the empty text, let NULLs through casts, and let
    days be before 1970.
    """

    parser = "clickhouse"
    truth_operators = False
    own_text_types = True
    backslash_escapes = True
    settings = "SETTINGS " + ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    types = {
        CastType.STRING: "String",
        CastType.INTEGER: "Int64",
        CastType.DOUBLE: "Float64",
        CastType.DATE: "Date32",
        CastType.TIMESTAMP: "DateTime64(6, 'UTC')",
    }

    def name(self, identifier: str) -> str:
        """Source: syntax, identifiers."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def boolean(self, value: bool) -> str:
        """A value of the type Bool."""
        return "true" if value else "false"

    def date(self, value: date) -> str:
        """Source: toDate32."""
        return f"toDate32('{value.isoformat()}')"

    def timestamp(self, value: datetime) -> str:
        """Source: toDateTime64."""
        return f"toDateTime64('{value.isoformat(' ')}', 6, 'UTC')"

    def zoned(self, value: datetime) -> str:
        """Source: toDateTime64."""
        return self.timestamp(value.astimezone(UTC).replace(tzinfo=None))

    def null_safe_equal(self, a: str, b: str) -> str:
        """Source: isNotDistinctFrom."""
        return f"isNotDistinctFrom({a}, {b})"

    def matches(self, x: str, how: Match, piece: str) -> str:
        """LIKE has no ESCAPE."""
        return _MATCHES[how].format(x=x, piece=self.string(piece))

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Every time is an instant here; a reading is the instant that shows it in UTC."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = f"toDateTime64(toString({x}), 6, {self.string(source)})"
        shift = f"timeZoneOffset(toTimeZone({x}, {self.string(target)}))"
        return f"addSeconds(toDateTime64({x}, 6, 'UTC'), {shift})"

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: toStartOf…"""
        cut = _CUTS[unit].format(x=x)
        return f"toDate32({cut})" if unit.of_days and unit is not Unit.DAY else cut

    def add_days(self, x: str, days: int) -> str:
        """Source: addDays."""
        return f"addDays({x}, {days})"

    def add_months(self, x: str, months: int) -> str:
        """Source: addMonths."""
        return f"addMonths({x}, {months})"

    def part(self, x: str, part: Part) -> str:
        """Source: toDayOfWeek and the like."""
        return f"toInt64({_PARTS[part].format(x=x)})"

    def divide_whole(self, a: str, n: int) -> str:
        """Source: intDiv."""
        return f"intDiv({a}, {n})"

    def percentile(self, x: str, fraction: str) -> str:
        """`median` and `quantile` are approximate; the exact one takes no decimals."""
        return f"quantileExactInclusive({fraction})(toFloat64({x}))"

    def list_distinct(self, x: str, separator: str) -> str:
        """groupUniqArray leaves NULLs out."""
        listed = f"arraySort(groupUniqArray({self.cast(x, CastType.STRING)}))"
        joined = f"arrayStringConcat({listed}, {self.string(separator)})"
        return f"CASE WHEN COUNT({x}) > 0 THEN {joined} END"


FUNCTIONS = ClickhouseFunctions()
