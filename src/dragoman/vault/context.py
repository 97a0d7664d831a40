"""What a sealed secret belongs to, as bytes that the cipher binds to it (associated data)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_DOMAIN = b"dragoman context v1"


@dataclass(frozen=True, slots=True)
class Context:
    """The row, the property and the place a secret may be sent to.

    `destination` names what decides where the secret goes, such as dialect, host, port, database
    and user. None means absent, so that a later release may add a name without losing what was
    sealed before. A number and its text differ: give the port as an int each time.
    """

    resource: str
    resource_id: str
    property: str
    destination: Mapping[str, str | int | None]

    def associated_data(self) -> bytes:
        """One byte string for each context and no other: every part carries its type and length.

        The order of the destination does not count. Raises `TypeError` for another type of value.
        """
        parts = [_part(text) for text in (self.resource, self.resource_id, self.property)]
        pairs = ((_part(k), _part(v)) for k, v in self.destination.items() if v is not None)
        for name, value in sorted(pairs):
            parts += (name, value)
        return join_parts([_DOMAIN, *parts])


def join_parts(parts: Iterable[bytes]) -> bytes:
    """Joins byte strings so that they can be told apart again: 8 bytes of length before each."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _part(value: str | int) -> bytes:
    if type(value) is int:
        return b"i" + str(value).encode()
    if isinstance(value, str):
        # Lone surrogates pass: they must neither fail here nor fall together with anything else.
        return b"s" + value.encode(errors="surrogatepass")
    raise TypeError(f"a context holds str, int or None, not {type(value).__name__}")
