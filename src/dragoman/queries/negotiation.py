"""Which format an `Accept` header asks for (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dragoman.api.errors import NotAcceptable
from dragoman.queries.formats import FORMATS, Format


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range of the header. `place`: where it stands, first is 0."""

    kind: str
    quality: float
    place: int

    def specificity(self, name: str) -> int:
        """How closely the range names a media type: 3 exactly, 2 its family, 1 all, 0 not."""
        if self.kind == name:
            return 3
        if self.kind == name.partition("/")[0] + "/*":
            return 2
        return 1 if self.kind == "*/*" else 0


def choose(accept: Iterable[str]) -> Format:
    """The format to answer in; Arrow where nothing is asked for. Raises `NotAcceptable`.

    The higher quality wins, then the range that names it more closely, then the one sent first.
    """
    ranges = _ranges(",".join(accept))
    if not ranges:
        return FORMATS[0]
    best = max(FORMATS, key=lambda form: _rank(form, ranges))
    if _rank(best, ranges)[0] <= 0:
        offered = [name for form in FORMATS for name in form.names]
        raise NotAcceptable(
            "Not Acceptable: the rows are to be had as " + ", ".join(offered),
            extra={"available": offered},
        )
    return best


def _rank(form: Format, ranges: list[_Range]) -> tuple[float, int, int]:
    return max(_rank_of_name(name, ranges) for name in form.names)


def _rank_of_name(name: str, ranges: list[_Range]) -> tuple[float, int, int]:
    """Of the ranges that match a name, the most specific one says its quality."""
    found = max(ranges, key=lambda each: (each.specificity(name), -each.place))
    specificity = found.specificity(name)
    return (found.quality if specificity else 0.0), specificity, -found.place


def _ranges(header: str) -> list[_Range]:
    parts = [part for part in header.split(",") if part.strip()]
    return [_range(part, place) for place, part in enumerate(parts)]


def _range(part: str, place: int) -> _Range:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            quality = _quality(value.strip())
    return _Range(kind, quality, place)


def _quality(text: str) -> float:
    """A quality of 0 to 1; 0 for text that is none, since its sender wanted something else."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
