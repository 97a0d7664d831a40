"""Definitions of views to the typed view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from dragoman.semantics.building import fields as field_builders
from dragoman.semantics.building import parts
from dragoman.semantics.building.parts import Definition
from dragoman.semantics.files.paths import parse_path
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Dimension, Field
from dragoman.semantics.model.references import FieldRef, field_ref, sql_text
from dragoman.semantics.model.views import (
    NoSource,
    QueryField,
    QuerySource,
    QuerySpec,
    Sort,
    Source,
    SqlSource,
    TableSource,
    UploadSource,
    View,
)
from dragoman.semantics.plain import is_map, items, mapping, text, texts
from dragoman.semantics.problems import YamlPath

SECTIONS = ("dimensions", "measures", "filters")
_KNOWN = frozenset(
    (
        *("schema", "catalog", "table_name", "semantic_table", "sql", "query"),
        *("uploaded_table_name", "label"),
        *("custom_compound_primary_key_sql", "description", "display_order", "folder"),
        *("schema_label", "tags", "hidden", "ignored", "shallow_ignored", "aliases"),
        *("extends", "template"),
        *("required_access_grants", "default_drill_fields", "fill_fields", "sets"),
        *("materialized_query", *SECTIONS),
    )
)
# A grant that no file can define, so that nobody holds it: for grants that cannot be understood.
NOBODY = ("<nobody>",)
Broken = dict[YamlPath, BadDefinition]


def view(
    name: str,
    path: str,
    of: Definition,
    column_types: Mapping[str, str],
    alias_of: str | None = None,
) -> tuple[View, Broken]:
    """A view from its merged and extended definition, and what of it cannot be understood.

    The keys of the second are paths inside the definition; a broken field is left out of the view.
    """
    broken: Broken = {}
    compound = texts(of.get("custom_compound_primary_key_sql"))
    made = View(
        name=name,
        path=path,
        alias_of=alias_of,
        source=_whole(broken, ("query",), lambda: _source(path, of), NoSource()),
        label=text(of.get("label")),
        description=text(of.get("description")),
        schema_label=text(of.get("schema_label")),
        folder=text(of.get("folder")),
        display_order=parts.number(of, "display_order"),
        tags=texts(of.get("tags")),
        hidden=parts.flag(of, "hidden"),
        template=parts.flag(of, "template"),
        aliases=texts(of.get("aliases")),
        required_access_grants=_whole(
            broken,
            ("required_access_grants",),
            lambda: parts.names(of, "required_access_grants"),
            NOBODY,
        ),
        compound_primary_key=tuple(sql_text(_referring(part)) for part in compound),
        default_drill_fields=texts(of.get("default_drill_fields")),
        fill_fields=texts(of.get("fill_fields")),
        materialized_query=_whole(
            broken, ("materialized_query",), lambda: _query(of, "materialized_query"), None
        ),
        dimensions=_protected(
            _fields(of, "dimensions", broken, _dimension(name, column_types)), name
        ),
        measures=_fields(of, "measures", broken, lambda n, d: field_builders.measure(name, n, d)),
        filters=_fields(
            of, "filters", broken, lambda n, d: field_builders.filter_field(name, n, d)
        ),
        sets={key: texts(value) for key, value in mapping(of.get("sets")).items()},
        broken={str(at[1]): bad.message for at, bad in broken.items() if len(at) > 1},
        extra=parts.rest(of, _KNOWN),
    )
    return made, broken


def _referring(part: str) -> str:
    """A bare field name in a list of key fields means the field."""
    return f"${{{part}}}" if field_ref(part) else part


def _dimension(
    view_name: str, column_types: Mapping[str, str]
) -> Callable[[str, Definition], Field]:
    def build(name: str, of: Definition) -> Field:
        return field_builders.dimension(view_name, name, of, column_types.get(name))

    return build


def _protected(dimensions: dict[str, Dimension], view_name: str) -> dict[str, Dimension]:
    """Dimensions that are parts of a column, or nested on an array, ask for its grants as well."""
    made = dict(dimensions)
    for name, own in dimensions.items():
        if _above(own) is None:
            continue
        required, masks = own.required_access_grants, own.mask_unless_access_grants
        seen, above = {name}, own
        while (ref := _above(above)) is not None and ref.view in (None, view_name):
            found = dimensions.get(ref.name)
            if found is None or found.name in seen:
                break
            seen.add(found.name)
            above = found
            required += found.required_access_grants
            masks += found.mask_unless_access_grants
        made[name] = replace(own, required_access_grants=required, mask_unless_access_grants=masks)
    return made


def _above(of: Dimension) -> FieldRef | None:
    return of.nested_on_field or of.parent_field


def _fields(
    of: Definition, section: str, broken: Broken, build: Callable[[str, Definition], Any]
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, definition in mapping(of.get(section)).items():
        if definition is not None and not is_map(definition):
            bad = BadDefinition((), f'"{name}" must be a map', "Write its properties below it.")
            broken[section, name] = bad
            continue
        said = mapping(definition)
        if said.get("ignored") is True:
            continue
        try:
            made[name] = build(name, said)
        except BadDefinition as bad:
            broken[section, name] = bad
    return made


T = TypeVar("T")


def _whole(broken: Broken, path: YamlPath, build: Callable[[], T], otherwise: T) -> T:
    try:
        return build()
    except BadDefinition as bad:
        broken[path] = BadDefinition(bad.path[1:], bad.message, bad.fix)
        return otherwise


def table_source(path: str, of: Definition) -> TableSource:
    """Where the rows of a view over a table come from: the file's own name unless it says so."""
    table = text(of.get("table_name")) or parse_path(path).name
    logical = text(of.get("semantic_table"))
    return TableSource(text(of.get("catalog")), text(of.get("schema")), table, logical)


def _source(path: str, of: Definition) -> Source:
    query = _query(of, "query")
    if query is not None:
        return QuerySource(query)
    if (sql := text(of.get("sql"))) is not None:
        return SqlSource(sql_text(sql))
    if (uploaded := text(of.get("uploaded_table_name"))) is not None:
        return UploadSource(uploaded)
    if of.get("template") is True and "table_name" not in of:
        return NoSource()
    return table_source(path, of)


def _query(of: Definition, key: str) -> QuerySpec | None:
    value = of.get(key)
    if value is None:
        return None
    try:
        return query_spec(mapping(value))
    except BadDefinition as bad:
        raise bad.under(key) from None


def query_spec(said: Definition) -> QuerySpec:
    """The question that a file writes out. Raises `BadDefinition`."""
    return QuerySpec(
        fields=_query_fields(said.get("fields")),
        base_view=text(said.get("base_view")),
        topic=text(said.get("topic")),
        filters=parts.filters(said, "filters"),
        sorts=tuple(_sort(item) for item in items(said.get("sorts"))),
        limit=parts.whole(said, "limit"),
        pivots=parts.references(said, "pivots"),
        calculations=tuple(mapping(item) for item in items(said.get("calculations"))),
        fill_fields=parts.references(said, "fill_fields"),
        column_limit=parts.whole(said, "column_limit"),
        bind_all_filters=parts.flag(said, "bind_all_filters"),
    )


def _query_fields(value: object) -> tuple[QueryField, ...]:
    if is_map(value):
        return tuple(
            QueryField(parts.reference(name, "fields"), text(output))
            for name, output in value.items()
        )
    return tuple(QueryField(parts.reference(name, "fields")) for name in texts(value))


def _sort(item: object) -> Sort:
    if isinstance(item, str):
        return Sort(parts.reference(item, "sorts"))
    said = mapping(item)
    field: FieldRef = parts.reference(said.get("field"), "sorts")
    return Sort(field, parts.flag(said, "desc"))
