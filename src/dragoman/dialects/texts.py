"""Texts of drivers made fit for a person: no secrets, no noise, one line, bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from dragoman.secret import MASK, SecretStr

MAX_MESSAGE = 500
# A shorter secret would mask innocent letters; no driver repeats single letters of a password.
_MIN_SECRET = 3
_LONG: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")


def redacted(text: str, secrets: Iterable[SecretStr]) -> str:
    """The text with secrets masked: as they are, as drivers quote them, and each long part."""
    for secret in secrets:
        plain = secret.reveal()
        if len(plain) >= _MIN_SECRET:
            for form in sorted(_forms(plain), key=len, reverse=True):
                text = text.replace(form, MASK)
    return text


def _forms(plain: str) -> set[str]:
    backslashed = plain.replace("\\", "\\\\").replace("'", "\\'")
    whole = {plain, backslashed, plain.replace("'", "''"), json.dumps(plain)[1:-1]}
    encoded = {quote(plain, safe=""), quote(plain), quote_plus(plain)}
    # A key file's lines, a token's sections: a message may repeat one alone.
    return whole | encoded | set(_LONG.findall(plain))


def tidy(text: str, secrets: Mapping[str, SecretStr] | None = None) -> str:
    """One printable line without secrets, at most `MAX_MESSAGE` characters."""
    masked = redacted(text, (secrets or {}).values())
    line = re.sub(r"\s+", " ", masked).strip()
    printable = "".join(c for c in line if c.isprintable())
    return printable if len(printable) <= MAX_MESSAGE else printable[: MAX_MESSAGE - 1] + "…"
