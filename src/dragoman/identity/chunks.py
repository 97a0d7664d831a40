"""Lists of ids that are too long for one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_CHUNK = 500


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """The values in their order, five hundred at a time: a statement takes only so many."""
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))
