"""How a dialect writes the statements of the conformance suite.

All of them read, name no table of anybody's, and need no right but to sign in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dragoman.dialects.features import Feature

# 2024-02-29 12:34:56 in UTC, in whole seconds since 1970.
INSTANT = 1_709_210_096
_JSON = '{"a": [1, null]}'

# The values of `conformance.values`, in the words of the SQL standard.
STANDARD: Mapping[Feature, str] = {
    Feature.DECIMAL: "CAST('12.34' AS DECIMAL(10, 2))",
    Feature.TIMESTAMP: "TIMESTAMP '2024-02-29 12:34:56.789'",
    Feature.TIMESTAMP_TZ: "TIMESTAMP WITH TIME ZONE '2024-02-29 13:34:56+01:00'",
    Feature.DATE: "DATE '2024-02-29'",
    Feature.TIME: "TIME '12:34:56'",
    Feature.BOOLEAN: "TRUE",
    Feature.JSON: f"CAST('{_JSON}' AS JSON)",
    Feature.BINARY: "X'00FF'",
    Feature.ARRAY: "ARRAY[1, 2]",
}


def digits(count: int, end: str = "", alias: str = "t") -> str:
    """A table with a column `n` of 0 .. count - 1, of nothing but unions and cross joins.

    `end`: what follows a SELECT without a table (` FROM DUAL`).
    """
    places = range(len(str(count - 1)))
    one = " UNION ALL ".join(f"SELECT {digit} AS d{end}" for digit in range(10))
    number = " + ".join(f"p{place}.d * {10**place}" for place in places)
    tables = " CROSS JOIN ".join(f"({one}) p{place}" for place in places)
    inner = f"SELECT {number} AS n FROM {tables}"  # noqa: S608 - digits
    return f"(SELECT n FROM ({inner}) q WHERE n < {count}) {alias}"  # noqa: S608 - digits


@dataclass(frozen=True, slots=True)
class Spelling:
    """`{mark}` in a text becomes a name that only this run of the suite uses.

    `slow`: a statement that works for more than a minute, with a column named `{mark}`; empty for
    a large join of `digits`.
    `numbers`: a table with a column `n` of `{count}` whole numbers; empty for `digits`.
    `end`: what follows a SELECT without a table. `quoted`: the literal of aü€😀'".
    `hour`: the hour, in the session's time zone, of the instant `INSTANT`; empty for none.
    `running`: counts statements of this user with `{mark}` in their text, itself left out (it
    writes the mark in two halves, `{mark_a}` and `{mark_b}`); empty where nobody may see that.
    `values`: one expression for each type, empty where only columns (or only some versions) have
    it; what is not there is written as in the standard. `nulls`: their nulls, where CASE has none.
    """

    slow: str = ""
    hour: str = ""
    numbers: str = ""
    end: str = ""
    quoted: str = "'aü€😀''\"'"
    running: str = ""
    values: Mapping[Feature, str] = field(default_factory=dict[Feature, str])
    nulls: Mapping[Feature, str] = field(default_factory=dict[Feature, str])

    def work(self, mark: str) -> str:
        """A statement that works for more than a minute and has the mark in its text."""
        if self.slow:
            return self.slow.format(mark=mark)
        one, two = digits(1_000_000, self.end), digits(1_000_000, self.end, "u")
        tables = f"{one} CROSS JOIN {two}"
        return f"SELECT COUNT(*) AS {mark} FROM {tables} WHERE t.n + u.n = -1"  # noqa: S608

    def sequence(self, count: int) -> str:
        """A table `t` with a column `n` of that many whole numbers."""
        return self.numbers.format(count=count) if self.numbers else digits(count, self.end)

    def value(self, kind: Feature) -> str:
        """The expression for a value of that type; empty where there is none."""
        return self.values.get(kind, STANDARD[kind])

    def null(self, kind: Feature) -> str:
        """The expression for a null of that type."""
        return self.nulls.get(kind, f"CASE WHEN 1 = 0 THEN {self.value(kind)} END")

    def with_values(self, values: Mapping[Feature, str]) -> Spelling:
        """This spelling with other expressions for some types."""
        return replace(self, values={**self.values, **values})
