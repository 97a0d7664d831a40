"""Earlier periods of a question: the bounds of its time moved back, and never rows, so that a month
compares with a month however long each is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dragoman.dialects.sql.kinds import Unit
from dragoman.semantics.compiler.compiled import Earlier
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.plan import Plan
from dragoman.semantics.model.grains import Grain
from dragoman.semantics.query.dates import BadDate, Length, add
from dragoman.semantics.query.filters import DateFilter, DateKind
from dragoman.semantics.query.request import PeriodComparison

if TYPE_CHECKING:
    from dragoman.semantics.compiler.question import Question

# Groups of an earlier period that may stand beside those of a question.
MAX_EARLIER = 100_000


def earlier(question: Question, comparison: PeriodComparison, main: Plan) -> Earlier:
    """The question for an earlier period, beside its own plan. Raises `PlanError`."""
    name = comparison.filter_field
    given = question.filters.get(name)
    if not isinstance(given, DateFilter) or given.numbers or given.negative:
        raise PlanError(f"An earlier period needs a filter on {name} that says from when to when.")
    try:
        start, end = question.conditions.bounds(given)
        if start is None or end is None:
            raise BadDate("it has only one side")
        back, seconds = None, (end - start).total_seconds() * comparison.periods_ago
        if comparison.unit is not None:
            back = Length(comparison.periods_ago, comparison.unit)
        left, right = (_moved_back(each, back, seconds) for each in (start, end))
    except BadDate as bad:
        raise PlanError(f"The filter on {name}: {bad}.") from None
    moved = DateFilter(kind=DateKind.BETWEEN, left=left.isoformat(" "), right=right.isoformat(" "))
    query = replace(
        question.query,
        filters={**question.query.filters, name: moved},
        comparisons=(),
        row_totals=(),
        column_totals=(),
        # Which groups stand beside the question's own is known when both are there.
        limit=None if main.limit is None else max(main.limit, MAX_EARLIER),
        default_limit=False,
        offset=0,
        column_limit=max(main.column_limit, MAX_EARLIER),
    )
    inner = question.inner(query).compile()
    days = (start - left).total_seconds() / 86_400
    exact = back or Length(round(days * 86_400), Unit.SECOND)
    times = [
        (group.name, _steps(group.bracket, days) or exact)
        for group in main.groups
        if group.field.address == name.partition("[")[0] and group.value.type.is_time
    ]
    return Earlier(inner.sql, tuple(times))


def _steps(grain: str | None, days: float) -> Length | None:
    """So many days as whole steps of a time frame, so that weeks come to stand beside weeks; None
    for frames that are no longer than a day."""
    found = _SIZES.get(grain or "")
    if found is None:
        return None
    count, unit, size = found
    return Length(count * round(days / size), unit)


_SIZES: dict[str, tuple[int, Unit, float]] = {
    Grain.WEEK: (7, Unit.DAY, 7),
    Grain.MONTH: (1, Unit.MONTH, 30.437),
    Grain.QUARTER: (3, Unit.MONTH, 91.31),
    Grain.YEAR: (12, Unit.MONTH, 365.2425),
    Grain.FISCAL_QUARTER: (3, Unit.MONTH, 91.31),
    Grain.FISCAL_YEAR: (12, Unit.MONTH, 365.2425),
}


def _moved_back(moment: datetime, back: Length | None, seconds: float) -> datetime:
    if back is None:
        return moment - timedelta(seconds=seconds)
    return add(moment, Length(-back.count, back.unit))
