"""A statement over one topic or view, asked as a question in fields is.

What a text selects becomes the question's groups and measures, what it filters becomes one more
condition beside the rules on rows, which it can neither see nor leave: joins, grants, access
filters and the protection from joins that repeat rows are those of every other question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.aggregates import RawAggregate, taken_apart
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.fragments import Fragment, fragment
from dragoman.semantics.compiler.handwritten.columns import Checked, Columns, plain_column
from dragoman.semantics.compiler.handwritten.pieces import aggregates, windowed
from dragoman.semantics.compiler.handwritten.statement import Piece, Statement
from dragoman.semantics.compiler.labels import title
from dragoman.semantics.compiler.levels import Levels
from dragoman.semantics.compiler.measures import Formula, GroupPart, Leaf, type_of
from dragoman.semantics.compiler.plan import Column, Group, Having, Measured, Plan, Where
from dragoman.semantics.compiler.question import Question
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Dimension, Measure
from dragoman.semantics.model.references import FieldRef, Reference, SqlText
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.query.request import Query

if TYPE_CHECKING:
    from dragoman.semantics.compiler.compile import Compiler


def placed(model: ComposedModel, query: Query, statement: Statement) -> Query:
    """The question with the topic or view that the text names. A topic goes before a view of the
    same name: its rules hold then."""
    source = statement.source
    if not query.topic:
        if source in model.topic_names():
            return replace(query, topic=source, table="")
        return replace(query, table=source)
    try:
        topic = model.topic(query.topic)
    except BadDefinition:
        topic = None  # the question itself says what is wrong
    base = topic.base_view if isinstance(topic, Topic) else source
    if source not in (query.topic, base):
        raise PlanError(
            f'FROM names "{source[:60]}", and the question asks in the topic "{query.topic}".',
            fix=f"Write FROM ${{{query.topic}}}.",
        )
    return query


class HandwrittenQuestion(Question):
    """Compiles a statement. `query`: its `fields` are the names of the statement's columns."""

    def __init__(
        self, compiler: Compiler, statement: Statement, query: Query, asking: Asking
    ) -> None:
        super().__init__(compiler, query, asking)
        self.statement = statement
        view = self.topic.base_view if self.topic is not None else query.table
        self.base = self.names.view(view)
        self.unprotected: list[tuple[str, frozenset[str]]] = []
        self.columns = Columns(statement, self.rules, self.base.name)
        self.labels = {name: each.piece.alias for name, each in self.columns.found.items()}
        self.query = self._asked(query)
        self.expressions.levels = self.levels = Levels(
            asking.functions, self._queried(self.query), self._level, self._of_grain
        )

    def _asked(self, query: Query) -> Query:
        """The question with the statement's own columns, groups, order and limit."""
        statement = self.statement
        if query.comparisons:
            self.warnings.append("earlier periods: not for SQL by hand")
        calculated = [each.name for each in query.calculations if each.name in query.fields]
        limit = statement.limit
        if limit is not None and query.limit is not None:
            limit = min(limit, query.limit)
        grouped = self.columns.grouped()
        return replace(
            query,
            fields=(*self.columns.found, *calculated),
            sorts=self.columns.sorts(query, grouped),
            limit=query.limit if limit is None else limit,
            default_limit=query.default_limit and limit is None,
            offset=statement.offset or query.offset,
            comparisons=(),
            group=grouped,
        )

    # what is selected

    def _selected(self) -> tuple[list[Group], list[Measured]]:
        groups: list[Group] = []
        measured: list[Measured] = []
        self.unprotected.clear()
        for name, each in self.columns.found.items():
            own = each.piece.alias or title(name.partition(".")[2])
            if each.piece.bare is not None:
                found, ref = self.rules.field(name)
                if isinstance(found, Measure):
                    measured.append(self._measured(name, found))
                elif isinstance(found, Dimension):
                    groups.append(self._group(name, found, ref))
            elif each.measure:
                field = Measure(view=self.base.name, name=name.partition(".")[2], label=own)
                measured.append(Measured(name, field, self._formula(name, each)))
            else:
                value = self._row_value(each)
                field = Dimension(
                    view=self.base.name, name=name.partition(".")[2], label=own, type=value.type
                )
                groups.append(Group(name, field, None, value))
        return groups, measured

    def again(self, each: Measured) -> Measured:
        """See `Question.again`."""
        checked = self.columns.found[each.name]
        if checked.piece.bare is not None:
            return super().again(each)
        return replace(each, formula=self._formula(each.name, checked))

    def _columns(self, groups: Sequence[Group], measured: Sequence[Measured]) -> list[Column]:
        return [
            replace(column, label=alias) if (alias := self.labels.get(column.name)) else column
            for column in super()._columns(groups, measured)
        ]

    def _fragment(self, sql: SqlText) -> Fragment:
        """As of a field's SQL, but without templates, and not kept: it is of this question only."""
        made = fragment.__wrapped__
        qualifier = self.expressions.sql.name(self.base.name)
        found: Fragment = made(sql, self.base.name, qualifier, self.expressions.sql.parser)
        return found

    def _expanded(self, piece: Fragment) -> Expr:
        return self.expressions.expand(piece, self.base, DataType.UNKNOWN)

    def _row_value(self, each: Checked) -> Expr:
        """A value of each row."""
        self._no_plain_columns(each.piece)
        value = self._expanded(self._fragment(each.sql))
        if windowed(each.piece.tree):
            if self.query.group:
                raise PlanError(
                    f"{each.piece.sql.text[:60]} is worked out over rows that are grouped.",
                    fix="Leave GROUP BY and DISTINCT out, or aggregate.",
                )
            self.unprotected.append((each.piece.sql.text, value.views))
        return value

    def _no_plain_columns(self, piece: Piece) -> None:
        from sqlglot import exp

        for node in piece.tree.find_all(exp.Column):
            if node.name not in piece.holes and not isinstance(node.this, exp.Star):
                raise plain_column(node.name)

    # aggregates

    def _formula(self, name: str, each: Checked) -> Formula:
        """An expression over aggregates; each that can be taken out is protected by itself."""
        self._no_plain_columns(each.piece)
        pieces = taken_apart.__wrapped__(each.sql, self.expressions.sql.parser)
        found = sum(isinstance(piece, RawAggregate) for piece in pieces or ())
        if pieces is None or found != aggregates(each.piece.tree):
            return self._raw_formula(name, each)
        parts: list[str | Leaf | GroupPart] = []
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
            elif isinstance(piece, RawAggregate):
                parts.append(self._leaf(name, piece))
            else:
                parts += self._outside(piece)
        kind = DataType.UNKNOWN
        if len(parts) == 1 and isinstance(parts[0], Leaf):
            kind = type_of(parts[0])
        return self._made(name, parts, kind)

    def _made(self, name: str, parts: list[str | Leaf | GroupPart], kind: DataType) -> Formula:
        whole = tuple(parts) if len(parts) == 1 else ("(", *parts, ")")
        views = frozenset(v for each in whole if isinstance(each, Leaf) for v in each.views)
        return Formula(name, self.base.name, whole, views, kind)

    def _leaf(self, name: str, piece: RawAggregate) -> Leaf:
        if piece.argument is None:
            own = self.base.name
            return Leaf(own, piece.kind, name, None, views=frozenset({own}))
        value = self._expanded(self._fragment(piece.argument))
        host = self._host([each.field for each in piece.argument.references if each.field])
        return Leaf(host, piece.kind, name, value, views=value.views | {host})

    def _host(self, refs: Sequence[FieldRef]) -> str:
        """The view whose rows an aggregate counts once each: that of the field it reads, as if the
        model had the measure there."""
        views = [ref.view for ref in refs if ref.view]
        return self.base.name if self.base.name in views or not views else views[0]

    def _outside(self, part: Reference) -> Sequence[str | Leaf | GroupPart]:
        """A reference outside aggregates: a measure, or one of the groups."""
        ref = self.columns.ref(part)
        found = self.names.field(ref)
        if isinstance(found, Measure):
            return ["(", *self.measures.formula(found).parts, ")"]
        name = str(ref)
        if name not in self.columns.found:
            raise PlanError(
                f"{name} stands outside an aggregate and is not grouped.",
                fix=f"Select it and group by it, or aggregate it: MIN(${{{name}}}).",
            )
        return [GroupPart(name)]

    def _raw_formula(self, name: str, each: Checked) -> Formula:
        """Aggregates that are left as they are written: nothing protects them from joins."""
        piece = self._fragment(each.sql)
        inside = iter(each.fields)
        parts: list[str | Leaf | GroupPart] = []
        views: set[str] = set()
        for part in piece.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            _, _, within = next(inside)
            if within:
                value = self.expressions.reference(part, self.base)
                parts.append(value.text)
                views |= value.views
            else:
                parts += self._outside(part)
        host = self._host([ref for _, ref, within in each.fields if within])
        read = frozenset(views or {host})
        self.unprotected.append((each.piece.sql.text, read))
        made = self._made(name, parts, piece.type)
        return replace(
            made, host=host, views=made.views | read, raw=True, counts_rows=piece.counts_rows
        )

    # rules

    def _where(self) -> list[Where]:
        found = super()._where()
        if self.statement.where is not None:
            found.append(self._condition(self.statement.where))
        if self.statement.having is not None:
            having = self.columns.checked(self.statement.having)
            field = Measure(view=self.base.name, name="having")
            measured = Measured("HAVING", field, self._formula("HAVING", having))
            self.rules.hidden.append(measured)
            self.rules.having.append(Having(measured, lambda text: text))
        return found

    def _condition(self, piece: Piece) -> Where:
        each = self.columns.checked(piece)
        if each.measure or windowed(piece.tree):
            raise PlanError("WHERE has an aggregate.", fix="Put the condition into HAVING.")
        self._no_plain_columns(piece)
        return self.rules.condition(self._fragment(each.sql), self.base)

    def _guard(self, plan: Plan) -> None:
        for text, views in self.unprotected:
            together = {each for view in views for each in plan.tree.between(min(views), view)}
            if plan.tree.multiplies(together or {self.base.name}):
                raise PlanError(
                    f"Joins repeat the rows that {text[:60]} reads.",
                    fix="Use SUM, COUNT, AVG, MIN, MAX or MEDIAN alone, or a measure of the model.",
                    error_type=ErrorType.KEY_REQUIRED,
                )
        super()._guard(plan)

    def _level(
        self,
        grain: Sequence[str],
        measure: Measure,
        names: Sequence[str],
        owner: Dimension | Measure,
    ) -> str:
        """A level asks for the rows of the question anew, which is in fields."""
        own = [each for each in self.columns.found.values() if each.piece.bare is None]
        if self.statement.where is not None or any(not each.measure for each in own):
            raise PlanError(
                f"{owner.address} has a grain of its own, which a text cannot filter or group.",
                fix="Filter by the question's filters, and select fields alone.",
            )
        return self.inside.level(grain, measure, names, owner)
