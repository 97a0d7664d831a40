"""Parameters of joins."""

from __future__ import annotations

from dragoman.semantics.model.relationships import ASSUMED, JOIN_SYNONYMS, Cardinality, JoinType
from dragoman.semantics.schema.shapes import Schema, choice, flag, name, record, sql, text

RELATIONSHIP = record(
    {
        "join_from_view": name("The view on the left side."),
        "join_from_view_as": name("A name of its own for the left side in this join."),
        "join_from_view_as_label": text("The label of that name."),
        "join_to_view": name("The view on the right side."),
        "join_to_view_as": name(
            "A name of its own for the right side; it is a view everywhere else."
        ),
        "join_to_view_as_label": text("The label of that name."),
        "join_type": choice(
            "Which rows stay. `left_right`: LEFT from left to right and RIGHT back.",
            (*JoinType, *JOIN_SYNONYMS),
            default=JoinType.ALWAYS_LEFT.value,
        ),
        "relationship_type": choice(
            "How many rows of the left fit one of the right. It decides how sums are kept right; "
            f"`{ASSUMED}` is what was made from names.",
            (*Cardinality, ASSUMED),
        ),
        "on_sql": sql("The condition, with `${view.field}`; not needed for a cross join."),
        "where_sql": sql("A condition on the result whenever the join is used."),
        "reversible": flag("May be walked from right to left too."),
        "id": text("Tells two joins between the same two views apart."),
        "ignored": flag("Take the join of a lower layer away."),
    },
    "A join between two views.",
)
DEFINITIONS: dict[str, Schema] = {"relationship": RELATIONSHIP}
