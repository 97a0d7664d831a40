"""Controls of a question: what its reader switches in it (contract 4.2).

Each stands in `controls` with its `type` and, where something is chosen, its `value`. A control on
a field that the question does not have changes nothing. What comes in by a control is a name like
any other: grants, masks and the topic's own choice of fields hold for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from dragoman.semantics.query.filters import BadQuery

if TYPE_CHECKING:
    from dragoman.semantics.query.request import Query

MOST = 10_000  # of the greatest groups
Given = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(slots=True)
class Switches:
    """`fields`: a field to the one that stands in its place; `greatest`: a dimension to how many of
    its groups are told apart; `added`: fields that come after the question's own."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    greatest: dict[str, int] = field(default_factory=dict[str, int])
    added: list[str] = field(default_factory=list[str])

    def name(self, name: str) -> str:
        """The name in whose place another stands, or itself."""
        name = self.fields.get(name, name)
        base = name.partition("[")[0]
        return f"{base}[{self.greatest[base]}]" if base in self.greatest else name


def switches(controls: Given, warn: Callable[[str], None]) -> Switches:
    """What the controls switch. Raises `BadQuery`."""
    found = Switches()
    chosen = _of_parents(controls)
    for key, each in controls:
        kind = kind_of(each)
        if kind == "FIELD_SELECTION":
            target = _text(key, each, "field")
            value = chosen.get(str(each.get("id")), each.get("value"))
            if value is not None:
                found.fields[target] = _selected(key, each, target, value)
        elif kind == "TOP_N":
            found.greatest[_text(key, each, "field").partition("[")[0]] = _greatest(key, each)
        elif kind == "FIELD_PICKER":
            found.added += _picked(key, each)
        elif kind not in _ELSEWHERE:
            warn(f"a control of type {kind[:40]!r} is not known; it changes nothing")
    return found


# Read beside the filters, or without effect on a question that is asked.
_ELSEWHERE = {
    *("MULTI_FIELD_FILTER", "PERIOD_OVER_PERIOD", "MULTI_FIELD_SELECTION", "DYNAMIC_FILTER"),
}


def kind_of(control: Mapping[str, Any]) -> str:
    """The type of a control; some clients say it in `kind` alone."""
    return str(control.get("type") or control.get("kind") or "")


def _of_parents(controls: Given) -> dict[str, str]:
    """What controls over others choose for them, by id."""
    found: dict[str, str] = {}
    for _, each in controls:
        children = each.get("selectionMap")
        if kind_of(each) == "MULTI_FIELD_SELECTION" and isinstance(children, dict):
            for child, given in cast("dict[str, Any]", children).items():
                values = cast("dict[Any, Any]", given) if isinstance(given, dict) else {}
                value = values.get(each.get("value"))
                if isinstance(value, str):
                    found[child] = value
    return found


def _text(key: str, control: Mapping[str, Any], name: str) -> str:
    value = control.get(name)
    if not isinstance(value, str) or not value:
        raise BadQuery(f"{key}.{name}", "a field is expected")
    return value


def _options(control: Mapping[str, Any]) -> list[object] | None:
    given = control.get("options")
    if not isinstance(given, list):
        return None
    every = cast("list[Any]", given)
    return [each.get("value") if isinstance(each, dict) else each for each in every]


def _selected(key: str, control: Mapping[str, Any], target: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise BadQuery(f"{key}.value", "a field is expected")
    if control.get("kind") == "TIMEFRAME" and "." not in value:
        value = f"{target.partition('[')[0]}[{value}]"
    options = _options(control)
    if options is not None and value not in (*options, target):
        raise BadQuery(f"{key}.value", f"{value[:80]!r} is none of the options")
    return value


def _greatest(key: str, control: Mapping[str, Any]) -> int:
    value = control.get("value", control.get("defaultValue"))
    least, most = control.get("min", 1), control.get("max", MOST)
    bounds = [each for each in (least, most) if not isinstance(each, int)]
    if bounds or isinstance(value, bool) or not isinstance(value, int):
        raise BadQuery(f"{key}.value", "whole numbers are expected")
    if not max(1, least) <= value <= min(MOST, most):
        raise BadQuery(f"{key}.value", f"{max(1, least)} to {min(MOST, most)} are expected")
    return value


def _picked(key: str, control: Mapping[str, Any]) -> list[str]:
    values: Any = control.get("values") or []
    if not isinstance(values, list) or not all(
        isinstance(each, str) for each in cast("list[object]", values)
    ):
        raise BadQuery(f"{key}.values", "an array of fields is expected")
    options = _options(control)
    found = cast("list[str]", values)
    wrong = [each for each in found if options is not None and each not in options]
    if wrong:
        raise BadQuery(f"{key}.values", f"{wrong[0][:80]!r} is none of the options")
    return found


def switched(query: Query, by: Switches) -> Query:
    """The question with what the controls switch: wherever it names a field, but in filters."""
    if not (by.fields or by.greatest or by.added):
        return query
    name = by.name

    def names(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(name, given)))

    return replace(
        query,
        fields=tuple(dict.fromkeys((*names(query.fields), *by.added))),
        sorts=tuple(replace(each, column=name(each.column)) for each in query.sorts),
        pivots=names(query.pivots),
        fill=names(query.fill),
        row_totals=names(query.row_totals),
        column_totals=names(query.column_totals),
        summaries={name(column): each for column, each in query.summaries.items()},
        transposed=names(query.transposed),
        calculations=tuple(
            replace(each, expression=_tree(each.expression, name)) for each in query.calculations
        ),
    )


def _tree(node: Any, name: Callable[[str], str]) -> Any:
    """A calculation's tree with its fields under their new names."""
    if isinstance(node, list):
        return [_tree(each, name) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    given = {key: _tree(each, name) for key, each in cast("dict[str, Any]", node).items()}
    path = given.get("column_ref")
    if given.get("type") == "field" and isinstance(given.get("field_name"), str):
        given["field_name"] = name(given["field_name"])
    elif given.get("type") == "reference" and isinstance(path, list) and path:
        first, *rest = cast("list[Any]", path)
        given["column_ref"] = [name(first) if isinstance(first, str) else first, *rest]
    return given
