"""A manifest as changes to a model's definitions: what is new, what is kept, what is left out.

What people wrote stands: a property is set only where it is absent or still has the value that the
last import gave it, and taken away only when it has that value and the project says it no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.dbt import metadata, metrics, semantic, virtual
from dragoman.dbt.facts import ViewFacts, Views
from dragoman.dbt.manifest import Manifest
from dragoman.dbt.metadata import Definition
from dragoman.dbt.semantic import Note
from dragoman.dbt.virtual import Target
from dragoman.semantics.plain import is_map, items, mapping

_ENDS = ("join_from_view", "join_from_view_as", "join_to_view", "join_to_view_as", "id")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Options:
    """What of a project is wanted. `dialect`: sqlglot's name of it."""

    relationships: bool = True
    semantic_layer: bool = False
    virtual_schemas: bool = False
    dialect: str | None = None
    compiled: Target = field(default_factory=lambda: Target(""))
    target: Target = field(default_factory=lambda: Target(""))


@dataclass(frozen=True, slots=True)
class Project:
    """What a project says: definitions by file path, the joins, and notes on what it could not.

    `names`: the qualified view name of each path.
    """

    files: dict[str, Definition]
    names: dict[str, str]
    relationships: list[Definition]
    notes: list[Note]


def read_project(manifest: Manifest, facts: Iterable[ViewFacts], options: Options) -> Project:
    """What the project says about these views."""
    notes: list[Note] = []
    views = Views(facts)
    files: dict[str, Definition] = {}
    names: dict[str, str] = {}
    for node in manifest.tables():
        view = views.of(node)
        if view is None:
            notes.append(Note(node.unique_id, "its table has no view in this model"))
            continue
        names[view.path] = view.name
        files[view.path] = _joined(files.get(view.path, {}), metadata.view_metadata(node, view))
    joins: list[Definition] = []
    if options.relationships:
        joins += metadata.relationships(manifest, views)
    if options.semantic_layer:
        models = semantic.build(manifest, views, options.dialect, notes)
        metrics.add(manifest, models, options.dialect, notes)
        for made in models:
            names[made.view.path] = made.view.name
            files[made.view.path] = _joined(files.get(made.view.path, {}), made.definition)
        joins += semantic.relationships(models)
    joins = _distinct(joins)
    if options.virtual_schemas:
        copies = virtual.build(manifest, views, options.compiled, options.target)
        files |= {view.path: view.definition for view in copies}
        names |= {view.path: view.name for view in copies}
        joins += _virtual_joins(joins, {view.over: view.name for view in copies})
    return Project({path: said for path, said in files.items() if said}, names, joins, notes)


def _joined(first: Definition, second: Definition) -> Definition:
    """Both; where they differ the first stands. Tags are joined."""
    made = dict(first)
    for key, value in second.items():
        known = made.get(key)
        if key == "tags" and known:
            made[key] = list(dict.fromkeys([*known, *value]))
        elif is_map(known) and is_map(value):
            made[key] = _joined(dict(known), dict(value))
        else:
            made.setdefault(key, value)
    return made


def _distinct(joins: list[Definition]) -> list[Definition]:
    """One join for two views, whichever of them it starts from."""
    found: dict[frozenset[str], Definition] = {}
    for each in joins:
        found.setdefault(frozenset((each["join_from_view"], each["join_to_view"])), each)
    return list(found.values())


def _virtual_joins(joins: list[Definition], copies: Mapping[str, str]) -> list[Definition]:
    made: list[Definition] = []
    for each in joins:
        source, target = each["join_from_view"], each["join_to_view"]
        if source in copies and target in copies:
            on = each["on_sql"].replace(f"${{{source}.", f"${{{copies[source]}.")
            on = on.replace(f"${{{target}.", f"${{{copies[target]}.")
            ends = {"join_from_view": copies[source], "join_to_view": copies[target]}
            made.append({**each, **ends, "on_sql": on})
    return made


def applied(
    current: Mapping[str, Any],
    last: Mapping[str, Any],
    new: Mapping[str, Any],
    inherited: Mapping[str, Any],
) -> Definition:
    """The definition after an import. `last`: what the one before said; `inherited`: what the
    layers below say already, which need not be said again."""
    made = dict(current)
    for key in [*new, *(key for key in last if key not in new)]:
        before = {side: given.get(key, _ABSENT) for side, given in (("last", last), ("new", new))}
        value = _property(
            key, made.get(key, _ABSENT), before["last"], before["new"], inherited.get(key)
        )
        if value is _ABSENT:
            made.pop(key, None)
        else:
            made[key] = value
    return made


def _property(key: str, current: Any, last: Any, new: Any, inherited: Any) -> Any:
    if is_map(new) or (new is _ABSENT and is_map(last)):
        under = {side: dict(v) if is_map(v) else {} for side, v in (("c", current), ("n", new))}
        if current is not _ABSENT and not is_map(current):
            return current
        made = applied(under["c"], mapping(last), under["n"], mapping(inherited))
        return made or (_ABSENT if current is _ABSENT or under["c"] else current)
    if key == "tags":
        return _tags(current, last, new, inherited)
    if current is _ABSENT:
        # Taken away by a person after an import: it stays away.
        removed = last is not _ABSENT and last == new and inherited != new
        return _ABSENT if removed or new == inherited else new
    return new if current == last else current


def _tags(current: Any, last: Any, new: Any, inherited: Any) -> Any:
    """Tags of people stay; those that the project has no more go."""
    sides = [items(None if each is _ABSENT else each) for each in (current, last, new)]
    if current is _ABSENT:
        sides[0] = items(inherited)  # a list stands in the place of the one below it
    gone = set(sides[1]) - set(sides[2])
    added = [tag for tag in sides[2] if tag not in sides[1] or tag in sides[0]]
    kept = [tag for tag in sides[0] if tag not in gone]
    made = list(dict.fromkeys([*kept, *added]))
    if not made or (current is _ABSENT and made == items(inherited)):
        return _ABSENT
    return made


def applied_joins(
    current: Iterable[Mapping[str, Any]],
    last: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
    inherited: Iterable[Mapping[str, Any]],
) -> list[Definition]:
    """The list of relationships after an import, by the rules of `applied`."""
    before = {_key(each): dict(each) for each in last}
    below = {_key(each): dict(each) for each in inherited}
    wanted = {_key(each): dict(each) for each in new}
    made: list[Definition] = []
    seen: set[tuple[str, ...]] = set()
    for each in current:
        key = _key(each)
        seen.add(key)
        mine = before.get(key) == dict(each)
        if not mine:
            made.append(dict(each))
        elif key in wanted:
            made.append(wanted[key])
    for key, each in wanted.items():
        removed = before.get(key) == each
        if key not in seen and not removed and not _says(below.get(key), each):
            made.append(each)
    return made


def _says(below: Mapping[str, Any] | None, each: Mapping[str, Any]) -> bool:
    return below is not None and all(below.get(key) == value for key, value in each.items())


def _key(each: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(each.get(end, "")) for end in _ENDS)
