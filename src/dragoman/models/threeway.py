"""Three-way merge of a file: by lines where that is clean, by property where lines collide.

Pure: texts and definitions in, a text or conflicts out. A conflict is a property that both sides
changed to different values; nothing else is one. Where lines collide, our text is edited, so that
our comments stay, and the head that says the view's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Literal

from dragoman.semantics.files import FilePath, edit, parse_path, read, write
from dragoman.semantics.files.reading import head_of
from dragoman.semantics.plain import is_list, is_map, mapping, same
from dragoman.semantics.problems import Edit, YamlPath

Side = Literal["ours", "theirs"]
Path = tuple[str, ...]


# Places where lines differ times lines: `difflib` takes about a second for so much.
_MOST_WORK = 2_000_000


class _Absent:
    """The value of a property that one side does not have."""


ABSENT: Any = _Absent()


class Unreadable(ValueError):
    """A side that is no YAML: whatever it lacks was not taken away by anybody."""


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
    """Merge what two sides made of a file. `prefer`: whose value stands where both changed one.

    Raises `Unreadable` where both changed it and one cannot be read.
    """
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
    data = [_keyed(_data(where, text)) for text in (base, ours, theirs)]
    conflicts: list[Conflict] = []
    merged = _merge_values(path, (), data[0], data[1], data[2], prefer, conflicts)
    if conflicts:
        return Merged(ours, tuple(conflicts))
    lines = merge_lines(base.splitlines(True), ours.splitlines(True), theirs.splitlines(True))
    if lines is not None:
        text = "".join(lines)
        # Lines may meet in a way that means something else: the properties decide.
        again = read(where, text)
        if not again.problems and same(_keyed(again.data), merged):
            return Merged(text)
    if not data[1]:
        return Merged(head_of(ours) + write(_unkeyed(merged), where.kind))
    return Merged(edit(ours, _edits(data[1], merged, ())))


def _data(where: FilePath, text: str) -> Any:
    source = read(where, text)
    wrong = next((problem for problem in source.problems if not problem.is_warning), None)
    if wrong is not None:
        raise Unreadable(f"line {wrong.line}, column {wrong.column}: {wrong.message}")
    return source.data


def _edits(before: Any, after: Any, path: YamlPath) -> Iterator[Edit]:
    """What makes one value the other."""
    if isinstance(before, _Joins):
        yield from _join_edits(before, after)
    elif is_map(before) and is_map(after):
        for key in before:
            if key not in after:
                yield Edit((*path, key), delete=True)
        for key, value in after.items():
            yield from _edits(before.get(key, ABSENT), value, (*path, key))
    elif not same(before, after):
        yield Edit(path, after)


def _join_edits(before: _Joins, after: Mapping[str, Any]) -> Iterator[Edit]:
    """The same for the items of a list: changed, taken away from the last on, added at the end."""
    gone: list[int] = []
    for at, (key, join) in enumerate(before.items()):
        if key in after:
            yield from _edits(join, after[key], (at,))
        else:
            gone.append(at)
    for at in reversed(gone):
        yield Edit((at,), delete=True)
    added = [join for key, join in after.items() if key not in before]
    for at, join in enumerate(added, len(before) - len(gone)):
        yield Edit((at,), join)


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
    for key in {**ours, **theirs}:
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


def merge_lines(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> list[str] | None:
    """The lines with the changes of both sides (diff3); None where both changed the same ones.

    What both added at one place stands there one after the other, ours first. None also where so
    much differs that comparing would take long.
    """
    known = set(pairwise(base))
    breaks = sum(pair not in known for side in (ours, theirs) for pair in pairwise(side))
    if breaks * len(base) > _MOST_WORK:
        return None
    merged: list[str] = []
    at = (0, 0, 0)
    for block in (*_stable(base, ours, theirs), None):
        end = (len(base), len(ours), len(theirs)) if block is None else block[:3]
        was, mine, other = (
            side[a:b] for side, a, b in zip((base, ours, theirs), at, end, strict=True)
        )
        if mine in (was, other):
            merged += other
        elif other == was or not was:
            merged += [*mine, *(other if other != was else ())]
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
    # Lines that a long file has again and again (`hidden: true`) are only taken where they stand
    # beside others: as places to begin at they would make the time grow with their square.
    mine = SequenceMatcher(None, base, ours).get_matching_blocks()
    other = SequenceMatcher(None, base, theirs).get_matching_blocks()
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
