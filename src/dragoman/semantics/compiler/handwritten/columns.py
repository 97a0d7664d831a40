"""The columns of a statement: what they are called, which of them group, and their order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.handwritten.pieces import Use, aggregates, uses
from dragoman.semantics.compiler.handwritten.statement import Piece, Statement
from dragoman.semantics.compiler.handwritten.tokens import as_sql
from dragoman.semantics.compiler.rules import Rules
from dragoman.semantics.model.fields import Field, FilterField, Measure
from dragoman.semantics.model.references import FieldRef, Reference, SqlText
from dragoman.semantics.query.request import Query, Sort

SELECT_IT = "Select it as well."


@dataclass(frozen=True, slots=True)
class Checked:
    """A piece with its references checked. `sql`: a masked field is NULL in it; `fields`: of the
    references that are left, in order, with whether each stands inside an aggregate of rows."""

    piece: Piece
    sql: SqlText
    fields: tuple[tuple[Field, FieldRef, bool], ...]

    @property
    def measure(self) -> bool:
        """Whether its value is one of many rows."""
        return aggregates(self.piece.tree) > 0 or any(
            isinstance(found, Measure) for found, _, _ in self.fields
        )


class Columns:
    """Reads the names and the order of one statement over the view `base`. `found`: by name."""

    def __init__(self, statement: Statement, rules: Rules, base: str) -> None:
        self.statement = statement
        self.rules = rules
        self.base = base
        self.order: list[str] = []
        self.found = self._named()

    def _named(self) -> dict[str, Checked]:
        """The columns by name: that of the field where nothing else is selected, else one that the
        text gives, after the base view's."""
        items = self.statement.items
        taken = {str(self.ref(piece.bare)) for piece in items if piece.bare is not None}
        found: dict[str, Checked] = {}
        self.order: list[str] = []
        for n, piece in enumerate(items, 1):
            if piece.bare is not None:
                name = str(self.ref(piece.bare))
            else:
                name = _free(f"{self.base}.{piece.alias or f'column_{n}'}", taken)
                taken.add(name)
            found[name] = self.checked(piece, shown=True)
            self.order.append(name)
        return found

    def ref(self, part: Reference) -> FieldRef:
        """The address of a reference. Raises `PlanError`."""
        if part.field is None or part.own_table:
            raise PlanError(
                f"{part.text[:60]} is not the name of a field.", fix="Write ${view.field}."
            )
        return part.field.within(self.base)

    def checked(self, piece: Piece, *, shown: bool = False) -> Checked:
        """The piece, each of whose references may be asked for. `shown`: as it is selected, where a
        masked field alone is masked by the question. Raises `PlanError`."""
        parts: list[str | Reference] = []
        fields: list[tuple[Field, FieldRef, bool]] = []
        places = iter(uses(piece))
        for part in piece.sql.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            use = next(places)
            found, ref = self.rules.field(str(self.ref(part)))
            if isinstance(found, FilterField):
                raise PlanError(f"{found.address} can only be filtered by.")
            if isinstance(found, Measure) and use is Use.INSIDE:
                raise PlanError(
                    f"{found.address} is an aggregate already.", fix="Leave the one around it out."
                )
            if self.rules.access.masks(found) and not (shown and piece.bare is not None):
                parts.append("NULL")
                continue
            parts.append(Reference(f"${{{ref}}}", ref))
            fields.append((found, ref, use is Use.INSIDE))
        return Checked(piece, as_sql(parts), tuple(fields))

    def _found(self, piece: Piece) -> str | None:
        """The name of the column that a piece of GROUP BY or ORDER BY means."""
        from sqlglot import exp

        if piece.place is not None:
            if not 1 <= piece.place <= len(self.order):
                raise PlanError(f"There is no column {piece.place}.")
            return self.order[piece.place - 1]
        tree = piece.tree
        if isinstance(tree, exp.Column) and tree.name not in piece.holes:
            said = tree.name.lower()
            for name, item in zip(self.order, self.statement.items, strict=True):
                if item.alias is not None and item.alias.lower() == said:
                    return name
            raise plain_column(tree.name)
        sql = self.checked(piece, shown=True).sql
        for name, each in self.found.items():
            if each.sql == sql:
                return name
        return None

    def grouped(self) -> bool:
        """Whether rows are brought together. Raises `PlanError` where GROUP BY does not say how."""
        statement = self.statement
        of_rows = [name for name, each in self.found.items() if not each.measure]
        together = len(of_rows) < len(self.found) or statement.having is not None
        if statement.groups is None:
            loose = [name for name in of_rows if self.found[name].fields]
            if together and loose and not statement.groups_all:
                places = ", ".join(str(self.order.index(name) + 1) for name in of_rows)
                raise PlanError(
                    f"{loose[0]} stands beside an aggregate and is not grouped.",
                    fix=f"Add GROUP BY {places}.",
                )
            return together or statement.groups_all or statement.distinct
        groups = [self._group_of(piece) for piece in statement.groups]
        left = [name for name in of_rows if name not in groups and self.found[name].fields]
        if left:
            raise PlanError(f"{left[0]} is not in GROUP BY.", fix="Group by it, or aggregate it.")
        return True

    def _group_of(self, piece: Piece) -> str:
        name = self._found(piece)
        if name is None:
            raise PlanError(
                f"GROUP BY has {piece.sql.text[:60]}, which is not selected.", fix=SELECT_IT
            )
        if self.found[name].measure:
            raise PlanError(f"GROUP BY has {name}, which is an aggregate.", fix="Leave it out.")
        return name

    def sorts(self, query: Query, grouped: bool) -> tuple[Sort, ...]:
        """The order that the text gives, or the question's own where it is to count."""
        if query.sort_sql and query.sorts:
            aliases = {item.alias: name for item, name in self._aliased()}
            return tuple(
                replace(each, column=aliases.get(each.column, each.column)) for each in query.sorts
            )
        found: list[Sort] = []
        for each in self.statement.orders:
            name = self._found(each.piece) or self._unselected(each.piece, grouped)
            found.append(Sort(name, each.descending, nulls_last=each.nulls_last))
        return tuple(found)

    def _aliased(self) -> list[tuple[Piece, str]]:
        return [
            (item, name)
            for item, name in zip(self.statement.items, self.order, strict=True)
            if item.alias is not None
        ]

    def _unselected(self, piece: Piece, grouped: bool) -> str:
        """A field that orders and is not answered."""
        checked = self.checked(piece)
        if piece.bare is None or (grouped and not checked.measure):
            raise PlanError(
                f"ORDER BY has {piece.sql.text[:60]}, which is not selected.", fix=SELECT_IT
            )
        return str(self.ref(piece.bare))


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken."""
    at = 2
    found = name
    while found in taken:
        found, at = f"{name}_{at}", at + 1
    return found


def plain_column(name: str) -> PlanError:
    """Why a name of the database's own has no place."""
    return PlanError(
        f"{name[:60]!r} is a column of the database's own, which no rule protects.",
        fix=f"Refer to a field: ${{view.{name[:60]}}}.",
    )
