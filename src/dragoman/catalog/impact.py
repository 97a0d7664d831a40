"""Which references in shared models a change of the database breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from dragoman.catalog import drift
from dragoman.catalog.drift import Change
from dragoman.catalog.staging import Staging
from dragoman.jobs import Context
from dragoman.models import service as models
from dragoman.semantics.layers import Definition, Layer, ViewSource
from dragoman.semantics.model.references import field_ref, sql_text
from dragoman.store import UnitOfWork

Gone = tuple[str, str | None]  # a view and a field of it, or all of the view
Path = tuple[str | int, ...]
# Keys whose value, or whose own keys, are names of views.
_VIEWS: Final = frozenset({"base_view", "join_from_view", "join_to_view", "extends"})
_MAPS_OF_VIEWS: Final = frozenset({"joins", "views"})
_SOURCES: Final = ("table_name", "sql", "query", "uploaded_table_name")
# How the names of the aggregates begin that take numbers only.
_OF_NUMBERS: Final = ("sum", "average", "median", "percentile")
Within = Callable[[Layer], Iterator[tuple[str, Path, Gone]]]
MOST: Final = 100  # references that are kept of one change


@dataclass(frozen=True, slots=True)
class Broken:
    """A reference to what is gone. `path`: where in the file."""

    model_id: str
    file: str
    path: Path
    reference: str

    def shown(self) -> dict[str, str]:
        """As the API shows it."""
        path = ",".join(map(str, self.path))
        return {
            "modelId": self.model_id,
            "file": self.file,
            "path": path,
            "reference": self.reference,
        }


def note(
    context: Context, staging: Staging, connection_id: str, changes: Sequence[tuple[Change, str]]
) -> None:
    """Record the changes, each with its view, and the references that they break."""

    def find(
        breaks: Callable[[Change], bool], within: Within
    ) -> Iterator[tuple[Change, list[Broken]]]:
        chosen = [(view, each) for each, view in changes if breaks(each)]
        keys = [(view, each.field) for view, each in chosen]
        references = context.read(lambda unit: broken(unit, connection_id, keys, within))
        return ((each, references[view, each.field]) for view, each in chosen)

    found = {
        each: references
        for breaks, within in _BREAKING
        for each, references in find(breaks, within)
    }
    at = context.read(lambda unit: unit.now)

    def rows() -> Iterator[Sequence[Any]]:
        for each, view in changes:
            yield each.row(at, view, [one.shown() for one in found.get(each, ())])

    staging.note(drift.COLUMNS, rows())


def broken(
    unit: UnitOfWork,
    connection_id: str,
    gone: Iterable[Gone],
    within: Within,
) -> Mapping[Gone, list[Broken]]:
    """References to what is gone, in all shared models of the connection. `within`: which
    references of a layer count."""
    found: dict[Gone, list[Broken]] = {each: [] for each in gone}
    if not found:
        return found
    for model in models.shared_models(unit, connection_id):
        layer = models.StoredLayer(unit, model)
        for file, path, reference in within(layer):
            for each in dict.fromkeys((reference, (reference[0], None))):
                if each in found and len(found[each]) < MOST:
                    text = reference[0] if reference[1] is None else ".".join(map(str, reference))
                    found[each].append(Broken(model.id, file, path, text))
    return found


def _references(layer: Layer) -> Iterator[tuple[str, Path, Gone]]:
    """Everything in a layer that names a view or a field: the file, where in it, and what."""
    for view in layer.views():
        for path, named in _stands_on(view):
            yield view.path, path, named
    for file, path, named, _ in _all_named(layer):
        yield file, path, named


def _frames(layer: Layer) -> Iterator[tuple[str, Path, Gone]]:
    """The references to time frames of fields (`created_at[month]`)."""
    for file, path, named, bracket in _all_named(layer):
        if bracket is not None and not bracket.isdigit():
            yield file, path, named


def _all_named(layer: Layer) -> Iterator[tuple[str, Path, Gone, str | None]]:
    """The views and fields that are named in texts and keys, and what stands in brackets there."""
    for view in layer.views():
        for path, named, bracket in _named(view.definition, (), view.name):
            yield view.path, path, named, bracket
    for topic in layer.topics():
        for path, named, bracket in _named(topic.definition, (), None):
            yield topic.path, path, named, bracket
    for number, each in enumerate(layer.relationships()):
        for path, named, bracket in _named(each, (number,), None):
            yield "relationships", path, named, bracket


def _aggregates(layer: Layer) -> Iterator[tuple[str, Path, Gone]]:
    """The references in the SQL of measures that aggregate numbers."""
    for view in layer.views():
        for name, each in _items(view.definition.get("measures")):
            measure = dict(_items(each))
            if str(measure.get("aggregate_type", "")).startswith(_OF_NUMBERS):
                path = ("measures", name, "sql")
                for named, _ in _in_text(str(measure.get("sql", "")), path, view.name):
                    yield view.path, path, named


def _stands_on(view: ViewSource) -> Iterator[tuple[Path, Gone]]:
    """A view without a source of its own stands on the table of its name; a dimension of it
    without SQL on the column."""
    if any(key in view.definition for key in _SOURCES):
        return
    yield (), (view.name, None)
    dimensions = view.definition.get("dimensions")
    for name, each in _items(dimensions):
        if isinstance(each, dict) and not {"sql", "duration"} & each.keys():
            yield ("dimensions", name), (view.name, name)


def _named(value: Any, path: Path, own: str | None) -> Iterator[tuple[Path, Gone, str | None]]:
    if isinstance(value, str):
        yield from ((path, *each) for each in _in_text(value, path, own))
    elif isinstance(value, list):
        for number, each in enumerate(cast("list[Any]", value)):
            yield from _named(each, (*path, number), own)
    for key, each in _items(value):
        inner = (*path, key)
        if path and path[-1] in _MAPS_OF_VIEWS:
            yield inner, (key, None), None
        elif (named := field_ref(key)) is not None:
            # A measure's filters name fields of its own view by their bare names.
            view = named.view or (own if path[2:] == ("filters",) else None)
            if view is not None:
                yield inner, (view, named.name), named.bracket
        yield from _named(each, inner, own)


def _in_text(text: str, path: Path, own: str | None) -> Iterator[tuple[Gone, str | None]]:
    if "${" in text:
        for each in sql_text(text).references:
            if each.field is not None and (each.field.view or own) is not None:
                view = cast("str", each.field.view or own)
                yield (view, each.field.name), each.field.bracket
            if each.whole_view is not None:
                yield (each.whole_view, None), None
        return
    keys = [key for key in path if isinstance(key, str)]
    if keys and keys[-1] in _VIEWS:
        yield (text, None), None
    qualified = field_ref(text)
    if qualified is not None and qualified.view is not None:
        yield (qualified.view, qualified.name), qualified.bracket


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        return ()
    return ((str(key), each) for key, each in cast("Definition", value).items())


# Which changes break references, and which references each kind breaks.
_BREAKING: Final[tuple[tuple[Callable[[Change], bool], Within], ...]] = (
    (lambda each: each.removes, _references),
    (lambda each: each.ends_numbers, _aggregates),
    (lambda each: each.ends_times, _frames),
)
