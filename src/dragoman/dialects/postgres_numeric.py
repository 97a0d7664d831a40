"""PostgreSQL's `numeric` as Arrow decimals, also where no (p, s) is declared (`sum`, `avg`).

ADBC gives every numeric as text. Without (p, s) the values of the first batch choose the type:

- The first batch is the whole answer: exactly the digits its values need. Up to 38 that is
  decimal128, up to 76 decimal256, beyond that it stays text.
- More batches follow: the digits the first one needs, and those to spare (up to 38, or 76 where it
  needs more than 38) shared between both sides of the point.
- No value in the first batch: decimal128(38, 20). PostgreSQL gives quotients up to 20 decimals.

Later values must fit that type exactly, or the answer ends with a failure: nothing is rounded.
Arrow's own cast from text is no judge of that: it wraps where a value has far too many digits
(measured with pyarrow 26). So digits are counted before each cast.
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.dialects.arrow import Array, DataType, pyarrow
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

WIDEST_128 = 38
WIDEST_256 = 76
_UNKNOWN_SCALE = 20
# As ADBC writes them, and as the server does.
_SPECIAL = ("nan", "inf", "-inf", "NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True)
class Digits:
    """The most digits that some numbers have before and after the decimal point."""

    before: int
    after: int

    def fit(self, target: DataType) -> bool:
        """Whether every number with so many digits is exact in that decimal type."""
        return self.after <= target.scale and self.before <= target.precision - target.scale


def declared_type(typmod: int) -> DataType | None:
    """The decimal type of `numeric(p, s)`; None when there is no (p, s) or it is beyond Arrow's.

    The modifier holds 4 + (p << 16) + (s as 11 bits, two's complement): numeric.c.
    """
    if typmod < 4:
        return None
    precision = ((typmod - 4) >> 16) & 0xFFFF
    scale = ((typmod - 4) & 0x7FF ^ 0x400) - 0x400
    # A negative scale rounds left of the point; a scale above the precision has only zeros there.
    return _decimal(max(precision - min(scale, 0), scale), max(scale, 0))


def chosen_type(first: Array | None, *, whole: bool) -> DataType | None:
    """The type for a column that begins with these texts; None when they need over 76 digits.

    `first`: the first batch's texts, None when there is no row; `whole`: no other batch follows.
    """
    if first is None or (text := _without_special(first)).null_count == len(text):
        return _decimal(WIDEST_128, _UNKNOWN_SCALE)
    found = digits(text)
    needed = found.before + found.after
    if whole or needed > WIDEST_256:
        return _decimal(needed, found.after)
    widest = WIDEST_128 if needed <= WIDEST_128 else WIDEST_256
    return _decimal(widest, found.after + (widest - needed) // 2)


def cast(text: Array, target: DataType) -> Array:
    """The texts, whose digits are known to fit, as that type; NaN and the infinities as nulls."""
    try:
        return text.cast(target)
    except pyarrow().ArrowInvalid:
        return _without_special(text).cast(target)


def checked_cast(text: Array, target: DataType, name: str) -> Array:
    """As `cast`, for any texts. Raises `DatabaseFailure` naming the column if one does not fit."""
    compute = pyarrow().compute

    longest = compute.max(compute.binary_length(text)).as_py() or 0
    # A text this short has too few digits on either side, wherever its point is: the quick way.
    if longest > min(target.precision - target.scale, target.scale + 2):
        text = _fitting(_without_special(text), target, name)
    return cast(text, target)


def digits(text: Array) -> Digits:
    """The digits of numbers written as PostgreSQL does (no exponent); 0 and 0 if all are null."""
    compute = pyarrow().compute

    bare = compute.ascii_ltrim(text, "-0")
    length, point = compute.binary_length(bare), compute.find_substring(bare, ".")
    whole = compute.less(point, 0)
    before = compute.max(compute.if_else(whole, length, point)).as_py()
    beyond = compute.subtract(compute.subtract(length, point), 1)
    after = compute.max(compute.if_else(whole, 0, beyond)).as_py()
    return Digits(before or 0, after or 0)


def _decimal(precision: int, scale: int) -> DataType | None:
    pa = pyarrow()

    if precision <= WIDEST_128:
        return pa.decimal128(max(precision, 1), scale)
    return pa.decimal256(precision, scale) if precision <= WIDEST_256 else None


def _without_special(text: Array) -> Array:
    pa = pyarrow()

    special = pa.compute.is_in(text, value_set=pa.array(_SPECIAL))
    return pa.compute.if_else(special, pa.scalar(None, text.type), text)


def _fitting(text: Array, target: DataType, name: str) -> Array:
    if digits(text).fit(target):
        return text
    text = _without_closing_zeros(text)
    if digits(text).fit(target):
        return text
    raise _too_long(name, target)


def _without_closing_zeros(text: Array) -> Array:
    compute = pyarrow().compute

    broken = compute.match_substring(text, ".")
    return compute.if_else(broken, compute.ascii_rtrim(text, "0"), text)


def _too_long(name: str, target: DataType) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.QUERY,
        Cause.OTHER,
        f"Column {name}: a value has more digits than the first rows led to expect"
        f" ({target.precision - target.scale} before the decimal point, {target.scale} after it).",
        f"Cast the column to numeric(p, s) in the query, for example {name}::numeric(38, 10).",
    )
