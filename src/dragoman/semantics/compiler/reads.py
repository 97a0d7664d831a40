"""What a compile reads of that which may be other the next time: values of the question's filters,
attributes of the asker, the clock.

A filter that is only written into a statement is not read: where its condition stands is a slot,
and the statement is the same for every value. Whoever takes a filter out of `Filters`, or asks for
an attribute, or for the time, has read it, and what is made of it holds for that value alone
(docs/decisions/0031).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.asking import Asking, AttributeValue
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.query.dates import Calendar, ClockRead
from dragoman.semantics.query.filters import CompositeFilter, Filter, QueryFilter
from dragoman.semantics.query.request import Query

if TYPE_CHECKING:
    from dragoman.semantics.compiler.conditions import Operand

# Stands in a statement for a condition. Nobody can guess it, so that no text from outside has it.
_MARK = f"\ue001{os.urandom(16).hex()}:"
_MARKS = re.compile(rf"{_MARK}(\d+);")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question has a filter: in its filters, or in a group of which any may hold."""

    name: str
    group: int | None = None

    def of(self, query: Query, _: Asking) -> Filter:
        """The filter of a question that has one there."""
        return (query.filters if self.group is None else query.any_of[self.group])[self.name]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the asker."""

    name: str

    def of(self, _: Query, asking: Asking) -> tuple[AttributeValue, ...]:
        """Its values."""
        return asking.values(self.name)


@dataclass(frozen=True, slots=True)
class Clock:
    """A look at the clock."""

    look: ClockRead

    def of(self, _: Query, asking: Asking) -> object:
        """What it shows."""
        return self.look.of(asking.now)


Read = Place | Attribute | Clock


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the condition of a filter stands, and all that writes it besides the filter's value and
    the asker."""

    place: Place
    operand: Operand
    week_start: int
    fiscal_offset: int | None


@dataclass(slots=True)
class Reads:
    """What one compile read. `slots`: those of its marks, in the order of their numbers, with the
    conditions that stand there this time and the looks at the clock that these took."""

    read: dict[Read, None] = field(default_factory=dict[Read, None])
    looks: list[ClockRead] = field(default_factory=list[ClockRead])
    slots: dict[Slot, tuple[str, tuple[ClockRead, ...]]] = field(
        default_factory=dict[Slot, tuple[str, tuple[ClockRead, ...]]]
    )

    def query(self, query: Query) -> Query:
        """The question, its filters unread."""
        any_of = tuple(self._filters(each, n) for n, each in enumerate(query.any_of))
        return replace(query, filters=self._filters(query.filters, None), any_of=any_of)

    def _filters(self, filters: Mapping[str, Filter], group: int | None) -> Filters:
        return Filters(
            {
                name: each if asks(each) else _unread(self, Place(name, group), each)
                for name, each in filters.items()
            }
        )

    def asker(self, asking: Asking) -> Asking:
        """The asker, whose attributes and clock are unread."""
        return _Noted(**{name: getattr(asking, name) for name in _ASKING}, reads=self)

    def all(self) -> tuple[Read, ...]:
        """Everything that was read."""
        return (*self.read, *(Clock(each) for each in dict.fromkeys(self.looks)))

    def slot(self, slot: Slot, text: str, looks: Sequence[ClockRead]) -> str:
        """The mark that stands for a condition."""
        self.slots.setdefault(slot, (text, tuple(looks)))
        return f"{_MARK}{list(self.slots).index(slot)};"

    def settled(self, text: str) -> str:
        """A text with its conditions, which are read by that."""
        for found in _MARKS.finditer(text):
            slot = list(self.slots)[int(found[1])]
            self.read[slot.place] = None
            self.looks += self.slots[slot][1]
        return filled(cut(text), [written for written, _ in self.slots.values()])


Pieces = tuple[str, ...]


def cut(text: str) -> Pieces:
    """A statement at its marks: texts, and between each two the number of a slot."""
    return tuple(_MARKS.split(text))


def filled(pieces: Pieces, conditions: Sequence[str]) -> str:
    """The statement with a condition in each slot."""
    if len(pieces) == 1:
        return pieces[0]
    found = list(pieces)
    found[1::2] = [conditions[int(number)] for number in pieces[1::2]]
    return "".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread(Filter):
    """A filter of the question whose value nobody has read yet; what else it says is not told."""

    reads: Reads
    place: Place
    given: Filter

    def read(self) -> Filter:
        """The filter itself."""
        self.reads.read[self.place] = None
        return self.given


def _unread(reads: Reads, place: Place, given: Filter) -> Unread:
    ignored = given.ignore_if_unjoinable
    return Unread(reads=reads, place=place, given=given, ignore_if_unjoinable=ignored)


class Filters(Mapping[str, Filter]):
    """Filters by name; each that is taken out is read."""

    def __init__(self, given: Mapping[str, Filter]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> Filter:
        found = self._given[name]
        return found.read() if isinstance(found, Unread) else found

    def __contains__(self, name: object) -> bool:
        return name in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def unread(self) -> Iterable[tuple[str, Filter]]:
        """All of them, to hand on or to write conditions with."""
        return self._given.items()


def unread(filters: Mapping[str, Filter]) -> Iterable[tuple[str, Filter]]:
    """Filters by name, none of them read."""
    return filters.unread() if isinstance(filters, Filters) else filters.items()


def asks(given: Filter) -> bool:
    """Whether a filter asks a question itself: its condition is a statement then."""
    if isinstance(given, CompositeFilter):
        return any(asks(each) for each in given.filters)
    return isinstance(given, QueryFilter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted(Asking):
    reads: Reads

    def values(self, attribute: str) -> tuple[AttributeValue, ...]:
        self.reads.read[Attribute(attribute)] = None
        return Asking.values(self, attribute)

    def calendar(self, settings: ModelSettings, week_start: int) -> Calendar:
        return replace(Asking.calendar(self, settings, week_start), asked=self.reads.looks)


_ASKING = tuple(each.name for each in fields(Asking))


def settled(text: str, asking: Asking) -> str:
    """A text with the conditions that marks stand for: whoever looks into it reads them."""
    return asking.reads.settled(text) if isinstance(asking, _Noted) else text
