"""A reading of the catalog against the generation that is there: only what differs is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import select

from dragoman.catalog import drift, rows
from dragoman.catalog.drift import Change
from dragoman.catalog.linking import Turnover
from dragoman.catalog.reading import Scope
from dragoman.catalog.staging import BATCH, Staging, ask, batches, live
from dragoman.catalog.tables import catalog_tables as table
from dragoman.dialects.catalog import Table
from dragoman.jobs import Context
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.ends import Source, source
from dragoman.semantics.inference.names import Identity, clean, derives, settle

_ROW: Final = (
    *("view", "catalog", "schema", "name", "kind", "offloaded", "columns", "hash", "content"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A table of the present generation."""

    id: int
    view: str
    hash: bytes
    offloaded: bool
    columns: int


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How many tables a refresh read, and what of them was new, other than before, or gone."""

    tables: int
    columns: int
    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.changed or self.removed)


@dataclasses.dataclass(frozen=True, slots=True)
class Manner:
    """How a reading is compared. `removals`: what is gone is removed. `relink`: the rules are
    others than before, so that tables which did not change may be joined otherwise. `told`: there
    was a reading before, so that what is new is a change."""

    removals: bool
    relink: bool
    told: bool


class Comparison:
    """Takes the tables of one reading, in any order, and writes what differs."""

    def __init__(
        self, work: Context, staging: Staging, scope: Scope, how: Conventions, manner: Manner
    ) -> None:
        self._work = work
        self._staging = staging
        self._scope = scope
        self._how = how
        self._manner = manner
        self._known = dict(self._load_known())
        self._seen: dict[Identity, int] = {}  # columns of each table
        self._fresh: dict[Identity, Source] = {}
        self._batch: list[tuple[Table, bytes, bytes, bool]] = []
        self._ended: list[int] = []
        self._changes: list[Change] = []
        self._words: set[str] = set()
        self._added = self._changed = 0
        self._names: dict[Identity, str] = {}

    @property
    def first(self) -> bool:
        """Whether there is nothing to compare with."""
        return not self._known

    def take(self, found: Table) -> None:
        """One table of the reading."""
        who = rows.identity(found)
        if who in self._seen or not self._scope.wants(*who):
            return
        self._seen[who] = len(found.columns)
        encoded = rows.content(found)
        digest = rows.digest(found, encoded)
        offloaded = self._scope.offloads(found.catalog, found.schema)
        known = self._known.get(who)
        if known is not None and known.hash == digest and known.offloaded == offloaded:
            return
        self._batch.append((found, encoded, digest, offloaded))
        if len(self._batch) >= BATCH:
            self._flush()

    def finish(self) -> tuple[Outcome, Turnover]:
        """After the last table: removals, names, and what there is left to link."""
        self._flush()
        gone = self._known.keys() - self._seen.keys() if self._manner.removals else set[Identity]()
        self._rename(gone)
        if self._manner.relink:
            self._take_rest(gone)
        turnover = self._turnover(gone)
        self._staging.end(table, (*self._ended, *(self._known[who].id for who in gone)))
        there = {who: known.columns for who, known in self._known.items() if who not in gone}
        there |= self._seen
        counts = len(there), sum(there.values())
        return Outcome(*counts, self._added, self._changed, len(gone)), turnover

    def _load_known(self) -> Iterator[tuple[Identity, Known]]:
        wanted = (table.c[n] for n in ("id", "view", "hash", "offloaded", "columns"))
        who = (table.c.catalog, table.c.schema, table.c.name)
        mine = live(table, self._staging.connection_id, self._staging.next - 1)
        for row in ask(self._work, select(*who, *wanted).where(mine)):
            catalog, schema, name, number, view, digest, offloaded, columns = row
            yield (catalog, schema, name), Known(number, view, bytes(digest), offloaded, columns)

    def _flush(self) -> None:
        """Write the tables that differ, under names that may not be the last word yet."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        self._work.check()
        staged: list[tuple[Any, ...]] = []
        before = dict(self._contents(rows.identity(found) for found, *_ in batch))
        for found, encoded, digest, offloaded in batch:
            who = rows.identity(found)
            known = self._known.get(who)
            view = known.view if known else self._how.view_name(*who)
            own = source(found, view, self._how)
            self._fresh[who] = own
            self._compare(found, own, before.get(who))
            staged.append(self._row(view, found, encoded, digest, offloaded))
        self._staging.insert(table, _ROW, staged)

    def _compare(self, found: Table, own: Source, old: Table | None) -> None:
        who = rows.identity(found)
        if old is None:
            self._added += 1
            self._changes.append(Change(drift.TABLE_ADDED, who))
            if not self.first:
                self._words.update(own.target.words())
            return
        self._changed += 1
        self._ended.append(self._known[who].id)
        was = source(old, own.target.view, self._how).target
        self._changes += drift.changes(old, found, was)
        if was != own.target:
            self._words |= {*was.words(), *own.target.words()}

    def _contents(self, who: Iterable[Identity]) -> Iterator[tuple[Identity, Table]]:
        """Tables as they are in the present generation."""
        by_id = {self._known[each].id: each for each in who if each in self._known}
        for batch in batches(by_id):
            wanted = select(table.c.id, table.c.kind, table.c.content)
            for number, kind, content in ask(self._work, wanted.where(table.c.id.in_(batch))):
                yield by_id[number], rows.table_of(by_id[number], kind, content)

    def _rename(self, gone: set[Identity]) -> None:
        """Settle the names of all tables; write those that are not what was written."""
        wanted: dict[Identity, tuple[str, bool, str | None]] = {}
        for who in (*self._seen, *(self._known.keys() - self._seen.keys() - gone)):
            name = self._how.view_name(*who)
            known = self._known.get(who)
            held = known.view if known and derives(known.view, name) else None
            wanted[who] = (name, clean(who[2], "table") == who[2], held)
        self._names = settle(wanted)
        self._staging.rename(
            {
                w: n
                for w, n in self._names.items()
                if (s := self._fresh.get(w)) and n != s.target.view
            }
        )
        moved = [
            who
            for who, known in self._known.items()
            if who in self._names and self._names[who] != known.view and who not in self._fresh
        ]
        for batch in batches(moved):
            self._move(batch)

    def _move(self, moved: list[Identity]) -> None:
        """Tables that did not change and yet get another view name."""
        staged: list[tuple[Any, ...]] = []
        for who, found in self._contents(moved):
            known, encoded = self._known[who], rows.content(found)
            self._fresh[who] = source(found, known.view, self._how)
            self._changed += 1
            self._ended.append(known.id)
            staged.append(self._row(self._names[who], found, encoded, known.hash, known.offloaded))
        self._staging.insert(table, _ROW, staged)

    def _take_rest(self, gone: set[Identity]) -> None:
        """Have the tables that did not change joined anew as well."""
        rest = self._known.keys() - self._fresh.keys() - gone
        for who, found in self._contents(rest):
            self._fresh[who] = source(found, self._known[who].view, self._how)

    def _turnover(self, gone: set[Identity]) -> Turnover:
        turnover = Turnover(words=self._words)
        for who, own in self._fresh.items():
            name, known = self._names[who], self._known.get(who)
            if name != own.target.view:
                target = dataclasses.replace(own.target, view=name)
                own = dataclasses.replace(own, target=target)
            turnover.fresh[name] = own
            if known is not None and known.view != name:
                turnover.gone.add(known.view)
                turnover.words.update(own.target.words())
        for who, found in self._contents(gone):
            view = self._known[who].view
            turnover.gone.add(view)
            turnover.words.update(source(found, view, self._how).target.words())
        turnover.gone -= turnover.fresh.keys()
        return turnover

    def changes(self) -> list[tuple[Change, str]]:
        """What is to be told, each with its view."""
        if not self._manner.told:
            return []
        views = {**{who: known.view for who, known in self._known.items()}, **self._names}
        gone = (who for who in self._known if who not in self._names)
        removed = [Change(drift.TABLE_REMOVED, who) for who in gone]
        return [(each, views[each.table]) for each in (*self._changes, *removed)]

    def _row(
        self, view: str, found: Table, encoded: bytes, digest: bytes, offloaded: bool
    ) -> tuple[Any, ...]:
        who = rows.identity(found)
        columns = len(found.columns)
        return (view, *who, found.kind.value, offloaded, columns, digest, encoded.decode())
