"""What stands after FROM for a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expressions
from dragoman.semantics.model.fields import Dimension
from dragoman.semantics.model.references import FieldRef, Reference, SqlText
from dragoman.semantics.model.views import (
    ElementsSource,
    QuerySource,
    QuerySpec,
    SqlSource,
    TableSource,
    UploadSource,
    View,
)

MAX_DEPTH = 20


class Tables:
    """Writes the tables of one question. `nested` gives the SQL of a query view's question;
    `beside`: joins of subqueries that come after those of the views."""

    def __init__(
        self,
        expressions: Expressions,
        nested: Callable[[View, QuerySpec], str],
        beside: Sequence[str] = (),
    ) -> None:
        self.beside = list(beside)
        self.expressions = expressions
        self.names = expressions.names
        self.sql = expressions.sql
        self._nested = nested
        self._open: list[str] = []

    def target(self, name: str) -> str:
        """The table with its alias, the view's own name. Raises `PlanError`."""
        return f"{self.table(self.names.view(name))} {self.sql.name(name)}"

    def elements(self, name: str, source: ElementsSource) -> str:
        """The join that brings the elements of an array. Raises `PlanError`."""
        array = self.expressions.dimension(source.array, shown=False)
        if set(array.views) != {source.parent}:
            raise PlanError(
                f"{source.array.address} is not read off the rows of {source.parent} alone.",
                fix="Let nested_on_field name a column.",
            )
        return self.sql.elements(array.text, name).join

    def table(self, view: View) -> str:
        """The table, or a subquery in parentheses."""
        match view.source:
            case TableSource():
                return self._named(view.source)
            case UploadSource(table):
                return self.sql.name(table)
            case SqlSource(sql):
                return f"({self._inside(view, lambda: self._written(sql, view))})"
            case QuerySource(query):
                return f"({self._inside(view, lambda: self._nested(view, query))})"
            case _:
                raise PlanError(f'The view "{view.name}" is a template: it has no rows of its own.')

    def _named(self, source: TableSource) -> str:
        schema = self._schema(source.schema)
        named = [part for part in (source.catalog, schema, source.table) if part]
        return ".".join(self.sql.name(part) for part in named)

    def _schema(self, name: str | None) -> str | None:
        """The schema, which may be the value of an attribute (`dynamic_schemas`)."""
        for dynamic in self.names.settings.dynamic_schemas.values():
            if dynamic.from_schema == name:
                values = self.expressions.asking.values(dynamic.user_attribute)
                if len(values) != 1:
                    raise PlanError(
                        f"The schema {name} depends on the attribute {dynamic.user_attribute},"
                        " which must have one value."
                    )
                return str(values[0])
        return name

    def _inside(self, view: View, write: Callable[[], str]) -> str:
        if view.name in self._open or len(self._open) > MAX_DEPTH:
            raise PlanError(f'The view "{view.name}" is made of itself.')
        self._open.append(view.name)
        try:
            return write()
        finally:
            self._open.pop()

    def _written(self, sql: SqlText, view: View) -> str:
        """A view's own SELECT, its references filled in; the text itself is kept to the letter."""
        parts = self.expressions.templates.render(sql).parts
        return "".join(
            part if isinstance(part, str) else self._reference(part, view) for part in parts
        ).rstrip("; \n\t")

    def _reference(self, part: Reference, view: View) -> str:
        if part.whole_view is not None:
            return self.table(self.names.view(part.whole_view))
        if part.field is None:
            raise PlanError(f'{part.text} in the view "{view.name}" names nothing.')
        found = self.names.field(FieldRef(part.field.view or view.name, part.field.name))
        if not isinstance(found, Dimension):
            raise PlanError(f'{part.text} in the view "{view.name}" is no dimension.')
        return self.expressions.dimension(found, part.field.bracket, shown=False).text
