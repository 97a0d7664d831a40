"""Values at a grain of their own: levels of detail, and the greatest groups of a dimension.

Each is a question of its own, joined to the rows by its grain; a grain has one row there, so that
the join repeats nothing. The question's filters hold inside (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from dragoman.dialects.sql import SqlFunctions
from dragoman.dialects.sql.kinds import CastType
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Aggregate, Dimension, DynamicTopN, LodScope, Measure
from dragoman.semantics.model.references import FieldRef

OTHERS = "Other"
# After the label, where it is the name of a group of its own.
APART = " (all others)"


@dataclass(frozen=True, slots=True)
class Level:
    """A subquery beside the joined rows. `sql`: its columns are c0, c1, … (the grain), v (the
    value), k (a number for each grain, the greatest value first, or the least), and of a ranking o
    (the number of the group that is called as the others are). `never_null`: the grain has no
    NULL."""

    alias: str
    sql: str
    grain: tuple[Expr, ...]
    of_dimension: bool
    never_null: bool = False


@dataclass(slots=True)
class Levels:
    """The levels of one question. `ask` gives the statement of an inner question: its dimensions,
    its one measure, the names of its columns, and the field whose level it is.
    `dimension` gives a field of the outer question. `totalled`: the dimensions that a total of the
    question still has, None for the question itself; its dimensions keep their values."""

    sql: SqlFunctions
    queried: tuple[str, ...]
    ask: Callable[[Sequence[str], Measure, Sequence[str], Dimension | Measure], str]
    dimension: Callable[[FieldRef], Expr]
    found: dict[str, Level] = field(default_factory=dict[str, Level])
    totalled: tuple[str, ...] | None = None

    def of_total(self, queried: Sequence[str]) -> Levels:
        """The levels of a total: measures are worked out for its own dimensions, and are not those
        of the question's rows brought together."""
        kept = {address: level for address, level in self.found.items() if level.of_dimension}
        return replace(self, totalled=tuple(queried), found=kept)

    def value(
        self,
        owner: Dimension | Measure,
        sql: Measure,
        grain: Sequence[str],
        *,
        least_first: bool = False,
    ) -> Level:
        """The level of a field; made once."""
        known = self.found.get(owner.address)
        if known is None:
            known = self._made(owner, sql, grain, least_first)
            self.found[owner.address] = known
        return known

    def ranking(self, owner: Dimension, top: DynamicTopN, by: Measure, kind: DataType) -> Level:
        """The values of a dimension by a measure; made once. `kind`: what they are."""
        level = self.found.get(owner.address)
        if level is None:
            plain = self._made(owner, by, [owner.address], not top.desc)
            level = self.found[owner.address] = replace(plain, sql=self._told(plain, top, kind))
        return level

    def _told(self, ranked: Level, top: DynamicTopN, kind: DataType) -> str:
        """A ranking's statement that tells the place of the value that is the others' label."""
        name = self.sql.name
        called = f"{self._text(name('c0'), kind)} = {self.sql.string(_label(top))}"
        place = f"MAX(CASE WHEN {called} THEN {name('k')} END) OVER () AS {name('o')}"
        return f"SELECT t.*, {place} FROM ({ranked.sql}) t"  # noqa: S608 - our own names

    def _text(self, x: str, kind: DataType) -> str:
        return self.sql.text(x) if kind is DataType.STRING else self.sql.cast(x, CastType.STRING)

    def _made(
        self, owner: Dimension | Measure, measure: Measure, grain: Sequence[str], least_first: bool
    ) -> Level:
        name = self.sql.name
        columns = [f"c{n}" for n in range(len(grain))]
        inner = self.ask(grain, measure, [*columns, "v"], owner)
        order = [self.sql.order(name("v"), descending=not least_first, nulls_last=True)]
        order += [self.sql.order(name(c), descending=False, nulls_last=True) for c in columns]
        number = f"ROW_NUMBER() OVER (ORDER BY {', '.join(order)}) AS {name('k')}"
        listed = ", ".join([*(name(c) for c in columns), name("v"), number])
        statement = f"SELECT {listed} FROM ({inner}) {name('asked')}"  # noqa: S608 - our own names
        refs = [_ref(each) for each in grain]
        of_dimension = isinstance(owner, Dimension)
        grain_values = tuple(self.dimension(ref) for ref in refs)
        return Level(self._alias(), statement, grain_values, of_dimension)

    def _alias(self) -> str:
        return f"level_{len(self.found)}{'' if self.totalled is None else '_of_total'}"

    def member(self, x: Expr, values: str) -> str:
        """The condition that a value is one of those (`v`) that a SELECT gives: joined, once."""
        key = f"{x.text} of {values}"
        level = self.found.get(key)
        if level is None:
            name = self.sql.name
            listed = f"{name('v')} AS {name('c0')}, 1 AS {name('k')}"
            sql = f"SELECT DISTINCT {listed} FROM ({values}) q"  # noqa: S608 - our own names
            # As of a dimension: totals have the same.
            level = Level(self._alias(), sql, (x,), of_dimension=True, never_null=True)
            self.found[key] = level
        return f"{self.column(level, 'k', DataType.NUMBER).text} IS NOT NULL"

    def grain_of(self, owner: Dimension | Measure) -> list[str]:
        """The addresses that a level of detail groups by."""
        level = owner.level_of_detail
        if level is None:
            return []
        given = [str(each.within(owner.view)) for each in level.fields]
        if level.scope is LodScope.FIXED:
            return given
        queried = self.queried
        if self.totalled is not None and isinstance(owner, Measure):
            queried = self.totalled
        asked = [each for each in queried if each != owner.address]
        if level.scope is LodScope.ALWAYS_EXCLUDE:
            return [each for each in asked if each not in given]
        return list(dict.fromkeys([*asked, *given]))

    def joins(self) -> list[str]:
        """The subqueries as joins, in the order in which they were made."""
        return [self._join(level) for level in self.found.values()]

    def _join(self, level: Level) -> str:
        name = self.sql.name
        target = f"({level.sql}) {name(level.alias)}"
        if not level.grain:
            return f"CROSS JOIN {target}"
        pairs = [
            (f"{name(level.alias)}.{name(f'c{n}')}", each.text)
            for n, each in enumerate(level.grain)
        ]
        same = self.sql.null_safe_equal
        on = [f"{a} = {b}" if level.never_null else same(a, b) for a, b in pairs]
        return f"LEFT JOIN {target} ON {' AND '.join(f'({each})' for each in on)}"

    def column(self, level: Level, column: str, kind: DataType) -> Expr:
        """A column of a level as an expression."""
        views = frozenset(view for each in level.grain for view in each.views)
        return Expr(f"{self.sql.name(level.alias)}.{self.sql.name(column)}", views, kind)

    def result(self, level: Level, aggregate: Aggregate, row: Expr | None) -> Expr:
        """The value of a level. `row`: what is aggregated; the least, or greatest, is like it."""
        value = self.column(level, "v", DataType.NUMBER)
        if row is None or aggregate not in (Aggregate.MIN, Aggregate.MAX):
            return value
        return replace(value, type=row.type, shown=row.shown)

    def greatest(self, own: Expr, level: Level, count: int, top: DynamicTopN) -> Expr:
        """The value where it is among the greatest, and what stands for all others: never the same
        as a value that is among them."""
        kept = f"{self.column(level, 'k', DataType.NUMBER).text} <= {count}"
        if top.otherwise is None:
            kept += f" OR {own.text} IS NULL"
        taken = f"{self.column(level, 'o', DataType.NUMBER).text} <= {count}"
        apart, rest = (self.sql.string(each) for each in (_label(top) + APART, _label(top)))
        text = self._text(own.text, own.type)
        cases = f"WHEN {kept} THEN {text} WHEN {taken} THEN {apart} ELSE {rest}"
        return Expr(f"CASE {cases} END", own.views, DataType.STRING)


def _label(top: DynamicTopN) -> str:
    return OTHERS if top.otherwise is None else top.otherwise


def _ref(address: str) -> FieldRef:
    view, _, rest = address.partition(".")
    name, _, bracket = rest.partition("[")
    return FieldRef(view, name, bracket.rstrip("]") or None)
