"""Secrets as a type: a value that cannot be printed, logged or compared by accident.

A secret enters as `SecretStr` where the request is parsed and stays one until a driver needs it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Literal, NoReturn

MASK = "**********"


class SecretStr:
    """Text that hides itself. `reveal()` is the only way out; a search for it finds every use."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The plain text. Call it only where a driver or a cipher takes it."""
        return self._value

    def __repr__(self) -> str:
        return f"SecretStr('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretStr):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash((SecretStr, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def _bytes(secret: SecretStr) -> bytes:
    """Variables of the environment may hold bytes that are no text."""
    return secret.reveal().encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Names a secret kept outside: `{"$secret": "env:NAME"}` or `{"$secret": "file:NAME"}`.

    The name is no secret. It is resolved when a database is dialled, so that a rotation outside
    needs no call.
    """

    scheme: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


Secret = SecretStr | SecretReference
