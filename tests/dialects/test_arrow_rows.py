"""Rows of Python values as record batches."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pytest

from dragoman.dialects import arrow_rows
from dragoman.dialects.mysql_types import duration


def source(rows: list[tuple[object, ...]]) -> Callable[[int], list[tuple[object, ...]]]:
    left = list(rows)

    def fetch(size: int) -> list[tuple[object, ...]]:
        taken, left[:] = left[:size], left[size:]
        return taken

    return fetch


def test_batches_begin_small_and_grow_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_rows, "BATCH_ROWS", 40)
    columns = [arrow_rows.values("n", pa.int64()), arrow_rows.values("t", pa.string())]
    rows = [(n, None if n % 2 else f"row {n}") for n in range(100)]
    batches = list(arrow_rows.batches(source(rows), columns, 4))
    assert [batch.num_rows for batch in batches] == [4, 32, 40, 24]
    assert [tuple(r.values()) for b in batches for r in b.to_pylist()] == rows
    assert all(batch.schema == arrow_rows.schema_of(columns) for batch in batches)


def test_no_rows_are_no_batches() -> None:
    assert list(arrow_rows.batches(source([]), [arrow_rows.values("n", pa.int64())])) == []


def test_text_is_parsed_exactly() -> None:
    columns = [
        arrow_rows.parsed("u", pa.uint64()),
        arrow_rows.parsed("d", pa.decimal256(65, 10)),
        arrow_rows.parsed("f", pa.float64()),
    ]
    given = [("18446744073709551615", "-" + "9" * 55 + ".0000000001", "0.1"), (None, None, None)]
    (batch,) = arrow_rows.batches(source(list(given)), columns)
    assert batch.to_pylist() == [
        {"u": 2**64 - 1, "d": Decimal("-" + "9" * 55 + ".0000000001"), "f": 0.1},
        {"u": None, "d": None, "f": None},
    ]


def test_a_value_that_does_not_fit_is_an_error_and_not_another_value() -> None:
    columns = [arrow_rows.parsed("d", pa.decimal128(4, 2))]
    with pytest.raises(pa.ArrowInvalid):
        list(arrow_rows.batches(source([("1.2345",)]), columns))


@pytest.mark.parametrize(
    ("precision", "scale", "expected"),
    [(0, 0, pa.decimal128(1, 0)), (38, 2, pa.decimal128(38, 2)), (39, 2, pa.decimal256(39, 2))],
)
def test_decimal_types(precision: int, scale: int, expected: pa.DataType) -> None:
    assert arrow_rows.decimal_type(precision, scale) == expected
    assert arrow_rows.decimal_type(77, 0) is None


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("00:00:00", 0),
        ("-00:00:01.5", -1_500_000),
        ("838:59:59", 3_020_399_000_000),
        ("-838:59:59.999999", -3_020_399_999_999),
        ("10:00:00.1", 36_000_100_000),
    ],
)
def test_times_are_durations(text: str, microseconds: int) -> None:
    found = duration(text)
    assert found is not None
    assert round(found.total_seconds() * 1_000_000) == microseconds
    assert duration(None) is None
