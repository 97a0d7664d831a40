"""Definitions of joins to typed relationships."""

from __future__ import annotations

from dragoman.semantics.building import parts
from dragoman.semantics.building.parts import Definition
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.relationships import (
    ASSUMED,
    JOIN_SYNONYMS,
    Cardinality,
    JoinType,
    Relationship,
)
from dragoman.semantics.plain import text


def relationship(of: Definition) -> Relationship:
    """A relationship. Raises `BadDefinition`."""
    said = text(of.get("relationship_type"))
    join_type = _join_type(of)
    on_sql = parts.sql(of, "on_sql")
    if on_sql is None and join_type is not JoinType.CROSS:
        raise BadDefinition((), "A join needs `on_sql`", "Add `on_sql: ${a.id} = ${b.a_id}`.")
    if said is None:
        fix = "Add `relationship_type: many_to_one`."
        raise BadDefinition((), "A join needs `relationship_type`", fix)
    cardinality = (
        Cardinality.MANY_TO_ONE
        if said == ASSUMED
        else parts.word(said, "relationship_type", Cardinality)
    )
    return Relationship(
        from_view=_view(of, "join_from_view"),
        to_view=_view(of, "join_to_view"),
        from_as=text(of.get("join_from_view_as")),
        to_as=text(of.get("join_to_view_as")),
        from_label=text(of.get("join_from_view_as_label")),
        to_label=text(of.get("join_to_view_as_label")),
        join_type=join_type,
        cardinality=cardinality,
        assumed=said == ASSUMED,
        on_sql=on_sql,
        where_sql=parts.sql(of, "where_sql"),
        reversible=parts.flag(of, "reversible"),
        explicit_id=text(of.get("id")),
    )


def _view(of: Definition, key: str) -> str:
    name = text(of.get(key))
    if name is None:
        raise BadDefinition((), f"A join needs `{key}`", f"Add `{key}: <view>`.")
    return name


def _join_type(of: Definition) -> JoinType:
    said = of.get("join_type")
    if isinstance(said, str) and said in JOIN_SYNONYMS:
        return JOIN_SYNONYMS[said]
    return parts.choice(of, "join_type", JoinType) or JoinType.ALWAYS_LEFT
