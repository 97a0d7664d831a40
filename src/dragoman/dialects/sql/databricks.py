"""Databricks SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dragoman.dialects.sql.functions import Columns, NotExpressible, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Elements, Part, TimeKind

_PARTS = {
    Part.DAY_OF_WEEK: "WEEKDAY({x})",
    Part.DAY_OF_YEAR: "DAYOFYEAR({x})",
    Part.WEEK_OF_YEAR: "WEEKOFYEAR({x})",
    Part.EPOCH: "TIMESTAMPDIFF(SECOND, TIMESTAMP_NTZ '1970-01-01 00:00:00', {x})",
}


class DatabricksFunctions(SqlFunctions):
    """Source: docs.databricks.com, SQL language reference. Sessions are in UTC."""

    parser = "databricks"
    cuts_averages = True
    types = {
        CastType.STRING: "STRING",
        CastType.INTEGER: "BIGINT",
        CastType.DOUBLE: "DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "TIMESTAMP_NTZ",
    }

    def elements(self, x: str, alias: str) -> Elements:
        """Source: SELECT, LATERAL VIEW; places count from 0."""
        value, number, own = self.name("value"), self.name("number"), self.name(alias)
        join = f"LATERAL VIEW OUTER POSEXPLODE({x}) {own} AS {number}, {value}"
        return Elements(join, f"{own}.{value}", f"{own}.{number}")

    def name(self, identifier: str) -> str:
        """Source: identifiers. Spark would put a value in the place of `${x}` even there."""
        if "${" in identifier:
            raise NotExpressible("a name must not have ${ in it")
        return "`" + identifier.replace("`", "``") + "`"

    def string(self, value: str) -> str:
        """A doubled quote would join two texts. Spark puts the value of its variable x in the place
        of `${x}` before it reads a statement (spark.sql.variable.substitute), so that is parted."""
        if "\0" in value:
            raise NotExpressible("a text must not have the character NUL")
        parts = value.replace("\\", "\\\\").replace("'", "\\'").split("${")
        text = "$', '{".join(parts)
        return f"'{text}'" if len(parts) == 1 else f"CONCAT('{text}')"

    def timestamp(self, value: datetime) -> str:
        """A reading without a zone."""
        return f"TIMESTAMP_NTZ '{value.isoformat(' ')}'"

    def zoned(self, value: datetime) -> str:
        """An instant."""
        return f"TIMESTAMP '{value.isoformat(' ')}'"

    def null_safe_equal(self, a: str, b: str) -> str:
        """Source: <=>."""
        return f"{a} <=> {b}"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: CONVERT_TIMEZONE, FROM_UTC_TIMESTAMP."""
        if kind is TimeKind.ZONED:
            moved = f"FROM_UTC_TIMESTAMP({x}, {self.string(target)})"
            return self.cast(moved, CastType.TIMESTAMP)
        if source == target:
            return x
        return f"CONVERT_TIMEZONE({self.string(source)}, {self.string(target)}, {x})"

    def add_days(self, x: str, days: int) -> str:
        """Source: DATE_ADD."""
        return f"DATE_ADD({x}, {days})"

    def add_months(self, x: str, months: int) -> str:
        """Source: ADD_MONTHS; gives a day."""
        return f"ADD_MONTHS({x}, {months})"

    def part(self, x: str, part: Part) -> str:
        """Source: WEEKDAY, WEEKOFYEAR, TIMESTAMPDIFF."""
        if part is Part.EPOCH:
            x = self.cast(x, CastType.TIMESTAMP)
        if part in _PARTS:
            return self.cast(_PARTS[part].format(x=x), CastType.INTEGER)
        return super().part(x, part)

    def divide_whole(self, a: str, n: int) -> str:
        """TRUNC is for times here."""
        return f"({a} DIV {n})"

    def percentile(self, x: str, fraction: str) -> str:
        """Exact and interpolated."""
        return f"PERCENTILE({x}, {fraction})"

    def own_metrics(
        self, table: str, alias: str, groups: Columns, metrics: Columns, where: Sequence[str]
    ) -> str:
        """Source: MEASURE. A metric view takes no join."""
        columns = [f"{x} AS {name}" for x, name in groups]
        columns += [f"MEASURE({x}) AS {name}" for x, name in metrics]
        lines = [f"SELECT {', '.join(columns)}", f"FROM {table} {alias}"]
        if where:
            lines.append("WHERE " + "\n  AND ".join(f"({each})" for each in where))
        if groups:
            lines.append("GROUP BY " + ", ".join(x for x, _ in groups))
        return "\n".join(lines)

    def list_distinct(self, x: str, separator: str) -> str:
        """COLLECT_SET leaves NULLs out."""
        text = self.cast(x, CastType.STRING)
        listed = f"ARRAY_JOIN(ARRAY_SORT(COLLECT_SET({text})), {self.string(separator)})"
        return f"CASE WHEN COUNT({x}) > 0 THEN {listed} END"


FUNCTIONS = DatabricksFunctions()
