"""Questions on metrics that the database defines itself: semantic views of Snowflake, metric views
of Unity Catalog.

The database joins, filters and aggregates as its own definition says; nothing of it can be written
anew beside it. So it is asked for groups and metrics in one subquery, which has a row for each
different values of the groups; arithmetic, conditions on measures, order and limits come outside.

Source: Snowflake documentation, "Querying semantic views"; Databricks documentation, "Query a
metric view".
"""

from __future__ import annotations

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.fanout import Guarded
from dragoman.semantics.compiler.plan import Plan
from dragoman.semantics.compiler.tables import Tables
from dragoman.semantics.model.fields import Aggregate
from dragoman.semantics.model.views import TableSource

_FIX = "Define it as a metric in the database, or ask in a view of the tables themselves."


class OwnMetrics:
    """Writes the aggregates of such a plan: a form for the renderer."""

    def __init__(self, plan: Plan, tables: Tables) -> None:
        self.plan = plan
        self.sql = tables.sql
        self._table = _table(plan, tables)
        self._leaves = list(plan.guards)

    def group(self, n: int) -> str:
        """A group of the question."""
        return self.sql.name(f"g{n}")

    def sorted_by(self, value: Expr) -> str:
        """An order by what is no group: rows are gone. Raises `PlanError`."""
        raise PlanError(
            f"{value.text} orders groups of metrics that the database defines, and is not in the"
            " question.",
            fix="Put the field into the question.",
        )

    def aggregate(self, guard: Guarded) -> str:
        """A metric. A group has one row, whose value is the greatest."""
        return f"MAX({self.sql.name(f'm{self._leaves.index(guard.leaf)}')})"

    def steps(self) -> list[tuple[str, str]]:
        """The named subqueries that the answer is made of, in order."""
        name, groups = self.sql.name, list(enumerate(self.plan.groups))
        if not self._leaves and all(group.value.constant for _, group in groups):
            raise PlanError("The question shows nothing of what the database defines.")
        asked = self.sql.own_metrics(
            self._table,
            name(self.plan.tree.base),
            [(g.value.text, name(f"g{n}")) for n, g in groups if not g.value.constant],
            [
                (leaf.value.text, name(f"m{n}"))
                for n, leaf in enumerate(self._leaves)
                if leaf.value is not None
            ],
            [each.text for each in self.plan.where],
        )
        steps = [("asked", asked)]
        constants = [f"{g.value.text} AS {name(f'g{n}')}" for n, g in groups if g.value.constant]
        if constants:
            columns = ", ".join(["a.*", *constants])
            steps.append(("shown", f"SELECT {columns}\nFROM {name('asked')} a"))
        return steps


def asks_own_metrics(plan: Plan, tables: Tables) -> bool:
    """Whether a plan asks for metrics, or for rows of a semantic view."""
    if any(leaf.kind is Aggregate.SEMANTIC_VIEW_AGG for leaf in plan.guards):
        return True
    return any(_logical(tables, view) for view in plan.tree.views)


def _logical(tables: Tables, view: str) -> bool:
    source = tables.names.view(view).source
    return isinstance(source, TableSource) and source.logical is not None


def _table(plan: Plan, tables: Tables) -> str:
    """Where the metrics are defined. Raises `PlanError` for what the database cannot be asked."""
    base = plan.tree.base
    if not plan.grouped:
        raise PlanError(f"{base} has metrics of the database's own, and no rows to show.")
    if tables.beside:
        raise PlanError(
            f"{base} has metrics of the database's own: no level of detail, and no total of groups"
            " that a condition on a metric leaves out."
        )
    for leaf in plan.guards:
        if leaf.kind is not Aggregate.SEMANTIC_VIEW_AGG:
            raise PlanError(
                f"{leaf.name} aggregates rows, and stands beside metrics of the database's own.",
                fix=_FIX,
            )
        if leaf.predicate is not None or leaf.cancels:
            raise PlanError(
                f"{leaf.name} is a metric of the database's own, which counts only what the whole"
                " question does: a filter of one measure cannot be asked of it.",
                fix=_FIX,
            )
    return _only_table(plan, tables)


def _only_table(plan: Plan, tables: Tables) -> str:
    """The one semantic view, or metric view, of all views of the question."""
    found: dict[str, str] = {}
    for name in plan.tree.views:
        view = tables.names.view(name)
        if isinstance(view.source, TableSource) and view.alias_of is None:
            found.setdefault(tables.table(view), name)
        else:
            found[name] = name
    if len(found) > 1 or (plan.tree.edges and not _logical(tables, plan.tree.base)):
        shown = ", ".join(plan.tree.views)
        raise PlanError(
            f"Metrics of the database's own cannot be joined with other tables: {shown}.", fix=_FIX
        )
    return next(iter(found))
