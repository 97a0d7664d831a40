"""Names to what they mean, in a whole model, each asked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Field
from dragoman.semantics.model.grains import Grain, Interval
from dragoman.semantics.model.references import FieldRef
from dragoman.semantics.model.relationships import Relationship
from dragoman.semantics.model.views import View
from dragoman.semantics.suggest import did_you_mean

_OF_TIMES = frozenset(grain.value for grain in Grain)
_GRAINS = _OF_TIMES | {unit.value for unit in Interval}


class Lookup:
    """Views, fields and the way between views, with suggestions for what is not there.

    `scope`: views as the topic that is being checked has them; None outside topics.
    """

    def __init__(self, model: ComposedModel) -> None:
        self.model = model
        self._names: list[str] | None = None
        self.relationships = {one.id: one for one in model.relationships()}
        self._groups = _groups(self.relationships.values())
        self.scope: Mapping[str, View] | None = None

    def view(self, name: str) -> View | None:
        """A view by its name, its alias in a join, or a name it had before."""
        found = (self.scope or {}).get(name) or self.model.view(name)
        if found is None and (now := self.model.renamed(name)) is not None:
            found = self.model.view(now)
        return found

    def field(self, ref: FieldRef, view: str) -> Field | None:
        """A field; `view`: of what refers to it."""
        owner = self.view(ref.view or view)
        return owner.field(ref.name) if owner else None

    def wrong(self, ref: FieldRef, view: str) -> tuple[str, str, str] | None:
        """Code, message and fix of a reference that leads nowhere; None for one that does."""
        owner = self.view(ref.view or view)
        if owner is None:
            return self.no_view(ref.view or view)
        found = owner.field(ref.name)
        if found is None:
            return _no_field(ref, owner)
        return _bracket(ref, found)

    def no_view(self, name: str) -> tuple[str, str, str]:
        """Code, message and fix for a view that is not there."""
        if self._names is None:
            self._names = self.model.view_names()
        if name in self._names:
            fix = "Its file is there, but says `ignored`, or cannot be used."
            return "unknown_view", f"No view {name}", fix
        near = did_you_mean(name, self._names)
        fix = f"Did you mean {near}?" if near else "Mend the name, or add a view that is called so."
        return "unknown_view", f"No view {name}", fix

    def no_topic(self, name: str) -> tuple[str, str, str]:
        """Code, message and fix for a topic that is not there."""
        near = did_you_mean(name, self.model.topic_names())
        return "unknown_topic", f"No topic {name}", f"Did you mean {near}?" if near else ""

    def joined(self, one: str, other: str) -> bool:
        """Whether joins of the model lead from one view to the other, in whatever direction."""
        if self.scope is not None or one == other:
            return True  # a topic says itself what it joins
        return one in self._groups and self._groups[one] == self._groups.get(other)


def _no_field(ref: FieldRef, owner: View) -> tuple[str, str, str]:
    reason = owner.broken.get(ref.name)
    if reason is not None:
        return "broken_field", f"The field {owner.name}.{ref.name} is broken", reason
    near = did_you_mean(ref.name, [field.name for field in owner.fields()])
    fix = f"Did you mean {near}?" if near else f"Add it to the view {owner.name}, or mend the name."
    return "unknown_field", f"No field {ref.name} in view {owner.name}", fix


def _bracket(ref: FieldRef, found: Field) -> tuple[str, str, str] | None:
    if ref.bracket is None:
        return None
    if ref.bracket in _GRAINS:
        return _no_time(ref, found)
    if ref.bracket.isdigit() and isinstance(found, Dimension) and found.dynamic_top_n:
        return None
    near = did_you_mean(ref.bracket, _GRAINS)
    fix = f"Did you mean {near}?" if near else f"One of: {', '.join(Grain)}."
    return "unknown_grain", f"No time frame {ref.bracket}", fix


def _no_time(ref: FieldRef, found: Field) -> tuple[str, str, str] | None:
    """What is wrong with a time frame of a field that is known to hold something else."""
    if ref.bracket not in _OF_TIMES or not isinstance(found, Dimension):
        return None
    if found.type is DataType.UNKNOWN or found.type.is_time or found.duration is not None:
        return None
    message = f"{found.address} is of type {found.type}: it has no time frame {ref.bracket}"
    return "no_time", message, f"Take [{ref.bracket}] away, or cast the field to a time in its SQL."


def _groups(relationships: Iterable[Relationship]) -> dict[str, str]:
    """Each view with the representative of all that are joined to it."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one in relationships:
        parent[root(one.left)] = root(one.right)
    return {name: root(name) for name in list(parent)}
