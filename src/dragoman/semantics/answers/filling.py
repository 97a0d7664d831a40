"""The values that a column is known to have, in their order: rows are made for those missing."""

from __future__ import annotations

from dragoman.semantics.compiler.expressions import bin_labels
from dragoman.semantics.compiler.plan import Group
from dragoman.semantics.compiler.timeframes import DAYS, MONTHS
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension
from dragoman.semantics.model.grains import Grain

_PARTS: dict[str, tuple[object, ...]] = {
    Grain.HOUR_OF_DAY: tuple(range(24)),
    Grain.DAY_OF_WEEK_NAME: DAYS,
    Grain.DAY_OF_WEEK_NUM: tuple(range(7)),
    Grain.DAY_OF_MONTH: tuple(range(1, 32)),
    Grain.MONTH_NAME: MONTHS,
    Grain.MONTH_NUM: tuple(range(1, 13)),
    Grain.QUARTER_OF_YEAR: tuple(range(1, 5)),
}


def known_values(group: Group) -> tuple[object, ...]:
    """All values of a group that the model knows of; empty where it knows none. Of a masked field
    none are told."""
    if group.value.constant:
        return ()
    if group.bracket is not None:
        return _PARTS.get(group.bracket, ())
    if group.value.type is DataType.BOOLEAN:
        return (False, True)
    return _texts(group.field) if group.value.type is DataType.STRING else ()


def _texts(found: Dimension) -> tuple[str, ...]:
    if found.groups:
        named = [each.name for each in found.groups]
        return tuple(dict.fromkeys([*named, *([found.otherwise] if found.otherwise else [])]))
    return bin_labels(found) if found.bins else tuple(each.value for each in found.suggestion_list)
