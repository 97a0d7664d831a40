"""Texts of drivers made fit for a person: no secrets, no noise, one line, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from dragoman.secret import MASK, SecretStr

MAX_MESSAGE = 500
# A shorter secret would mask innocent letters; no driver repeats single letters of a password.
_MIN_SECRET = 3


def redacted(text: str, secrets: Iterable[SecretStr]) -> str:
    """The text with every secret masked, plain and percent-encoded."""
    for secret in secrets:
        plain = secret.reveal()
        if len(plain) >= _MIN_SECRET:
            for form in {plain, quote(plain, safe="")}:
                text = text.replace(form, MASK)
    return text


def tidy(text: str, secrets: Mapping[str, SecretStr] | None = None) -> str:
    """One printable line without secrets, at most `MAX_MESSAGE` characters."""
    masked = redacted(text, (secrets or {}).values())
    line = re.sub(r"\s+", " ", masked).strip()
    printable = "".join(c for c in line if c.isprintable())
    return printable if len(printable) <= MAX_MESSAGE else printable[: MAX_MESSAGE - 1] + "…"
