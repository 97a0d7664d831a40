"""The page of threats names tests that exist, and every security test file is on it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_named_test_is_there() -> None:
    assert len(NAMED) > 30
    for path, name in NAMED:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_file_of_tests_is_on_the_page() -> None:
    files = {
        str(path.relative_to(ROOT))
        for folder in ("security", "faults", "contract")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
    }
    assert files - {path for path, _ in NAMED} <= {"tests/security/test_documentation.py"}


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and " --- " not in line]
    assert all("::" in row for row in rows if "Test |" not in row)
