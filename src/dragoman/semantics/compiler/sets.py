"""Each key once by grouping: for databases that group by several sets in one pass over the rows.

Rows are grouped by (group, key) for each key that joins repeat, and by the group alone for what
needs no protection, all in one GROUPING SETS; the outer aggregate reads each set's own rows. The
values of a key's rows are equal, so any of them is taken, and the least where the measure names
a key of its own (modeling reference 4.5, form B in one scan).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.fanout import Guarded
from dragoman.semantics.compiler.measures import Leaf
from dragoman.semantics.compiler.plan import Plan

# GROUPING gives a bit for each column.
MAX_SET_COLUMNS = 30
T = TypeVar("T")
Written = Callable[[Leaf, str | None, str | None, SqlFunctions], str]
Taken = Callable[[Guarded], str | None]


class Sets:
    """Aggregates over rows that were grouped by sets first. `source`: FROM, joins and WHERE."""

    def __init__(
        self, plan: Plan, sql: SqlFunctions, source: str, written: Written, taken: Taken
    ) -> None:
        self.plan = plan
        self.sql = sql
        self._source = source
        self._written = written
        self._taken = taken
        guards = list(plan.guards.values())
        once = [each for each in guards if each.once]
        self.extras = [o.by for o in plan.orders if isinstance(o.by, Expr)]
        self._values = _listed(g.leaf.value.text for g in guards if g.leaf.value is not None)
        self._conditions = _listed(
            text
            for g in guards
            if (text := taken(g)) is not None and (g.leaf.predicate is not None or not g.once)
        )
        self._keys = _listed(key.text for g in once for key in g.key)
        self._sets = _listed(self._columns_of(guard) for guard in once)
        self._columns = _listed(column for columns in self._sets for column in columns)
        if len(once) < len(guards):
            self._sets.append(())
        self._inner: list[str] = []
        self._texts = {guard.leaf: self._outer(guard) for guard in guards}

    @property
    def fits(self) -> bool:
        """Whether the database can tell the sets apart."""
        return len(self._columns) <= MAX_SET_COLUMNS

    def group(self, n: int) -> str:
        """A group's column."""
        return self.sql.name(f"g{n}")

    def sorted_by(self, value: Expr) -> str:
        """The column of a value that is in no column of the answer: the least of each set."""
        return self.sql.name(f"x{self.extras.index(value)}")

    def aggregate(self, guard: Guarded) -> str:
        """The text of an aggregate over the sets."""
        return self._texts[guard.leaf]

    def steps(self) -> list[tuple[str, str]]:
        """The named subqueries that the answer is made of, in order."""
        return [("joined", self._joined()), ("once", self._grouped())]

    def _outer(self, guard: Guarded) -> str:
        """An aggregate over the rows of its set; what it needs of them is put into `_inner`."""
        value = guard.leaf.value
        column = None if value is None else self._name("v", self._values.index(value.text))
        if not guard.once:
            taken = self._taken(guard)
            counts = None if taken is None else f"{self._condition(taken)} = 1"
            inner = self._column(self._written(guard.leaf, column, counts, self.sql))
            return f"ANY_VALUE(CASE WHEN {self._is_of(())} THEN {inner} END)"
        if column is not None:
            chosen = "MIN" if guard.leaf.key is not None else "ANY_VALUE"
            column = self._column(f"{chosen}({column})")
        columns = self._columns_of(guard)
        counts = [self._is_of(columns), *(f"{each} IS NOT NULL" for each in columns)]
        if guard.leaf.predicate is not None:
            counts[1:] = [f"{columns[-1]} = 1"]
        return self._written(guard.leaf, column, " AND ".join(counts), self.sql)

    def _columns_of(self, guard: Guarded) -> tuple[str, ...]:
        """The columns that tell a guard's rows apart, inside a group."""
        keys = [self._name("k", self._keys.index(key.text)) for key in guard.key]
        taken = self._taken(guard)
        if guard.leaf.predicate is not None and taken is not None:
            keys.append(self._condition(taken))
        return tuple(keys)

    def _is_of(self, columns: tuple[str, ...]) -> str:
        """The condition that a row is of this set: GROUPING has a bit for each column without."""
        bits = "".join("0" if each in columns else "1" for each in self._columns)
        return f"{self.sql.name('s')} = {int(bits, 2)}"

    def _joined(self) -> str:
        name = self._name
        columns = [f"{g.value.text} AS {name('g', n)}" for n, g in enumerate(self.plan.groups)]
        columns += [f"{text} AS {name('v', n)}" for n, text in enumerate(self._values)]
        columns += [f"{text} AS {name('k', n)}" for n, text in enumerate(self._keys)]
        columns += [
            f"CASE WHEN {text} THEN 1 ELSE 0 END AS {name('p', n)}"
            for n, text in enumerate(self._conditions)
        ]
        columns += [f"{each.text} AS {name('x', n)}" for n, each in enumerate(self.extras)]
        return _select(columns, self._source)

    def _grouped(self) -> str:
        groups = [self.group(n) for n in range(len(self.plan.groups))]
        columns = [*groups, *self._columns]
        columns.append(f"GROUPING({', '.join(self._columns)}) AS {self.sql.name('s')}")
        columns += [f"{text} AS {self._name('w', n)}" for n, text in enumerate(self._inner)]
        least = [self._name("x", n) for n in range(len(self.extras))]
        columns += [f"MIN({each}) AS {each}" for each in least]
        sets = ", ".join(f"({', '.join([*groups, *each])})" for each in self._sets)
        source = f"FROM {self.sql.name('joined')}\nGROUP BY GROUPING SETS ({sets})"
        return _select(columns, source)

    def _column(self, text: str) -> str:
        if text not in self._inner:
            self._inner.append(text)
        return self._name("w", self._inner.index(text))

    def _condition(self, text: str) -> str:
        return self._name("p", self._conditions.index(text))

    def _name(self, kind: str, n: int) -> str:
        return self.sql.name(f"{kind}{n}")


def _listed(found: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(found))


def _select(columns: list[str], source: str) -> str:
    listed = ",\n".join(f"  {each}" for each in columns)
    return f"SELECT\n{listed}\n{source}"
