"""Amazon Redshift."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind


class RedshiftFunctions(SqlFunctions):
    """Source: docs.aws.amazon.com/redshift, SQL functions reference.

    PERCENTILE_CONT takes one ORDER BY a query and no DISTINCT beside it: rows are ranked instead.
    """

    parser = "redshift"
    cuts_averages = True
    distinct_operator = False
    native_percentile = False

    def string(self, value: str) -> str:
        """A backslash may be an escape or not, as the server is set: none is written."""
        pieces = [super(RedshiftFunctions, self).string(piece) for piece in value.split("\\")]
        return pieces[0] if len(pieces) == 1 else f"({' || CHR(92) || '.join(pieces)})"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: CONVERT_TIMEZONE."""
        if kind is TimeKind.ZONED:
            return f"({x} AT TIME ZONE {self.string(target)})"
        if source == target:
            return x
        return f"CONVERT_TIMEZONE({self.string(source)}, {self.string(target)}, {x})"

    def add_months(self, x: str, months: int) -> str:
        """Source: DATEADD."""
        return f"DATEADD(month, {months}, {x})"

    def part(self, x: str, part: Part) -> str:
        """The day of the week counts from Sunday."""
        if part is Part.DAY_OF_WEEK:
            return self.cast(f"MOD(EXTRACT(DOW FROM {x}) + 6, 7)", CastType.INTEGER)
        return super().part(x, part)

    def list_distinct(self, x: str, separator: str) -> str:
        """At most 64 KB; more is an error of the database."""
        text = self.cast(x, CastType.STRING)
        return f"LISTAGG(DISTINCT {text}, {self.string(separator)}) WITHIN GROUP (ORDER BY {text})"


FUNCTIONS = RedshiftFunctions()
