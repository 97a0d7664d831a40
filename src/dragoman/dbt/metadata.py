"""Descriptions, tags, keys and relationships of a project, as definitions of views.

Primary keys come from declared constraints only: unique and not-null tests say that the data was
so, not that it must be. They do decide the cardinality of a relationship.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dragoman.dbt.facts import ViewFacts, Views
from dragoman.dbt.manifest import ColumnNode, Constraint, Manifest, Node

Definition = dict[str, Any]
_REFERENCE = re.compile(r"(?:ref|source)\(([^)]*)\)")
_RELATION = re.compile(r'"((?:[^"]|"")*)"|`([^`]*)`|\[([^\]]*)\]|([^".`\[\]]+)')


def view_metadata(node: Node, view: ViewFacts) -> Definition:
    """What the project says about a table and its columns, as far as the table has them."""
    made: Definition = {}
    if node.description:
        made["description"] = node.description.strip()
    if tags := _tags(node.tags, node.config.tags if node.config else None):
        made["tags"] = tags
    dimensions: dict[str, Definition] = {}
    for column in node.columns.values():
        dimension = view.columns.get(column.name.lower())
        said = _column(column)
        if dimension is not None and said:
            dimensions[dimension] = said
    for column in primary_key(node):
        dimension = view.columns.get(column.lower())
        if dimension is not None:
            dimensions.setdefault(dimension, {})["primary_key"] = True
    if dimensions:
        made["dimensions"] = dimensions
    return made


def _column(column: ColumnNode) -> Definition:
    made: Definition = {}
    if column.description:
        made["description"] = column.description.strip()
    if tags := _tags(column.tags, column.config.tags if column.config else None):
        made["tags"] = tags
    return made


def _tags(*lists: list[str] | str | None) -> list[str]:
    found: dict[str, None] = {}
    for each in lists:
        found |= dict.fromkeys([each] if isinstance(each, str) else each or [])
    return list(found)


def primary_key(node: Node) -> list[str]:
    """The columns of the declared primary key."""
    for constraint in node.constraints:
        if constraint.type == "primary_key" and constraint.columns:
            return constraint.columns
    columns = node.columns.values()
    return [c.name for c in columns if any(k.type == "primary_key" for k in c.constraints)]


def relationships(manifest: Manifest, views: Views) -> list[Definition]:
    """Joins of declared foreign keys and of relationship tests, many side first."""
    unique = _unique_columns(manifest)
    found: dict[tuple[str, str], Definition] = {}
    for node, columns, target, to_columns in _links(manifest):
        pair = _join(views, (node, columns), (target, to_columns), unique)
        if pair is not None:
            key = (pair["join_from_view"], pair["join_to_view"])
            found.setdefault(key, pair)
    return list(found.values())


Link = tuple[Node, list[str], Node, list[str]]


def _links(manifest: Manifest) -> Iterable[Link]:
    """Foreign keys first: they are declared, tests are only observed."""
    by_relation = {_relation(n.relation_name): n for n in manifest.tables() if n.relation_name}
    for node in manifest.tables():
        for columns, constraint in _foreign_keys(node):
            target = _target(manifest, node, constraint.to or "", by_relation)
            if target is not None and constraint.to_columns:
                yield node, columns, target, constraint.to_columns
    for test in manifest.tests():
        link = _tested(manifest, test)
        if link is not None:
            yield link


def _foreign_keys(node: Node) -> Iterable[tuple[list[str], Constraint]]:
    for constraint in node.constraints:
        if constraint.type == "foreign_key" and constraint.columns:
            yield constraint.columns, constraint
    for column in node.columns.values():
        for constraint in column.constraints:
            if constraint.type == "foreign_key":
                yield [column.name], constraint


def _tested(manifest: Manifest, test: Node) -> Link | None:
    said = test.test_metadata
    if said is None or said.name != "relationships":
        return None
    column = test.column_name or said.kwargs.get("column_name")
    field, to = said.kwargs.get("field"), said.kwargs.get("to")
    node = _node(manifest, test.attached_node)
    if not isinstance(column, str) or not isinstance(field, str) or node is None:
        return None
    target = _target(manifest, test, to if isinstance(to, str) else "", {}, besides=node)
    return (node, [column], target, [field]) if target is not None else None


def _target(
    manifest: Manifest,
    node: Node,
    said: str,
    by_relation: dict[tuple[str, ...], Node],
    besides: Node | None = None,
) -> Node | None:
    """The node that `ref('x')`, `source('a', 'b')` or a relation's full name means."""
    direct = by_relation.get(_relation(said))
    if direct is not None:
        return direct
    found = _REFERENCE.search(said)
    if found is None:
        return None
    names = re.findall(r"'([^']*)'|\"([^\"]*)\"", found[1])
    name = next((a or b for a, b in reversed(names)), "")
    known = [_node(manifest, each) for each in node.depends_on.nodes]
    nodes = [each for each in known if each is not None and each.name == name]
    # A table that refers to itself is named like the node that the test is attached to.
    others = [each for each in nodes if each is not besides] or nodes
    return others[0] if others else None


def _node(manifest: Manifest, unique_id: str | None) -> Node | None:
    if unique_id is None:
        return None
    return manifest.nodes.get(unique_id) or manifest.sources.get(unique_id)


def _relation(text: str | None) -> tuple[str, ...]:
    """The parts of a relation's name, without quotes and regard to case."""
    found = _RELATION.findall(text or "")
    parts = (next(part for part in each if part) for each in found if any(each))
    return tuple(part.strip().lower() for part in parts if part.strip(" ."))


def _unique_columns(manifest: Manifest) -> set[tuple[str, str]]:
    """(node, column) of each column whose values differ: by a test or as the primary key."""
    found: set[tuple[str, str]] = set()
    for test in manifest.tests():
        if test.test_metadata and test.test_metadata.name == "unique" and test.column_name:
            found.add((test.attached_node or "", test.column_name.lower()))
    for node in manifest.tables():
        key = primary_key(node)
        if len(key) == 1:
            found.add((node.unique_id, key[0].lower()))
    return found


def _join(
    views: Views,
    many: tuple[Node, list[str]],
    one: tuple[Node, list[str]],
    unique: set[tuple[str, str]],
) -> Definition | None:
    source, target = views.of(many[0]), views.of(one[0])
    if source is None or target is None or source.name == target.name:
        return None
    pairs = [
        (source.columns.get(a.lower()), target.columns.get(b.lower()))
        for a, b in zip(many[1], one[1], strict=False)
    ]
    if not pairs or len(many[1]) != len(one[1]) or any(None in pair for pair in pairs):
        return None
    alone = len(many[1]) == 1 and (many[0].unique_id, many[1][0].lower()) in unique
    return join(source.name, target.name, pairs, "one_to_one" if alone else "many_to_one")


def join(source: str, target: str, pairs: Iterable[tuple[Any, Any]], kind: str) -> Definition:
    """A relationship between dimensions of two views."""
    on = " AND ".join(f"${{{source}.{a}}} = ${{{target}.{b}}}" for a, b in pairs)
    return {
        "join_from_view": source,
        "join_to_view": target,
        "join_type": "always_left",
        "on_sql": on,
        "relationship_type": kind,
    }
