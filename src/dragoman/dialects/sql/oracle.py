"""Oracle Database (19c and later)."""

from __future__ import annotations

from datetime import datetime

from dragoman.dialects.sql.functions import NotExpressible, SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit

_READING = "'YYYY-MM-DD HH24:MI:SS'"
_CUTS = {
    Unit.SECOND: f"TO_TIMESTAMP(TO_CHAR({{x}}, {_READING}), {_READING})",
    Unit.MINUTE: "CAST(TRUNC({x}, 'MI') AS TIMESTAMP)",
    Unit.HOUR: "CAST(TRUNC({x}, 'HH24') AS TIMESTAMP)",
    Unit.DAY: "TRUNC({x})",
    Unit.WEEK: "TRUNC({x}, 'IW')",
    Unit.MONTH: "TRUNC({x}, 'MM')",
    Unit.QUARTER: "TRUNC({x}, 'Q')",
    Unit.YEAR: "TRUNC({x}, 'YYYY')",
}
_FORMATS = {
    Part.SECOND: "SS",
    Part.MINUTE: "MI",
    Part.HOUR: "HH24",
    Part.DAY_OF_MONTH: "DD",
    Part.DAY_OF_YEAR: "DDD",
    Part.WEEK_OF_YEAR: "IW",
    Part.MONTH: "MM",
    Part.QUARTER: "Q",
    Part.YEAR: "YYYY",
}


class OracleFunctions(SqlFunctions):
    """Source: docs.oracle.com, SQL language reference. DATE has a time of day; the empty text is
    NULL; there are no boolean values before 23ai: numbers 1 and 0 stand for them."""

    parser = "oracle"
    truth_operators = False
    boolean_values = False
    empty_is_null = True
    from_nothing = "FROM DUAL"
    types = {
        CastType.STRING: "VARCHAR2(4000)",
        CastType.INTEGER: "NUMBER(19)",
        CastType.DOUBLE: "BINARY_DOUBLE",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "TIMESTAMP",
    }

    def name(self, identifier: str) -> str:
        """A name cannot hold a quote. Raises `NotExpressible`."""
        if '"' in identifier or "\0" in identifier:
            raise NotExpressible("Oracle has no names with a quote inside")
        return f'"{identifier}"'

    def boolean(self, value: bool) -> str:
        """A number."""
        return str(int(value))

    def zoned(self, value: datetime) -> str:
        """The zone stands in the literal."""
        written = value.isoformat(" ")
        return f"TIMESTAMP '{written[:-6]} {written[-6:]}'"

    def null_safe_equal(self, a: str, b: str) -> str:
        """DECODE takes two NULLs for equal."""
        return f"DECODE({a}, {b}, 1, 0) = 1"

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """Source: FROM_TZ, AT TIME ZONE."""
        if kind is not TimeKind.ZONED:
            if source == target:
                return x
            x = f"FROM_TZ({self.cast(x, CastType.TIMESTAMP)}, {self.string(source)})"
        return self.cast(f"{x} AT TIME ZONE {self.string(target)}", CastType.TIMESTAMP)

    def truncate(self, x: str, unit: Unit) -> str:
        """Source: TRUNC (date)."""
        return _CUTS[unit].format(x=x)

    def add_months(self, x: str, months: int) -> str:
        """Source: ADD_MONTHS."""
        return f"ADD_MONTHS({x}, {months})"

    def part(self, x: str, part: Part) -> str:
        """Source: TO_CHAR (datetime); IW is ISO's."""
        if part is Part.DAY_OF_WEEK:
            return f"(TRUNC({x}) - TRUNC({x}, 'IW'))"
        if part is Part.EPOCH:
            seconds = f"TO_NUMBER(TO_CHAR({x}, 'SSSSS'))"
            return f"((TRUNC({x}) - DATE '1970-01-01') * 86400 + {seconds})"
        return f"TO_NUMBER(TO_CHAR({x}, '{_FORMATS[part]}'))"

    def list_distinct(self, x: str, separator: str) -> str:
        """Source: LISTAGG; more than 4000 bytes is an error of the database."""
        text = self.cast(x, CastType.STRING)
        return f"LISTAGG(DISTINCT {text}, {self.string(separator)}) WITHIN GROUP (ORDER BY {text})"

    def limit(self, limit: int | None, offset: int) -> str:
        """Source: row limiting clause."""
        skip = f"OFFSET {offset} ROWS" if offset else ""
        return skip if limit is None else f"{skip} FETCH FIRST {limit} ROWS ONLY".strip()


FUNCTIONS = OracleFunctions()
