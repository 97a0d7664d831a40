"""Totals of a question: its rows, aggregated anew in coarser groups, and never sums of what was
answered (docs/decisions/0028)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.compiled import Total, TotalKind
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.plan import Group, Measured, Plan

if TYPE_CHECKING:
    from dragoman.semantics.compiler.question import Question


@dataclass(frozen=True, slots=True)
class Totals:
    """Writes the totals of one question. `main`: its own plan, the last that was made."""

    question: Question
    main: Plan
    pivots: frozenset[str]

    def all(self) -> Iterable[Total]:
        """The statements of the totals that are asked for."""
        query, groups = self.question.query, self.main.groups
        for each in groups:
            if each.name in query.summaries:
                raise PlanError(f"{each.name} is no measure: no total is made of it.")
        measured = [each for each in self.main.measures if each.name in query.fields]
        rows = [group for group in groups if group.name not in self.pivots]
        columns = [group for group in groups if group.name in self.pivots]
        below = _totalled(measured, query.column_totals)
        beside = _totalled(measured, query.row_totals) if columns else []
        wanted: list[tuple[TotalKind, list[Group], list[Measured]]] = []
        if below:
            whole = not columns and TotalKind.BOTH in query.column_totals
            kind = TotalKind.BOTH if whole else TotalKind.COLUMN
            wanted.append((kind, columns, below))
        if beside:
            wanted.append((TotalKind.ROW, rows, beside))
        if both := [each for each in below if each in beside]:
            wanted.append((TotalKind.BOTH, [], both))
        kept = self._kept() if wanted else None
        for kind, groups, found in wanted:
            yield self._total(kind, groups, found, kept)

    def _total(
        self,
        kind: TotalKind,
        groups: list[Group],
        measured: list[Measured],
        kept: str | None,
    ) -> Total:
        """The same rows as the question's own, joined the same way, in coarser groups."""
        question = self.question
        outer = question.levels
        own = [each.name for each in groups if each.name in outer.queried]
        question.levels = question.expressions.levels = outer.of_total(own)
        question.measures.forget()
        anew = [question.again(each) for each in measured]
        plan = self._unordered(groups, anew)
        if kept is not None:
            question.rules.having = []
        names = {each.name for each in [*groups, *measured]}
        plan.columns = [each for each in plan.columns if each.name in names]
        sql = question.renderer(plan, kept).statement()
        question.levels = question.expressions.levels = outer
        return Total(kind, sql, tuple(plan.columns))

    def _unordered(self, groups: list[Group], measured: list[Measured]) -> Plan:
        """A plan over the question's joined rows, all its groups in no order."""
        plan = self.question.plan(groups, measured, frozenset(), self.main.tree)
        plan.orders, plan.limit, plan.offset = [], None, 0
        return plan

    def _kept(self) -> str | None:
        """A join that leaves the rows of those groups which conditions on measures let through: a
        total counts no rows of others. None where nothing is left out so."""
        question, groups = self.question, self.main.groups
        if not question.rules.having or not groups:
            return None
        # Measures that do not obey a filter count rows beside it, and so make groups.
        beside = [m for m in self.main.measures if any(leaf.cancels for leaf in m.formula.leaves)]
        plan = self._unordered(groups, [question.again(each) for each in beside])
        plan.columns = [each for each in plan.columns if each.is_dimension]
        plan.measures = []
        names = [f"k{n}" for n in range(len(plan.columns))]
        statement = question.renderer(plan).statement(names=names)
        name, same = question.asking.functions.name, question.asking.functions.null_safe_equal
        kept = name("kept")
        on = [
            f"({same(f'{kept}.{name(column)}', each.value.text)})"
            for column, each in zip(names, groups, strict=True)
            if not each.value.constant
        ]
        target = f"({statement}) {kept}"
        return f"INNER JOIN {target} ON {' AND '.join(on)}" if on else f"CROSS JOIN {target}"


def _totalled(measured: list[Measured], asked: Collection[str]) -> list[Measured]:
    """The measures whose totals are asked for: by their names, or all by `::total::`."""
    every = TotalKind.BOTH in asked
    return [each for each in measured if every or each.name in asked]
