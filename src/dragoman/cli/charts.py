"""Charts of answers: bars in the terminal, and Vega-Lite drawn into a file."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.cli.exits import CommandError, Exit
from dragoman.cli.output import table

if TYPE_CHECKING:
    from dragoman.semantics.compiler.plan import Column

WIDTH = 40
MAX_BARS = 50


def bars(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Bars of the last column, named by the first."""
    values = [_number(row[-1]) for row in rows[:MAX_BARS]]
    most = max((abs(value) for value in values), default=0) or 1
    cells = [
        [row[0], "█" * round(abs(value) / most * WIDTH), row[-1]]
        for row, value in zip(rows[:MAX_BARS], values, strict=True)
    ]
    table([names[0], "", names[-1]], cells)


def draw(path: Path, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> None:
    """Draw a chart into an .svg or .png file. Raises `CommandError`."""
    vl_convert = _vl_convert()
    spec = specification(columns, rows)
    if path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
    elif path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    else:
        raise CommandError(f"{path} is neither .svg nor .png.", "", Exit.USAGE)


def _vl_convert() -> Any:
    try:
        return importlib.import_module("vl_convert")
    except ModuleNotFoundError:
        raise CommandError(
            "Charts in files need vl-convert.", "pip install 'dragoman[chart]'", Exit.FAILED
        ) from None


def specification(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A Vega-Lite chart: a line over time, else bars; a second dimension gives colours.

    Source: Vega-Lite 5, encoding.
    """
    dimensions = [n for n, column in enumerate(columns) if column.is_dimension]
    measures = [n for n, column in enumerate(columns) if not column.is_dimension]
    if not dimensions or not measures:
        raise CommandError("A chart needs a dimension and a measure.", "", Exit.USAGE)
    x, y = dimensions[0], measures[0]
    timely = columns[x].type.is_time
    values = [{f"f{n}": _plain(cell) for n, cell in enumerate(row)} for row in rows]
    encoding: dict[str, Any] = {
        "x": {
            "field": f"f{x}",
            "type": "temporal" if timely else "nominal",
            "title": columns[x].label,
            "sort": None,
        },
        "y": {"field": f"f{y}", "type": "quantitative", "title": columns[y].label},
    }
    if len(dimensions) > 1:
        other = dimensions[1]
        encoding["color"] = {"field": f"f{other}", "title": columns[other].label}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 600,
        "height": 300,
        "data": {"values": values},
        "mark": "line" if timely else "bar",
        "encoding": encoding,
    }


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return _number(value)
