"""Fields: what they refer to, their SQL, and circles among them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import attrgetter

from dragoman.semantics.composing.sources import Merged
from dragoman.semantics.model.fields import Dimension, Field, FilterField, Measure
from dragoman.semantics.model.references import FieldRef, Reference, SqlText, field_ref, is_name
from dragoman.semantics.model.views import View
from dragoman.semantics.plain import mapping
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.validation import filters, grants
from dragoman.semantics.validation.circles import circles
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.expressions import Parsed
from dragoman.semantics.validation.report import Place

_RESERVED = ("__omni_", "omni_period")
_RESERVED_ENDS = ("__omni_sort", "__omni_summ", "__raw")
_DIMENSIONALIZE = "omni_dimensionalize"


def section_of(field: Field) -> str:
    """The section of a view's file that a field stands in."""
    if isinstance(field, Dimension):
        return "dimensions"
    return "measures" if isinstance(field, Measure) else "filters"


def check(
    field: Field,
    view: View,
    merged: Merged,
    context: Context,
    place: Place,
) -> None:
    """One field of a view. What it inherits unchanged is checked where it is written."""
    section = section_of(field)
    entries = mapping(merged.definition.get(section))
    if field.name not in entries:
        return
    path: YamlPath = (section, field.name)
    if field.name.startswith(_RESERVED) or field.name.endswith(_RESERVED_ENDS):
        message = f'"{field.name}" is a reserved name'
        context.report.add(
            place, path, "reserved_name", message, "Choose another.", field=field.name
        )
    for key in ("required_access_grants", "mask_unless_access_grants"):
        grants.check(getattr(field, key), context, place, (*path, key))
    for key, ref in _plain_references(field):
        if (wrong := context.lookup.wrong(ref, view.name)) is not None:
            context.report.add(place, (*path, key), *wrong, field=field.name)
    for key, sql in sql_texts(field):
        check_sql(view, sql, context, place, (*path, *key), field=field)
    filters.check_field(field, view, context, place, path)
    _drills(field, view, context, place, path)
    if isinstance(field, Measure):
        _measure(field, view, context, place, path)
    elif isinstance(field, Dimension):
        _dimension(field, view, context, place, path)


def sql_texts(field: Field) -> Iterator[tuple[tuple[str, ...], SqlText]]:
    """The SQL that a field has, with the keys that lead to it."""
    if isinstance(field, Dimension):
        found: dict[tuple[str, ...], SqlText | None] = {("sql",): field.sql}
        if field.duration is not None:
            found[("duration", "sql_start")] = field.duration.start
            found[("duration", "sql_end")] = field.duration.end
        key = "custom_primary_key_sql_for_quick_aggs"
        found[(key,)] = field.custom_primary_key_sql_for_quick_aggs
    elif isinstance(field, Measure):
        found = {
            ("sql",): field.sql,
            ("custom_primary_key_sql",): field.custom_primary_key_sql,
        }
    else:
        return
    yield from ((key, sql) for key, sql in found.items() if sql is not None)


def _plain_references(field: Field) -> Iterator[tuple[str, FieldRef]]:
    if field.suggest_from_field is not None:
        yield "suggest_from_field", field.suggest_from_field
    if isinstance(field, (Dimension, Measure)) and field.level_of_detail is not None:
        for ref in field.level_of_detail.fields:
            yield "level_of_detail", ref
    if isinstance(field, Dimension):
        for key in ("order_by_field", "parent_field", "nested_on_field"):
            ref = getattr(field, key)
            if ref is not None:
                yield key, ref
        if field.dynamic_top_n is not None:
            yield "dynamic_top_n", field.dynamic_top_n.by
    if isinstance(field, FilterField):
        for ref in field.bind_to:
            yield "bind_to", ref


def check_sql(
    view: View,
    sql: SqlText,
    context: Context,
    place: Place,
    path: YamlPath,
    *,
    field: Field | None = None,
    statement: bool = False,
) -> None:
    """References of a SQL text, and whether it parses."""
    name = field.name if field else None
    for reference in sql.references:
        _reference(reference, view, context, place, path, name)
    parsed = (
        context.expressions.statement(sql) if statement else context.expressions.expression(sql)
    )
    if parsed.error is not None:
        message = f"SQL does not parse: {parsed.error}"
        context.report.add(place, path, "bad_sql", message, "Mend the SQL.", field=name)


def _reference(
    reference: Reference,
    view: View,
    context: Context,
    place: Place,
    path: YamlPath,
    name: str | None,
) -> None:
    if reference.own_table:
        message = "${TABLE} is understood as the own table, but not part of the language"
        fix = f"Write `${{{view.name}}}`, or name columns alone."
        context.report.warn(place, path, "own_table", message, fix, field=name)
        return
    ref = reference.field
    if ref is None:
        message = f"{reference.text[:100]} names no field"
        fix = "Write `${field}` or `${view.field}`."
        context.report.add(place, path, "bad_reference", message, fix, field=name)
        return
    whole = reference.whole_view
    if (
        whole is not None
        and context.lookup.field(ref, view.name) is None
        and context.lookup.view(whole)
    ):
        return  # a whole view: its rows
    wrong = context.lookup.wrong(ref, view.name)
    if wrong is not None:
        context.report.add(place, path, *wrong, field=name)
    elif (
        ref.view is not None
        and not context.lookup.joined(view.name, ref.view)
        and not view.template
    ):
        message = f"No join path from {view.name} to {ref.view}"
        fix = f"Add a relationship between {view.name} and {ref.view}."
        context.report.add(place, path, "no_join_path", message, fix, field=name)


def _drills(field: Field, view: View, context: Context, place: Place, path: YamlPath) -> None:
    """Fields for a closer look; a set (`name*`) is left to whoever shows them."""
    for at, said in enumerate(field.drill_fields):
        ref = field_ref(said)
        wrong = context.lookup.wrong(ref, view.name) if ref else None
        if wrong is not None and not (ref and is_name(said) and said in view.sets):
            at_path = (*path, "drill_fields", at)
            context.report.warn(place, at_path, *wrong, field=field.name)


def _measures_in(sql: SqlText | None, view: View, context: Context) -> list[str]:
    found: list[str] = []
    for reference in sql.references if sql else ():
        if reference.field is not None and not reference.own_table:
            target = context.lookup.field(reference.field, view.name)
            if isinstance(target, Measure):
                found.append(reference.text)
    return found


def _parsed(sql: SqlText | None, context: Context) -> Parsed:
    return context.expressions.expression(sql) if sql is not None else Parsed()


def _dimension(
    field: Dimension,
    view: View,
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    if field.sql is None or field.level_of_detail or _DIMENSIONALIZE in field.sql.text.lower():
        return
    many = [*_parsed(field.sql, context).aggregates, *_measures_in(field.sql, view, context)]
    if many:
        message = f"A dimension is a value of one row; {many[0]} is of many"
        fix = "Make it a measure, or give it a `level_of_detail`."
        context.report.add(
            place, (*path, "sql"), "aggregate_in_dimension", message, fix, field=field.name
        )
    shapes = [key for key in ("groups", "bins", "duration") if getattr(field, key)]
    if len(shapes) > 1:
        message = "A dimension has one of groups, bin_boundaries and duration"
        context.report.add(
            place, path, "several_shapes", message, "Make two of it.", field=field.name
        )


def _measure(
    field: Measure,
    view: View,
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    parsed = _parsed(field.sql, context)
    inner = _measures_in(field.sql, view, context)
    aggregate, sql_path = field.aggregate_type, (*path, "sql")
    if aggregate is None and field.sql is None:
        message = "A measure needs `aggregate_type` or `sql`"
        fix = "Add `aggregate_type: sum`."
        context.report.add(place, path, "no_aggregate", message, fix, field=field.name)
    elif aggregate is None:
        # An own function of the database may be an aggregate that the parser does not know.
        known = not parsed.opaque and not parsed.error and not parsed.calls
        if known and not parsed.aggregates and not inner:
            message = "A measure is a value of many rows; its SQL is of one"
            fix = "Add `aggregate_type`, or write an aggregate."
            context.report.add(place, sql_path, "no_aggregate", message, fix, field=field.name)
    elif field.level_of_detail is None:
        nested = [*parsed.aggregates, *inner]
        if nested:
            message = f"{nested[0]} is an aggregate already; `{aggregate}` cannot be over it"
            fix = "Take `aggregate_type` away."
            context.report.add(place, sql_path, "nested_aggregate", message, fix, field=field.name)
    keyed = field.custom_primary_key_sql is not None or view.has_key
    if aggregate is not None and aggregate.distinct_on and not keyed:
        message = f"`{aggregate}` needs a key"
        fix = "Add `custom_primary_key_sql: ${field}`."
        context.report.add(place, path, "missing_key", message, fix, field=field.name)


def check_cycles(checked: list[tuple[View, Place]], context: Context) -> None:
    """Fields whose SQL leads back to themselves. Each field is walked once."""
    state: dict[str, int] = {}
    places = {view.name: place for view, place in checked}
    targets = partial(_targets, context=context)
    for view, _ in checked:
        for field in view.fields():
            if field.address not in state:
                for loop in circles(field, targets, attrgetter("address"), state):
                    _report_cycle(loop, places, context)


def _report_cycle(loop: list[Field], places: dict[str, Place], context: Context) -> None:
    for first in loop:
        place = places.get(first.view)
        if place is not None:
            path = (section_of(first), first.name, "sql")
            way = " → ".join(field.address for field in (*loop, loop[0]))
            message = f"A circle of references: {way}"
            context.report.add(place, path, "field_cycle", message, "Break it.", field=first.name)
            return


def _targets(field: Field, context: Context) -> Iterator[Field]:
    for _, sql in sql_texts(field):
        for reference in sql.references:
            ref = reference.field
            if ref is None or reference.own_table:
                continue
            target = context.lookup.field(ref, field.view)
            if target is not None:
                yield target
