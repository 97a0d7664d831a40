"""From a question in fields to SQL text.

Pure: the same model, question and asker give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.access import Access
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.compiler.errors import NoSuchTopic, PlanError
from dragoman.semantics.compiler.expressions import Expr, Key
from dragoman.semantics.compiler.measures import Formula
from dragoman.semantics.compiler.memory import Memory
from dragoman.semantics.compiler.names import Names, suggestion
from dragoman.semantics.compiler.question import Question
from dragoman.semantics.compiler.reads import Reads
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.query.request import Query

if TYPE_CHECKING:
    from dragoman.semantics.compiler.handwritten.question import HandwrittenQuestion

MAX_BENCHES = 50


class Compiler:
    """Compiles questions on one model; what it expanded once it keeps. Not safe for threads."""

    def __init__(self, model: ComposedModel) -> None:
        self.model = model
        self._benches: dict[tuple[object, ...], Bench] = {}
        self._memory = Memory()

    def compile(self, query: Query, asking: Asking) -> Compiled:
        """Compile a question, or write anew what differs from one that was compiled before. Raises
        `PlanError`."""
        known = self._memory.find(query, asking)
        if known is not None:
            return known
        reads = Reads()
        compiled = self.question(reads.query(query), reads.asker(asking)).compile()
        return self._memory.keep(query, asking, reads, compiled)

    def question(self, query: Query, asking: Asking) -> Question:
        """A question in fields, bound to its topic. Raises `PlanError`."""
        return Question(self, query, asking)

    def handwritten(
        self, query: Query, asking: Asking, *, any_function: bool = False
    ) -> HandwrittenQuestion:
        """The question that `query.sql`, with references, asks; its `query` says in which topic.
        `any_function`: see `statement.read`. Raises `PlanError`."""
        from dragoman.semantics.compiler.handwritten.question import HandwrittenQuestion, placed
        from dragoman.semantics.compiler.handwritten.statement import read

        statement = read(query.sql or "", asking.functions, any_function=any_function)
        return HandwrittenQuestion(self, statement, placed(self.model, query, statement), asking)

    def bench(self, topic_name: str, asking: Asking) -> Bench:
        """What askers of one kind share. Raises `PlanError` for a topic that is not there."""
        key = (
            *(topic_name, asking.functions, asking.timezone, asking.system_timezone),
            asking.fiscal_offset(self.model.settings),
        )
        known = self._benches.get(key)
        if known is None:
            if len(self._benches) >= MAX_BENCHES:
                self._benches.clear()
            topic = self._topic(topic_name, asking)
            known = self._benches[key] = Bench(Names(self.model, topic), {}, {})
        return known

    def _topic(self, name: str, asking: Asking) -> Topic | None:
        if not name:
            return None
        try:
            found = self.model.topic(name)
        except BadDefinition as bad:
            raise PlanError(f'The topic "{name}" cannot be understood: {bad}') from None
        if not isinstance(found, Topic):
            raise self.no_such_topic(name, asking)
        return found

    def no_such_topic(self, name: str, asking: Asking) -> NoSuchTopic:
        """The error of a topic that is not there, or that the asker may not know of."""
        return NoSuchTopic(
            f'No such topic "{name}".', fix=suggestion(name, self._topics_of(asking))
        )

    def _topics_of(self, asking: Asking) -> Iterator[str]:
        """The topics that the asker may know of."""
        access = Access(self.model.settings, asking)
        for name in self.model.topic_names():
            try:
                found = self.model.topic(name)
            except BadDefinition:
                continue
            if isinstance(found, Topic) and access.allows(found.required_access_grants):
                yield name


@dataclass(frozen=True, slots=True)
class Bench:
    """Names of a topic, and fields that are expanded already."""

    names: Names
    expressions: dict[Key, Expr]
    formulas: dict[str, Formula]
