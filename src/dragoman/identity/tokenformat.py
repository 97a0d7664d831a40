"""The form of API tokens: a prefix, random characters and a checksum. Pure: no store, no clock.

    omni_osk_<30 random base62 characters><6 characters of checksum>     organization key
    omni_pat_<30 random base62 characters><6 characters of checksum>     personal token

30 base62 characters hold 178 random bits. The checksum is the CRC-32 of all that stands before it,
in base62; it finds typing slips and false alarms of scanners without a look-up, and proves nothing
about who made the token.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Literal

from dragoman.secret import SecretStr

TokenKind = Literal["organization", "personal"]

PREFIXES: dict[TokenKind, str] = {"organization": "omni_osk_", "personal": "omni_pat_"}

SCANNER_PATTERN = r"\bomni_(?:osk|pat)_[0-9A-Za-z]{36}\b"
"""For secret scanners: finds a token in any text. Confirm a hit with `parse`."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARACTERS = 30
_CHECKSUM_CHARACTERS = 6  # 62**6 > 2**32
_HINT_CHARACTERS = 4
_TOKEN = re.compile(r"omni_(?:osk|pat)_[0-9A-Za-z]{36}")


def generate(kind: TokenKind) -> SecretStr:
    """A new token of this kind: 45 ASCII characters."""
    random_part = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    body = PREFIXES[kind] + random_part
    return SecretStr(body + _checksum(body))


def parse(text: str | SecretStr) -> TokenKind | None:
    """The kind of a well-formed token, or None when its form or its checksum is wrong.

    A kind only says that a look-up is worth while, not that the token is known.
    """
    plain = _plain(text)
    if not _TOKEN.fullmatch(plain):
        return None
    if _checksum(plain[:-_CHECKSUM_CHARACTERS]) != plain[-_CHECKSUM_CHARACTERS:]:
        return None
    return next(kind for kind, prefix in PREFIXES.items() if plain.startswith(prefix))


def digest(text: str | SecretStr) -> bytes:
    """The SHA-256 of the token, 32 bytes: all that is stored of it.

    A plain hash is enough for 178 random bits; a slow one is for passwords.
    """
    return hashlib.sha256(_plain(text).encode(errors="surrogatepass")).digest()


def hint(token: SecretStr) -> str:
    """The prefix and the last 4 characters, as in `omni_pat_…x7Qd`, to tell tokens apart in lists.

    Raises `ValueError` for what is not a token, since its end would be shown.
    """
    kind = parse(token)
    if kind is None:
        raise ValueError("not a token")
    return f"{PREFIXES[kind]}…{token.reveal()[-_HINT_CHARACTERS:]}"


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits: list[str] = []
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _plain(text: str | SecretStr) -> str:
    return text.reveal() if isinstance(text, SecretStr) else text
