"""Google BigQuery (GoogleSQL)."""

from __future__ import annotations

from datetime import datetime

from dragoman.dialects.sql.functions import NotExpressible, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Elements, Match, Part, TimeKind, Unit

_PARTS = {
    Part.DAY_OF_WEEK: "MOD(EXTRACT(DAYOFWEEK FROM {x}) + 5, 7)",
    Part.DAY_OF_MONTH: "EXTRACT(DAY FROM {x})",
    Part.DAY_OF_YEAR: "EXTRACT(DAYOFYEAR FROM {x})",
    Part.WEEK_OF_YEAR: "EXTRACT(ISOWEEK FROM {x})",
    Part.EPOCH: "UNIX_SECONDS(TIMESTAMP({x}))",
}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}


class BigqueryFunctions(SqlFunctions):
    """Source: cloud.google.com/bigquery/docs/reference/standard-sql.

    PERCENTILE_CONT is a window function only: rows are ranked instead.
    """

    parser = "bigquery"
    native_percentile = False
    types = {
        CastType.STRING: "STRING",
        CastType.INTEGER: "INT64",
        CastType.DOUBLE: "FLOAT64",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "DATETIME",
    }

    def groupable(self, document: str) -> str:
        """See `SqlFunctions`. Of NULL it would be the text `null`."""
        return f"IF({document} IS NULL, NULL, TO_JSON_STRING({document}))"

    def elements(self, x: str, alias: str) -> Elements:
        """Source: query syntax, UNNEST."""
        own, number = self.name(alias), self.name(f"{alias}_number")
        return Elements(f"LEFT JOIN UNNEST({x}) AS {own} WITH OFFSET AS {number}", own, number)

    def name(self, identifier: str) -> str:
        """Source: lexical structure, quoted identifiers."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def string(self, value: str) -> str:
        """A doubled quote is no escape here, and no line may end inside."""
        if "\0" in value:
            raise NotExpressible("a text must not have the character NUL")
        return "'" + "".join(_ESCAPES.get(each, each) for each in value) + "'"

    def timestamp(self, value: datetime) -> str:
        """A reading without a zone is a DATETIME."""
        return f"DATETIME '{value.isoformat(' ')}'"

    def zoned(self, value: datetime) -> str:
        """An instant is a TIMESTAMP."""
        return f"TIMESTAMP '{value.isoformat(' ')}'"

    def matches(self, x: str, how: Match, piece: str) -> str:
        """LIKE has no ESCAPE."""
        text = self.string(piece)
        if how is Match.CONTAINS:
            return f"STRPOS({x}, {text}) > 0"
        return f"{how.name}({x}, {text})"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: DATETIME, TIMESTAMP."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = f"TIMESTAMP({x}, {self.string(source)})"
        return f"DATETIME({x}, {self.string(target)})"

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: DATE_TRUNC, DATETIME_TRUNC; ISOWEEK begins on Monday."""
        if not unit.of_days:
            return f"DATETIME_TRUNC({x}, {unit.name})"
        if unit is Unit.DAY:
            return self.cast(x, CastType.DATE)
        name = "ISOWEEK" if unit is Unit.WEEK else unit.name
        return f"DATE_TRUNC({self.cast(x, CastType.DATE)}, {name})"

    def add_days(self, x: str, days: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD({x}, INTERVAL {days} DAY)"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD({self.cast(x, CastType.DATE)}, INTERVAL {months} MONTH)"

    def part(self, x: str, part: Part) -> str:
        """The day of the week counts from Sunday = 1."""
        return _PARTS[part].format(x=x) if part in _PARTS else f"EXTRACT({part.name} FROM {x})"

    def divide_whole(self, a: str, n: int) -> str:
        """Source: DIV."""
        return f"DIV({a}, {n})"


FUNCTIONS = BigqueryFunctions()
