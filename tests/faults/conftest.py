"""A home for each test, and DuckDB files that a server process may connect."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the server under test; several processes use it one after another."""
    return tmp_path / "home"
