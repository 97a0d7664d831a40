"""`extends`: definitions that begin as copies of others, merged and extended themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dragoman.semantics.composing.merging import (
    OF_ITSELF,
    SECTIONS,
    Definition,
    extend_view,
    inheritable,
    merge,
    merge_topic,
    merge_view,
)
from dragoman.semantics.composing.sources import Merged, extends_of
from dragoman.semantics.files.paths import parse_path
from dragoman.semantics.model.references import field_ref
from dragoman.semantics.plain import is_map, mapping

Find = Callable[[str], Merged | None]
# Fields that were worked out: view, section, name.
Known = dict[tuple[str, str, str], Any]
MOST_LEVELS = 100


class Extender:
    """Resolves `extends` of views and of their fields. Parents that are missing, lead back to the
    child or are more than `MOST_LEVELS` away give nothing here; the check of the model names them.

    `too_deep`: views from which there was more above than that.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._views: dict[str, Merged] = {}
        self._parents: dict[str, Merged] = {}
        self.too_deep: set[str] = set()

    def view(self, name: str) -> Merged | None:
        """A view of the model with all it inherits."""
        known = self._views.get(name)
        if known is None:
            found = self._find(name)
            if found is None:
                return None
            known = self._views[name] = self.extended(found)
        return known

    def extended(self, own: Merged) -> Merged:
        """A merged view with all it inherits."""
        inherited = self._inherited(own, (own.name,))
        return self._with_fields(own, inherited)

    def _inherited(self, own: Merged, above: tuple[str, ...]) -> Merged:
        base: Definition = {}
        types: dict[str, str] = {}
        for name in extends_of(own.definition):
            parent = None if name in above else self._find(name)
            if parent is None:
                continue
            whole = self._whole(parent, above)
            base = merge_view(base, inheritable(whole.definition, _table(whole)))
            types |= whole.column_types
        if not base:
            return own
        definition = extend_view(base, own.definition)
        types = {n: t for n, t in types.items() if _untouched(n, base, definition)}
        return Merged(own.name, own.path, definition, own.sources, {**types, **own.column_types})

    def _whole(self, parent: Merged, above: tuple[str, ...]) -> Merged:
        """What a view hands down. Worked out once: two ways may lead to it, from each of many."""
        known = self._parents.get(parent.name)
        if known is None:
            if len(above) >= MOST_LEVELS:
                self.too_deep.add(above[0])
                return parent
            known = self._parents[parent.name] = self._inherited(parent, (*above, parent.name))
        return known

    def _with_fields(self, own: Merged, view: Merged) -> Merged:
        made: dict[str, Any] = {}
        known: Known = {}
        for section in SECTIONS:
            entries = mapping(view.definition.get(section))
            if any(is_map(e) and "extends" in e for e in entries.values()):
                made[section] = {n: self._field(view, (section, n), (), known) for n in entries}
        if not made:
            return view
        definition = {**view.definition, **made}
        return Merged(view.name, view.path, definition, view.sources, view.column_types)

    def _field(
        self, view: Merged, path: tuple[str, str], above: tuple[tuple[str, str], ...], known: Known
    ) -> Any:
        section, name = path
        own = mapping(view.definition.get(section)).get(name)
        if not is_map(own) or "extends" not in own:
            return own
        key = (view.name, section, name)
        if key not in known:
            base: Definition = {}
            for said in extends_of(own):
                parent = self._parent(view, section, said, (*above, (view.name, name)), known)
                base = merge(base, {k: v for k, v in parent.items() if k not in OF_ITSELF})
            known[key] = merge(base, own)
        return known[key]

    def _parent(
        self,
        view: Merged,
        section: str,
        said: str,
        above: tuple[tuple[str, str], ...],
        known: Known,
    ) -> Mapping[str, Any]:
        ref = field_ref(said)
        if ref is None or (ref.view or view.name, ref.name) in above or len(above) > MOST_LEVELS:
            return {}
        if ref.view in (None, view.name):
            return mapping(self._field(view, (section, ref.name), above, known))
        other = self._find(ref.view)
        if other is None:
            return {}
        return mapping(self._field(self._whole(other, ()), (section, ref.name), above, known))


def _table(parent: Merged) -> str | None:
    """The table's name where the file's own name is it; a template has no table."""
    path = parse_path(parent.path)
    return None if parent.definition.get("template") is True else path.name


def _untouched(name: str, base: Definition, definition: Definition) -> bool:
    inherited = mapping(mapping(base.get("dimensions")).get(name)).get("sql")
    now = mapping(mapping(definition.get("dimensions")).get(name)).get("sql")
    return inherited == now


def extended_topic(own: Merged, find: Find) -> Merged:
    """A merged topic with all it inherits."""

    known: dict[str, Definition] = {}

    def whole(topic: Merged, above: tuple[str, ...]) -> Definition:
        base: Definition = {}
        for name in extends_of(topic.definition):
            parent = None if name in above or len(above) > MOST_LEVELS else find(name)
            if parent is not None:
                if name not in known:
                    known[name] = whole(parent, (*above, name))
                said = known[name]
                base = merge_topic(base, {k: v for k, v in said.items() if k not in OF_ITSELF})
        return merge_topic(base, topic.definition) if base else topic.definition

    definition = whole(own, (own.name,))
    if definition is own.definition:
        return own
    return Merged(own.name, own.path, definition, own.sources)
