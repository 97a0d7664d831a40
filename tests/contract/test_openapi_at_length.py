"""As `test_openapi.py`, with each bound of each schema and with many random requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.test_openapi import Place, asker, described, operations, place

__all__ = ["place"]
MANY_EXAMPLES = 1_000


@pytest.fixture(scope="module")
def ask_all() -> Callable[[Place, str, int], None]:
    return asker(described(every_edge=True))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("operation", operations())
def test_every_operation_keeps_to_the_document_for_long(
    operation: str, place: Place, ask_all: Callable[[Place, str, int], None]
) -> None:
    ask_all(place, operation, MANY_EXAMPLES)
