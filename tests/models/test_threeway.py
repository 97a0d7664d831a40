"""The three-way merge, by example and against its own definition."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.models.threeway import ABSENT, merge, merge_lines, same
from dragoman.semantics.files import read, write

_scalars = st.sampled_from([0, 1, True, 1.5, "a", "1", None])
_maps = st.dictionaries(
    st.sampled_from("abcd"), _scalars | st.dictionaries(st.sampled_from("xy"), _scalars), max_size=4
)


def _merged(base: Any, ours: Any, theirs: Any, prefer: Any = None) -> tuple[Any, tuple[Any, ...]]:
    outcome = merge("v.view", write(base), write(ours), write(theirs), prefer)
    return read("v.view", outcome.text or "").data, outcome.conflicts


def _leaf(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value


@given(_maps, _maps, _maps)
def test_no_property_is_lost(base: Any, ours: Any, theirs: Any) -> None:
    merged, conflicts = _merged(base, ours, theirs)
    if conflicts:
        return
    for key in "abcd":
        values = [_leaf(side, key) for side in (base, ours, theirs)]
        if all(not isinstance(value, dict) for value in values):
            was, mine, other = values
            expected = other if same(mine, was) else mine
            assert same(_leaf(merged, key), expected)


@given(_maps, _maps, _maps)
def test_conflicts_are_where_both_changed(base: Any, ours: Any, theirs: Any) -> None:
    _, conflicts = _merged(base, ours, theirs)
    for conflict in conflicts:
        assert not same(conflict.ours, conflict.theirs)
        assert not same(conflict.ours, conflict.base)
        assert not same(conflict.theirs, conflict.base)


@given(_maps, _maps, _maps)
def test_a_preference_leaves_no_conflict(base: Any, ours: Any, theirs: Any) -> None:
    for prefer, side in (("ours", ours), ("theirs", theirs)):
        merged, conflicts = _merged(base, ours, theirs, prefer)
        assert conflicts == ()
        _, told = _merged(base, ours, theirs)
        for conflict in told:
            assert same(_leaf(merged, *conflict.path), _leaf(side, *conflict.path))


@given(_maps, _maps)
def test_one_side_alone_is_taken(base: Any, changed: Any) -> None:
    assert merge("v.view", write(base), write(base), write(changed)).text == write(changed)
    assert merge("v.view", write(base), write(changed), write(base)).text == write(changed)


def test_joins_merge_one_by_one() -> None:
    def join(to: str, kind: str) -> dict[str, str]:
        return {"join_from_view": "o", "join_to_view": to, "relationship_type": kind}

    base = [join("u", "many_to_one"), join("p", "many_to_one")]
    ours = [join("u", "one_to_one"), join("p", "many_to_one")]
    theirs = [join("u", "many_to_one"), join("c", "many_to_one")]
    outcome = merge("relationships", write(base), write(ours), write(theirs))
    data = read("relationships", outcome.text or "").data
    assert data == [join("u", "one_to_one"), join("c", "many_to_one")]


def test_lines() -> None:
    base = ["a\n", "b\n", "c\n", "d\n"]
    assert merge_lines(base, ["a\n", "B\n", "c\n", "d\n"], ["a\n", "b\n", "c\n", "D\n"]) == [
        *("a\n", "B\n", "c\n", "D\n")
    ]
    assert merge_lines(base, ["A\n", *base[1:]], ["x\n", *base[1:]]) is None
    assert merge_lines(base, base[1:], [*base, "e\n"]) == ["b\n", "c\n", "d\n", "e\n"]
