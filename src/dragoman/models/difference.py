"""What a whole text says beyond the layers below: the changes that leave only that of it.

Pure. The result are edits of the text that was written, so that its comments and order stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman.semantics.composing.merging import SECTIONS, Definition, ends, relationship_id
from dragoman.semantics.plain import is_map, mapping, same
from dragoman.semantics.problems import Edit, YamlPath

# Said as a whole by the highest layer that says anything.
_WHOLE = ("joins",)


def reduced(inherited: Definition, written: Definition, *, informed: bool) -> list[Edit]:
    """Edits that take out of a written map what the layers below say already.

    `informed`: the writer has seen what is inherited, so that leaving a field out means that it
    shall be gone: it gets `ignored: true`. Otherwise it is as before, as another property that is
    left out always is: a layer cannot say that there is none.
    """
    return list(_reduced(inherited, written, (), informed))


def _reduced(low: Definition, high: Definition, path: YamlPath, informed: bool) -> Iterator[Edit]:
    for key, value in high.items():
        if key not in low:
            continue
        inner, below = (*path, key), low[key]
        if same(value, below) or _says_nothing(path, value):
            yield Edit(inner, delete=True)
        elif is_map(value) and is_map(below) and key not in _WHOLE:
            edits = list(_reduced(below, value, inner, informed))
            gone = {
                edit.path[-1] for edit in edits if edit.delete and len(edit.path) == len(inner) + 1
            }
            added = any(not edit.delete for edit in edits)
            if gone == set(value) and not added:
                yield Edit(inner, delete=True)
            else:
                yield from edits
    if informed:
        yield from _left_out(low, high, path)


def _says_nothing(path: YamlPath, value: Any) -> bool:
    """`id:` alone, in a map of fields, names a column that is there."""
    return value is None and _has_fields(path)


def _has_fields(path: YamlPath) -> bool:
    """Whether it is a map of fields: of a view, or of a view in a topic. A measure's `filters` are
    none."""
    return bool(path) and path[-1] in SECTIONS and (len(path) == 1 or path[0] == "views")


def _left_out(low: Definition, high: Definition, path: YamlPath) -> Iterator[Edit]:
    for key in low:
        inner = (*path, key)
        if key in high:
            continue
        if _has_fields(path):
            yield Edit(inner, {"ignored": True})
        elif _has_fields(inner):
            yield Edit(inner, {name: {"ignored": True} for name in mapping(low[key])})


def reduced_joins(inherited: list[Any], written: list[Any], *, informed: bool) -> list[Any]:
    """The joins of a written list that the layers below do not have so; one that was left out
    knowingly comes back as `ignored`."""
    below = {_identity(mapping(one)): one for one in inherited}
    kept = [one for one in written if not same(below.get(_identity(mapping(one))), one)]
    if informed:
        named = {_identity(mapping(one)) for one in written}
        kept += [_ignored(mapping(one)) for key, one in below.items() if key not in named]
    return kept


def _identity(join: Definition) -> tuple[Any, ...]:
    return (*ends(join), relationship_id(join))


def _ignored(join: Definition) -> dict[str, Any]:
    keys = ("id", "join_from_view", "join_from_view_as", "join_to_view", "join_to_view_as")
    return {**{key: join[key] for key in keys if key in join}, "ignored": True}


def additions(own: Definition, whole: Definition) -> list[Edit]:
    """Edits that put into a layer's own map what the whole model has beside it."""
    return list(_additions(own, whole, ()))


def _additions(own: Definition, whole: Definition, path: YamlPath) -> Iterator[Edit]:
    for key, value in whole.items():
        inner = (*path, key)
        if key not in own:
            yield Edit(inner, value)
        elif is_map(value) and is_map(own[key]):
            yield from _additions(own[key], value, inner)
        elif not same(own[key], value):
            yield Edit(inner, value)
