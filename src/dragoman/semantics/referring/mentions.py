"""Every place of a file where a view, a field or a topic is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.files.reading import SourceFile
from dragoman.semantics.model.references import NAME, field_ref, sql_text
from dragoman.semantics.plain import is_list, is_map, items, mapping, text, texts
from dragoman.semantics.problems import YamlPath

_SECTIONS = ("dimensions", "measures", "filters")
_SQL = frozenset(
    (
        *("sql", "sql_start", "sql_end", "on_sql", "where_sql", "always_where_sql"),
        *("always_having_sql", "custom_primary_key_sql", "custom_compound_primary_key_sql"),
        "custom_primary_key_sql_for_quick_aggs",
    )
)
_ONE_FIELD = frozenset(
    (
        *("order_by_field", "parent_field", "nested_on_field", "suggest_from_field", "by"),
        *("field", "bind"),
    )
)
_FIELDS = frozenset(
    (
        *("fixed", "always_include", "always_exclude", "bind_to", "drill_fields", "pivots"),
        *("default_drill_fields", "fill_fields", "fields", "sorts"),
    )
)
_FILTERS = frozenset(
    ("filters", "always_where_filters", "always_having_filters", "default_filters")
)
_VIEW = frozenset(("base_view", "join_from_view", "join_to_view"))
_TOPIC = frozenset(("topic", "suggest_from_topic"))
_QUERY = frozenset(("query", "materialized_query"))
_SELECTOR = re.compile(rf"-?({NAME})\.(\*|{NAME})(?:\[[^\]]*\])?")
# `{{ filters.view.field.value }}`, `{{# view.field.filter }}`, `{{ view.field.in_query }}`
TEMPLATE = re.compile(rf"(\{{\{{\s*[#^/]?\s*(?:filters\.)?)({NAME})\.({NAME})(?=\.)")


@dataclass(frozen=True, slots=True)
class Mention:
    """One place. `view`: what is meant, also where the text leaves it out (`explicit` False).

    `owner`: the view that names without a view are of here.

    `field` None: the view itself is meant. `key`: the name is the key at `path`, not the value.
    `definition`: it is where the field is defined. `topic`: a topic is meant, nothing else.
    """

    file: str
    path: YamlPath
    view: str | None = None
    field: str | None = None
    topic: str | None = None
    key: bool = False
    explicit: bool = True
    owner: str | None = None
    definition: bool = False


def mentions(source: SourceFile, name: str) -> Iterator[Mention]:
    """All places of a file. `name`: of the view or topic that it defines."""
    kind, data = source.path.kind, source.data
    walk = _Walk(source.path.key)
    if kind.is_view:
        yield from walk.view(data, (), name)
    elif kind is FileKind.TOPIC:
        yield from walk.topic(data, name)
    elif kind is FileKind.RELATIONSHIPS:
        yield from walk.joins(data, ())
    else:
        yield from walk.others(data, kind)


class _Walk:
    """One file, walked with an owner: the view that names without a view are of."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._readers = (
            (_SQL, self._sql),
            (_ONE_FIELD, self._ref),
            (_FILTERS, self._filters),
            (_FIELDS, self._refs),
            (_VIEW, self._view_name),
            (_TOPIC, self._topic_name),
            (_QUERY, self._query),
        )

    def view(self, data: Any, path: YamlPath, owner: str) -> Iterator[Mention]:
        """A view's definition, in its own file or inside a topic."""
        for key, value in mapping(data).items():
            at = (*path, key)
            if key == "extends":
                yield from self._views(value, at)
            elif key in _SECTIONS:
                for field, entry in mapping(value).items():
                    yield Mention(
                        self._file,
                        (*at, field),
                        owner,
                        field,
                        key=True,
                        explicit=False,
                        definition=True,
                    )
                    yield from self._field(entry, (*at, field), owner)
            elif key == "sets":
                for set_name, members in mapping(value).items():
                    yield from self._set(members, (*at, set_name), owner)
            else:
                yield from self._property(key, value, at, owner)

    def _field(self, entry: Any, path: YamlPath, owner: str) -> Iterator[Mention]:
        for key, value in mapping(entry).items():
            at = (*path, key)
            if key == "extends":
                yield from self._refs(value, at, owner)
            else:
                yield from self._property(key, value, at, owner)

    def _property(self, key: str, value: Any, at: YamlPath, owner: str | None) -> Iterator[Mention]:
        for keys, read in self._readers:
            if key in keys:
                yield from read(value, at, owner)
                return
        if is_map(value):
            for inner, item in value.items():
                yield from self._property(inner, item, (*at, inner), owner)
        for position, item in enumerate(value if is_list(value) else ()):
            for inner, deeper in mapping(item).items():
                yield from self._property(inner, deeper, (*at, position, inner), owner)

    def _view_name(self, value: Any, at: YamlPath, _: str | None) -> Iterator[Mention]:
        if isinstance(value, str):
            yield Mention(self._file, at, value)

    def _topic_name(self, value: Any, at: YamlPath, _: str | None) -> Iterator[Mention]:
        if isinstance(value, str):
            yield Mention(self._file, at, topic=value)

    def _query(self, value: Any, at: YamlPath, _: str | None) -> Iterator[Mention]:
        base = text(mapping(value).get("base_view"))
        for key, inner in mapping(value).items():
            yield from self._property(key, inner, (*at, key), base)

    def topic(self, data: Any, name: str) -> Iterator[Mention]:
        """A topic's definition; names without a view are of its base view."""
        base = text(mapping(data).get("base_view"))
        owner = base or name
        if base is None:
            yield Mention(self._file, (), name, explicit=False)
        for key, value in mapping(data).items():
            if key == "joins":
                yield from self._tree(value, (key,))
            elif key == "views":
                for view, override in mapping(value).items():
                    yield Mention(self._file, (key, view), view, key=True)
                    yield from self.view(override, (key, view), view)
            elif key == "relationships":
                yield from self.joins(value, (key,))
            elif key == "extends":
                for at, parent in enumerate(texts(value)):
                    yield Mention(self._file, (key, at), topic=parent)
            elif key == "fields":
                yield from self._selectors(value, (key,))
            else:
                yield from self._property(key, value, (key,), owner)

    def joins(self, data: Any, path: YamlPath) -> Iterator[Mention]:
        """A list of relationships."""
        for at, entry in enumerate(data if is_list(data) else ()):
            for key, value in mapping(entry).items():
                yield from self._property(key, value, (*path, at, key), None)

    def others(self, data: Any, kind: FileKind) -> Iterator[Mention]:
        """The model file and composite topics."""
        if kind is FileKind.COMPOSITE_TOPIC:
            for at, member in enumerate(texts(mapping(data).get("topics"))):
                yield Mention(self._file, ("topics", at), topic=member)
        for key, value in mapping(data).items():
            if key == "sets":
                for set_name, members in mapping(value).items():
                    yield from self._set(members, (key, set_name), None)
            else:
                yield from self._property(key, value, (key,), None)

    def _tree(self, value: Any, path: YamlPath) -> Iterator[Mention]:
        for view, below in mapping(value).items():
            yield Mention(self._file, (*path, view), view, key=True)
            yield from self._tree(below, (*path, view))

    def _views(self, value: Any, at: YamlPath) -> Iterator[Mention]:
        for position, name in enumerate(texts(value)):
            yield Mention(self._file, (*at, position) if is_list(value) else at, name)

    def _set(self, value: Any, path: YamlPath, owner: str | None) -> Iterator[Mention]:
        yield from self._refs(value, path, owner)
        yield from (each for each in self._selectors(value, path) if each.field is None)

    def _selectors(self, value: Any, path: YamlPath) -> Iterator[Mention]:
        for at, said in enumerate(texts(value)):
            found = _SELECTOR.fullmatch(said)
            if found is not None and found[1] != "all_views":
                field = None if found[2] == "*" else found[2]
                yield Mention(self._file, (*path, at), found[1], field)

    def _filters(self, value: Any, path: YamlPath, owner: str | None) -> Iterator[Mention]:
        for said, spec in mapping(value).items():
            yield from self._ref(said, (*path, said), owner, key=True)
            bound = mapping(spec).get("bind")
            if bound is not None:
                yield from self._ref(bound, (*path, said, "bind"), owner)
            yield from self._asked(spec, (*path, said))

    def _asked(self, spec: Any, path: YamlPath) -> Iterator[Mention]:
        """The question that a filter takes its values of, at whatever depth of `and` and `or`."""
        for key, value in mapping(spec).items():
            at = (*path, key)
            if key == "query_structure":
                yield from self._query(value, at, None)
            elif key in ("field_name_in_query", "field_name_not_in_query"):
                yield from self._ref(value, at, None)
            elif key in ("and", "or"):
                for place, one in enumerate(items(value)):
                    yield from self._asked(one, (*at, place))

    def _refs(self, value: Any, path: YamlPath, owner: str | None) -> Iterator[Mention]:
        if is_map(value):
            for said in value:
                yield from self._ref(said, (*path, said), owner, key=True)
            return
        for at, said in enumerate(value if is_list(value) else ()):
            if is_map(said):
                yield from self._ref(said.get("field"), (*path, at, "field"), owner)
            else:
                yield from self._ref(said, (*path, at), owner)

    def _ref(
        self, said: Any, path: YamlPath, owner: str | None, *, key: bool = False
    ) -> Iterator[Mention]:
        if isinstance(said, str) and "${" in said:
            yield from self._sql(said, path, owner)
            return
        ref = field_ref(said) if isinstance(said, str) else None
        if ref is not None and (view := ref.view or owner) is not None:
            explicit = ref.view is not None
            yield Mention(self._file, path, view, ref.name, key=key, explicit=explicit, owner=owner)

    def _sql(self, value: Any, path: YamlPath, owner: str | None) -> Iterator[Mention]:
        if is_list(value):
            for at, item in enumerate(value):
                if isinstance(item, str) and field_ref(item):
                    yield from self._ref(item, (*path, at), owner)
                else:
                    yield from self._sql(item, (*path, at), owner)
        if not isinstance(value, str):
            return
        for reference in sql_text(value).references:
            ref = reference.field
            if ref is None or reference.own_table:
                continue
            if reference.whole_view is not None:
                yield Mention(self._file, path, reference.whole_view, owner=owner)
            if (view := ref.view or owner) is not None:
                explicit = ref.view is not None
                yield Mention(self._file, path, view, ref.name, explicit=explicit, owner=owner)
        for found in TEMPLATE.finditer(value):
            yield Mention(self._file, path, found[2], found[3], owner=owner)
