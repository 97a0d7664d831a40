"""The three-way merge, by example and against its own definition."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.models.threeway import ABSENT, Unreadable, merge, merge_lines
from dragoman.semantics.files import edit, read, write
from dragoman.semantics.plain import same
from dragoman.semantics.problems import Edit
from tests.support.patience import SLOW_MACHINE

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


HEAD = "# Reference this view as foo\n# !enable_feature(x)\n"


def test_comments_and_the_head_stay_where_lines_collide() -> None:
    base = f"{HEAD}dimensions:\n  a:\n    label: A # said\n    sql: x\n  b: {{label: B}} # last\n"
    ours = base.replace("label: A #", "label: A1 #")
    theirs = base.replace("sql: x", "sql: y").replace("# said", "# seen")
    outcome = merge("public/x.view", base, ours, theirs)
    assert outcome.text == ours.replace("sql: x", "sql: y")


def test_what_both_add_at_one_place_stands_in_a_row() -> None:
    base = "measures:\n  count: {}\n"
    ours = base + "  # ours\n  revenue: {sql: a} # of us\n"
    theirs = base + "  # theirs\n  cost: {sql: b} # of them\n"
    outcome = merge("x.view", base, ours, theirs)
    assert outcome.text == ours + theirs.removeprefix(base)


def test_comments_of_joins_stay_with_their_joins() -> None:
    def join(to: str, how: str) -> str:
        return f"# of {to}\n- join_from_view: o\n  join_to_view: {to}\n  join_type: {how}\n"

    base = join("a", "inner") + join("b", "inner") + join("c", "inner")
    ours = base.replace(join("b", "inner"), "") + join("d", "inner")
    theirs = join("a", "cross") + join("b", "inner") + join("c", "cross") + join("e", "inner")
    text = merge("relationships", base, ours, theirs).text or ""
    assert text.startswith(join("a", "cross") + join("c", "cross") + join("d", "inner"))
    assert [one["join_to_view"] for one in read("relationships", text).data] == [*"acde"]
    emptied = merge("relationships", join("a", "inner"), "# none\n", join("a", "inner") + base)
    assert (emptied.text or "").startswith("# none\n")


@pytest.mark.parametrize("broken", ["a: [\n", "a: 1\na: 2\n", "- a\n"])
def test_a_side_that_cannot_be_read_is_not_merged(broken: str) -> None:
    base = "dimensions:\n  a: {}\n  b: {}\n"
    for ours, theirs in ((base + "  c: {}\n", broken), (broken, base + "  c: {}\n")):
        with pytest.raises(Unreadable, match="line"):
            merge("v.view", base, ours, theirs)


def test_a_value_of_another_type_is_another_value() -> None:
    for before, after in ((1, True), (True, 1), (1, 1.0)):
        text = edit(write({"a": before, "b": 0}), [Edit(("a",), after)])
        assert type(read("v.view", text).data["a"]) is type(after)


def test_many_collisions_are_merged_at_once() -> None:
    def text(label: str, said: str) -> str:
        fields = (f"  f{n}: # kept\n    label: {label}\n    tags: [{said}]\n" for n in range(1500))
        return f"{HEAD}dimensions:\n{''.join(fields)}"

    began = time.process_time()
    outcome = merge("v.view", text("a", "b"), text("A", "b"), text("a", "B"))
    assert outcome.text == text("A", "B").replace(" [B]", "\n    - B")
    assert time.process_time() - began < SLOW_MACHINE / 10
