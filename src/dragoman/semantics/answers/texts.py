"""TEXT of spreadsheets: a number or a time as a text of a format, as an expression of DuckDB.

Formats are those that spreadsheets share: `0.00`, `#,##0.0`, `0%`, with a text before or behind;
and of times `yyyy-mm-dd`, `mmm d, yyyy`, `hh:mm:ss`. What is not known is refused, not guessed.
"""

from __future__ import annotations

import re

from dragoman.dialects.sql import table

_SQL = table("duckdb")
_NUMBER = re.compile(r"(#,##|#)?(0+)(?:\.(0+))?(%)?")
_TIME = re.compile(r"yyyy|yy|mmmm|mmm|mm|m|dddd|ddd|dd|d|hh|h|ss|am/pm|[-/:,. ]+", re.IGNORECASE)
_CODES = {
    "yyyy": "%Y",
    "yy": "%y",
    "mmmm": "%B",
    "mmm": "%b",
    "mm": "%m",
    "m": "%-m",
    "dddd": "%A",
    "ddd": "%a",
    "dd": "%d",
    "d": "%-d",
    "ss": "%S",
    "am/pm": "%p",
}


def text(value: str, form: str) -> str | None:
    """The value in that format; None where the format is not known."""
    return _number(value, form) or _time(value, form)


def _number(value: str, form: str) -> str | None:
    found = _NUMBER.search(form)
    if found is None:
        return None
    before, behind = (_plain(each) for each in (form[: found.start()], form[found.end() :]))
    if before is None or behind is None:
        return None
    grouped, whole, places = found[1] == "#,##", found[2], len(found[3] or "")
    if len(whole) > 1 and (grouped or found[1]):
        return None
    scaled = f"CAST({value} AS DOUBLE)" + (" * 100" if found[4] else "")
    # Rounded as spreadsheets do, away from zero, before it is written.
    rounded = f"ROUND(CAST({scaled} AS DECIMAL(38, 10)), {places})"
    width = f"0{len(whole) + (places + 1 if places else 0)}" if len(whole) > 1 else ""
    pattern = f"{{:{width}{',' if grouped else ''}.{places}f}}"
    written = f"format({_SQL.string(pattern)}, CAST(ABS({rounded}) AS DOUBLE))"
    parts = [_SQL.string(before), written, _SQL.string(f"{found[4] or ''}{behind}")]
    sign = f"CASE WHEN {rounded} < 0 THEN '-' ELSE '' END"
    return f"({' || '.join([sign, *parts])})"


def _plain(given: str) -> str | None:
    """What stands around a number, its quotes taken away; None for what may mean something."""
    quoted = re.fullmatch(r'"([^"]*)"', given)
    if quoted is not None:
        return quoted[1]
    return given if re.fullmatch(r"[$€£¥ ()+-]*", given) else None


def _time(value: str, form: str) -> str | None:
    pieces = _TIME.findall(form)
    lowered = [piece.lower() for piece in pieces]
    if "".join(pieces) != form or not any(piece[0].isalpha() for piece in pieces):
        return None
    half_day = "am/pm" in lowered
    codes = {**_CODES, "hh": "%I" if half_day else "%H", "h": "%-I" if half_day else "%-H"}
    written: list[str] = []
    for at, piece in enumerate(lowered):
        # After hours and before seconds an m is minutes.
        around = [*lowered[max(at - 2, 0) : at], *lowered[at + 1 : at + 3]]
        minutes = piece in ("m", "mm") and bool({"h", "hh", "ss"} & set(around))
        code = {"m": "%-M", "mm": "%M"}[piece] if minutes else codes.get(piece)
        written.append(pieces[at] if code is None else code)
    return f"strftime(CAST({value} AS TIMESTAMP), {_SQL.string(''.join(written))})"
