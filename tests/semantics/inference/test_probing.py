"""What may be concluded from counts, and the statements that count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlglot

from dragoman.dialects import registry, sql
from dragoman.semantics.inference.probing import Counted, End, counting, orphans, verdict

ONE = End("a", ("shop", 'or"de`r]s'), ("x", "y"), ("x", "y"))
OTHER = End("b", ("users",), ("id", "z"), ("id", "z"))
UNIQUE, TWICE = Counted(5, 1, 4, 1, capped=False), Counted(5, 0, 3, 2, capped=False)
UNIQUE_SO_FAR, TWICE_SO_FAR = Counted(5, 0, 5, 1, capped=True), Counted(5, 0, 3, 2, capped=True)
EMPTY, NULLS = Counted(0, 0, 0, 0, capped=False), Counted(5, 5, 0, 0, capped=True)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (UNIQUE, UNIQUE, "one_to_one"),
        (TWICE, UNIQUE, "many_to_one"),
        (UNIQUE, TWICE, "one_to_many"),
        (TWICE, TWICE, "many_to_many"),
        # What was not read may have a key twice: the weaker of two claims.
        (UNIQUE_SO_FAR, UNIQUE, "many_to_one"),
        (UNIQUE_SO_FAR, TWICE, "many_to_many"),
        (TWICE, UNIQUE_SO_FAR, "assumed_many_to_one"),
        (UNIQUE, UNIQUE_SO_FAR, "assumed_many_to_one"),
        # A key that occurs twice is one whatever the rest has.
        (UNIQUE, TWICE_SO_FAR, "one_to_many"),
        (EMPTY, UNIQUE, None),
        (TWICE, EMPTY, None),
        (TWICE, NULLS, None),
    ],
)
def test_no_more_is_claimed_than_was_read(
    one: Counted, other: Counted, expected: str | None
) -> None:
    kind, reasons = verdict(one, other)
    assert kind == expected
    assert len(reasons) == 2


def test_reasons_have_the_counts() -> None:
    assert verdict(TWICE, UNIQUE_SO_FAR)[1] == [
        "join_from_view: a key occurs 2 times in 5 rows",
        "join_to_view: no key occurs twice in the 5 rows that were read; there may be more",
    ]


@pytest.mark.parametrize("dialect", sorted(registry.names()))
def test_every_dialect_writes_the_statements(dialect: str) -> None:
    functions = sql.table(dialect)
    name = "or'de`r]s" if dialect == "oracle" else 'or"de`r]s'  # no name there has the quote
    one = replace(ONE, table=("shop", name))
    for text in (counting(functions, one, 10), orphans(functions, one, OTHER, 10)):
        assert functions.name(name) in text
        assert "10" in text
        assert text.count("(") == text.count(")")
        if dialect not in {"sap_hana"}:  # sqlglot does not read its SQL
            sqlglot.parse_one(text, dialect=functions.parser)
