"""Who refers to a view or field, and renaming it everywhere at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dragoman.semantics.files.editing import edit
from dragoman.semantics.files.naming import view_name, with_reference
from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.files.reading import SourceFile, read, view_reference
from dragoman.semantics.files.writing import write
from dragoman.semantics.model.references import FieldRef, Reference, field_ref, is_name, sql_text
from dragoman.semantics.plain import is_list, is_map, mapping, text, texts
from dragoman.semantics.problems import Edit, YamlPath
from dragoman.semantics.referring.mentions import TEMPLATE, Mention, mentions

_SECTIONS = ("dimensions", "measures", "filters")
_SOURCES = ("sql", "query", "uploaded_table_name", "table_name", "extends")
# Stands for the view that a moved field was in; no view of people is called so.
_MOVED = "moved__from__here"
# A new name for a field or view, by what is said now: None leaves it.
Rename = Callable[[FieldRef], FieldRef | None]


class NamedFile(NamedTuple):
    """A file with the name of the view or topic that it defines."""

    source: SourceFile
    name: str

    @classmethod
    def of(cls, source: SourceFile) -> NamedFile:
        """The file under its own name."""
        named = view_name(source.path, source.text) if source.path.kind.is_view else None
        return cls(source, named or source.path.name)


class References:
    """The mentions in the files of one layer, read once."""

    def __init__(self, files: Iterable[NamedFile]) -> None:
        self._files = {file.source.path.key: file for file in files}

    @functools.cached_property
    def _all(self) -> list[Mention]:
        return [m for file in self._files.values() for m in mentions(file.source, file.name)]

    def of_view(self, name: str) -> list[Mention]:
        """Where a view is named, alone or before a field."""
        explicit = [m for m in self._all if m.view == name and m.explicit]
        return [m for m in explicit if m.field is not None or not self._is_field(m)]

    def of_field(self, view: str, field: str) -> list[Mention]:
        """Where a field is named, under its view, its aliases, and views that extend it."""
        names = self.same_field(view, field)
        return [m for m in self._all if m.field == field and m.view in names]

    def of_topic(self, name: str) -> list[Mention]:
        """Where a topic is named."""
        return [m for m in self._all if m.topic == name]

    def same_field(self, view: str, field: str) -> set[str]:
        """The names under which a view's field is met: aliases of joins and extending views."""
        names, waiting = set[str](), [view]
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting.extend(self._aliases.get(name, ()))
                waiting.extend(c for c in self._children.get(name, ()) if not self._own(c, field))
        return names

    def _own(self, view: str, field: str) -> bool:
        """Whether a view that extends another has a field of that name that is not inherited."""
        for file in self._files.values():
            if file.source.path.kind.is_view and file.name == view:
                entries = [mapping(mapping(file.source.data.get(s)).get(field)) for s in _SECTIONS]
                return any(entry.get("ignore_from_extended") is True for entry in entries)
        return False

    def _is_field(self, mention: Mention) -> bool:
        """`${orders}` is a field where the own view has one of that name."""
        value = _value(self._files[mention.file].source.data, mention.path)
        in_sql = "${" in str(value) and not mention.key
        return in_sql and mention.view in self._fields_of(mention)

    def _fields_of(self, mention: Mention) -> set[str]:
        """The fields that files give the view which names without a view are of."""
        return self._fields.get(mention.owner or "", set())

    @functools.cached_property
    def _fields(self) -> dict[str, set[str]]:
        """Fields by view, also those that a view inherits or a topic adds."""
        found: dict[str, set[str]] = {}
        for mention in self._all:
            if mention.definition and mention.view and mention.field:
                found.setdefault(mention.view, set()).add(mention.field)
        for parent, children in self._children.items():
            for child in children:
                found.setdefault(child, set()).update(found.get(parent, ()))
        return found

    @functools.cached_property
    def _aliases(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in self._files.values():
            data: Any = file.source.data
            joins = data if is_list(data) else mapping(data).get("relationships")
            for entry in joins if is_list(joins) else ():
                for side in ("join_from_view", "join_to_view"):
                    alias = text(mapping(entry).get(f"{side}_as"))
                    if alias is not None:
                        found.setdefault(str(entry.get(side)), []).append(alias)
        return found

    @functools.cached_property
    def _children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in self._files.values():
            if file.source.path.kind.is_view:
                for parent in texts(file.source.data.get("extends")):
                    found.setdefault(parent, []).append(file.name)
        return found

    def rename_field(self, view: str, old: str, new: str, *, alias: bool = False) -> dict[str, str]:
        """The files that change, by key, with their new texts. Comments stay.

        `alias`: the field keeps its old name among its `aliases`, for what was saved elsewhere.
        Raises `ValueError` where the new name is none, `CannotEdit` where a file cannot be read.
        """
        _check_name(new)
        names = self.same_field(view, old)

        def rename(ref: FieldRef) -> FieldRef | None:
            same = ref.name == old and ref.view in names
            return FieldRef(ref.view, new, ref.bracket) if same else None

        made = self._changed(self.of_field(view, old), rename)
        return self._with_alias(made, view, old, new) if alias else made

    def replace_field(self, view: str, old: str, new: FieldRef) -> dict[str, str]:
        """The files that change when everything that names a field names another one instead.

        Definitions stay: it mends what refers to a field that has gone or has another name now.
        """

        def rename(ref: FieldRef) -> FieldRef | None:
            same = ref.name == old and ref.view == view
            return FieldRef(new.view or view, new.name, ref.bracket) if same else None

        found = [m for m in self._all if (m.view, m.field) == (view, old) and not m.definition]
        return self._changed(found, rename)

    def explicit(self, owner: str, view: str) -> dict[str, str]:
        """The files that change when fields that are named without a view, `owner` being theirs,
        are named as those of a view. Definitions stay."""

        def rename(ref: FieldRef) -> FieldRef | None:
            return FieldRef(view, ref.name, ref.bracket) if ref.view == owner else None

        found = [m for m in self._all if m.view == owner and m.field and not m.definition]
        return self._changed(found, rename)

    def replace_view(self, old: str, new: str) -> dict[str, str]:
        """The files that change when everything that names a view names another one instead."""
        return self._changed(self.of_view(old), _to_view(old, new))

    def rename_view(self, old: str, new: str) -> dict[str, str | None]:
        """The files that change, by key; None for a key that is gone. Comments stay.

        The view's file is called by the new name, and keeps its table.
        """
        _check_name(new)

        made: dict[str, str | None] = dict(self.replace_view(old, new))
        for key, file in self._files.items():
            kind = file.source.path.kind
            if kind.is_view and file.name == old:
                made |= self._moved(key, made.get(key) or file.source.text, old, new)
            elif (
                kind is FileKind.TOPIC
                and file.name == old
                and not file.source.data.get("base_view")
            ):
                # The topic's own name said what its base view is.
                made[key] = edit(made.get(key) or file.source.text, [Edit(("base_view",), new)])
        return made

    def _moved(self, key: str, now: str, old: str, new: str) -> dict[str, str | None]:
        file = self._files[key]
        path = file.source.path
        if not any(name in file.source.data for name in _SOURCES):
            now = edit(now, [Edit(("table_name",), path.name)])
        if view_reference(now) is not None:
            now = with_reference(now, new)
        if path.name != old:
            return {key: with_reference(now, new)}
        moved = f"{path.folder}/" if path.folder else ""
        ending = path.key.removeprefix(moved).removeprefix(path.name)
        return {key: None, f"{moved}{new}{ending}": now}

    def _changed(self, found: list[Mention], rename: Rename) -> dict[str, str]:
        places: dict[str, dict[tuple[YamlPath, bool], Mention]] = {}
        for mention in found:
            places.setdefault(mention.file, {})[mention.path, mention.key] = mention
        made: dict[str, str] = {}
        for key, mentioned in places.items():
            source = self._files[key].source
            # Keys last and the deepest first: a key that changes changes the paths below it.
            order = sorted(mentioned.values(), key=lambda m: (m.key, -len(m.path)))
            edits = [e for m in order if (e := self._edit(source.data, m, rename)) is not None]
            if edits:
                made[key] = edit(source.text, edits)
        return made

    def _edit(self, data: Any, mention: Mention, rename: Rename) -> Edit | None:
        if mention.key:
            fresh = _renamed_key(str(mention.path[-1]), mention, rename)
            return Edit(mention.path, rename=fresh) if fresh is not None else None
        value = _value(data, mention.path)
        if not isinstance(value, str):
            return None
        fresh = _renamed_text(value, mention, rename, self._fields_of(mention))
        return Edit(mention.path, fresh) if fresh != value else None

    def _with_alias(self, made: dict[str, str], view: str, old: str, new: str) -> dict[str, str]:
        for key, file in self._files.items():
            if not (file.source.path.kind.is_view and file.name == view):
                continue
            for section in _SECTIONS:
                entry = mapping(file.source.data.get(section)).get(old, -1)
                if entry != -1:
                    former = [*texts(mapping(entry).get("aliases")), old]
                    change = Edit((section, new, "aliases"), former)
                    made[key] = edit(made.get(key, file.source.text), [change])
        return made


def qualified(definition: Mapping[str, Any], view: str, fields: Iterable[str]) -> Mapping[str, Any]:
    """A field's definition as another view may hold it: what it names without a view is of `view`.

    `fields`: those of `view`, which `${…}` may mean.
    """
    text = write({"dimensions": {name: {} for name in fields}, "measures": {_MOVED: definition}})
    file = NamedFile(read(f"{_MOVED}.view", text), _MOVED)
    made = References([file]).explicit(_MOVED, view).get(file.source.path.key, text)
    moved: Mapping[str, Any] = read(f"{_MOVED}.view", made).data["measures"][_MOVED]
    return moved


def _to_view(old: str, new: str) -> Rename:
    def rename(ref: FieldRef) -> FieldRef | None:
        return FieldRef(new, ref.name, ref.bracket) if ref.view == old else None

    return rename


def _check_name(name: str) -> None:
    if not is_name(name):
        raise ValueError(f'"{name[:100]}" cannot be a name')


def _value(data: Any, path: YamlPath) -> Any:
    for step in path:
        if is_map(data):
            data = data.get(str(step))
        elif is_list(data) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _renamed_key(said: str, mention: Mention, rename: Rename) -> str | None:
    if mention.field is None:  # a view as a key
        fresh = rename(FieldRef(mention.view, ""))
        return fresh.view if fresh else None
    return _renamed_ref(said, mention.view, rename)


def _renamed_ref(said: str, owner: str | None, rename: Rename) -> str | None:
    ref = field_ref(said)
    fresh = rename(ref.within(owner) if owner else ref) if ref else None
    if ref is None or fresh is None:
        return None
    explicit = ref.view is not None or fresh.view != owner
    return str(fresh if explicit else FieldRef(None, fresh.name, fresh.bracket))


def _renamed_text(said: str, mention: Mention, rename: Rename, own: set[str]) -> str:
    """A value with the names in it renamed: SQL, a selector, a field, a view."""
    if "${" in said or "{{" in said:
        made = "".join(_renamed_part(part, mention, rename, own) for part in sql_text(said).parts)
        return TEMPLATE.sub(lambda found: _renamed_template(found, rename), made)
    if mention.field is None and said == mention.view:
        fresh = rename(FieldRef(mention.view, ""))
        return fresh.view or said if fresh else said
    minus, rest = ("-", said[1:]) if said.startswith("-") else ("", said)
    if rest.endswith(".*"):
        fresh = rename(FieldRef(mention.view, ""))
        return f"{minus}{fresh.view}.*" if fresh else said
    fresh_ref = _renamed_ref(rest, mention.view, rename)
    return f"{minus}{fresh_ref}" if fresh_ref is not None else said


def _renamed_part(part: str | Reference, mention: Mention, rename: Rename, own: set[str]) -> str:
    if isinstance(part, str):
        return part
    ref = part.field
    if ref is None or part.own_table:
        return part.text
    if part.whole_view is not None and part.whole_view not in own:
        view = rename(FieldRef(ref.name, ""))
        return f"${{{view.view}}}" if view else part.text
    fresh = _renamed_ref(str(ref), mention.owner, rename)
    raw = "//" if part.raw else ""
    return f"${{{fresh}{raw}}}" if fresh is not None else part.text


def _renamed_template(found: re.Match[str], rename: Rename) -> str:
    fresh = rename(FieldRef(found[2], found[3]))
    return f"{found[1]}{fresh.view}.{fresh.name}" if fresh else found[0]
