"""Merging of definitions: what a higher layer says of a property stands, the rest stays.

Maps merge by key; scalars and lists replace; `null` says nothing (`id:` alone names a column).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.semantics.plain import is_map, mapping, text

Definition = Mapping[str, Any]
SECTIONS = ("dimensions", "measures", "filters")
# A view has rows from one of these; naming one in a higher layer puts the others out of force.
SOURCES = ("sql", "query", "uploaded_table_name", "table_name")
# Of what a parent says these are about itself.
OF_ITSELF = frozenset(
    (
        *("extends", "template", "aliases", "ignored", "shallow_ignored"),
        "ignore_from_extended",
    )
)


def merge(low: Definition, high: Definition) -> Definition:
    """Two definitions of one thing. Neither is changed; the result may share parts with them."""
    if not low:
        return high
    made = dict(low)
    for key, value in high.items():
        if value is None and key in made:
            continue
        if is_map(value) and is_map(below := made.get(key)):
            made[key] = merge(below, value)
        else:
            made[key] = value
    return made


def merge_view(low: Definition, high: Definition) -> Definition:
    """Two definitions of one view: fields by name, one source of rows."""
    made = dict(merge(_without_sources(low, high), _without_sections(high)))
    for section in SECTIONS:
        if section in high:
            made[section] = _merge_entries(low.get(section), high[section])
    return made


def merge_topic(low: Definition, high: Definition) -> Definition:
    """Two definitions of one topic. Its join tree is said as a whole, by the highest that has one.

    Views of a topic merge like views.
    """
    made = dict(merge(low, {k: v for k, v in high.items() if k not in ("joins", "views")}))
    if "joins" in high:
        made["joins"] = high["joins"]
    if is_map(high.get("views")):
        over = mapping(low.get("views"))
        merged = {k: merge_view(mapping(over.get(k)), mapping(v)) for k, v in high["views"].items()}
        made["views"] = {**over, **merged}
    return made


def _without_sources(low: Definition, high: Definition) -> Definition:
    named = [key for key in SOURCES if high.get(key) is not None]
    if not named or not any(key in low for key in SOURCES if key not in named):
        return low
    return {key: value for key, value in low.items() if key not in SOURCES}


def _without_sections(high: Definition) -> Definition:
    return {key: value for key, value in high.items() if key not in SECTIONS}


def _merge_entries(low: object, high: object) -> Any:
    if not is_map(high):
        return low if high is None else high
    made: dict[str, Any] = dict(low) if is_map(low) else {}
    for name, value in high.items():
        below = made.get(name)
        if is_map(value) and is_map(below):
            made[name] = merge(below, value)
        elif value is not None or below is None:
            made[name] = {} if value is None else value
    return made


def inheritable(parent: Definition, table: str | None) -> Definition:
    """What of a view, merged and extended itself, its children get.

    `table`: the name that the parent's table has because its file is called so.
    """
    made = {key: value for key, value in parent.items() if key not in OF_ITSELF}
    if table is not None and not any(key in made for key in SOURCES):
        made["table_name"] = table
    return made


def extend_view(base: Definition, own: Definition) -> Definition:
    """A view over what it inherits; fields with `ignore_from_extended` inherit nothing."""
    if not base:
        return own
    kept = dict(base)
    for section in SECTIONS:
        below, entries = base.get(section), own.get(section)
        if is_map(below) and is_map(entries):
            kept[section] = {n: d for n, d in below.items() if not _refused(entries.get(n))}
    return _drop_refused(merge_view(kept, own))


def _refused(entry: object) -> bool:
    return is_map(entry) and entry.get("ignore_from_extended") is True


def _drop_refused(view: Definition) -> Definition:
    """A field of which only the refusal is said is not there at all."""
    made = dict(view)
    for section in SECTIONS:
        entries = view.get(section)
        if is_map(entries) and any(_refused(entry) for entry in entries.values()):
            made[section] = {n: d for n, d in entries.items() if not (_refused(d) and len(d) == 1)}
    return made


Ends = tuple[str | None, str | None, str | None, str | None]


def ends(of: Definition) -> Ends:
    """The views and aliases that a join is between."""
    return (
        text(of.get("join_from_view")),
        text(of.get("join_from_view_as")),
        text(of.get("join_to_view")),
        text(of.get("join_to_view_as")),
    )


def relationship_id(of: Definition) -> str:
    """The id that is said, or the one made of the two ends."""
    from_view, from_as, to_view, to_as = ends(of)
    return text(of.get("id")) or f"{from_as or from_view}_{to_as or to_view}"


def merge_relationships(layers: Iterable[Iterable[Definition]]) -> list[Definition]:
    """Joins of all layers, lowest first, each once; those that a layer ignores are gone.

    An entry overrides the one with its id, else the one between the same ends and aliases. Entries
    of one layer never override each other.
    """
    made: list[Definition] = []
    for layer in layers:
        below = _Known(made)
        for entry in layer:
            at = below.overridden(entry)
            if at is None:
                made.append(entry)
            else:
                made[at] = merge(made[at], entry)
    return [entry for entry in made if entry.get("ignored") is not True]


class _Known:
    """Joins of lower layers, by their ends and by their ids."""

    def __init__(self, entries: list[Definition]) -> None:
        self._by_ends: dict[Ends, list[int]] = {}
        self._by_id: dict[str, list[int]] = {}
        for at, entry in enumerate(entries):
            self._by_ends.setdefault(ends(entry), []).append(at)
            self._by_id.setdefault(relationship_id(entry), []).append(at)

    def overridden(self, entry: Definition) -> int | None:
        """Which one the entry overrides."""
        between = ends(entry)
        same = self._by_ends.get(between, [])
        named = self._by_id.get(relationship_id(entry), [])
        if entry.get("id") is not None:
            return next((at for at in named if at in same or between[0] is None), None)
        if len(same) == 1:
            return same[0]
        return next((at for at in same if at in named), None)
