"""The `query` object of a question, read from JSON into types (contract 4.2).

Keys that nobody knows are kept out and named in `warnings`; a known key with a value that cannot
be read is an error that names the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, cast

from dragoman.dialects.sql.kinds import Unit
from dragoman.semantics.query.controls import Switches, kind_of, switched, switches
from dragoman.semantics.query.filters import BadQuery, CompositeFilter, Filter, read_filter

MAX_FIELDS = 500
MAX_LIMIT = 1_000_000_000
DEFAULT_COLUMN_LIMIT = 50
_TO_THE_LETTER = re.compile(r"^\s*--\s*DO NOT PARSE\s*$", re.IGNORECASE | re.MULTILINE)
TOTAL = "::total::"


@dataclass(frozen=True, slots=True)
class Sort:
    """`column`: a field, a grain of one, or a calculation, as `fields` writes it."""

    column: str
    descending: bool = False
    of_pivot: bool = False
    nulls_last: bool = True


@dataclass(frozen=True, slots=True)
class Calculation:
    """A column worked out from the answer's other columns. `expression`: the contract's tree."""

    name: str
    expression: Mapping[str, Any]
    label: str | None = None
    format: str | None = None
    outside_pivot: bool = False
    swallow_errors: bool = False
    may_use_unselected: bool = False

    def named(self) -> list[str]:
        """The fields and other calculations that it uses."""
        return list(dict.fromkeys(_named(self.expression)))


def _named(node: object) -> Iterator[str]:
    """The names in a tree, in order."""
    if isinstance(node, list):
        for each in cast("list[object]", node):
            yield from _named(each)
    elif isinstance(node, dict):
        given = cast("dict[str, object]", node)
        if given.get("type") == "field" and isinstance(given.get("field_name"), str):
            yield cast("str", given["field_name"])
        for each in given.values():
            yield from _named(each)


@dataclass(frozen=True, slots=True)
class PeriodComparison:
    """The measures once more, for the filter's time moved back. `unit` None: by its own length."""

    filter_field: str
    periods_ago: int
    unit: Unit | None


class Summary(StrEnum):
    """What a total of a column is made with, of the values that the answer shows."""

    SUM = "SUM"
    AVERAGE = "AVERAGE"
    MIN = "MIN"
    MAX = "MAX"
    MEDIAN = "MEDIAN"
    COUNT = "COUNT"
    COUNT_DISTINCT = "COUNT_DISTINCT"


_SUMMARY_ALIASES = {"AVG": Summary.AVERAGE}


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `limit` None: no limit; `default_limit`: none was said, the model's applies.
    `summaries`: columns whose totals are made of what is shown, and not worked out anew.

    `sql`: by hand; `rewrite_sql`: its `${…}` are references; `sort_sql`: `sorts` hold for it.
    """

    fields: tuple[str, ...]
    table: str = ""
    topic: str = ""
    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    sorts: tuple[Sort, ...] = ()
    limit: int | None = None
    default_limit: bool = True
    offset: int = 0
    pivots: tuple[str, ...] = ()
    column_limit: int = DEFAULT_COLUMN_LIMIT
    join_via: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    fill: tuple[str, ...] = ()
    row_totals: tuple[str, ...] = ()
    column_totals: tuple[str, ...] = ()
    summaries: Mapping[str, Summary] = field(default_factory=dict[str, "Summary"])
    calculations: tuple[Calculation, ...] = ()
    group: bool = True
    transposed: tuple[str, ...] = ()
    comparisons: tuple[PeriodComparison, ...] = ()
    sql: str | None = None
    rewrite_sql: bool = True
    sort_sql: bool = False
    any_of: tuple[Mapping[str, Filter], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ordered_late(self) -> bool:
        """Whether a calculation orders the rows: then no row can be left out before it is worked
        out. Rows of a pivot are ordered by what the database has."""
        calculated = {each.name for each in self.calculations}
        return not self.pivots and any(sort.column in calculated for sort in self.sorts)

    @property
    def has_references(self) -> bool:
        """Whether it is SQL by hand that speaks of the model: not to be run to the letter."""
        return (
            self.sql is not None
            and self.rewrite_sql
            and "${" in self.sql
            and _TO_THE_LETTER.search(self.sql) is None
        )


# Known to clients, of no effect on the answer.
_SILENT = {
    *("modelId", "dimensionIndex", "version", "manualSort", "metadata"),
    *(
        "staticQueryReferences",
        "parsed",
        "dbtMode",
        "model_extension_id",
        "modelExtensionId",
    ),
}


def read_query(body: object, key: str = "query", *, lenient: bool = False) -> Query:
    """The question of a JSON object. Raises `BadQuery`.

    `lenient`: a filter that cannot be read is left out and named in `warnings`, as the vendor does.
    """
    if not isinstance(body, dict):
        raise BadQuery(key, "an object is expected")
    given = cast("dict[str, Any]", body)
    reader = _Reader(key, given, lenient)
    sql = reader.text("userEditedSQL")
    limit, default_limit = reader.limit()
    controls = reader.controls()
    asked = Query(
        fields=reader.texts("fields", needed=not sql),
        table=reader.text("table"),
        topic=reader.text("join_paths_from_topic_name"),
        filters=reader.filters("filters", given.get("filters")),
        sorts=reader.sorts(),
        limit=limit,
        default_limit=default_limit,
        offset=reader.count("offset", 0) or 0,
        pivots=reader.texts("pivots"),
        column_limit=reader.count("column_limit", DEFAULT_COLUMN_LIMIT) or DEFAULT_COLUMN_LIMIT,
        join_via=reader.join_via(),
        fill=reader.texts("fill_fields"),
        row_totals=tuple(reader.mapping("row_totals")),
        column_totals=tuple(reader.mapping("column_totals")),
        summaries=reader.summaries(),
        calculations=reader.calculations(),
        group=reader.flag("default_group_by", True),
        transposed=reader.texts("transposed_measures"),
        comparisons=reader.comparisons() + controls.comparisons,
        sql=sql or None,
        rewrite_sql=reader.flag("rewriteSql", True),
        sort_sql=reader.flag("sqlSortsEnabled", False),
        any_of=controls.any_of,
    )
    query = switched(asked, controls.switches)
    _check(key, query)
    return _with_warnings(query, reader)


def _check(key: str, query: Query) -> None:
    for within, names in (("pivots", query.pivots), ("transposed_measures", query.transposed)):
        missing = [name for name in names if name not in query.fields]
        if missing:
            raise BadQuery(f"{key}.{within}", f"{missing[0][:80]!r} is not in fields")
    if query.pivots and query.limit is None and not query.default_limit:
        raise BadQuery(f"{key}.limit", "a question with pivots needs a limit")
    summed = f"{key}.custom_summary_types"
    if query.summaries and (query.transposed or query.comparisons):
        raise BadQuery(summed, "totals of measures as rows, or of earlier periods, have none")
    for name in query.summaries:
        if name not in query.fields:
            raise BadQuery(summed, f"{name[:80]!r} is not in fields")
    if len(query.fields) > MAX_FIELDS:
        raise BadQuery(f"{key}.fields", f"at most {MAX_FIELDS} fields")


def _with_warnings(query: Query, reader: _Reader) -> Query:
    return replace(query, warnings=tuple(reader.warnings()))


@dataclass(frozen=True, slots=True)
class _Controls:
    any_of: tuple[Mapping[str, Filter], ...]
    comparisons: tuple[PeriodComparison, ...]
    switches: Switches


class _Reader:
    def __init__(self, key: str, body: Mapping[str, Any], lenient: bool) -> None:
        self.key = key
        self.body = body
        self.lenient = lenient
        self.read: set[str] = set()
        self.dropped: list[str] = []

    def get(self, name: str) -> Any:
        self.read.add(name)
        return self.body.get(name)

    def bad(self, name: str, message: str) -> BadQuery:
        return BadQuery(f"{self.key}.{name}", message)

    def text(self, name: str) -> str:
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise self.bad(name, "a text is expected")
        return value or ""

    def texts(self, name: str, *, needed: bool = False) -> tuple[str, ...]:
        value = self.get(name)
        if value is None and not needed:
            return ()
        if not isinstance(value, list) or not all(
            isinstance(each, str) for each in cast("list[object]", value)
        ):
            raise self.bad(name, "an array of texts is expected")
        return tuple(cast("list[str]", value))

    def flag(self, name: str, default: bool) -> bool:
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.bad(name, "true or false is expected")
        return default if value is None else value

    def count(self, name: str, least: int) -> int | None:
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_LIMIT:
            raise self.bad(name, f"a whole number from 0 to {MAX_LIMIT} is expected")
        return value

    def limit(self) -> tuple[int | None, bool]:
        if "limit" not in self.body:
            return None, True
        return self.count("limit", 0), False

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.bad(name, "an object is expected")
        return cast("dict[str, Any]", value)

    def objects(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(
            isinstance(each, dict) for each in cast("list[object]", value)
        ):
            raise self.bad(name, "an array of objects is expected")
        found = cast("list[dict[str, Any]]", value)
        return [(f"{self.key}.{name}[{n}]", each) for n, each in enumerate(found)]

    def filters(self, name: str, value: object) -> Mapping[str, Filter]:
        self.read.add(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.bad(name, "an object is expected, field to filter")
        references = self.mapping("staticQueryReferences")
        found: dict[str, Filter] = {}
        for field_name, each in cast("dict[str, object]", value).items():
            try:
                found[field_name] = read_filter(
                    f"{self.key}.{name}.{field_name[:80]}", each, references
                )
            except BadQuery as problem:
                if not self.lenient:
                    raise
                self.dropped.append(f"filter left out: {problem}")
        return found

    def sorts(self) -> tuple[Sort, ...]:
        found: list[Sort] = []
        for key, each in self.objects("sorts"):
            inner = _Reader(key, each, self.lenient)
            column = inner.text("column_name")
            if not column:
                raise inner.bad("column_name", "a column is expected")
            descending = inner.flag("sort_descending", False)
            nulls = inner.text("null_sort") or "OMNI_DEFAULT"
            if nulls not in ("OMNI_DEFAULT", "FIRST", "LAST", "DIALECT_DEFAULT"):
                raise inner.bad("null_sort", "OMNI_DEFAULT, FIRST, LAST or DIALECT_DEFAULT")
            of_pivot = inner.flag("is_column_sort", False)
            found.append(Sort(column, descending, of_pivot, nulls != "FIRST"))
        return tuple(found)

    def join_via(self) -> Mapping[str, tuple[str, ...]]:
        given = self.mapping("join_via_map")
        inner = _Reader(f"{self.key}.join_via_map", given, self.lenient)
        return {view: inner.texts(view) for view in given}

    def calculations(self) -> tuple[Calculation, ...]:
        found: list[Calculation] = []
        for key, each in self.objects("calculations"):
            inner = _Reader(key, each, self.lenient)
            name = inner.text("calc_name")
            tree = each.get("sql_expression")
            if not name:
                raise inner.bad("calc_name", "a name is expected")
            if not isinstance(tree, dict):
                raise inner.bad("sql_expression", "a tree is expected, not a formula in text")
            found.append(
                Calculation(
                    name,
                    cast("dict[str, Any]", tree),
                    inner.text("label") or None,
                    inner.text("format") or None,
                    inner.flag("outside_pivot", False),
                    inner.flag("swallow_errors", False),
                    inner.flag("allow_refs_to_unselected_fields", False),
                )
            )
        return tuple(found)

    def comparisons(self) -> tuple[PeriodComparison, ...]:
        return tuple(
            _comparison(_Reader(key, each, self.lenient), "date_filter_field_name", "")
            for key, each in self.objects("period_over_period_computations")
        )

    def controls(self) -> _Controls:
        any_of: list[Mapping[str, Filter]] = []
        comparisons: list[PeriodComparison] = []
        given = self.objects("controls")
        for key, each in given:
            inner = _Reader(key, each, self.lenient)
            kind = kind_of(each)
            if kind == "MULTI_FIELD_FILTER":
                any_of += inner.alternatives()
                self.dropped += inner.dropped
            elif kind == "PERIOD_OVER_PERIOD":
                filtered = inner.text("filterFieldName")
                comparisons += [
                    _comparison(_Reader(place, computation, self.lenient), None, filtered)
                    for place, computation in inner.objects("computations")
                ]
        switch = switches(given, self.dropped.append)
        return _Controls(tuple(any_of), tuple(comparisons), switch)

    def alternatives(self) -> list[Mapping[str, Filter]]:
        """Filters of which any may hold: an object, field to filter, or a list of objects with
        `fieldName` and `filter`."""
        given = self.body.get("filters")
        if not isinstance(given, list):
            found = self.filters("filters", given)
            return [found] if found else []
        alternatives: dict[str, Filter] = {}
        for key, each in self.objects("filters"):
            inner = _Reader(key, each, self.lenient)
            name = inner.text("fieldName")
            for made in inner.filters("filter", {name: each.get("filter")}).values():
                both = (alternatives[name], made) if name in alternatives else ()
                alternatives[name] = CompositeFilter(any_of=True, filters=both) if both else made
            self.dropped += inner.dropped
        return [alternatives] if alternatives else []

    def summaries(self) -> Mapping[str, Summary]:
        """Functions of totals by column: a name, or an object with a `type`."""
        found: dict[str, Summary] = {}
        given = self.mapping("custom_summary_types")
        totals = self.mapping("row_totals") or self.mapping("column_totals")
        for name, each in given.items() if totals else ():
            said = cast("dict[str, Any]", each).get("type") if isinstance(each, dict) else each
            word = said.upper() if isinstance(said, str) else ""
            summary = _SUMMARY_ALIASES.get(word) or Summary.__members__.get(word)
            if summary is None:
                names = ", ".join(Summary)
                raise self.bad(
                    f"custom_summary_types.{name[:80]}", f"one of {names}, not {said!r:.40}"
                )
            found[name] = summary
        return found

    def warnings(self) -> list[str]:
        unknown = [name for name in self.body if name not in self.read | _SILENT]
        return self.dropped + [f"unknown key of the query: {name[:60]}" for name in unknown]


def _comparison(reader: _Reader, field_key: str | None, filtered: str) -> PeriodComparison:
    name = reader.text(field_key) if field_key else filtered
    if not name:
        raise reader.bad(field_key or "filterFieldName", "a field is expected")
    camel = field_key is None
    own_length = reader.flag("isDynamicPreviousPeriod", False)
    unit = reader.text("timeUnitName" if camel else "time_unit_name").lower().rstrip("s")
    ago = reader.count("periodsAgo" if camel else "periods_ago", 0)
    if not own_length and unit not in [each.value for each in Unit]:
        raise reader.bad("timeUnitName" if camel else "time_unit_name", "a unit is expected")
    return PeriodComparison(name, 1 if ago is None else ago, None if own_length else Unit(unit))
