"""Values as people read them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects.base import Rows
from dragoman.queries.formatted import formatted, mask_of
from dragoman.queries.number_formats import excel_format
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType


@pytest.mark.parametrize(
    ("form", "value", "wanted"),
    [
        ("usdcurrency_2", Decimal("1234567.895"), "$1,234,567.90"),
        ("usdcurrency_2", -0.5, "-$0.50"),
        ("eurcurrency", 1999.5, "€2,000"),
        ("number_0", 2**63 - 1, "9,223,372,036,854,775,807"),
        ("NUMBER_1", Decimal("9" * 38), f"{int('9' * 38):,}.0"),
        ("percent_1", 0.1234, "12.3%"),
        ("id", 1234567, "1234567"),
        ("millions_1", 1_250_000, "1.3"),
        ("0.00", Decimal("-0.004"), "0.00"),
        ("000", 7, "007"),
        ('#,##0.0" kg"', 1500, "1,500.0 kg"),
        ('"#"0', 5, "#5"),
        ("0.0;(0.0)", 1.25, "1.3"),
        ("number_2", float("inf"), "inf"),
    ],
)
def test_a_number_in_its_format(form: str, value: Any, wanted: str) -> None:
    mask = mask_of(excel_format(form) or "")
    assert mask is not None
    assert mask.text(value) == wanted


@pytest.mark.parametrize("form", ["general", "0 banana", "[red]0", "yyyy-mm-dd"])
def test_a_format_that_is_not_known_changes_nothing(form: str) -> None:
    assert mask_of(excel_format(form) or "") is None


def test_what_has_a_format_becomes_text() -> None:
    table = pa.table(
        {
            "n": pa.array([1000, None]),
            "d": [date(2024, 5, 1), None],
            "t": ["x", None],
            "plain": [1.5, None],
        }
    )
    forms = {"n": "number_0", "d": "%b %Y, Q%q", "t": "number_0", "plain": None}
    columns = [
        Column(name, name, DataType.UNKNOWN, is_dimension=True, format=form)
        for name, form in forms.items()
    ]
    batches: Any = iter(table.to_batches())
    shown = formatted(Rows(table.schema, batches, []), columns)
    found = pa.Table.from_batches(list(shown.batches), schema=shown.schema).to_pylist()
    assert found == [
        {"n": "1,000", "d": "May 2024, Q2", "t": "x", "plain": 1.5},
        dict.fromkeys(("n", "d", "t", "plain")),
    ]
