"""Values as people read them: `formatResults` (contract 4.1). Numbers by their named format, or a
mask of spreadsheets; times by a format of D3. What has neither stays a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import partial
from typing import Any

from dragoman.dialects.arrow import RecordBatch, pyarrow
from dragoman.dialects.base import Batches, Rows
from dragoman.queries.number_formats import excel_format
from dragoman.semantics.compiler.plan import Column

_DIGITS = re.compile(r"(#,##|#)?(0+)(?:\.(0+))?(,*)(%)?")
_AROUND = re.compile(r'(?:"[^"]*"|\\.|[$€£¥ ()+/:-])*')
_OF_TIME = re.compile(r"%-?[a-zA-Z%]")
# More than the digits of any column.
_PRECISION = 120
Write = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Mask:
    """A number format taken apart. `digits`: before the point, at least; `thousands`: by how many
    thousands it is divided."""

    before: str
    grouped: bool
    digits: int
    places: int
    thousands: int
    percent: bool
    behind: str

    def text(self, value: float | Decimal) -> str:
        """The number as text, rounded as spreadsheets do: away from zero."""
        number = Decimal(str(value))
        if not number.is_finite():
            return str(value)
        with localcontext() as context:
            context.prec = _PRECISION
            shift = (2 if self.percent else 0) - 3 * self.thousands
            step = Decimal(1).scaleb(-self.places)
            rounded = number.scaleb(shift).quantize(step, ROUND_HALF_UP)
            written = f"{abs(rounded):{',' if self.grouped else ''}.{self.places}f}"
        if not self.grouped:
            whole, point, rest = written.partition(".")
            written = f"{whole.zfill(self.digits)}{point}{rest}"
        sign = "-" if rounded < 0 else ""
        return f"{sign}{self.before}{written}{'%' if self.percent else ''}{self.behind}"


def mask_of(form: str) -> Mask | None:
    """A mask of spreadsheets, of which the first section counts; None for one that is not known."""
    form = form.partition(";")[0]
    found = _DIGITS.search(re.sub(r'"[^"]*"|\\.', lambda quoted: " " * len(quoted[0]), form))
    if found is None:
        return None
    before, behind = form[: found.start()], form[found.end() :]
    if not _AROUND.fullmatch(before) or not _AROUND.fullmatch(behind):
        return None
    return Mask(
        _plain(before),
        found[1] == "#,##",
        len(found[2]),
        len(found[3] or ""),
        len(found[4]),
        found[5] is not None,
        _plain(behind),
    )


def formatted(rows: Rows, columns: Sequence[Column]) -> Rows:
    """The rows with texts in place of values that have a format. `columns`: theirs, in order."""
    pa: Any = pyarrow()
    writes = [
        _write(field.type, column.format)
        for field, column in zip(rows.schema, columns, strict=True)
    ]
    if not any(writes):
        return rows
    fields = [
        field if write is None else field.with_type(pa.string())
        for field, write in zip(rows.schema, writes, strict=True)
    ]
    return Rows(
        pa.schema(fields), _Formatted(rows.batches, pa.schema(fields), writes), rows.notices
    )


class _Formatted:
    def __init__(self, batches: Batches, schema: Any, writes: Sequence[Write | None]) -> None:
        self._batches = batches
        self._schema = schema
        self._writes = writes

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        pa: Any = pyarrow()
        batch = next(self._batches)
        columns = [
            column if write is None else pa.array(_texts(column, write), pa.string())
            for column, write in zip(batch.columns, self._writes, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def close(self) -> None:
        """See `Batches.close`."""
        self._batches.close()


def _texts(column: Any, write: Write) -> list[str | None]:
    return [None if value is None else write(value) for value in column.to_pylist()]


def _write(kind: Any, form: str | None) -> Write | None:
    """What writes values of that Arrow type in a format; None where none does."""
    types: Any = pyarrow().types
    if form is None:
        return None
    if types.is_date(kind) or types.is_timestamp(kind):
        return partial(_moment, form=form) if _OF_TIME.search(form) else None
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return None
    mask = mask_of(excel_format(form) or "")
    return None if mask is None else mask.text


def _moment(value: date | datetime, form: str) -> str:
    quarter = str((value.month + 2) // 3)
    return value.strftime(form.replace("%q", quarter))


def _plain(around: str) -> str:
    return re.sub(r'"([^"]*)"|\\(.)', lambda found: found[1] or found[2] or "", around)
