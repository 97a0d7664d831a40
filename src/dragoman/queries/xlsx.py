"""A spreadsheet of an answer, made in a process of its own.

Writing cells holds the interpreter for seconds: beside the server it would hold up every other
request. The child reads the Arrow file of the answer and writes rows as it reads them, so that its
memory stays flat. Texts are never formulas.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dragoman.api.errors import BadRequest
from dragoman.queries.number_formats import DAY, READING, excel_format
from dragoman.semantics.compiler.plan import Column

# As many write at once as the machine has cores; the others wait for their turn.
WRITERS = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="spreadsheet")
NICENESS = 10
MAX_ROWS = 1_048_575  # a sheet's, less the head
SECONDS = 600.0


def convert(source: Path, target: Path, columns: Sequence[Column] | None, *, labels: bool) -> None:
    """Write the Arrow stream of a file as a spreadsheet. Raises `BadRequest` where it cannot be."""
    told = [
        {"title": each.label if labels else each.name, "format": excel_format(each.format)}
        for each in columns or ()
    ]
    command = [sys.executable, "-m", __name__, str(source), str(target)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and files
        command,
        input=json.dumps(told),
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        message = done.stderr.strip().splitlines()[-1:] or ["it failed"]
        raise BadRequest(f"Bad Request: the spreadsheet cannot be written: {message[0][:200]}")


def write(source: Path, target: Path, columns: Sequence[dict[str, Any]]) -> None:
    """In the child: the rows, one at a time."""
    import xlsxwriter

    from dragoman.dialects.arrow import pyarrow

    pa: Any = pyarrow()

    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "remove_timezone": True,
        "nan_inf_to_errors": True,
    }
    with xlsxwriter.Workbook(str(target), options) as book, pa.OSFile(str(source)) as file:
        sheet = book.add_worksheet("Results")
        reader: Any = pa.ipc.open_stream(file)
        bold = book.add_format({"bold": True})
        titles = [each["title"] for each in columns] or reader.schema.names
        for at, title in enumerate(titles):
            sheet.write_string(0, at, title, bold)
        styles = [_style(book, field, columns, at) for at, field in enumerate(reader.schema)]
        row = 0
        for batch in reader:
            values = [_values(column) for column in batch.columns]
            if row + batch.num_rows > MAX_ROWS:
                raise SystemExit(f"a sheet holds {MAX_ROWS} rows: set a limit")
            for cells in zip(*values, strict=True):
                row += 1
                for at, value in enumerate(cells):
                    _cell(sheet, row, at, value, styles[at])


def _values(column: Any) -> list[Any]:
    """What stands in the cells; what no cell holds is written as in CSV."""
    from dragoman.dialects.arrow import pyarrow
    from dragoman.queries.formats.json import ENCODER
    from dragoman.queries.formats.plain import values

    types: Any = pyarrow().types
    kind = column.type
    texts = (types.is_nested, types.is_interval, types.is_duration, types.is_binary)
    if not any(is_one(kind) for is_one in texts):
        return column.to_pylist()
    return [
        each if each is None or isinstance(each, str) else ENCODER.encode(each).decode()
        for each in values(column)
    ]


def _style(book: Any, field: Any, columns: Sequence[dict[str, Any]], at: int) -> Any:
    from dragoman.dialects.arrow import pyarrow

    pa: Any = pyarrow()
    given = columns[at]["format"] if columns else None
    if given is None and pa.types.is_date(field.type):
        given = DAY
    elif given is None and pa.types.is_timestamp(field.type):
        given = READING
    return book.add_format({"num_format": given}) if given else None


def _cell(sheet: Any, row: int, at: int, value: Any, style: Any) -> None:
    from datetime import date, datetime
    from decimal import Decimal

    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, at, value, style)
    elif isinstance(value, int | float | Decimal) and abs(value) < 10**15:
        sheet.write_number(row, at, float(value), style)
    elif isinstance(value, date | datetime) and value.year >= 1900:
        sheet.write_datetime(row, at, value, style)
    else:
        # Whatever a spreadsheet has no exact cell for stays as text: long whole numbers, lists.
        sheet.write_string(row, at, str(value)[:32_767], style)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    write(Path(sys.argv[1]), Path(sys.argv[2]), json.load(sys.stdin))
