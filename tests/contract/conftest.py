"""What takes a minute to collect is collected only to be run."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the many cases of `test_openapi_at_length.py` where slow tests do not run."""
    left_out = config.option.markexpr == "not slow"
    return True if left_out and collection_path.name == "test_openapi_at_length.py" else None
