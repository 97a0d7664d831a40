"""As `test_openapi.py`, with each bound of each schema and with many random requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_openapi import Place, call, described, place, profile

__all__ = ["place"]
MANY_EXAMPLES = 1_000
schema = described(every_edge=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@schema.parametrize()
@profile(MANY_EXAMPLES)
def test_every_operation_keeps_to_the_document_for_long(case: Any, place: Place) -> None:
    call(place, case)
