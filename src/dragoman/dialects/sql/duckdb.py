"""DuckDB, and MotherDuck."""

from __future__ import annotations

from dragoman.dialects.sql.functions import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Elements, Part


class DuckdbFunctions(SqlFunctions):
    """Source: duckdb.org/docs, functions of dates, timestamps and aggregates."""

    parser = "duckdb"
    own_text_types = True
    grouping_sets = True
    types = {**SqlFunctions.types, CastType.DOUBLE: "DOUBLE"}

    def elements(self, x: str, alias: str) -> Elements:
        """A list in a SELECT becomes rows."""
        value, number, own = self.name("value"), self.name("number"), self.name(alias)
        rows = f"SELECT UNNEST({x}) AS {value}, GENERATE_SUBSCRIPTS({x}, 1) AS {number}"
        return Elements(
            f"LEFT JOIN LATERAL ({rows}) {own} ON TRUE", f"{own}.{value}", f"{own}.{number}"
        )

    def part(self, x: str, part: Part) -> str:
        """Seconds come with their fraction: EPOCH is a double."""
        if part is Part.EPOCH:
            return f"CAST(FLOOR(EPOCH({x})) AS BIGINT)"
        return super().part(x, part)

    def percentile(self, x: str, fraction: str) -> str:
        """`quantile_cont` is exact and keeps decimals as doubles."""
        return f"QUANTILE_CONT({self.cast(x, CastType.DOUBLE)}, {fraction})"


FUNCTIONS = DuckdbFunctions()
