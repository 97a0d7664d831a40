"""PostgreSQL, and Databricks Lakebase."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, Unit


class PostgresFunctions(SqlFunctions):
    """Source: postgresql.org/docs, chapters 9.9 and 9.21."""

    parser = "postgres"
    own_text_types = True
    types = {**SqlFunctions.types, CastType.STRING: "TEXT"}

    def groupable(self, document: str) -> str:
        """See `SqlFunctions`. Of `json` two values are never compared; of `jsonb` they are."""
        return self.cast(document, CastType.STRING)

    def truncate(self, x: str, unit: Unit) -> str:
        """A day is cut as a reading: DATE_TRUNC of a day would give an instant."""
        return super().truncate(self.cast(x, CastType.TIMESTAMP), unit)

    def part(self, x: str, part: Part) -> str:
        """Whole seconds: a cast rounds."""
        if part in (Part.EPOCH, Part.SECOND):
            return f"CAST(FLOOR(EXTRACT({part.value} FROM {x})) AS BIGINT)"
        return super().part(x, part)

    def percentile(self, x: str, fraction: str) -> str:
        """There is none of numeric."""
        return super().percentile(self.cast(x, CastType.DOUBLE), fraction)


FUNCTIONS = PostgresFunctions()
