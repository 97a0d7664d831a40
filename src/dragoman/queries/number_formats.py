"""Named formats of the language as number formats of spreadsheets (modeling reference 2.4)."""

from __future__ import annotations

import re

_NAME = re.compile(r"(?:big)?([a-z]+?)(?:_(\d))?")
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "brl": "R$", "aud": "A$"}
_STYLES = ("currency", "accounting", "financial")
_FIXED = {
    "number": "#,##0{}",
    "currency": "$#,##0{}",
    "percent": "0{}%",
    "id": "0{}",
    "thousands": "#,##0{},",
    "millions": "#,##0{},,",
    "billions": "#,##0{},,,",
    "trillions": "#,##0{},,,,",
}
DAY = "yyyy-mm-dd"
READING = "yyyy-mm-dd hh:mm:ss"


def excel_format(name: str | None) -> str | None:
    """The number format of a named one, or of a mask as spreadsheets have it; None for others.

    Percentages are fractions: 0.5 is shown as 50%.
    """
    if not name:
        return None
    found = _NAME.fullmatch(name.lower())
    if found is None:
        return name if re.search(r"[0#]", name) else None
    word, places = found[1], "." + "0" * int(found[2]) if found[2] and found[2] != "0" else ""
    fixed = _FIXED.get(word)
    if fixed is not None:
        return fixed.format(places)
    sign = next((_SIGNS[s] for s in _SIGNS if word in [s + style for style in _STYLES]), None)
    return None if sign is None else f'"{sign}"#,##0{places}'
