"""What a plain scalar means in YAML 1.2 (core schema): `on`, `yes` and dates stay text.

https://yaml.org/spec/1.2.2/#103-core-schema. Values that JSON does not have (`.nan`, `.inf`) and
whole numbers of more than 100 digits stay text too.
"""

from __future__ import annotations

import re
from typing import Any

_FIXED: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_STARTS = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")


def plain(text: str) -> Any:
    """The value of an unquoted scalar: None, a boolean, a number or the text itself."""
    if text in _FIXED:
        return _FIXED[text]
    if text[0] not in _STARTS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 8 if text[:2] == "0o" else 16 if text[:2] == "0x" else 10)
    if len(text) <= 100 and _FLOAT.fullmatch(text):
        value = float(text)
        return text if value in (float("inf"), float("-inf")) else value
    return text
