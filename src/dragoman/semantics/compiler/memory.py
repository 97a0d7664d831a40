"""Compiled questions, kept so that the same question with other values is only written anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.compiler.conditions import Conditions
from dragoman.semantics.compiler.errors import expressible
from dragoman.semantics.compiler.reads import Clock, Pieces, Read, Reads, Slot, asks, cut, filled
from dragoman.semantics.query.dates import Calendar
from dragoman.semantics.query.filters import Filter
from dragoman.semantics.query.request import Query

# A question over seven views takes some 20 kB; one that reads attributes is kept for each of their
# values.
MAX_KEPT = 200
MAX_WAYS = 8


class Memory:
    """What one compiler compiled; the least used is forgotten first. Not safe for threads.

    Questions of one shape are those that differ in values only: of filters, of the asker's
    attributes, and in time. What a compile read of these must be the same again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._ways: OrderedDict[Hashable, list[tuple[Read, ...]]] = OrderedDict()

    def find(self, query: Query, asking: Asking) -> Compiled | None:
        """The question compiled; None where it is not known. Raises `PlanError`."""
        shape = _shape(query, asking)
        for read in self._ways.get(shape, ()):
            key = _key(shape, read, query, asking)
            kept = self._kept.get(key)
            compiled = kept and kept.again(query, asking)
            if compiled is not None:
                self._kept.move_to_end(key)
                self._ways.move_to_end(shape)
                return compiled
        return None

    def keep(self, query: Query, asking: Asking, reads: Reads, compiled: Compiled) -> Compiled:
        """Keep what was compiled with marks for conditions. Gives it with the conditions."""
        read = reads.all()
        kept = _Kept.of(compiled, tuple(reads.slots))
        # What holds for one moment is never asked again.
        if not any(isinstance(each, Clock) and each.look.step is None for each in read):
            self._keep(_shape(query, asking), read, query, asking, kept)
        return kept.filled([text for text, _ in reads.slots.values()])

    def _keep(
        self, shape: Hashable, read: tuple[Read, ...], query: Query, asking: Asking, kept: _Kept
    ) -> None:
        ways = self._ways.setdefault(shape, [])
        if read not in ways:
            ways.insert(0, read)
            del ways[MAX_WAYS:]
        self._ways.move_to_end(shape)
        self._kept[_key(shape, read, query, asking)] = kept
        for each in (self._kept, self._ways):
            if len(each) > MAX_KEPT:
                each.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A compiled question without its statements, and these in pieces."""

    compiled: Compiled
    slots: tuple[Slot, ...]
    sql: Pieces
    where: tuple[Pieces, ...]
    totals: tuple[Pieces, ...]
    earlier: tuple[Pieces, ...]

    @staticmethod
    def of(compiled: Compiled, slots: tuple[Slot, ...]) -> _Kept:
        """From statements with marks."""
        return _Kept(
            replace(compiled, sql=""),
            slots,
            cut(compiled.sql),
            tuple(cut(each.text) for each in compiled.plan.where),
            tuple(cut(each.sql) for each in compiled.totals),
            tuple(cut(each.sql) for each in compiled.earlier),
        )

    def again(self, query: Query, asking: Asking) -> Compiled | None:
        """The question with these values; None where a filter has no condition any more. Raises
        `PlanError`."""
        writers: dict[tuple[int, int | None], Conditions] = {}
        texts: list[str] = []
        with expressible():
            for slot in self.slots:
                own = (slot.week_start, slot.fiscal_offset)
                if own not in writers:
                    writers[own] = Conditions(asking, Calendar(asking.now, asking.zone, *own))
                text = writers[own].of_filter(slot.place.of(query, asking), slot.operand)
                if text is None:
                    return None
                texts.append(text)
        return self.filled(texts)

    def filled(self, texts: Sequence[str]) -> Compiled:
        """The question with these conditions."""
        compiled = self.compiled
        plan = compiled.plan
        where = [
            replace(rule, text=filled(pieces, texts))
            for rule, pieces in zip(plan.where, self.where, strict=True)
        ]
        return replace(
            compiled,
            sql=filled(self.sql, texts),
            plan=replace(plan, where=where),
            totals=_all_filled(compiled.totals, self.totals, texts),
            earlier=_all_filled(compiled.earlier, self.earlier, texts),
        )


def _all_filled(found: Sequence[Any], pieces: Sequence[Pieces], texts: Sequence[str]) -> Any:
    return tuple(
        replace(each, sql=filled(cut_up, texts)) for each, cut_up in zip(found, pieces, strict=True)
    )


# All that a question and an asker say, besides what a compile notes when it reads it, and mappings.
_NOTED = ("now", "attributes")
_MAPPINGS = ("filters", "any_of", "join_via", "calculations", "summaries")


def _rest(kind: type[Any], left_out: Sequence[str]) -> Callable[[object], tuple[object, ...]]:
    return attrgetter(*(each.name for each in fields(kind) if each.name not in left_out))


_OF_ASKER = _rest(Asking, _NOTED)
_OF_QUERY = _rest(Query, _MAPPINGS)


def _shape(query: Query, asking: Asking) -> Hashable:
    return (
        _OF_ASKER(asking),
        _OF_QUERY(query),
        tuple(query.join_via.items()),
        tuple(query.summaries.items()),
        repr(query.calculations) if query.calculations else "",
        _named(query.filters),
        tuple(map(_named, query.any_of)),
    )


def _named(filters: Mapping[str, Filter]) -> Hashable:
    """Which filters there are. One that asks a question is part of the shape as it is."""
    return tuple(
        (name, each.ignore_if_unjoinable, repr(each) if asks(each) else None)
        for name, each in filters.items()
    )


def _key(shape: Hashable, read: tuple[Read, ...], query: Query, asking: Asking) -> Hashable:
    # As texts: 1, 1.0 and True are equal, and not the same in a statement.
    return shape, tuple((each, repr(each.of(query, asking))) for each in read)
