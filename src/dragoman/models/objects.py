"""Views, fields and topics, changed one at a time (contract §3.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models import access, files
from dragoman.models.composing import (
    composed,
    is_right_below,
    parents,
    topic_sources,
    view_sources,
)
from dragoman.models.records import Model
from dragoman.models.renaming import BELOW, Name, Named, references, replaced
from dragoman.models.saving import Save, save
from dragoman.models.yaml_files import Mode
from dragoman.semantics.composing.merging import SECTIONS, Definition
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import edit, parse_path
from dragoman.semantics.files.naming import with_reference
from dragoman.semantics.layers import TopicSource, ViewSource
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Aggregate
from dragoman.semantics.model.references import is_name
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.plain import is_map, mapping, texts
from dragoman.semantics.problems import Edit
from dragoman.semantics.referring import References, qualified
from dragoman.store import UnitOfWork

DIMENSIONS, MEASURES, _ = SECTIONS


class Change:
    """A change of one model or branch: files are edited in memory and saved together."""

    def __init__(
        self,
        unit: UnitOfWork,
        principal: Principal,
        model_id: str,
        branch_id: str | None,
        message: str,
    ) -> None:
        self._unit = unit
        self._principal = principal
        self._message = message
        self.model: Model = access.editable(unit, principal, model_id, branch_id, message)
        self.composed: ComposedModel = composed(unit, self.model)
        self.below: ComposedModel = parents(unit, self.model)
        self._texts: dict[str, str | None] = {}

    def view(self, name: str) -> ViewSource:
        """The highest source of a view. Raises `NotFound` for one that is not there or ignored."""
        found = next(view_sources(self.composed, name), None)
        if found is None or self.composed.merged(name) is None:
            raise NotFound(f"View {name[:200]} does not exist")
        return found

    def topic(self, name: str) -> TopicSource:
        """The highest source of a topic. Raises `NotFound`."""
        found = next(topic_sources(self.composed, name), None)
        if found is None or self.composed.merged_topic(name) is None:
            raise NotFound(f"Topic {name[:200]} does not exist")
        return found

    def is_right_below(self, view: str) -> bool:
        """Whether the layer that this one stands on says anything of a view."""
        return is_right_below(self._unit, self.model, view)

    def text(self, path: str) -> str:
        """What this layer has in a file; nothing for a file that only others have."""
        if path not in self._texts:
            found = files.some_files(self._unit, self.model, [path]).get(path)
            self._texts[path] = found.text if found else None
        return self._texts[path] or ""

    def edit(self, source: ViewSource | TopicSource, edits: Iterable[Edit]) -> None:
        """Change this layer's file of a view or topic."""
        path = parse_path(source.path)
        text = edit(self.text(source.path), edits)
        if path.kind.is_view and source.name != path.name:
            text = with_reference(text, source.name)
        self._texts[source.path] = text

    def put(self, path: str, text: str | None) -> None:
        """Give a file another text, or take it away."""
        self.text(path)
        self._texts[path] = text

    def replace(self, name: Name, new: Name, besides: str = "") -> int:
        """Let everything in this layer that uses a name use another; how many files changed."""
        found, texts = self._references(name, besides)
        made = replaced(found, texts, name, new)
        made.pop(BELOW, None)
        self._texts |= made
        return len(made)

    def rename_field(self, view: str, old: str, new: str, *, alias: bool) -> None:
        """Rename a field where this layer defines it and wherever it is used, aliases of joins and
        views that extend its own included; with `alias` it goes on to answer to its old name."""
        found, _ = self._references(Name(Named.FIELD, f"{view}.{old}"))
        made = found.rename_field(view, old, new, alias=alias)
        made.pop(BELOW, None)
        self._texts |= made

    def _references(self, name: Name, besides: str = "") -> tuple[References, dict[str, str]]:
        stored = files.all_files(self._unit, self.model)
        stored.pop(besides, None)
        texts = {path: file.text or "" for path, file in stored.items()}
        texts |= {path: self._texts[path] or "" for path in texts if path in self._texts}
        inherited = self.below.view_definition(name.view) if name.field else None
        return references(stored.values(), texts, name, inherited), texts

    def save(self) -> int:
        """Save what changed as one version."""
        changes = dict(self._texts)
        return save(self._unit, self._principal, self.model, Save(changes, self._message))


def _read(path: str, text: str) -> Any:
    from dragoman.semantics.files import read

    return read(path, text).data


def update_view(change: Change, name: str, values: Mapping[str, Any]) -> int:
    """Set properties of a view; None takes one away."""
    source = change.view(name)
    change.edit(source, _settings((), mapping(_own(change, source)), values))
    return change.save()


def delete_view(change: Change, name: str, mode: Mode) -> int:
    """Take a view away: in extension mode this layer's file, else the view itself, which is marked
    as ignored where a layer below has it; in merged mode only as the layer right below has it."""
    source = change.view(name)
    if mode is Mode.MERGED:
        _delete_from_below(change, source)
    else:
        _delete(change, source, next(view_sources(change.below, name), None) is not None, mode)
    return change.save()


def _delete_from_below(change: Change, source: ViewSource) -> None:
    """Let the layer right below not count; what lies lower goes on to hold."""
    if change.is_right_below(source.name):
        change.put(source.path, "")
        change.edit(source, [Edit(("shallow_ignored",), True)])
    else:
        _delete(change, source, False, Mode.EXTENSION)


def delete_topic(change: Change, name: str, mode: Mode) -> int:
    """As `delete_view`, for a topic."""
    source = change.topic(name)
    _delete(change, source, next(topic_sources(change.below, name), None) is not None, mode)
    return change.save()


def _delete(change: Change, source: ViewSource | TopicSource, inherited: bool, mode: Mode) -> None:
    if mode is Mode.EXTENSION or not inherited:
        if not change.text(source.path):
            raise NotFound(f"{source.path} has nothing in this layer")
        change.put(source.path, None)
    else:
        change.put(source.path, "")
        change.edit(source, [Edit(("ignored",), True)])


def update_topic(change: Change, name: str, values: Mapping[str, Any], new_name: str | None) -> int:
    """Set properties of a topic, and rename it. Raises `BadRequest` for a name that is taken or
    that is none, or a topic of another layer."""
    source = change.topic(name)
    change.edit(source, _settings((), mapping(_own(change, source)), values))
    if new_name is not None and new_name != name:
        _rename_topic(change, source, new_name)
    return change.save()


def _rename_topic(change: Change, source: TopicSource, new_name: str) -> None:
    if not is_name(new_name):
        raise BadRequest("Bad Request: newTopicName: letters, digits and _, not a digit first")
    if next(topic_sources(change.composed, new_name), None) is not None:
        raise BadRequest(f"Bad Request: newTopicName: a topic {new_name} is there already")
    if next(topic_sources(change.below, source.name), None) is not None:
        raise BadRequest(
            "Bad Request: newTopicName: the topic is defined in a model below this one",
            extra={"fix": "Rename it in that model."},
        )
    folder, slash, base = source.path.rpartition("/")
    path = f"{folder}{slash}{new_name}{base[base.index('.') :]}"
    change.put(path, change.text(source.path))
    change.put(source.path, None)
    old, new = Name(Named.TOPIC, source.name), Name(Named.TOPIC, new_name)
    change.replace(old, new, besides=source.path)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What is changed of a field. `topic`: only as it is inside that topic."""

    values: Mapping[str, Any]
    topic: str | None = None
    new_name: str | None = None
    new_view: str | None = None


def create_field(
    change: Change, view: str, name: str, values: Mapping[str, Any], topic: str | None
) -> int:
    """Add a measure (with an aggregate type) or a dimension. Raises `BadRequest`."""
    source = change.view(view)
    if not is_name(name):
        raise BadRequest("Bad Request: fieldName: letters, digits and _, not a digit first")
    if _section(change, view, name, topic) is not None:
        raise BadRequest(f"Bad Request: Duplicate field name {view}.{name}")
    section = DIMENSIONS
    if values.get("aggregate_type") is not None:
        section = MEASURES
        kind = str(values["aggregate_type"]).lower()
        if kind not in set(Aggregate):
            raise BadRequest(f"Bad Request: aggregateType: one of {', '.join(Aggregate)}")
        values = {**values, "aggregate_type": kind}
    given = {key: value for key, value in values.items() if value is not None}
    if topic is None:
        change.edit(source, [Edit((section, name), given)])
    else:
        change.edit(change.topic(topic), [Edit(("views", view, section, name), given)])
    return change.save()


def update_field(change: Change, view: str, name: str, wanted: FieldChange) -> int:
    """Set properties of a field; rename or move it, and every reference to it with it."""
    source: ViewSource | TopicSource = change.view(view)
    section = _section(change, view, name, wanted.topic)
    if section is None:
        raise NotFound(f"Field {view}.{name} does not exist")
    path: tuple[str, ...] = (section, name)
    if wanted.topic is not None:
        source, path = change.topic(wanted.topic), ("views", view, section, name)
    values = _settings(path, _entry(_own(change, source), path), wanted.values)
    if values:
        change.edit(source, values)
    new_view, new_name = wanted.new_view or view, wanted.new_name or name
    if (new_view, new_name) != (view, name):
        if wanted.topic is not None:
            raise BadRequest("Bad Request: a field of a topic is renamed in its view")
        _move_field(change, (view, name), (new_view, new_name), section)
    return change.save()


def _move_field(change: Change, old: tuple[str, str], new: tuple[str, str], section: str) -> None:
    if not is_name(new[1]):
        raise BadRequest("Bad Request: newFieldName: letters, digits and _, not a digit first")
    target = change.view(new[0])
    if _section(change, new[0], new[1], None) is not None:
        raise BadRequest(f"Bad Request: Duplicate field name {'.'.join(new)}")
    source = change.view(old[0])
    inherited = mapping((change.below.view_definition(old[0]) or {}).get(section))
    if old[0] == new[0]:
        change.rename_field(old[0], old[1], new[1], alias=old[1] not in inherited)
        if old[1] in inherited:
            own = _entry(_own(change, source), (section, new[1]))
            _rename_inherited(change, source, (section, *old[1:], new[1]), mapping(inherited), own)
        return
    if section == DIMENSIONS and old[1] in inherited:
        raise BadRequest(
            f"Bad Request: newViewName: {'.'.join(old)} is a column and stays in its view",
            extra={"fix": f"Add a field to {new[0]} with the SQL ${{{'.'.join(old)}}}."},
        )
    change.replace(Name(Named.FIELD, ".".join(old)), Name(Named.FIELD, ".".join(new)))
    own = _entry(_own(change, source), (section, old[1]))
    kept = {**mapping(inherited.get(old[1])), **own}
    if old[1] in inherited:
        change.edit(source, [Edit((section, old[1]), {"ignored": True})])
    else:
        change.edit(source, [_removal(_own(change, source), (section, old[1]))])
    whole = change.composed.view_definition(old[0], fully_resolved=True) or {}
    fields = [name for each in SECTIONS for name in mapping(whole.get(each))]
    moved = qualified(kept, old[0], fields)
    change.edit(target, [Edit((section, new[1]), moved)])


def _rename_inherited(
    change: Change,
    source: ViewSource,
    names: tuple[str, str, str],
    inherited: Definition,
    own: Definition,
) -> None:
    """The column stays what it is below; here it has another name, and answers to both."""
    section, old, new = names
    kept = {**mapping(inherited.get(old)), **own}
    if section == DIMENSIONS:
        kept.setdefault("sql", f'"{old}"')
    kept["aliases"] = [*texts(kept.get("aliases")), old]
    change.edit(source, [Edit((section, new), kept), Edit((section, old), {"ignored": True})])


def delete_field(change: Change, view: str, name: str, topic: str | None) -> int:
    """Take a field away; one that a layer below has is marked as ignored."""
    source: ViewSource | TopicSource = change.view(view)
    section = _section(change, view, name, topic)
    if section is None:
        raise NotFound(f"Field {view}.{name} does not exist")
    if topic is not None:
        source = change.topic(topic)
        path: tuple[str, ...] = ("views", view, section, name)
        inherited = name in mapping((change.composed.view_definition(view) or {}).get(section))
    else:
        path = (section, name)
        inherited = name in mapping((change.below.view_definition(view) or {}).get(section))
    if inherited:
        change.edit(source, [Edit(path, {"ignored": True})])
    else:
        change.edit(source, [_removal(_own(change, source), path)])
    return change.save()


def _removal(own: Definition, path: Sequence[str]) -> Edit:
    """The deletion of an entry, with the maps above it that would be empty then."""
    shortest = len(path)
    while shortest > 1 and len(_entry(own, path[: shortest - 1])) == 1:
        shortest -= 1
    return Edit(tuple(path[:shortest]), delete=True)


def _own(change: Change, source: ViewSource | TopicSource) -> Definition:
    return mapping(_read(source.path, change.text(source.path)))


def _entry(definition: Definition, path: Sequence[str]) -> Definition:
    found: Any = definition
    for step in path:
        found = mapping(found).get(step)
    return mapping(found)


def _settings(path: tuple[str, ...], own: Definition, values: Mapping[str, Any]) -> list[Edit]:
    edits: list[Edit] = []
    for key, value in values.items():
        if value is not None:
            edits.append(Edit((*path, key), value))
        elif key in own:
            edits.append(Edit((*path, key), delete=True))
    return edits


def _section(change: Change, view: str, name: str, topic: str | None) -> str | None:
    """The section that has a field which is there; with a topic, as the view is inside it."""
    definition = change.composed.view_definition(view, fully_resolved=True) or {}
    if topic is not None:
        definition = _inside(change, view, topic)
    for section in SECTIONS:
        entries = mapping(definition.get(section))
        entry = entries.get(name)
        if name in entries and not (is_map(entry) and entry.get("ignored") is True):
            return section
    return None


def _inside(change: Change, view: str, name: str) -> Definition:
    """A view as it is inside a topic."""
    change.topic(name)
    try:
        topic = change.composed.topic(name)
    except BadDefinition as bad:
        raise BadRequest(f"Bad Request: topicContext: topic {name}: {bad}") from None
    if not isinstance(topic, Topic):
        raise BadRequest("Bad Request: topicContext: a composite topic has no views of its own")
    found = change.composed.topic_view_definition(topic, view)
    return found.definition if found else {}
