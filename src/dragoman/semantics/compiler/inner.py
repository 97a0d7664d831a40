"""Questions inside a question: query views, filters by another answer, levels of detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.semantics.building.views import query_spec
from dragoman.semantics.compiler import binding
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.reads import Filters, unread
from dragoman.semantics.compiler.yamlfilters import to_filter
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Dimension, Measure
from dragoman.semantics.model.references import FieldRef
from dragoman.semantics.model.views import QuerySpec, View
from dragoman.semantics.query.filters import BadQuery, QueryFilter
from dragoman.semantics.query.request import Query, Sort, read_query

if TYPE_CHECKING:
    from dragoman.semantics.compiler.question import Question


class Inner:
    """Asks the inner questions of one question."""

    def __init__(self, question: Question) -> None:
        self.question = question

    def view(self, view: View, spec: QuerySpec) -> str:
        """The statement of a query view; its columns have the names of the view's dimensions."""
        names = [each.output or _output_name(each.field) for each in spec.fields]
        query = self._written(f'The query of the view "{view.name}"', spec)
        query = replace(
            query, filters={**query.filters, **binding.inside(self.question, view, spec)}
        )
        # Its author answers for what it reads; the rules on rows hold all the same.
        asking = replace(self.question.asking, timezone=None, grants_apply=False)
        return self.question.inner(query, asking).nested(names)

    def _written(self, name: str, spec: QuerySpec) -> Query:
        """The question that a model file writes out. Raises `PlanError` for what no subquery
        makes."""
        for key in ("pivots", "calculations", "fill_fields"):
            if getattr(spec, key):
                raise PlanError(
                    f"{name} has {key}, which no subquery can make.",
                    fix="Leave them out, and ask for them in the question.",
                )
        return Query(
            fields=tuple(str(each.field) for each in spec.fields),
            table=spec.base_view or "",
            topic=spec.topic or "",
            filters={
                str(each.field): to_filter(each.expression, self._type_of(each.field))
                for each in spec.filters
                if each.expression is not None
            },
            sorts=tuple(Sort(str(each.field), each.desc) for each in spec.sorts),
            limit=spec.limit,
            default_limit=False,
        )

    def _type_of(self, ref: FieldRef) -> DataType:
        view = self.question.model.view(ref.view or "")
        found = view.field(ref.name) if view else None
        return found.type if isinstance(found, Dimension) else DataType.NUMBER

    def values(self, given: QueryFilter) -> str:
        """A SELECT of the values of another answer's column, as `v`. Raises `PlanError`."""
        expressions = self.question.expressions
        expressions.passing += 1  # rules on rows are the asker's
        asking = self.question.asking
        if given.of_model:
            query = self._of_model(given)
            asking = replace(asking, grants_apply=False)
        else:
            query = _of_wire(given)
        column = given.column or (query.fields[0] if query.fields else "")
        if column not in query.fields:
            raise PlanError(f"The question inside a filter does not answer {column[:60]!r}.")
        limit = None if given.disregard_limit else query.limit
        query = replace(query, limit=limit, default_limit=False)
        names = [f"c{n}" for n in range(len(query.fields))]
        inner = self.question.inner(query, asking).nested(names)
        name = self.question.conditions.sql.name
        at = name(names[query.fields.index(column)])
        asked = f"({inner}) {name('asked')}"
        value = f"{at} AS {name('v')}"
        return f"SELECT {value} FROM {asked} WHERE {at} IS NOT NULL"  # noqa: S608 - our own names

    def _of_model(self, given: QueryFilter) -> Query:
        try:
            spec = query_spec(given.query)
        except BadDefinition as bad:
            raise PlanError(f"The question inside a filter cannot be read: {bad}.") from None
        if spec.bind_all_filters or any(each.bind for each in spec.filters):
            raise PlanError(
                "The question inside a filter takes no filters from outside.",
                fix="Leave bind and bind_all_filters out, or make it a query view and join it.",
            )
        query = self._written("The question inside a filter", spec)
        # An order of rows that no limit cuts is nobody's; some databases refuse it in a subquery.
        return query if query.limit is not None else replace(query, sorts=())

    def level(
        self,
        grain: Sequence[str],
        measure: Measure,
        names: Sequence[str],
        owner: Dimension | Measure,
    ) -> str:
        """The statement of a level: the question's rows, grouped by the grain."""
        query = self.question.query
        given = unread(query.filters)
        filters = Filters({name: each for name, each in given if name != owner.address})
        any_of = query.any_of
        if owner.level_of_detail is not None and owner.level_of_detail.cancel_query_filters:
            filters, any_of = Filters({}), ()
        inner = replace(
            query,
            fields=tuple(grain),
            filters=filters,
            any_of=any_of,
            sorts=(),
            limit=None,
            default_limit=False,
            offset=0,
            pivots=(),
            calculations=(),
            row_totals=(),
            column_totals=(),
            group=True,
        )
        if not inner.table and self.question.topic is None:
            inner = replace(inner, table=measure.view)
        question = self.question.inner(inner)
        question.rules.of_rows = True
        question.trusted = True  # the grain is the model's, and what the outer question may ask for
        question.expressions.plain = self.question.expressions.plain | {owner.address}
        question.added = [measure]
        return question.nested(names)


def _of_wire(given: QueryFilter) -> Query:
    try:
        return read_query(dict(given.query))
    except BadQuery as bad:
        raise PlanError(f"The question inside a filter cannot be read: {bad}.") from None


def _output_name(ref: FieldRef) -> str:
    return f"{ref.name}_{ref.bracket}" if ref.bracket else ref.name
