"""Trino, and Amazon Athena."""

from __future__ import annotations

from datetime import datetime

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Elements, Part, TimeKind

_PARTS = {
    Part.DAY_OF_WEEK: "(DAY_OF_WEEK({x}) - 1)",
    Part.DAY_OF_YEAR: "DAY_OF_YEAR({x})",
    Part.EPOCH: "CAST(FLOOR(TO_UNIXTIME(CAST({x} AS TIMESTAMP(6)))) AS BIGINT)",
}


class TrinoFunctions(SqlFunctions):
    """Source: trino.io/docs, date and time functions. Percentiles are approximate there: rows are
    ranked instead."""

    parser = "trino"
    cuts_averages = True
    truth_operators = False
    own_text_types = True
    native_percentile = False
    types = {
        **SqlFunctions.types,
        CastType.DOUBLE: "DOUBLE",
        CastType.TIMESTAMP: "TIMESTAMP(6)",
    }

    def elements(self, x: str, alias: str) -> Elements:
        """A structure would be spread over columns without names: inside another it stays whole."""
        value, number, own = self.name("value"), self.name("number"), self.name(alias)
        rows = f"UNNEST(TRANSFORM({x}, e -> ROW(e))) WITH ORDINALITY"
        join = f"LEFT JOIN {rows} AS {own} ({value}, {number}) ON TRUE"
        return Elements(join, f"{own}.{value}", f"{own}.{number}")

    def zoned(self, value: datetime) -> str:
        """The zone stands in the literal."""
        written = value.isoformat(" ")
        return f"TIMESTAMP '{written[:-6]} {written[-6:]}'"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: WITH_TIMEZONE, AT TIME ZONE."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = f"WITH_TIMEZONE({x}, {self.string(source)})"
        return self.cast(f"{x} AT TIME ZONE {self.string(target)}", CastType.TIMESTAMP)

    def add_days(self, x: str, days: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD('day', {days}, {x})"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD('month', {months}, {x})"

    def part(self, x: str, part: Part) -> str:
        """Source: DAY_OF_WEEK (ISO), DAY_OF_YEAR, TO_UNIXTIME; EXTRACT(WEEK) is ISO's."""
        return _PARTS[part].format(x=x) if part in _PARTS else super().part(x, part)

    def truncate_number(self, x: str) -> str:
        """Source: TRUNCATE."""
        return f"TRUNCATE({x})"

    def list_distinct(self, x: str, separator: str) -> str:
        """Source: ARRAY_AGG, ARRAY_JOIN."""
        text = self.cast(x, CastType.STRING)
        gathered = f"ARRAY_AGG(DISTINCT {text}) FILTER (WHERE {text} IS NOT NULL)"
        return f"ARRAY_JOIN(ARRAY_SORT({gathered}), {self.string(separator)})"

    def limit(self, limit: int | None, offset: int) -> str:
        """OFFSET comes first."""
        text = f"OFFSET {offset}" if offset else ""
        return text if limit is None else f"{text} LIMIT {limit}".strip()


FUNCTIONS = TrinoFunctions()
