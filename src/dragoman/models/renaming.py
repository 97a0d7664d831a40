"""A name of a model, wherever a file says it: found, and changed.

Pure: a definition goes in, edits of its text come out, so that comments and order stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dragoman.semantics.layers import Definition
from dragoman.semantics.model.references import FieldRef, Reference, field_ref, sql_text
from dragoman.semantics.plain import is_list, is_map
from dragoman.semantics.problems import Edit, YamlPath


class Named(StrEnum):
    """What a name is of."""

    FIELD = "FIELD"
    VIEW = "VIEW"
    TOPIC = "TOPIC"


@dataclass(frozen=True, slots=True)
class Renaming:
    """`old` becomes `new`; both `view.field` for a field."""

    kind: Named
    old: str
    new: str

    def may_be_in(self, text: str) -> bool:
        """Whether a file's text has the name at all: most have not, and need not be read."""
        return self.old.rpartition(".")[2] in text

    def field(self, found: FieldRef, own_view: str | None) -> FieldRef | None:
        """What a reference to a field becomes; None where it means something else."""
        view = found.view or own_view
        if self.kind is Named.VIEW and found.view == self.old:
            return FieldRef(self.new, found.name, found.bracket)
        if self.kind is not Named.FIELD or f"{view}.{found.name}" != self.old:
            return None
        new_view, _, new_name = self.new.partition(".")
        # A name without its view stays one where the view is the same.
        said = new_view if found.view is not None or new_view != own_view else None
        return FieldRef(said, new_name, found.bracket)


# Words for people and machines, in which a name is no reference.
_PROSE = frozenset(
    (
        *("label", "description", "group_label", "view_label", "base_view_label", "ai_context"),
        *("schema_label", "format", "synonyms", "sample_values", "all_values", "colors", "owners"),
        *("schema", "catalog", "table_name", "folder", "uploaded_table_name", "aliases", "tags"),
    )
)
_SQL = ("sql", "on_sql", "where_sql", "sql_start", "sql_end")
# Keys whose value, or items, name a view; a topic; a field of the own view or another.
_VIEWS = frozenset(
    (
        *("base_view", "join_from_view", "join_to_view", "join_from_view_as", "join_to_view_as"),
        *("shared_views",),
    )
)
_TOPICS = frozenset(("topic", "suggest_from_topic", "topics", "ai_chat_topics"))
_FIELDS = frozenset(
    (
        *("drill_fields", "default_drill_fields", "fill_fields", "order_by_field", "parent_field"),
        *("nested_on_field", "suggest_from_field", "by", "bind", "bind_to", "field", "fields"),
        *(
            "fixed",
            "always_include",
            "always_exclude",
            "pivots",
            "sets",
            "ai_fields",
            "column_name",
        ),
        *("custom_compound_primary_key_sql", "extends", "join_paths_from_topic_name", "table"),
    )
)
# Maps whose keys are fields; whose keys are views.
_FIELD_KEYS = frozenset(
    (
        *("filters", "default_filters", "always_where_filters", "always_having_filters"),
        *("fields", "row_totals", "column_totals"),
    )
)
_VIEW_KEYS = frozenset(("joins", "views"))
_TAG = re.compile(r"\{\{[^{}]*\}\}")
_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\.([A-Za-z_]\w*)(?![\w(])")
_SELECTOR = re.compile(r"(-?)([A-Za-z_]\w*)\.\*")


def edits_of(
    definition: Any, renaming: Renaming, own_view: str | None, *, topic: bool = False
) -> list[Edit]:
    """The edits that rename within one file; `own_view`: of a view's file, whose fields are named
    without it; `topic`: in a topic's file `extends` names topics."""
    return list(_Walk(renaming, topic).walk(definition, (), own_view))


class _Walk:
    def __init__(self, renaming: Renaming, topic: bool) -> None:
        self._renaming = renaming
        self._topic = topic

    def walk(self, value: Any, path: YamlPath, own: str | None) -> Iterator[Edit]:
        if is_map(value):
            yield from self._map(value, path, own)
        elif is_list(value):
            for at, item in enumerate(value):
                yield from self.walk(item, (*path, at), own)
        elif isinstance(value, str):
            key = self._key(path)
            if key is not None and key not in _PROSE:
                new = self._text(value, key, path, own)
                if new != value:
                    yield Edit(path, new)

    def _map(self, value: Definition, path: YamlPath, own: str | None) -> Iterator[Edit]:
        for key, inner in value.items():
            below = (*path, key)
            # The views of a topic are views of their own.
            within = key if self._topic and path == ("views",) else own
            yield from self.walk(inner, below, within)
        # Last, so that the paths of the edits inside still lead somewhere.
        for key in value:
            new = self._map_key(key, path, own)
            if new is not None:
                yield Edit((*path, key), rename=new)

    def _map_key(self, key: str, path: YamlPath, own: str | None) -> str | None:
        place = self._key(path)
        inside = "joins" in path or (path[-1:] == ("views",) and self._topic)
        if inside and self._renaming.kind is Named.VIEW and key == self._renaming.old:
            return self._renaming.new
        # `filters` of a view itself are fields, not conditions on them.
        if place in _FIELD_KEYS and path != ("filters",) and len(path) > 0:
            return self._field(key, own)
        return None

    def _key(self, path: YamlPath) -> str | None:
        """The nearest key above, positions of lists left out; inside `sets` that of the set."""
        if "sets" in path:
            return "sets"
        return next((step for step in reversed(path) if isinstance(step, str)), None)

    def _text(self, value: str, key: str, path: YamlPath, own: str | None) -> str:
        renaming = self._renaming
        if renaming.kind is Named.VIEW and key in _VIEWS and value == renaming.old:
            return renaming.new
        if key == "extends":
            kind = Named.TOPIC if self._topic else Named.VIEW
            if len(path) <= 2 and renaming.kind is kind and value == renaming.old:
                return renaming.new
        if renaming.kind is Named.TOPIC:
            topics = {*_TOPICS, "join_paths_from_topic_name"}
            return renaming.new if key in topics and value == renaming.old else value
        if key in (*_SQL, *_FIELDS) or "${" in value or "{{" in value:
            return self._references(value, key, own)
        return value

    def _references(self, value: str, key: str, own: str | None) -> str:
        if key in _FIELDS and "${" not in value:
            return self._item(value, own)
        made = "".join(
            part if isinstance(part, str) else self._reference(part, own)
            for part in sql_text(value).parts
        )
        return _TAG.sub(lambda found: self._mustache(found[0]), made)

    def _item(self, value: str, own: str | None) -> str:
        """An item of a list of fields: `field`, `view.field`, `view.*`, each perhaps after `-`."""
        whole = _SELECTOR.fullmatch(value)
        if whole is not None:
            same = self._renaming.kind is Named.VIEW and whole[2] == self._renaming.old
            return f"{whole[1]}{self._renaming.new}.*" if same else value
        sign = "-" if value.startswith("-") else ""
        new = self._field(value.removeprefix("-"), own)
        return value if new is None else f"{sign}{new}"

    def _field(self, text: str, own: str | None) -> str | None:
        found = field_ref(text)
        new = None if found is None else self._renaming.field(found, own)
        return None if new is None else str(new)

    def _reference(self, part: Reference, own: str | None) -> str:
        renaming = self._renaming
        if renaming.kind is Named.VIEW and part.whole_view == renaming.old:
            return f"${{{renaming.new}}}"
        new = None if part.field is None else renaming.field(part.field, own)
        return part.text if new is None else f"${{{new}{'//' if part.raw else ''}}}"

    def _mustache(self, tag: str) -> str:
        """`{{# view.field.filter }}`: the names in it are always whole."""
        renaming = self._renaming

        def swap(found: re.Match[str]) -> str:
            new = renaming.field(FieldRef(found[1], found[2]), None)
            return found[0] if new is None else str(new)

        return _WORD.sub(swap, tag.replace("filters.", "filters\x00")).replace("\x00", ".")
