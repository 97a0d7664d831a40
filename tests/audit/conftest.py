"""The audit as the tests write it: the housekeeping, which tells of keys in use, comes too late."""

from __future__ import annotations

import pytest

from dragoman import app


@pytest.fixture(autouse=True)
def no_housekeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FLUSH_SECONDS", 3600.0)
