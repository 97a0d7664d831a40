"""Three-way merge of a file: by lines where that is clean, by property where lines collide.

Pure: texts and definitions in, a text or conflicts out. A conflict is a property that both sides
changed to different values; nothing else is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from dragoman.semantics.files import parse_path, read, write
from dragoman.semantics.plain import is_list, is_map, mapping

Side = Literal["ours", "theirs"]
Path = tuple[str, ...]


class _Absent:
    """The value of a property that one side does not have."""


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A property that both sides changed; `ABSENT` where there is none. `path` is empty for a file
    that one side deleted and the other changed."""

    file: str
    path: Path
    base: Any
    ours: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged text (None: the file is gone), or the conflicts that stand in its way."""

    text: str | None
    conflicts: tuple[Conflict, ...] = ()


def merge(
    path: str,
    base: str | None,
    ours: str | None,
    theirs: str | None,
    prefer: Side | None = None,
) -> Merged:
    """Merge what two sides made of a file. `prefer`: whose value stands where both changed one."""
    if theirs in (base, ours):
        return Merged(ours)
    if ours == base:
        return Merged(theirs)
    if ours is None or theirs is None:
        if prefer is not None:
            return Merged(ours if prefer == "ours" else theirs)
        return Merged(ours, (Conflict(path, (), *map(_presence, (base, ours, theirs))),))
    return _merge_texts(path, base or "", ours, theirs, prefer)


def _presence(text: str | None) -> Any:
    return ABSENT if text is None else text


def _merge_texts(path: str, base: str, ours: str, theirs: str, prefer: Side | None) -> Merged:
    where = parse_path(path)
    data = [_keyed(read(where, text).data) for text in (base, ours, theirs)]
    conflicts: list[Conflict] = []
    merged = _merge_values(path, (), data[0], data[1], data[2], prefer, conflicts)
    if conflicts:
        return Merged(ours, tuple(conflicts))
    lines = merge_lines(base.splitlines(True), ours.splitlines(True), theirs.splitlines(True))
    if lines is not None:
        text = "".join(lines)
        # Lines may meet in a way that means something else: the properties decide.
        again = read(where, text)
        if not again.problems and _keyed(again.data) == merged:
            return Merged(text)
    return Merged(write(_unkeyed(merged), where.kind))


_ENDS = ("join_from_view", "join_from_view_as", "join_to_view", "join_to_view_as", "id")


class _Joins(dict[str, Any]):
    """The items of `relationships` by what identifies them, in order."""


def _keyed(data: Any) -> Any:
    """The list of relationships as a map, so that joins merge one by one."""
    if not is_list(data):
        return data
    found = _Joins()
    for item in data:
        key = " ".join(str(mapping(item).get(end, "")) for end in _ENDS)
        while key in found:
            key += "+"  # two items that nothing tells apart stay two, in their order
        found[key] = item
    return found


def _unkeyed(data: Any) -> Any:
    return list(data.values()) if isinstance(data, _Joins) else data


def _merge_values(
    file: str,
    path: Path,
    base: Any,
    ours: Any,
    theirs: Any,
    prefer: Side | None,
    conflicts: list[Conflict],
) -> Any:
    if same(ours, theirs) or same(theirs, base):
        return ours
    if same(ours, base):
        return theirs
    if is_map(ours) and is_map(theirs):
        return _merge_maps(file, path, mapping(base), ours, theirs, prefer, conflicts)
    if prefer is None:
        conflicts.append(Conflict(file, path, base, ours, theirs))
    return theirs if prefer == "theirs" else ours


def _merge_maps(
    file: str,
    path: Path,
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    prefer: Side | None,
    conflicts: list[Conflict],
) -> dict[str, Any]:
    merged: dict[str, Any] = _Joins() if isinstance(ours, _Joins) else {}
    for key in _keys(ours, theirs):
        value = _merge_values(
            file,
            (*path, key),
            base.get(key, ABSENT),
            ours.get(key, ABSENT),
            theirs.get(key, ABSENT),
            prefer,
            conflicts,
        )
        if value is not ABSENT:
            merged[key] = value
    return merged


def _keys(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Ours in their order; a new one of theirs comes after the one it follows there."""
    order = list(ours)
    before: str | None = None
    for key in theirs:
        if key not in ours:
            order.insert(order.index(before) + 1 if before in order else len(order), key)
        before = key
    return iter(order)


def same(one: Any, other: Any) -> bool:
    """Equal in value and type: 1, 1.0 and true are three values."""
    if one is ABSENT or other is ABSENT or type(one) is not type(other):
        return one is other
    if is_map(one):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if is_list(one):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def merge_lines(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> list[str] | None:
    """The lines with the changes of both sides (diff3); None where both changed the same ones."""
    merged: list[str] = []
    at = (0, 0, 0)
    for block in (*_stable(base, ours, theirs), None):
        end = (len(base), len(ours), len(theirs)) if block is None else block[:3]
        was, mine, other = (
            side[a:b] for side, a, b in zip((base, ours, theirs), at, end, strict=True)
        )
        if mine in (was, other):
            merged += other
        elif other == was:
            merged += mine
        else:
            return None
        if block is not None:
            size = block[3]
            merged += base[block[0] : block[0] + size]
            at = (end[0] + size, end[1] + size, end[2] + size)
    return merged


def _stable(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[int, int, int, int]]:
    """Runs of lines that all three have: where they begin in each, and how long they are."""
    mine = SequenceMatcher(None, base, ours, autojunk=False).get_matching_blocks()
    other = SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(mine) and j < len(other):
        one, two = mine[i], other[j]
        start, end = max(one.a, two.a), min(one.a + one.size, two.a + two.size)
        if start < end:
            yield start, one.b + start - one.a, two.b + start - two.a, end - start
        if one.a + one.size < two.a + two.size:
            i += 1
        else:
            j += 1
