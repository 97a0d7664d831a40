"""Views that people wrote something about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from operator import attrgetter

from dragoman.semantics.composing.extending import MOST_LEVELS
from dragoman.semantics.composing.sources import Merged, extends_of
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.references import field_ref, is_name
from dragoman.semantics.model.views import QuerySource, QuerySpec, SqlSource, View
from dragoman.semantics.plain import is_map, mapping, text
from dragoman.semantics.problems import YamlPath
from dragoman.semantics.validation import fields, filters, grants
from dragoman.semantics.validation.circles import circles
from dragoman.semantics.validation.context import Context
from dragoman.semantics.validation.report import Place

RESERVED_VIEWS = frozenset(("all_views", "TABLE", "filters", "omni_attributes", "tag"))


def check(context: Context) -> list[tuple[View, Place]]:
    """Check each view; gives those that were checked, with their places."""
    checked: list[tuple[View, Place]] = []
    for name in context.model.view_names():
        merged = context.model.merged(name)
        if merged is None or not context.report.written(merged.sources):
            continue
        place = Place(merged.sources, view=name)
        extended = context.model.extender.view(name) or merged
        view, broken = context.model.build(name, extended)
        checked.append((view, place))
        _own(merged, context, place)
        report_broken(broken, context, place)
        check_view(view, merged, context, place)
    return checked


def check_cycles(checked: list[tuple[View, Place]], context: Context) -> None:
    """Views over questions or SQL that lead back to themselves. Each view is walked once."""
    state: dict[str, int] = {}
    places = {view.name: place for view, place in checked}
    targets = partial(_targets, context=context)
    for view, _ in checked:
        if view.name not in state:
            for loop in circles(view, targets, attrgetter("name"), state):
                first = next((one for one in loop if one.name in places), loop[0])
                way = " → ".join(one.name for one in (*loop, loop[0]))
                path = ("query" if isinstance(first.source, QuerySource) else "sql",)
                message = f"A circle of views: {way}"
                context.report.add(places[first.name], path, "view_cycle", message, "Break it.")


def _targets(view: View, context: Context) -> Iterator[View]:
    """The views that a view reads. SQL that names its own view means the table."""
    names: list[str | None] = []
    if isinstance(view.source, QuerySource):
        query = view.source.query
        topic = context.model.merged_topic(query.topic) if query.topic else None
        names = [query.base_view, *(one.field.view for one in query.fields)]
        names += [text(topic.definition.get("base_view"))] if topic else []
    elif isinstance(view.source, SqlSource):
        said = [
            one.whole_view or (one.field and one.field.view) for one in view.source.sql.references
        ]
        names = [name for name in said if name != view.name]
    for name in names:
        found = context.lookup.view(name) if name else None
        if found is not None:
            yield found


def report_broken(broken: Mapping[YamlPath, BadDefinition], context: Context, place: Place) -> None:
    """Parts that cannot be understood."""
    for path, bad in broken.items():
        field = str(path[1]) if len(path) > 1 else None
        context.report.add(
            place, (*path, *bad.path), "bad_definition", bad.message, bad.fix, field=field
        )


def _own(merged: Merged, context: Context, place: Place) -> None:
    if merged.name in RESERVED_VIEWS or not is_name(merged.name):
        message = f'"{merged.name}" cannot be the name of a view'
        fix = "Names have letters, digits and `_`, begin with no digit, and are no reserved word."
        context.report.add(place, (), "reserved_name", message, fix)
    if merged.name in context.model.extender.too_deep:
        message = f"{merged.name} extends views over more than {MOST_LEVELS} levels"
        fix = "Extend what lies above directly."
        context.report.add(place, ("extends",), "extends_depth", message, fix)
    for at, parent in enumerate(extends_of(merged.definition)):
        if context.model.merged(parent) is None:
            context.report.add(place, ("extends", at), *context.lookup.no_view(parent))
        elif leads_back(context.model, parent, merged.name):
            message = f"{merged.name} extends itself through {parent}"
            context.report.add(
                place, ("extends", at), "extends_cycle", message, "Take one of them away."
            )


def leads_back(model: ComposedModel, parent: str, to: str) -> bool:
    """Whether a view extends another, over however many."""
    waiting, seen = [parent], set[str]()
    while waiting:
        name = waiting.pop()
        if name == to:
            return True
        if name not in seen:
            seen.add(name)
            merged = model.merged(name)
            waiting.extend(extends_of(merged.definition) if merged else ())
    return False


def check_view(
    view: View,
    merged: Merged,
    context: Context,
    place: Place,
) -> None:
    """Everything about a view but its parents."""
    grants.check(view.required_access_grants, context, place, ("required_access_grants",))
    if isinstance(view.source, SqlSource) and merged.definition.get("sql") is not None:
        fields.check_sql(view, view.source.sql, context, place, ("sql",), statement=True)
    if isinstance(view.source, QuerySource) and merged.definition.get("query") is not None:
        _query(view, view.source.query, context, place)
    for sql in view.compound_primary_key:
        key = ("custom_compound_primary_key_sql",)
        fields.check_sql(view, sql, context, place, key)
    _twice(view, context, place)
    _extended_fields(view, merged, context, place)
    _sets(view, merged, context, place)
    for field in view.fields():
        fields.check(field, view, merged, context, place)


def _twice(view: View, context: Context, place: Place) -> None:
    """The same name in two sections, said in different layers."""
    seen: dict[str, str] = {}
    for section, entries in (
        ("dimensions", view.dimensions),
        ("measures", view.measures),
        ("filters", view.filters),
    ):
        for name in entries:
            first = seen.setdefault(name, section)
            if first != section:
                message = f'Duplicate field name "{name}"'
                fix = f"{first} has it too: rename one, or give that one `ignored: true`."
                context.report.add(
                    place, (section, name), "duplicate_field", message, fix, field=name
                )


def _extended_fields(view: View, merged: Merged, context: Context, place: Place) -> None:
    for section in ("dimensions", "measures", "filters"):
        for name, entry in mapping(merged.definition.get(section)).items():
            for at, parent in enumerate(extends_of(entry) if is_map(entry) else ()):
                path = (section, name, "extends", at)
                ref = field_ref(parent)
                if ref is None:
                    message = f'"{parent}" names no field'
                    fix = "Write `field` or `view.field`."
                    context.report.add(place, path, "bad_reference", message, fix, field=name)
                elif (ref.view or view.name, ref.name) == (view.name, name):
                    message = f"{name} extends itself"
                    context.report.add(place, path, "extends_cycle", message, field=name)
                elif (wrong := context.lookup.wrong(ref, view.name)) is not None:
                    context.report.add(place, path, *wrong, field=name)


def _sets(view: View, merged: Merged, context: Context, place: Place) -> None:
    """Fields that sets name; other sets, tags and `*` are left to whoever uses the set."""
    for name in mapping(merged.definition.get("sets")):
        for at, said in enumerate(view.sets.get(name, ())):
            ref = field_ref(said.removeprefix("-"))
            wrong = context.lookup.wrong(ref, view.name) if ref else None
            if wrong is not None and said.removeprefix("-") not in view.sets:
                context.report.warn(place, ("sets", name, at), *wrong)


def _query(view: View, query: QuerySpec, context: Context, place: Place) -> None:
    base = query.base_view
    if base is not None and context.lookup.view(base) is None:
        context.report.add(place, ("query", "base_view"), *context.lookup.no_view(base))
    if query.topic is not None and context.model.merged_topic(query.topic) is None:
        context.report.add(place, ("query", "topic"), *context.lookup.no_topic(query.topic))
    outputs: set[str] = set()
    for one in query.fields:
        path = ("query", "fields", str(one.field))
        if (wrong := context.lookup.wrong(one.field, base or view.name)) is not None:
            context.report.add(place, path, *wrong)
        if one.output is not None and one.output in outputs:
            message = f'Duplicate field name "{one.output}"'
            context.report.add(place, path, "duplicate_field", message, "Name each column once.")
        outputs.add(one.output or str(one.field))
    _query_filters(query, base or view.name, context, place)
    for unknown in (*query.pivots, *query.fill_fields):
        if (wrong := context.lookup.wrong(unknown, base or view.name)) is not None:
            context.report.warn(place, ("query",), *wrong)


def _query_filters(query: QuerySpec, base: str, context: Context, place: Place) -> None:
    for one in query.filters:
        path = ("query", "filters", str(one.field))
        filters.check_flags(one, context, place, path)
        if (wrong := context.lookup.wrong(one.field, base)) is not None:
            context.report.add(place, path, *wrong)
        elif one.bind is not None and (wrong := context.lookup.wrong(one.bind, base)) is not None:
            context.report.add(place, (*path, "bind"), *wrong)
