"""How texts of PostgreSQL's numeric become decimals: exactly, or not at all."""

from __future__ import annotations

import contextlib
from decimal import Context, Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.postgres_numeric import Digits, checked_cast, chosen_type, digits


def written(unscaled: int, scale: int) -> str:
    """As PostgreSQL writes it: no exponent, a digit before the point, closing zeros kept."""
    text = str(abs(unscaled)).rjust(scale + 1, "0")
    whole, fraction = text[: len(text) - scale], text[len(text) - scale :]
    return ("-" if unscaled < 0 else "") + whole + (f".{fraction}" if scale else "")


numbers = st.builds(
    written,
    st.integers(1, 110).flatmap(lambda n: st.integers(-(10**n), 10**n)),
    st.integers(0, 100),
)
columns = st.lists(st.none() | numbers | st.sampled_from(["nan", "inf", "-inf"]), max_size=6)
targets = st.one_of(
    st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: pa.decimal128(p, s))),
    st.integers(39, 76).flatmap(lambda p: st.integers(0, p).map(lambda s: pa.decimal256(p, s))),
)


def texts(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string())


def exact(values: list[str | None]) -> list[Decimal | None]:
    """The numbers that Python reads; None for null, NaN and infinity."""
    return [None if v is None or v.endswith(("nan", "inf")) else Decimal(v) for v in values]


def within(value: Decimal | None, kind: pa.DataType) -> bool:
    """Whether the type holds the number, by Python's reckoning."""
    if value is None:
        return True
    scaled = value.scaleb(kind.scale, Context(prec=400, Emax=999, Emin=-999))
    return scaled == int(scaled) and abs(int(scaled)) < 10**kind.precision


@given(columns, targets)
def test_a_number_arrives_as_it_is_or_not_at_all(
    values: list[str | None], target: pa.DataType
) -> None:
    expected = exact(values)
    fits = all(within(value, target) for value in expected)
    with contextlib.nullcontext() if fits else pytest.raises(DatabaseFailure, match="Column n:"):
        assert checked_cast(texts(values), target, "n").to_pylist() == expected


@given(columns, st.booleans())
def test_the_first_batch_fits_the_type_that_it_chose(values: list[str | None], whole: bool) -> None:
    target = chosen_type(texts(values), whole=whole)
    if target is None:
        found = digits(texts([v for v in values if v and not v.endswith(("nan", "inf"))]))
        assert found.before + found.after > 76
    else:
        assert checked_cast(texts(values), target, "n").to_pylist() == exact(values)


@pytest.mark.parametrize(
    ("values", "alone", "followed"),
    [
        (["0"], pa.decimal128(1, 0), pa.decimal128(38, 19)),
        (["0.00"], pa.decimal128(2, 2), pa.decimal128(38, 20)),
        (["-12.5", "0.125", None], pa.decimal128(5, 3), pa.decimal128(38, 19)),
        (["9" * 38], pa.decimal128(38, 0), pa.decimal128(38, 0)),
        (["9" * 38, "0.1"], pa.decimal256(39, 1), pa.decimal256(76, 19)),
        (["9" * 76], pa.decimal256(76, 0), pa.decimal256(76, 0)),
        (["9" * 77], None, None),
        (["nan", None, "-inf"], pa.decimal128(38, 20), pa.decimal128(38, 20)),
        ([], pa.decimal128(38, 20), pa.decimal128(38, 20)),
    ],
)
def test_the_type_that_values_choose(
    values: list[str | None], alone: pa.DataType | None, followed: pa.DataType | None
) -> None:
    assert chosen_type(texts(values), whole=True) == alone
    assert chosen_type(texts(values), whole=False) == followed


def test_no_row_at_all() -> None:
    assert chosen_type(None, whole=True) == pa.decimal128(38, 20)
    assert digits(texts([None])) == Digits(0, 0)


def test_zeros_at_the_end_are_no_digits_to_lose() -> None:
    kind = pa.decimal128(5, 2)
    found = checked_cast(texts(["1.50000000", "100", "-0.0000000000"]), kind, "n")
    assert found.to_pylist() == [Decimal("1.50"), Decimal(100), Decimal(0)]
