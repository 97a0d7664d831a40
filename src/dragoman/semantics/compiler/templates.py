"""Mustache in a person's SQL: values of filters and attributes as literals, sections by the shape
of the question (modeling reference 2.10).

No text from outside is ever pasted in: a value becomes a literal of the database, a picked column
becomes a reference to a field of the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from dragoman.semantics.compiler.conditions import Conditions, Operand
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.references import FieldRef, Reference, SqlText, field_ref
from dragoman.semantics.query.dates import BadDate
from dragoman.semantics.query.filters import (
    BooleanFilter,
    DateFilter,
    Filter,
    NumberFilter,
    TextFilter,
)

_TAG = re.compile(r"\{\{\s*([#^/]?)\s*([^{}]*?)\s*\}\}")
# Stands for the expression inside a section while the condition around it is written. It is no
# character of any text (Unicode, private use).
_MARK = "\ue000"
Parts = list["str | Reference"]


@dataclass(frozen=True, slots=True)
class Shape:
    """The question's shape: its filters, and the addresses of its fields.

    `columns`: filter-only fields whose value is the name of a field. `times`: those that are times,
    what they are, and whether they are read in the asker's zone.
    """

    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    selected: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()
    times: Mapping[str, tuple[DataType, bool]] = field(
        default_factory=dict[str, "tuple[DataType, bool]"]
    )


@dataclass(frozen=True, slots=True)
class _Tag:
    kind: str
    text: str


class Templates:
    """Renders the templates of one question. `picked`: the field that stands for one that the asker
    picks, None for NULL; raises `PlanError` for one that may not be asked for."""

    def __init__(self, conditions: Conditions, shape: Shape) -> None:
        self.conditions = conditions
        self.sql = conditions.sql
        self.shape = shape
        self.picked: Callable[[FieldRef], FieldRef | None] = lambda ref: ref

    def render(self, sql: SqlText) -> SqlText:
        """The text with its templates filled in. Raises `PlanError`."""
        if "{{" not in sql.text:
            return sql
        parts = self._block(iter(_tokens(sql)), None)
        shown = "".join(part if isinstance(part, str) else part.text for part in parts)
        return SqlText(shown, tuple(parts))

    def _block(self, tokens: Iterator[str | Reference | _Tag], until: str | None) -> Parts:
        parts: Parts = []
        for token in tokens:
            if not isinstance(token, _Tag):
                parts.append(token)
            elif token.kind == "/":
                if token.text != until:
                    raise PlanError(f"The template closes {token.text!r}, which is not open.")
                return parts
            elif token.kind:
                inside = self._block(tokens, token.text)
                parts += self._section(token, inside)
            else:
                parts += self._value(token.text)
        if until is not None:
            raise PlanError(f"The template does not close {until!r}.")
        return parts

    def _section(self, tag: _Tag, inside: Parts) -> Parts:
        name, _, what = tag.text.rpartition(".")
        if what == "filter":
            given = self.shape.filters.get(name)
            if tag.kind == "^":
                return inside if given is None else []
            return ["1 = 1"] if given is None else self._condition(name, given, inside)
        holds = {
            "in_query": name in self.shape.selected or name in self.shape.filters,
            "is_selected": name in self.shape.selected,
            "is_filtered": name in self.shape.filters,
        }.get(what)
        if holds is None:
            raise PlanError(f"The template names {tag.text!r}, which is not known.")
        return inside if holds == (tag.kind == "#") else []

    def _condition(self, name: str, given: Filter, inside: Parts) -> Parts:
        if _MARK in repr(given):
            raise PlanError(f"The filter on {name} has a character of private use.")
        kind, converted = self.shape.times.get(name, (_type_of(given), False))
        operand = Operand(name, f"({_MARK})", kind, lambda: f"({_MARK})", converted)
        text = self.conditions.of_filter(given, operand) or "1 = 1"
        parts: Parts = ["("]
        for n, piece in enumerate(text.split(_MARK)):
            parts += [*(inside if n else []), piece]
        return [*parts, ")"]

    def _value(self, text: str) -> Parts:
        if text.startswith("filters."):
            name, _, what = text.removeprefix("filters.").rpartition(".")
            return self._of_filter(name, what, self.shape.filters.get(name))
        root, _, name = text.partition(".")
        if root in ("omni_attributes", "attributes", "user_attributes") and name:
            return [self._literals(self.conditions.asking.values(name))]
        raise PlanError(f"The template names {text!r}, which is not known.")

    def _of_filter(self, name: str, what: str, given: Filter | None) -> Parts:
        if what in ("range_start", "range_end"):
            return [self._bound(name, given, first=what == "range_start")]
        if what != "value":
            raise PlanError(f"The template names {what!r} of a filter, which is not known.")
        if name in self.shape.columns:
            return [self._column(name, given)]
        match given:
            case TextFilter() | NumberFilter():
                return [self._literals(given.values)]
            case BooleanFilter():
                return [self.sql.boolean(not given.negative)]
            case _:
                return ["NULL"]

    def _column(self, name: str, given: Filter | None) -> str | Reference:
        if not isinstance(given, TextFilter) or not given.values:
            return "NULL"
        ref = field_ref(given.values[0])
        if ref is None or ref.view is None:
            raise PlanError(f"{name} picks {given.values[0][:60]!r}, which is no field.")
        found = self.picked(ref)
        return "NULL" if found is None else Reference(f"${{{found}}}", found)

    def _bound(self, name: str, given: Filter | None, *, first: bool) -> str:
        if not isinstance(given, DateFilter) or given.numbers:
            return "NULL"
        try:
            start, end = self.conditions.bounds(given)
        except BadDate as bad:
            raise PlanError(f"The filter on {name}: {bad}.") from None
        found = start if first else end
        if found is None:
            return "NULL"
        kind, converted = self.shape.times.get(name, (DataType.TIMESTAMP, False))
        return self.conditions.bound(found, Operand(name, "", kind, str, converted))

    def _literals(self, values: Sequence[str | float | Decimal | bool]) -> str:
        return ", ".join(self.sql.literal(value) for value in values) or "NULL"


def _tokens(sql: SqlText) -> Iterator[str | Reference | _Tag]:
    for part in sql.parts:
        if not isinstance(part, str):
            yield part
            continue
        at = 0
        for found in _TAG.finditer(part):
            if found.start() > at:
                yield part[at : found.start()]
            yield _Tag(found[1], found[2])
            at = found.end()
        if at < len(part):
            yield part[at:]


def _type_of(given: Filter) -> DataType:
    """What a filter compares with tells what the expression is."""
    match given:
        case NumberFilter():
            return DataType.NUMBER
        case TextFilter():
            return DataType.STRING
        case DateFilter():
            return DataType.TIMESTAMP
        case BooleanFilter():
            return DataType.BOOLEAN
        case _:
            return DataType.UNKNOWN
