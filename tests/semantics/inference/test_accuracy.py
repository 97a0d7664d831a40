"""How often relationships guessed from names are right, on public schemas without constraints."""

from __future__ import annotations

import re

import pytest

from tests.semantics.inference.public_schemas import (
    CHINOOK,
    JAFFLE_SHOP,
    NORTHWIND,
    SAKILA,
    SCHEMAS,
    TPC_H,
    PublicSchema,
)
from tests.semantics.inference.tables import Tables

Edge = tuple[str, str, str, str]
_SIDES = re.compile(r"\$\{(\w+)\.(\w+)\} = \$\{(\w+)\.(\w+)\}")


def guessed(schema: PublicSchema) -> set[Edge]:
    """What the rules find, in the words of the schema."""
    tables = Tables(schema.tables)
    words = {
        (view, field): (source.target.identity[2], column)
        for view, source in tables.sources.items()
        for table in schema.tables
        if table.name == source.target.identity[2]
        for column in (c.name for c in table.columns)
        for field in [source.target.field(column)]
    }
    found = set[Edge]()
    for each in tables.all():
        sides = _SIDES.fullmatch(each["on_sql"])
        assert sides is not None
        _, own, _, other = sides.groups()
        found.add((*words[each["join_from_view"], own], *words[each["join_to_view"], other]))
    return found


def score(schema: PublicSchema) -> tuple[float, float]:
    """Precision and recall."""
    found = guessed(schema)
    right = len(found & schema.labels)
    return right / len(found), right / len(schema.labels)


@pytest.mark.parametrize(
    ("schema", "precision", "recall"),
    [
        (JAFFLE_SHOP, 1.0, 0.8),
        (TPC_H, 1.0, 0.9),
        (CHINOOK, 1.0, 0.81),
        (SAKILA, 0.95, 0.9),
        (NORTHWIND, 1.0, 0.7),
    ],
    ids=lambda value: value.name if isinstance(value, PublicSchema) else "",
)
def test_floor(schema: PublicSchema, precision: float, recall: float) -> None:
    found = guessed(schema)
    got = score(schema)
    print(f"{schema.name}: precision {got[0]:.2f}, recall {got[1]:.2f}")
    print(f"  wrong: {sorted(found - schema.labels)}")
    print(f"  missed: {sorted(schema.labels - found)}")
    assert got[0] >= precision
    assert got[1] >= recall


def test_all_together() -> None:
    """The figures of docs/schema-model.md."""
    found = [(guessed(schema), schema.labels) for schema in SCHEMAS]
    right = sum(len(guess & labels) for guess, labels in found)
    precision = right / sum(len(guess) for guess, _ in found)
    recall = right / sum(len(labels) for _, labels in found)
    print(f"together: precision {precision:.2f}, recall {recall:.2f}")
    assert precision >= 0.97
    assert recall >= 0.85
