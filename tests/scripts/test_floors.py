"""The contract for resources refuses what it should, and only that."""

from __future__ import annotations

import pytest

from scripts.floors import allowed

RESOURCES = {"connections", "identity"}


@pytest.mark.parametrize(
    ("importer", "imported", "expected"),
    [
        ("dragoman.identity.service", "dragoman.connections.service", True),
        ("dragoman.identity.service", "dragoman.connections", True),
        ("dragoman.identity.service", "dragoman.connections.tables", False),
        ("dragoman.identity.service", "dragoman.connections.schemas", False),
        ("dragoman.app", "dragoman.connections.tables", True),
        ("dragoman.app", "dragoman.connections.routes", True),
        ("dragoman.cli.connections", "dragoman.connections.tables", False),
        ("dragoman.store.migrate", "dragoman.connections.tables", False),
    ],
)
def test_who_may_import_what(importer: str, imported: str, expected: bool) -> None:
    assert allowed(importer, imported, RESOURCES) is expected
