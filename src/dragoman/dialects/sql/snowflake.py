"""Snowflake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dragoman.dialects.sql.functions import Columns, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Elements, Part, TimeKind, Unit

_PARTS = {
    Part.DAY_OF_WEEK: "DAYOFWEEKISO({x}) - 1",
    Part.DAY_OF_YEAR: "DAYOFYEAR({x})",
    Part.WEEK_OF_YEAR: "WEEKISO({x})",
    Part.EPOCH: "DATE_PART(EPOCH_SECOND, {x})",
}


class SnowflakeFunctions(SqlFunctions):
    """Source: docs.snowflake.com, SQL function reference. Nothing depends on WEEK_START."""

    parser = "snowflake"
    truth_operators = False
    backslash_escapes = True
    types = {
        **SqlFunctions.types,
        CastType.DOUBLE: "DOUBLE",
        CastType.TIMESTAMP: "TIMESTAMP_NTZ",
    }

    def elements(self, x: str, alias: str) -> Elements:
        """Its columns are those of FLATTEN: `value:price::number` is a field of an element."""
        own = self.name(alias)
        return Elements(
            f"CROSS JOIN LATERAL FLATTEN(INPUT => {x}, OUTER => TRUE) {own}", own, f"{own}.INDEX"
        )

    def own_metrics(
        self, table: str, alias: str, groups: Columns, metrics: Columns, where: Sequence[str]
    ) -> str:
        """Source: SEMANTIC_VIEW. Names are qualified by logical tables."""
        lines = ["SELECT * FROM SEMANTIC_VIEW(", f"  {table}"]
        for word, columns in (("DIMENSIONS", groups), ("METRICS", metrics)):
            if columns:
                lines.append(f"  {word} " + ", ".join(f"{x} AS {name}" for x, name in columns))
        if where:
            lines.append("  WHERE " + "\n    AND ".join(f"({each})" for each in where))
        return "\n".join(lines) + "\n)"

    def timestamp(self, value: datetime) -> str:
        """TIMESTAMP alone may be of any kind in a session."""
        return self.cast(self.string(value.isoformat(" ")), CastType.TIMESTAMP)

    def zoned(self, value: datetime) -> str:
        """Source: TIMESTAMP_TZ."""
        return f"CAST({self.string(value.isoformat(' '))} AS TIMESTAMP_TZ)"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: CONVERT_TIMEZONE."""
        if kind is TimeKind.ZONED:
            moved = f"CONVERT_TIMEZONE({self.string(target)}, {x})"
            return self.cast(moved, CastType.TIMESTAMP)
        if source == target:
            return x
        return f"CONVERT_TIMEZONE({self.string(source)}, {self.string(target)}, {x})"

    def truncate(self, x: str, unit: Unit) -> str:
        """DATE_TRUNC of a week obeys the session."""
        if unit is Unit.WEEK:
            return f"DATEADD(day, 1 - DAYOFWEEKISO({x}), {self.cast(x, CastType.DATE)})"
        return super().truncate(x, unit)

    def add_days(self, x: str, days: int) -> str:
        """Source: DATEADD."""
        return f"DATEADD(day, {days}, {x})"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATEADD."""
        return f"DATEADD(month, {months}, {x})"

    def part(self, x: str, part: Part) -> str:
        """Source: DAYOFWEEKISO, WEEKISO, DATE_PART."""
        if part in _PARTS:
            return f"({_PARTS[part].format(x=x)})"
        return super().part(x, part)

    def list_distinct(self, x: str, separator: str) -> str:
        """LISTAGG of nothing is the empty text."""
        text = self.cast(x, CastType.STRING)
        listed = (
            f"LISTAGG(DISTINCT {text}, {self.string(separator)}) WITHIN GROUP (ORDER BY {text})"
        )
        return f"CASE WHEN COUNT({x}) > 0 THEN {listed} END"


FUNCTIONS = SnowflakeFunctions()
