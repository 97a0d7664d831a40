"""What people see above a column."""

from __future__ import annotations

from dragoman.semantics.compiler.names import Names
from dragoman.semantics.compiler.plan import Column, Group, Measured
from dragoman.semantics.model.fields import Field


def title(name: str) -> str:
    """A name in words: `created_at` is Created At."""
    return " ".join(word.capitalize() for word in name.split("_") if word)


def label_of(found: Field, bracket: str | None = None) -> str:
    """A field's label, with its time frame."""
    own = found.label or title(found.name)
    return f"{own} {title(bracket)}" if bracket and bracket != "raw" else own


def column_of(each: Group | Measured, names: Names) -> Column:
    """The column of a field of the question."""
    bracket = each.bracket if isinstance(each, Group) else None
    kind = each.value.type if isinstance(each, Group) else each.formula.type
    form = each.field.format
    return Column(
        each.name,
        label_of(each.field, bracket),
        kind,
        isinstance(each, Group),
        names.settings.custom_formats.get(form, form) if form else None,
        each.field.view,
        each.field.name,
    )
