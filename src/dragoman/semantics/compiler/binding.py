"""Filters of a question that hold inside the query views it uses (modeling reference 2.8).

`bind` of a query view's filter names a field whose filter in the question holds inside as well;
`bind_all_filters` takes every filter on a dimension that the inner question can join. Outside a
filter goes on to hold wherever its field can be joined: rows of other views obey it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.names import Names
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension
from dragoman.semantics.model.references import FieldRef, field_ref
from dragoman.semantics.model.views import QuerySource, QuerySpec, View
from dragoman.semantics.query.dates import BadDate
from dragoman.semantics.query.filters import CompositeFilter, DateFilter, DateKind, Filter

if TYPE_CHECKING:
    from dragoman.semantics.compiler.question import Question


def inside(question: Question, view: View, spec: QuerySpec) -> dict[str, Filter]:
    """The question's filters that hold inside a query view, by the inner field. Raises
    `PlanError`."""
    found: dict[str, Filter] = {}
    for name in _taken(question, view, spec):
        ref = field_ref(name)
        if ref is not None and spec.bind_all_filters:
            found[name] = _at_home(question, ref, question.filters[name])
    for each in spec.filters:
        outer = question.filters.get(str(each.bind)) if each.bind is not None else None
        if outer is not None and each.bind is not None:
            found[str(each.field)] = _at_home(question, each.bind, outer)
    return found


def _taken(question: Question, view: View, spec: QuerySpec) -> Iterator[str]:
    """The filters that a query view takes, by the names that the question writes."""
    bound = {str(each.bind) for each in spec.filters if each.bind is not None}
    kept = {str(each.field) for each in spec.filters if each.exclude_from_bind_all}
    for name in question.filters:
        if name in bound or (
            spec.bind_all_filters and name not in kept and _joins(question, view, spec, name)
        ):
            yield name


def _joins(question: Question, view: View, spec: QuerySpec, name: str) -> bool:
    """Whether the inner question can join the dimension of that name."""
    ref = field_ref(name)
    if ref is None or ref.view is None or ref.view == view.name:
        return False
    try:
        if not isinstance(question.names.field(ref), Dimension):
            return False
        inner = question.compiler.bench(spec.topic or "", question.asking).names
        return _reaches(inner, spec.base_view or "", ref.view)
    except PlanError:
        return False


def _reaches(names: Names, base: str, view: str) -> bool:
    if names.topic is not None:
        return view in names.join_map.via
    return view == base or view in names.model.joins_from(base).via


def only_inside(question: Question, name: str) -> bool:
    """Whether a filter holds inside query views alone: one takes it, and nothing outside joins its
    field."""
    ref = field_ref(name)
    if ref is None or ref.view is None:
        return False
    base = question.topic.base_view if question.topic else question.query.table
    taking = any(name in _taken(question, view, spec) for view, spec in _query_views(question))
    return taking and not _reaches(question.names, base, ref.view)


def _query_views(question: Question) -> Iterator[tuple[View, QuerySpec]]:
    base = question.topic.base_view if question.topic else question.query.table
    for name in dict.fromkeys([base, *(each.partition(".")[0] for each in question.query.fields)]):
        try:
            view = question.names.view(name)
        except PlanError:
            continue  # whoever uses it says so
        if isinstance(view.source, QuerySource):
            yield view, view.source.query


def _at_home(question: Question, ref: FieldRef, given: Filter) -> Filter:
    """The filter as a question without a zone of the asker's reads it: times as they are stored."""
    asking = question.asking
    if isinstance(given, CompositeFilter):
        parts = tuple(_at_home(question, ref, each) for each in given.filters)
        return replace(given, filters=parts)
    found = question.names.field(ref)
    if not isinstance(given, DateFilter) or not isinstance(found, Dimension):
        return given
    kind = question.expressions.dimension(found, None, shown=False).type
    moves = (
        asking.timezone not in (None, asking.system_timezone)
        and found.convert_tz
        and kind is not DataType.DATE
    )
    if given.numbers:
        if not moves:
            return given
        raise PlanError(
            f"The filter on {found.address} reads a clock in {asking.timezone}, which a query view"
            " does not know.",
            fix="Filter by a time from when to when.",
        )
    # Words such as `last week` are worked out here: inside, a week may begin on another day, and
    # today may be another.
    try:
        bounds = question.conditions.bounds(given)
    except BadDate as bad:
        raise PlanError(f"The filter on {found.address}: {bad}.") from None
    calendar, home = question.conditions.calendar, ZoneInfo(asking.system_timezone)
    if moves:
        bounds = tuple(
            local and calendar.instant(local).astimezone(home).replace(tzinfo=None)
            for local in bounds
        )
    left, right = (local and local.isoformat(" ") for local in bounds)
    both = DateKind.BETWEEN if left is not None else DateKind.BEFORE
    kind_of = DateKind.ON_OR_AFTER if right is None else both
    return replace(given, kind=kind_of, left=left, right=right, fiscal=False)
