"""Relationships of the next generation: of what changed, and of what a change concerns elsewhere.

Tables find each other by words (`inference.ends`). A table that changes makes work only for those
that ask for one of its words, and only if it looks different to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import select

from dragoman.catalog import rows
from dragoman.catalog.staging import Staging, ask, batches, live
from dragoman.catalog.tables import catalog_relationships, catalog_tables, catalog_words
from dragoman.jobs import Context
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.ends import Source, Target, source
from dragoman.semantics.inference.relationships import aliases, relationships

_RELATIONSHIP: Final = ("from_view", "to_view", "alias", "definition")
_WORD: Final = ("word", "asks", "view")
_ENCODE: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Turnover:
    """What a generation changes: views that are new or different, names that are gone, and the
    words under which others will find something else than before."""

    fresh: dict[str, Source] = field(default_factory=dict[str, Source])
    gone: set[str] = field(default_factory=set[str])
    words: set[str] = field(default_factory=set[str])


class Linker:
    """Writes words and relationships. `first`: there is no generation before."""

    def __init__(
        self, work: Context, staging: Staging, how: Conventions, turnover: Turnover, *, first: bool
    ) -> None:
        self._work = work
        self._staging = staging
        self._how = how
        self._turnover = turnover
        self._first = first
        self._new: dict[str, list[Target]] = {}
        for each in turnover.fresh.values():
            for word in each.target.words():
                self._new.setdefault(word, []).append(each.target)
        self._stored: dict[str, list[Target]] = {}
        self._loaded: dict[str, Source] = {}

    def run(self) -> None:
        """Write everything that follows from the turnover."""
        self._end_gone()
        concerned = () if self._first else self._concerned()
        views = chain(self._turnover.fresh, concerned)
        for batch in batches(views):
            self._work.check()
            self._relink(
                {view: self._turnover.fresh.get(view) or self._loaded[view] for view in batch}
            )

    def targets(self, word: str) -> Sequence[Target]:
        """The tables that have this word in the next generation."""
        if not self._first and word not in self._stored:
            self._find([word])
        return [*self._new.get(word, ()), *self._stored.get(word, ())]

    def _relink(self, sources: Mapping[str, Source]) -> None:
        if not self._first:
            self._find(chain.from_iterable(each.words() for each in sources.values()))
        found: list[tuple[Any, ...]] = []
        words: list[tuple[Any, ...]] = []
        for view, each in sources.items():
            definitions = relationships(each, self)
            found += map(_relationship_row, definitions)
            words += ((word, False, view) for word in dict.fromkeys(each.target.words()))
            asked = dict.fromkeys((*each.words(), *aliases(definitions)))
            words += ((word, True, view) for word in asked)
        self._replace(catalog_relationships, _RELATIONSHIP, "from_view", sources, found)
        self._replace(catalog_words, _WORD, "view", sources, words)

    def _replace(
        self,
        table: Any,
        columns: Sequence[str],
        of: str,
        views: Collection[str],
        wanted: Iterable[tuple[Any, ...]],
    ) -> None:
        """Let the views' rows be these: what is the same stays as it is."""
        stale: dict[tuple[Any, ...], int] = {}
        if not self._first:
            named = [table.c[name] for name in columns]
            mine = self._live(table) & table.c[of].in_(list(views))
            statement = select(table.c.id, *named).where(mine)
            stale = {tuple(row[1:]): row[0] for row in ask(self._work, statement)}
        added = [row for row in wanted if stale.pop(row, None) is None]
        self._staging.end(table, stale.values())
        self._staging.insert(table, columns, added)

    def _end_gone(self) -> None:
        for table, of in ((catalog_relationships, "from_view"), (catalog_words, "view")):
            for batch in batches(self._turnover.gone):
                mine = self._live(table) & table.c[of].in_(batch)
                ids = [row[0] for row in ask(self._work, select(table.c.id).where(mine))]
                self._staging.end(table, ids)

    def _concerned(self) -> list[str]:
        """Views that ask for one of the words, and are not new or gone themselves."""
        table = catalog_words
        views: set[str] = set()
        for batch in batches(self._turnover.words):
            asks = self._live(table) & table.c.asks & table.c.word.in_(batch)
            asking = select(table.c.view).where(asks).distinct()
            views |= {row[0] for row in ask(self._work, asking)}
        views -= self._turnover.fresh.keys() | self._turnover.gone
        self._load(views)
        return sorted(views & self._loaded.keys())

    def _find(self, words: Iterable[str]) -> None:
        """Have the stored tables of these words at hand."""
        table = catalog_words
        for batch in batches({word for word in words if word not in self._stored}):
            self._stored |= {word: [] for word in batch}
            has = self._live(table) & ~table.c.asks & table.c.word.in_(batch)
            pairs = ask(self._work, select(table.c.word, table.c.view).where(has))
            changed = self._turnover.fresh.keys() | self._turnover.gone
            kept = [(word, view) for word, view in pairs if view not in changed]
            self._load(view for _, view in kept)
            for word, view in kept:
                self._stored[word].append(self._loaded[view].target)

    def _load(self, views: Iterable[str]) -> None:
        table = catalog_tables
        wanted = [
            table.c[name] for name in ("view", "catalog", "schema", "name", "kind", "content")
        ]
        for batch in batches({view for view in views if view not in self._loaded}):
            mine = self._live(table) & table.c.view.in_(batch)
            for view, *who, kind, content in ask(self._work, select(*wanted).where(mine)):
                found = rows.table_of((who[0], who[1], who[2]), kind, content)
                self._loaded[view] = source(found, view, self._how)

    def _live(self, table: Any) -> Any:
        # Rows of the generation before: what this one has ended so far included.
        return live(table, self._staging.connection_id, self._staging.next - 1)


def _relationship_row(definition: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        definition["join_from_view"],
        definition["join_to_view"],
        definition.get("join_to_view_as"),
        _ENCODE(definition).decode(),
    )
