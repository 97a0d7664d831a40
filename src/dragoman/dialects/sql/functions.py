"""The function table that every dialect starts from: the most common form of each entry.

Arguments named `x`, `a`, `b` are SQL texts that stand as one operand (a column, a call, a literal,
or something in parentheses); so are the answers. Values from outside come only as Python values and
leave as literals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from dragoman.dialects.sql.kinds import CastType, Elements, Match, Part, TimeKind, Unit

# Texts and the names that they get.
Columns = Sequence[tuple[str, str]]
Value = str | int | float | Decimal | bool | date | datetime | None


class NotExpressible(Exception):
    """The database has no exact way to say it; the message says what, for a person."""


class SqlFunctions:
    """One database's way of writing each function.

    `parser`: the sqlglot dialect that reads the users' own SQL.
    `boolean_values`: whether a condition is a value that can be selected and grouped by.
    `truth_operators`, `distinct_operator`: whether there are IS TRUE and IS NOT DISTINCT FROM.
    `null_order`: whether ORDER BY takes NULLS FIRST and NULLS LAST.
    `grouping_sets`: whether grouping by several sets at once takes each key once sooner than
    numbering rows does, and ANY_VALUE is there.
    `native_percentile`, `native_list`: whether there is an exact aggregate; else the compiler
    ranks rows by a window and picks.
    `cuts_averages`: whether AVG of whole numbers or decimals has hardly more digits than they.
    `order_to_limit`: whether a limit needs an ORDER BY.
    `empty_is_null`: whether the empty text is NULL.
    `own_text_types`: whether there are types that people read as text and that text functions
    refuse: uuid, enumerations, network addresses.
    `settings`: what a statement ends with, so that joins and nulls mean what the standard says.
    """

    parser: ClassVar[str] = "postgres"
    boolean_values: ClassVar[bool] = True
    truth_operators: ClassVar[bool] = True
    distinct_operator: ClassVar[bool] = True
    null_order: ClassVar[bool] = True
    native_percentile: ClassVar[bool] = True
    native_list: ClassVar[bool] = True
    grouping_sets: ClassVar[bool] = False
    cuts_averages: ClassVar[bool] = False
    order_to_limit: ClassVar[bool] = False
    empty_is_null: ClassVar[bool] = False
    own_text_types: ClassVar[bool] = False
    from_nothing: ClassVar[str] = ""
    settings: ClassVar[str] = ""
    backslash_escapes: ClassVar[bool] = False
    types: ClassVar[dict[CastType, str]] = {
        CastType.STRING: "VARCHAR",
        CastType.INTEGER: "BIGINT",
        CastType.DOUBLE: "DOUBLE PRECISION",
        CastType.DATE: "DATE",
        CastType.TIMESTAMP: "TIMESTAMP",
    }

    # names and values

    def name(self, identifier: str) -> str:
        """The identifier in quotes, every character kept."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, value: Value) -> str:
        """A Python value as a literal. Raises `NotExpressible` for what no literal can hold."""
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return self.boolean(value)
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, int | float | Decimal):
            return self.number(value)
        if isinstance(value, datetime):
            return self.zoned(value) if value.tzinfo else self.timestamp(value)
        return self.date(value)

    def string(self, value: str) -> str:
        """A text literal."""
        if "\0" in value:
            raise NotExpressible("a text must not have the character NUL")
        if self.backslash_escapes:
            value = value.replace("\\", "\\\\")
        return "'" + value.replace("'", "''") + "'"

    def number(self, value: float | Decimal) -> str:
        """A number literal, every digit kept; in parentheses when it is negative."""
        if not math.isfinite(value):
            raise NotExpressible("a number must be finite")
        text = format(value, "f") if isinstance(value, Decimal) else repr(value)
        return f"({text})" if text.startswith("-") else text

    def boolean(self, value: bool) -> str:
        """A truth value, as a value."""
        return "TRUE" if value else "FALSE"

    def date(self, value: date) -> str:
        """A day."""
        return f"DATE '{value:%Y-%m-%d}'" if value.year > 999 else _old(value)

    def timestamp(self, value: datetime) -> str:
        """A clock reading without a zone, to the microsecond."""
        return f"TIMESTAMP '{_clock(value)}'"

    def zoned(self, value: datetime) -> str:
        """An instant."""
        return f"TIMESTAMP WITH TIME ZONE '{_clock(value)}{_offset(value)}'"

    # arrays

    def elements(self, x: str, alias: str) -> Elements:
        """The elements of an array as rows; `alias`: a name for them that nothing else has.

        Raises `NotExpressible`.
        """
        raise NotExpressible("the elements of an array as rows")

    # truth

    def condition(self, x: str) -> str:
        """A boolean value as a condition."""
        return x if self.boolean_values else f"({x} = 1)"

    def value(self, condition: str) -> str:
        """A condition as a value that can be selected; NULL where the condition is unknown."""
        if self.boolean_values:
            return f"({condition})"
        return f"(CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END)"

    def is_true(self, x: str) -> str:
        """Condition: a boolean value is true, and known."""
        return f"{x} IS TRUE" if self.truth_operators else f"{x} = {self.boolean(True)}"

    def is_false(self, x: str) -> str:
        """Condition: a boolean value is false, and known."""
        return f"{x} IS FALSE" if self.truth_operators else f"{x} = {self.boolean(False)}"

    def null_safe_equal(self, a: str, b: str) -> str:
        """Condition: equal, or both NULL."""
        if self.distinct_operator:
            return f"{a} IS NOT DISTINCT FROM {b}"
        return f"({a} = {b} OR ({a} IS NULL AND {b} IS NULL))"

    # text

    def text(self, x: str) -> str:
        """A value that people read as text, as one that every text function takes."""
        return self.cast(x, CastType.STRING) if self.own_text_types else x

    def lower(self, x: str) -> str:
        """The text in small letters."""
        return f"LOWER({x})"

    def concat(self, a: str, b: str) -> str:
        """One text after the other; neither is NULL."""
        return f"CONCAT({a}, {b})"

    def matches(self, x: str, how: Match, piece: str) -> str:
        """Condition: the text contains, starts or ends with the piece, taken to the letter."""
        escaped = "".join("!" + c if c in "!%_[" else c for c in piece)
        before = "" if how is Match.STARTS_WITH else "%"
        after = "" if how is Match.ENDS_WITH else "%"
        return f"{x} LIKE {self.string(before + escaped + after)} ESCAPE '!'"

    def like(self, x: str, pattern: str) -> str:
        """Condition: the text fits a LIKE pattern of the user's (no escape character)."""
        return f"{x} LIKE {self.string(pattern)}"

    def cast(self, x: str, to: CastType) -> str:
        """The value as another type."""
        return f"CAST({x} AS {self.types[to]})"

    def groupable(self, document: str) -> str:
        """A JSON document as what GROUP BY takes: the text, where documents are not compared."""
        return document

    # time

    def local(self, x: str, kind: TimeKind, source: str, target: str) -> str:
        """The clock reading in the zone `target` (IANA) of an instant, or of a reading in the zone
        `source`; without a zone."""
        if kind is TimeKind.ZONED:
            return f"({x} AT TIME ZONE {self.string(target)})"
        if source == target:
            return x
        return f"(({x} AT TIME ZONE {self.string(source)}) AT TIME ZONE {self.string(target)})"

    def truncate(self, x: str, unit: Unit) -> str:
        """The start of the unit that a day or a reading falls in: a day for days and longer, else
        a reading."""
        cut = f"DATE_TRUNC('{unit.value}', {x})"
        return self.cast(cut, CastType.DATE) if unit.of_days else cut

    def add_days(self, x: str, days: int) -> str:
        """A day, that many days later."""
        return f"({x} + {self.number(days)})"

    def add_months(self, x: str, months: int) -> str:
        """A day or reading, that many months later; the last day where there is no such day."""
        return f"({x} + INTERVAL '{months}' MONTH)"

    def part(self, x: str, part: Part) -> str:
        """A number read off a day or a reading, as an integer."""
        name = _EXTRACTS[part]
        read = f"EXTRACT({name} FROM {x})"
        if part is Part.DAY_OF_WEEK:
            read = f"({read} - 1)"
        return self.cast(read, CastType.INTEGER)

    def modulo(self, a: str, n: int) -> str:
        """The remainder of a whole number that is not negative."""
        return f"MOD({a}, {n})"

    def divide_whole(self, a: str, n: int) -> str:
        """The whole part of a / n, towards zero."""
        quotient = f"{self.cast(a, CastType.DOUBLE)} / {n}"
        return self.cast(self.truncate_number(quotient), CastType.INTEGER)

    def truncate_number(self, x: str) -> str:
        """A number without its fraction."""
        return f"TRUNC({x})"

    def ceiling(self, x: str) -> str:
        """The least whole number that is not below."""
        return f"CEIL({x})"

    # aggregates

    def percentile(self, x: str, fraction: str) -> str:
        """Aggregate: the value at that fraction (0 to 1, a number literal), interpolated."""
        return f"PERCENTILE_CONT({fraction}) WITHIN GROUP (ORDER BY {x})"

    def list_distinct(self, x: str, separator: str) -> str:
        """Aggregate: the different values as one text, in order; NULLs left out."""
        text = self.cast(x, CastType.STRING)
        return f"STRING_AGG(DISTINCT {text}, {self.string(separator)} ORDER BY {text})"

    def list_all(self, x: str, separator: str) -> str:
        """Aggregate: all values as one text; for databases that do not list different ones."""
        return self.list_distinct(x, separator)

    def average(self, x: str) -> str:
        """Aggregate: the mean, never cut to a whole number or to the digits of its values."""
        return f"AVG({self.cast(x, CastType.DOUBLE) if self.cuts_averages else x})"

    # the statement

    def order(self, x: str, *, descending: bool, nulls_last: bool) -> str:
        """A term of ORDER BY."""
        way = "DESC" if descending else "ASC"
        if self.null_order:
            return f"{x} {way} NULLS {'LAST' if nulls_last else 'FIRST'}"
        last, first = ("1", "0") if nulls_last else ("0", "1")
        return f"CASE WHEN {x} IS NULL THEN {last} ELSE {first} END, {x} {way}"

    def own_metrics(
        self, table: str, alias: str, groups: Columns, metrics: Columns, where: Sequence[str]
    ) -> str:
        """A SELECT of metrics that the database itself defines: a row for each different values of
        `groups`. `table`: where they are defined, `alias` what stands before its columns; columns
        are pairs of a text and a name. One list may be empty."""
        raise NotExpressible("it has no metrics of its own that could be asked")

    def limit(self, limit: int | None, offset: int) -> str:
        """What follows ORDER BY; empty where nothing is limited."""
        text = "" if limit is None else f"LIMIT {limit}"
        return f"{text} OFFSET {offset}".strip() if offset else text


_EXTRACTS = {
    Part.SECOND: "SECOND",
    Part.MINUTE: "MINUTE",
    Part.HOUR: "HOUR",
    Part.DAY_OF_WEEK: "ISODOW",
    Part.DAY_OF_MONTH: "DAY",
    Part.DAY_OF_YEAR: "DOY",
    Part.WEEK_OF_YEAR: "WEEK",
    Part.MONTH: "MONTH",
    Part.QUARTER: "QUARTER",
    Part.YEAR: "YEAR",
    Part.EPOCH: "EPOCH",
}


def _old(value: date) -> str:
    # strftime does not fill up a year below 1000.
    return f"DATE '{value.isoformat()}'"


def _clock(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(" ")


def _offset(value: datetime) -> str:
    return value.isoformat()[len(value.replace(tzinfo=None).isoformat()) :]
