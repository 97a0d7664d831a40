"""The answer as it was asked for, of the rows that statements gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.dialects.arrow import pyarrow
from dragoman.semantics.answers.calculations import Calculator
from dragoman.semantics.answers.filling import can_fill, filled, known_values
from dragoman.semantics.answers.lookups import ROW_NUMBER, ROWS
from dragoman.semantics.answers.operators import Frame
from dragoman.semantics.answers.ordering import ordered
from dragoman.semantics.answers.periods import beside
from dragoman.semantics.answers.summaries import summaries_of, summed_up
from dragoman.semantics.answers.transposing import transposed, transposed_columns
from dragoman.semantics.compiler.compiled import Compiled, TotalKind
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.labels import title
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.query.request import Calculation, Query

# ruff: noqa: S608 - every name is quoted, every value a literal

TOTAL_INDICATOR = "$omni_column_total_indicator"
PERIOD = "omni_period_pivot"
SWALLOWED = "#ERROR!"
# In the metadata of an assembled answer: whether its limit left rows out ("true" or "false").
TRUNCATED = b"dragoman.truncated"


@dataclass(frozen=True, slots=True)
class Assembly:
    """What is left to do once the rows are there."""

    query: Query
    compiled: Compiled

    @property
    def needed(self) -> bool:
        """Whether anything is."""
        query = self.query
        compiled = self.compiled
        after = query.calculations or query.transposed or self.fills()
        return bool(after or compiled.totals or compiled.earlier)

    def fills(self) -> tuple[str, ...]:
        """Columns whose gaps are filled: of days, weeks, months, quarters or years, and those whose
        values the model knows."""
        groups = {group.name: group for group in self.compiled.plan.groups}
        return tuple(name for name in self.query.fill if name in groups and can_fill(groups[name]))

    def warnings(self) -> list[str]:
        """What was asked for and cannot be done."""
        done = self.fills()
        return [
            f"fill_fields: what may be missing of {name[:80]} is not known; nothing is filled"
            for name in self.query.fill
            if name not in done
        ]

    def depends_on(self) -> tuple[object, ...]:
        """All that an answer depends on besides the main statement; equal ones give equal rows."""
        groups = {group.name: group for group in self.compiled.plan.groups}
        known = [known_values(groups[name]) for name in self.fills()]
        return self.query, self.compiled.totals, self.compiled.earlier, known

    def columns(self) -> tuple[Column, ...]:
        """The columns of the assembled answer."""
        found = self._untransposed()
        if self.query.transposed:
            found = transposed_columns(found, self.query.transposed)
        if self.compiled.earlier:
            found.append(Column(PERIOD, "Periods Ago", DataType.NUMBER, is_dimension=True))
        if self.compiled.totals:
            found.append(Column(TOTAL_INDICATOR, "Total", DataType.STRING, is_dimension=True))
        return tuple(found)

    def _untransposed(self) -> list[Column]:
        """The statement's columns and the calculations, in the order of the question."""
        unselected = {each.name for each in self.compiled.plan.measures} - set(self.query.fields)
        by_name = {
            column.name: column
            for column in self.compiled.columns
            if not (self.query.calculations and column.name in unselected)
        }
        for each in self.query.calculations:
            if each.name in self.query.fields:
                label = each.label or title(each.name)
                made = Column(each.name, label, DataType.UNKNOWN, False, each.format)
                by_name[each.name] = made
        order = [name for name in dict.fromkeys(self.query.fields) if name in by_name]
        return [by_name[name] for name in [*order, *(n for n in by_name if n not in order)]]

    def assemble(
        self, main: Any, totals: Mapping[TotalKind, Any], earlier: Sequence[Any] = ()
    ) -> Any:
        """An Arrow table of the main rows, the totals' and those of earlier periods, each an Arrow
        table named as asked. Raises `PlanError`.
        """
        import duckdb

        pa: Any = pyarrow()
        try:
            with duckdb.connect(config={"threads": "1", "enable_external_access": "false"}) as work:
                return self._assembled(work, main, totals, earlier)
        except (duckdb.Error, pa.ArrowException) as problem:
            # Numbers of more digits than are calculated with, mostly.
            told = str(problem).partition("\n")[0][:200]
            raise PlanError(f"The answer cannot be put together: {told}") from None

    def _assembled(
        self, work: Any, main: Any, totals: Mapping[TotalKind, Any], earlier: Sequence[Any]
    ) -> Any:
        parts = [self._worked_out(work, main, self._totals_of(work, totals))]
        for rows, period in zip(earlier, self.compiled.earlier, strict=True):
            parts.append(self._worked_out(work, beside(work, main, rows, period, self.compiled)))
        truncated = self._is_truncated(main, parts[0].num_rows)
        parts[0] = found = self._in_order(parts[0])
        if self.compiled.earlier:
            found = _stacked(parts)
        whole = self._with_totals(work, found, totals)
        return whole.replace_schema_metadata({TRUNCATED: b"true" if truncated else b"false"})

    def _is_truncated(self, main: Any, rows: int) -> bool:
        """Whether there are more rows than the limit; where the database cut them, whether it gave
        as many. `rows`: before they are cut here."""
        if self.compiled.cut_late is not None:
            limit, offset = self.compiled.cut_late
            return limit is not None and rows > offset + limit
        plan = self.compiled.plan
        if plan.limit is None:
            return False
        count = different(main, plan.pivoted_rows) if plan.pivots else main.num_rows
        return count >= plan.limit

    def _in_order(self, found: Any) -> Any:
        """The rows in the order, and within the limits, that go by calculations."""
        if self.compiled.cut_late is None:
            return found
        limit, offset = self.compiled.cut_late
        return ordered(found, self.query.sorts).slice(offset, limit)

    def _worked_out(self, work: Any, rows: Any, totals: Mapping[str, str] | None = None) -> Any:
        """One period's rows: gaps filled, calculations worked out, measures turned to rows."""
        rows = filled(work, rows, self.fills(), self.query, self.compiled.plan)
        found = self._calculated(work, rows, totals or {})
        if self.query.transposed:
            found = transposed(work, found, self.query.transposed, self.compiled.columns)
        return found

    def _totals_of(self, work: Any, totals: Mapping[TotalKind, Any]) -> dict[str, str]:
        """Measures' totals of their columns as expressions beside the rows; in a pivot each column
        has its own. Those that are made of what is shown are not there yet."""
        pivots = sorted(self.compiled.plan.pivots)
        kinds = (TotalKind.COLUMN,) if pivots else (TotalKind.COLUMN, TotalKind.BOTH)
        rows = next((totals[kind] for kind in kinds if kind in totals), None)
        if rows is None:
            return {}
        work.register("column_totals", rows)
        same = [f"t.{q} IS NOT DISTINCT FROM {ROWS}.{q}" for q in map(_quoted, pivots)]
        where = f" WHERE {' AND '.join(same)}" if same else ""
        return {
            name: f"(SELECT any_value(t.{_quoted(name)}) FROM column_totals t{where})"
            for name in rows.schema.names
            if name not in pivots and name not in self.query.summaries
        }

    def _calculated(self, work: Any, main: Any, totals: Mapping[str, str]) -> Any:
        import duckdb

        if not self.query.calculations:
            return main
        work.register("main_rows", main)
        told = ""
        swallows = any(each.swallow_errors for each in self.query.calculations)
        for failed in (False, True) if swallows else (False,):
            try:
                return work.sql(self._calculations(main, totals, failed=failed)).to_arrow_table()
            except duckdb.Error as problem:
                told = str(problem).partition("\n")[0][:200]
        raise PlanError(f"The calculations cannot be worked out: {told}")

    def _calculations(self, main: Any, totals: Mapping[str, str], *, failed: bool = False) -> str:
        """The statement over the rows. `failed`: calculations that may, have."""
        written: dict[str, str] = {}
        plan = self.compiled.plan
        pivots = plan.pivots
        columns = [column.name for column in self._untransposed()]
        calculated = {each.name for each in self.query.calculations}
        along = any(sort.column not in calculated for sort in self.query.sorts)
        for each in _after_those_they_use(self.query.calculations):
            partition = tuple(sorted(pivots)) if pivots and not each.outside_pivot else ()
            there = dict.fromkeys([*main.schema.names, *written])
            known = dict.fromkeys([*(name for name in columns if name in there), *there])
            frame = Frame(tuple(known), along, partition, plan.pivoted_rows if pivots else None)
            if failed and each.swallow_errors:
                written[each.name] = f"'{SWALLOWED}'"
            else:
                written[each.name] = self._written(each, frame, written, totals)
        texts = {name: _quoted(name) for name in main.schema.names} | written
        listed = ", ".join(f"{texts[name]} AS {_quoted(name)}" for name in columns if name in texts)
        number = _quoted(ROW_NUMBER)
        numbered = f"SELECT *, ROW_NUMBER() OVER () AS {number} FROM main_rows"
        return (
            f"WITH {ROWS} AS MATERIALIZED ({numbered})"
            f" SELECT {listed} FROM {ROWS} ORDER BY {number}"
        )

    def _written(
        self,
        each: Calculation,
        frame: Frame,
        known: Mapping[str, str],
        totals: Mapping[str, str],
    ) -> str:
        try:
            return Calculator(each.name, frame, known, totals).write(each.expression)
        except PlanError:
            if each.swallow_errors:
                return f"'{SWALLOWED}'"
            raise

    def _with_totals(self, work: Any, found: Any, totals: Mapping[TotalKind, Any]) -> Any:
        """Total rows below, flagged in a column of their own; dimensions are NULL there."""
        pa: Any = pyarrow()
        if not self.compiled.totals:
            return found
        parts = [_flagged(found, None)]
        for kind, rows in totals.items():
            shown = self._of_shown(work, found, rows)
            keys = self._keys(shown)
            if self.query.transposed:
                shown = transposed(work, shown, self.query.transposed, self.compiled.columns)
            summaries = summaries_of(self.query, kind)
            whole = summed_up(work, found, _as(shown, found.schema), summaries, keys)
            parts.append(_flagged(whole, kind.value))
        return pa.concat_tables(parts, promote_options="permissive")

    def _of_shown(self, work: Any, found: Any, totals: Any) -> Any:
        """The totals of rows and columns that are in the answer: its limits cut theirs as well."""
        keys = self._keys(totals)
        if not keys:
            return totals
        work.register("shown", found)
        work.register("totalled", totals)
        same = [f"s.{_quoted(key)} IS NOT DISTINCT FROM t.{_quoted(key)}" for key in keys]
        exists = f"EXISTS (SELECT 1 FROM shown s WHERE {' AND '.join(same)})"
        return work.sql(f"SELECT * FROM totalled t WHERE {exists}").to_arrow_table()

    def _keys(self, totals: Any) -> list[str]:
        """The dimensions that tell totals apart."""
        groups = {group.name for group in self.compiled.plan.groups}
        return [name for name in totals.schema.names if name in groups]


def different(rows: Any, columns: Sequence[str]) -> int:
    """How many different rows an Arrow table has in these columns."""
    if not columns:
        return min(rows.num_rows, 1)
    count: int = rows.select(columns).group_by(columns).aggregate([]).num_rows
    return count


def _after_those_they_use(given: Sequence[Calculation]) -> list[Calculation]:
    """The calculations in an order in which each comes after those that it uses; those of a circle
    come last."""
    waiting, found = list(given), list[Calculation]()
    while waiting:
        names = {each.name for each in waiting}
        ready = [each for each in waiting if not names.intersection(each.named())]
        found += ready or waiting
        waiting = [each for each in waiting if each not in found]
    return found


def _stacked(parts: Sequence[Any]) -> Any:
    """The periods one under the other, each with how many periods ago it is."""
    pa: Any = pyarrow()
    numbered = [
        part.append_column(PERIOD, pa.array([ago] * part.num_rows, pa.int64()))
        for ago, part in enumerate(parts)
    ]
    return pa.concat_tables(numbered, promote_options="permissive")


def _flagged(rows: Any, flag: str | None) -> Any:
    pa: Any = pyarrow()
    return rows.append_column(TOTAL_INDICATOR, pa.array([flag] * rows.num_rows, pa.string()))


def _as(rows: Any, schema: Any) -> Any:
    """The table with all columns of a schema, NULL where it has none."""
    pa: Any = pyarrow()
    columns: list[Any] = [
        rows.column(field.name)
        if field.name in rows.schema.names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, names=schema.names)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
