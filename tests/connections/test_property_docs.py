"""The page of properties has every one of them, and names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from dragoman.dialects.properties import PROPERTIES

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| `(\w+)` \| (.+?) \| (.+) \|$", (ROOT / "docs/properties.md").read_text(), re.M
)


def test_every_property_is_there_once_in_the_order_of_the_catalogue() -> None:
    assert [name for name, _, _ in ROWS] == list(PROPERTIES)


def test_every_property_names_tests_that_exist() -> None:
    for name, _, shown in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown)
        assert named, name
        for path, test in named:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{name}: {path}::{test}"
