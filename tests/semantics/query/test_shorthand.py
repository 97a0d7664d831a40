"""Filters as people type them."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.semantics.query.filters import read_filter
from dragoman.semantics.query.shorthand import filter_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("null", {"type": "null"}),
        ("not null", {"type": "null", "is_negative": True}),
        ("true", {"type": "boolean", "is_negative": False}),
        (">= 2.5", {"type": "number", "kind": "GREATER_THAN", "is_inclusive": True}),
        ("<3", {"type": "number", "kind": "LESS_THAN", "values": ["3"]}),
        ("last 30 days", {"left_side": "30 days ago", "right_side": "30 days"}),
        ("last quarter", {"type": "date", "left_side": "last quarter"}),
        ("2024-03", {"type": "date", "left_side": "2024-03"}),
        ("2024", {"type": "string", "values": ["2024"]}),
        ("paid, open", {"type": "string", "kind": "EQUALS", "values": ["paid", "open"]}),
        ("!paid", {"values": ["paid"], "is_negative": True}),
        ("~ber", {"kind": "CONTAINS", "values": ["ber"]}),
    ],
)
def test_words(text: str, found: dict[str, Any]) -> None:
    made = filter_of(text)
    assert {name: made[name] for name in found} == found
    read_filter("f", made)
