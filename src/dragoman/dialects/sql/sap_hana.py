"""SAP HANA."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit

_MONTH = "ADD_DAYS(TO_DATE({x}), 1 - DAYOFMONTH({x}))"
_MIDNIGHT = "TO_TIMESTAMP(TO_DATE({x}))"
_CUTS = {
    Unit.SECOND: f"ADD_SECONDS({_MIDNIGHT}, HOUR({{x}}) * 3600 + MINUTE({{x}}) * 60"
    " + FLOOR(SECOND({x})))",
    Unit.MINUTE: f"ADD_SECONDS({_MIDNIGHT}, HOUR({{x}}) * 3600 + MINUTE({{x}}) * 60)",
    Unit.HOUR: f"ADD_SECONDS({_MIDNIGHT}, HOUR({{x}}) * 3600)",
    Unit.DAY: "TO_DATE({x})",
    Unit.WEEK: "ADD_DAYS(TO_DATE({x}), -WEEKDAY({x}))",
    Unit.MONTH: _MONTH,
    Unit.QUARTER: f"ADD_MONTHS({_MONTH}, -MOD(MONTH({{x}}) - 1, 3))",
    Unit.YEAR: "ADD_DAYS(TO_DATE({x}), 1 - DAYOFYEAR({x}))",
}
_PARTS = {
    Part.SECOND: "FLOOR(SECOND({x}))",
    Part.MINUTE: "MINUTE({x})",
    Part.HOUR: "HOUR({x})",
    Part.DAY_OF_WEEK: "WEEKDAY({x})",
    Part.DAY_OF_MONTH: "DAYOFMONTH({x})",
    Part.DAY_OF_YEAR: "DAYOFYEAR({x})",
    Part.WEEK_OF_YEAR: "RIGHT(ISOWEEK({x}), 2)",
    Part.MONTH: "MONTH({x})",
    Part.QUARTER: "RIGHT(QUARTER({x}), 1)",
    Part.YEAR: "YEAR({x})",
    Part.EPOCH: "SECONDS_BETWEEN(TO_TIMESTAMP('1970-01-01 00:00:00'), {x})",
}


class SapHanaFunctions(SqlFunctions):
    """Source: help.sap.com, SAP HANA SQL reference. sqlglot has no dialect of it: Postgres's reads
    the users' SQL, which is kept to the letter. Conditions are no values."""

    parser = "postgres"
    truth_operators = False
    distinct_operator = False
    boolean_values = False
    native_list = False
    from_nothing = "FROM DUMMY"
    types = {
        CastType.STRING: "NVARCHAR(5000)",
        CastType.INTEGER: "BIGINT",
        CastType.DOUBLE: "DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "TIMESTAMP",
    }

    def condition(self, x: str) -> str:
        """BOOLEAN columns are there since 2.0."""
        return f"({x} = TRUE)"

    def value(self, condition: str) -> str:
        """A BOOLEAN, NULL where the condition is unknown."""
        return f"(CASE WHEN {condition} THEN TRUE WHEN NOT ({condition}) THEN FALSE END)"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: LOCALTOUTC, UTCTOLOCAL."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = x if source == "UTC" else f"LOCALTOUTC({x}, {self.string(source)})"
        return x if target == "UTC" else f"UTCTOLOCAL({x}, {self.string(target)})"

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: ADD_DAYS, ADD_SECONDS; WEEKDAY counts from Monday = 0."""
        return _CUTS[unit].format(x=x)

    def add_days(self, x: str, days: int) -> str:
        """Source: ADD_DAYS."""
        return f"ADD_DAYS({x}, {days})"

    def add_months(self, x: str, months: int) -> str:
        """Source: ADD_MONTHS."""
        return f"ADD_MONTHS({x}, {months})"

    def part(self, x: str, part: Part) -> str:
        """ISOWEEK gives 2024-W05, QUARTER 2024-Q1."""
        return self.cast(_PARTS[part].format(x=x), CastType.INTEGER)

    def truncate_number(self, x: str) -> str:
        """Towards zero."""
        return f"ROUND({x}, 0, ROUND_DOWN)"

    def list_all(self, x: str, separator: str) -> str:
        """STRING_AGG takes no DISTINCT."""
        text = self.cast(x, CastType.STRING)
        return f"STRING_AGG({text}, {self.string(separator)} ORDER BY {text})"

    def average(self, x: str) -> str:
        """The mean of whole numbers keeps its fraction."""
        return f"AVG(TO_DECIMAL({x}))"


FUNCTIONS = SapHanaFunctions()
