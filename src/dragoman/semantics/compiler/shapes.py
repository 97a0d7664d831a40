"""The shape of a question: its filters with defaults, and the fields that templates ask about."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.names import Names
from dragoman.semantics.compiler.reads import Filters, unread
from dragoman.semantics.compiler.templates import Shape
from dragoman.semantics.compiler.yamlfilters import to_filter
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, FilterField, FilterType
from dragoman.semantics.model.references import field_ref
from dragoman.semantics.model.views import View
from dragoman.semantics.query.filters import Filter
from dragoman.semantics.query.request import Query


def all_filters(names: Names, query: Query) -> Filters:
    """A question's filters by address, and the defaults of filter-only fields that it does not
    name. Raises `PlanError`."""
    found: dict[str, Filter] = {}
    for name, each in unread(query.filters):
        ref = field_ref(name)
        if ref is None or ref.view is None:
            raise PlanError(f'"{name[:80]}" is not the name of a field.', fix="Write view.field.")
        found[str(ref)] = each
    for name in sorted({name.partition(".")[0] for name in [*found, *query.fields]}):
        view = _view(names, name)
        for each in view.filters.values() if view else ():
            if each.default_filter is not None and each.address not in found:
                found[each.address] = to_filter(each.default_filter, DataType.UNKNOWN)
    return Filters(found)


def shape_of(names: Names, query: Query, filters: Mapping[str, Filter]) -> Shape:
    """What templates may ask about a question."""
    columns = [
        each.address
        for name in {address.partition(".")[0] for address in filters}
        if (view := _view(names, name)) is not None
        for each in view.filters.values()
        if each.type is FilterType.COLUMN
    ]
    selected = frozenset(name.partition("[")[0] for name in query.fields)
    times = {name: found for name in filters if (found := _time(names, name)) is not None}
    return Shape(filters, selected, frozenset(columns), times)


def _time(names: Names, address: str) -> tuple[DataType, bool] | None:
    """What time a filter is on, and whether it is read in the asker's zone; None for no time."""
    ref = field_ref(address)
    view = _view(names, ref.view) if ref and ref.view else None
    found = view.field(ref.name) if ref and view else None
    if isinstance(found, FilterField) and found.bind_to:
        return _time(names, str(found.bind_to[0].within(found.view)))
    if isinstance(found, Dimension) and found.type.is_time:
        return found.type, found.convert_tz
    return None


def queried(names: Names, query: Query) -> dict[str, Dimension]:
    """The question's dimensions, by the names that it writes."""
    found: dict[str, Dimension] = {}
    for name in query.fields:
        ref = field_ref(name)
        view = _view(names, ref.view) if ref and ref.view else None
        field = view.field(ref.name) if ref and view else None
        if isinstance(field, Dimension):
            found[name] = field
    return found


def _view(names: Names, name: str) -> View | None:
    try:
        return names.view(name)
    except PlanError:
        return None  # whoever uses it says so
