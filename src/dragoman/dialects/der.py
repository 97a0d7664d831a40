"""Just enough of DER (X.690) to tell what kind of key a text holds before anything opens it."""

from __future__ import annotations

INTEGER, OCTETS, BITS, SEQUENCE = 0x02, 0x04, 0x03, 0x30
_CONSTRUCTED = 0x20


def children(der: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element, one after the other; cut short where a length lies."""
    found: list[tuple[int, bytes]] = []
    while len(der) >= 2:
        head, length = 2, der[1]
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(der[2:head], "big")
        found.append((der[0], der[head : head + length]))
        der = der[head + length :]
    return found


def shape(der: bytes) -> list[int]:
    """The tags inside the outer sequence; empty for anything else than one sequence."""
    outer = children(der)
    if len(outer) != 1 or outer[0][0] != SEQUENCE:
        return []
    return [tag for tag, _ in children(outer[0][1])]


def integers(der: bytes) -> list[int]:
    """All whole numbers at any depth."""
    found: list[int] = []
    waiting = children(der)
    while waiting:
        tag, content = waiting.pop()
        if tag == INTEGER:
            found.append(int.from_bytes(content, "big"))
        elif tag & _CONSTRUCTED:
            waiting += children(content)
    return found
