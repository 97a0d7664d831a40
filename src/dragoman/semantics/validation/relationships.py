"""Joins: their ends, their names, their conditions, and keys where they multiply rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.semantics.building.relationships import relationship
from dragoman.semantics.composing.merging import ends, relationship_id
from dragoman.semantics.layers import Definition, Layer
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Aggregate, Measure
from dragoman.semantics.model.references import SqlText
from dragoman.semantics.model.relationships import Cardinality, JoinType, Relationship
from dragoman.semantics.model.views import View
from dragoman.semantics.plain import text
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import RELATIONSHIPS, Place

_PLACE = Place((), file=RELATIONSHIPS)
# Values that stay right when rows come several times.
_SAFE = frozenset((Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT_DISTINCT))


def check(context: Context) -> None:
    """The relationships files that people wrote."""
    files = set(context.model.view_names())
    for layer in context.model.layers:
        if layer.text(RELATIONSHIPS) is None:
            continue
        _duplicates(layer, context)
        for at, definition in enumerate(layer.relationships()):
            if definition.get("ignored") is True or ends(definition)[0] is None:
                continue
            one = _typed(layer, definition, at, context)
            if one is not None:
                _names(one, files, context, (at,))
                check_one(one, context, _PLACE, (at,))


def _typed(layer: Layer, definition: Definition, at: int, context: Context) -> Relationship | None:
    """The join as it is with what lower layers say of it."""
    try:
        return relationship(definition)
    except BadDefinition as bad:
        below = context.lookup.relationships.get(relationship_id(definition))
        if below is not None and layer is not context.model.layers[0]:
            return below
        context.report.add(_PLACE, (at, *bad.path), "bad_relationship", bad.message, bad.fix)
        named = {key: text(definition.get(key)) for key in ("join_from_view", "join_to_view")}
        _views({key: name for key, name in named.items() if name}, context, _PLACE, (at,))
        return None


def _duplicates(layer: Layer, context: Context) -> None:
    seen: dict[object, int] = {}
    for at, definition in enumerate(layer.relationships()):
        key = (ends(definition), definition.get("id"))
        first = seen.setdefault(key, at)
        if first != at:
            message = f"Duplicate relationship {relationship_id(definition)}"
            fix = "Delete one, or give each an `id`."
            context.report.add(_PLACE, (at,), "duplicate_relationship", message, fix)


def _names(one: Relationship, views: set[str], context: Context, path: YamlPath) -> None:
    """An alias that is already the name of a view."""
    for key, alias in (("join_from_view_as", one.from_as), ("join_to_view_as", one.to_as)):
        if alias is not None and alias in views:
            message = f"relationship alias duplicates view name: {alias}"
            context.report.add(
                _PLACE, (*path, key), "alias_is_view", message, "Choose another alias."
            )


def check_one(
    one: Relationship,
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    """One join: views, condition, keys."""
    named = {"join_from_view": one.from_view, "join_to_view": one.to_view}
    known = _views(named, context, place, path)
    if one.left == one.right:
        message = f"The join of {one.left} to itself needs an alias"
        fix = "Add `join_to_view_as: <name>`."
        context.report.add(place, (*path, "join_to_view"), "self_join", message, fix)
    if not known:
        return
    for key, sql in (("on_sql", one.on_sql), ("where_sql", one.where_sql)):
        if sql is not None:
            _condition(one, sql, context, place, (*path, key))
    if one.where_sql is not None and one.join_type is JoinType.ALWAYS_LEFT:
        message = f"`where_sql` of {one.id} takes rows of {one.left} without a match away"
        fix = "Put the condition into `on_sql`, or make the join `inner`."
        context.report.warn(place, (*path, "where_sql"), "where_on_left_join", message, fix)
    _keys(one, context, place, path)


def _views(named: Mapping[str, str], context: Context, place: Place, path: YamlPath) -> bool:
    """Whether all views that a join names are there; says which are not."""
    known = True
    for key, view in named.items():
        if context.lookup.view(view) is None:
            context.report.add(place, (*path, key), *context.lookup.no_view(view))
            known = False
    return known


def _condition(
    one: Relationship,
    sql: SqlText,
    context: Context,
    place: Place,
    path: YamlPath,
) -> None:
    sides = (one.left, one.right)
    for reference in sql.references:
        field = reference.field
        if field is None or field.view is None:
            message = f"{reference.text} names no field of a view"
            context.report.add(place, path, "bad_reference", message, "Write `${view.field}`.")
        elif field.view not in sides:
            message = f"{reference.text} is of neither side of the join"
            fix = f"It joins {sides[0]} and {sides[1]}."
            context.report.add(place, path, "bad_reference", message, fix)
        elif (wrong := context.lookup.wrong(field, field.view)) is not None:
            context.report.add(place, path, *wrong)
    parsed = context.expressions.expression(sql)
    if parsed.error is not None:
        context.report.add(place, path, "bad_sql", f"SQL does not parse: {parsed.error}")


def _keys(one: Relationship, context: Context, place: Place, path: YamlPath) -> None:
    """A view whose rows come several times needs a key for its sums to stay right."""
    for name in _repeated(one):
        view = context.lookup.view(name)
        if view is None or view.has_key or not (measure := _endangered(view)):
            continue
        message = (
            f"Joins fan out the data without a primary key: {one.id} repeats rows of {name}, which "
            f"{measure} counts"
        )
        fix = f"Mark the key of {name} with `primary_key: true`."
        context.report.warn(place, path, "missing_primary_key", message, fix)


def _repeated(one: Relationship) -> Sequence[str]:
    if one.cardinality is Cardinality.MANY_TO_MANY or one.join_type is JoinType.CROSS:
        return (one.left, one.right)
    if one.cardinality is Cardinality.ONE_TO_ONE:
        return ()
    return (one.right,) if one.cardinality is Cardinality.MANY_TO_ONE else (one.left,)


def _endangered(view: View) -> str | None:
    return next((m.name for m in view.measures.values() if _needs_key(m)), None)


def _needs_key(measure: Measure) -> bool:
    aggregate = measure.aggregate_type
    if aggregate is None or aggregate in _SAFE:
        return False
    return measure.custom_primary_key_sql is None
