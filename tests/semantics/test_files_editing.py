"""Edits: what was asked for changes, everything else stays as people wrote it."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.semantics.files import CannotEdit, edit, expanded, read
from dragoman.semantics.problems import Edit
from tests.support.patience import SLOW_MACHINE

FILE = """\
# Reference this view as users
# about users

schema: public   # where
label: "Users"

dimensions:
  # the key
  id:
    sql: '"ID"'  # as stored
    primary_key: true

  name:
    # what people see
    label: Full name
    tags: [a, b]  # two

  # the last one
  city: {sql: x, label: City}

measures:
  count:
    aggregate_type: count
# the end
"""


def changed(*edits: Edit, text: str = FILE) -> str:
    return edit(text, edits)


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came; the others are in the same order."""
    import difflib

    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [x[2:] for x in lines if x[:1] == "-"], [x[2:] for x in lines if x[:1] == "+"]


@pytest.mark.parametrize(
    ("change", "went", "came"),
    [
        (Edit(("label",), "People"), ['label: "Users"'], ["label: People"]),
        (Edit(("schema",), "s2"), ["schema: public   # where"], ["schema: s2   # where"]),
        (
            Edit(("dimensions", "id", "sql"), '"KEY"'),
            ["    sql: '\"ID\"'  # as stored"],
            ["    sql: '\"KEY\"'  # as stored"],
        ),
        (Edit(("dimensions", "id", "hidden"), True), [], ["    hidden: true"]),
        (Edit(("description",), "on"), [], ["description: 'on'"]),
        (Edit(("dimensions", "age"), {"sql": "x"}), [], ["  age:", "    sql: x"]),
        (Edit(("measures", "n", "sql"), "1"), [], ["  n:", "    sql: '1'"]),
        (
            Edit(("dimensions", "name", "tags"), ["c"]),
            ["    tags: [a, b]  # two"],
            ["    # two", "    tags:", "    - c"],
        ),
        (
            Edit(("dimensions", "city", "label"), "Town"),
            ["  city: {sql: x, label: City}"],
            ["  city:", "    sql: x", "    label: Town"],
        ),
        (Edit(("label",), delete=True), ['label: "Users"'], []),
        (
            Edit(("dimensions", "id"), delete=True),
            ["  id:", "    sql: '\"ID\"'  # as stored", "    primary_key: true"],
            [],
        ),
        (
            Edit(("measures", "count"), delete=True),
            ["measures:", "  count:", "    aggregate_type: count"],
            ["measures: {}"],
        ),
        (Edit(("dimensions", "name"), rename="title"), ["  name:"], ["  title:"]),
        (
            Edit(("dimensions", "city", "label"), rename="description"),
            ["  city: {sql: x, label: City}"],
            ["  city: {sql: x, description: City}"],
        ),
        (Edit(("nothing",), delete=True), [], []),
        (Edit(("schema",), "public"), [], []),
        (Edit(("sql",), "SELECT 1\nFROM x\n"), [], ["sql: |", "  SELECT 1", "  FROM x"]),
    ],
)
def test_an_edit_touches_its_own_lines_only(change: Edit, went: list[str], came: list[str]) -> None:
    assert difference(FILE, changed(change)) == (went, came)


def test_blocks_of_text() -> None:
    text = "sql: |\n  SELECT 1\n\n# c\nlabel: x\n"
    assert changed(Edit(("sql",), "SELECT 2\n"), text=text) == (
        "sql: |\n  SELECT 2\n\n# c\nlabel: x\n"
    )
    assert changed(Edit(("a",), 1), text="label: x\nsql: |\n  SELECT 1\n") == (
        "label: x\nsql: |\n  SELECT 1\na: 1\n"
    )
    assert read("x.view", changed(Edit(("sql",), delete=True), text=text)).data == {"label": "x"}


JOINS = """\
# joins
- join_from_view: a   # one
  join_to_view: b
  on_sql: x
# between
- join_from_view: c
  join_to_view: d
"""


def test_lists_of_joins() -> None:
    made = changed(Edit((0, "on_sql"), "y"), text=JOINS)
    assert difference(JOINS, made) == (["  on_sql: x"], ["  on_sql: y"])
    made = changed(Edit((1, "id"), "z"), text=JOINS)
    assert difference(JOINS, made) == ([], ["  id: z"])
    made = changed(Edit((2,), {"join_from_view": "e"}), text=JOINS)
    assert difference(JOINS, made) == ([], ["- join_from_view: e"])
    made = changed(Edit((0,), delete=True), text=JOINS)
    assert made == "# joins\n# between\n- join_from_view: c\n  join_to_view: d\n"
    made = changed(Edit((0, "join_from_view"), "n"), text=JOINS)
    assert difference(JOINS, made)[1] == ["- join_from_view: n   # one"]
    assert changed(Edit((0,), delete=True), Edit((0,), delete=True), text=JOINS) == (
        "# joins\n# between\n[]\n"
    )


def test_empty_files_and_missing_maps() -> None:
    assert changed(Edit(("a", "b"), 1), text="") == "a:\n  b: 1\n"
    assert changed(Edit(("a", "b"), 1), text="# head\n{}\n") == "# head\na:\n  b: 1\n"
    assert changed(Edit(("a", "b"), 1), text="a:\nc: 1 # x\n") == "a:\n  b: 1\nc: 1 # x\n"
    assert changed(Edit(("c",), delete=True), text="# h\nc: 1\n") == "# h\n{}\n"


def test_keys_in_quotes_and_strange_ones() -> None:
    text = "'a: ''b': 1 # x\n\"c\\\"d\": 2\n"
    made = changed(Edit(("a: 'b",), rename="on"), Edit(('c"d',), rename="e f"), text=text)
    assert made == "'on': 1 # x\ne f: 2\n"


def test_windows_line_ends_and_emoji() -> None:
    text = "# 😀\r\nlabel: 😀😀 # 😀\r\nb:\r\n  c: 1\r\n"
    made = changed(Edit(("label",), "x"), text=text)
    assert made == "# 😀\r\nlabel: x # 😀\r\nb:\r\n  c: 1\r\n"
    assert read("x.view", changed(Edit(("b", "d"), 2), text=text)).data["b"] == {"c": 1, "d": 2}


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("a: [", Edit(("a",), 1)),
        ("a: 1\n", Edit(("a", "b"), 1)),
        ("- a: 1\n", Edit((5, "b"), 1)),
        ("a: 1\n", Edit(("b",), rename="c")),
        ("a: 1\nb: 2\n", Edit(("b",), rename="a")),
    ],
)
def test_what_cannot_be_edited(text: str, change: Edit) -> None:
    with pytest.raises(CannotEdit):
        changed(change, text=text)


def test_anchors_are_written_out_and_comments_stay() -> None:
    text = (
        "# head\nbase: &base   # the base\n  hidden: true\n  tags: &t [a]\n"
        "other: *base # as it\nmore:\n  # mixed\n  <<: *base\n  label: M\n  tags: *t\n"
    )
    made = expanded(text)
    assert "&" not in made
    assert "*" not in made
    assert "<<" not in made
    assert read("x.view", made).data == read("x.view", text).data
    for comment in ("# head", "# the base", "# as it", "# mixed"):
        assert comment in made
    assert expanded(made) == made


# --- any file, any edit -----------------------------------------------------------------------

WORDS = st.sampled_from(["a", "b", "c d", "on", "é😀", "x: y"])
SCALARS = st.sampled_from([1, True, "text", "two\nlines\n", "on", "# no comment", None, "", "a: b"])
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def commented(draw: st.DrawFn, data: Any, indent: int = 0) -> str:
    """A mapping as a person would write it: comments, blank lines, either style of collections."""
    import json

    lines: list[str] = []
    pad = " " * indent
    for key, value in data.items():
        for _ in range(draw(st.integers(0, 1))):
            lines.append(f"{pad}# above {len(lines)} {indent}")
        if draw(st.booleans()) and lines:
            lines.append("")
        name = json.dumps(key, ensure_ascii=False)
        trailing = f"  # behind {indent}" if draw(st.booleans()) else ""
        if isinstance(value, dict) and value and draw(st.booleans()):
            lines.append(f"{pad}{name}:{trailing}")
            lines.append(
                draw(commented(value, indent + draw(st.sampled_from([2, 4])))).rstrip("\n")
            )
        else:
            lines.append(f"{pad}{name}: {json.dumps(value, ensure_ascii=False)}{trailing}")
    return "\n".join(lines) + "\n"


@st.composite
def files_and_edits(draw: st.DrawFn) -> tuple[str, Any, Edit]:
    data = draw(st.dictionaries(WORDS, TREES, min_size=1, max_size=3))
    text = draw(commented(data))
    paths: list[tuple[str | int, ...]] = []

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            paths.append((*path, "new"))
            for key, inner in value.items():
                paths.append((*path, key))
                walk(inner, (*path, key))

    walk(data, ())
    path = draw(st.sampled_from(paths))
    if draw(st.booleans()):
        return text, data, Edit(path, draw(TREES))
    return text, data, Edit(path, delete=True)


def applied(data: Any, change: Edit) -> Any:
    made = copy.deepcopy(data)
    parent = made
    for step in change.path[:-1]:
        parent = parent[step]
    if change.delete:
        parent.pop(change.path[-1], None)
    else:
        parent[change.path[-1]] = change.value
    return made


@given(files_and_edits())
def test_any_edit_does_what_it_says_and_keeps_comments(case: tuple[str, Any, Edit]) -> None:
    text, data, change = case
    assert read("x.view", text).data == data
    made = edit(text, [change])
    found = read("x.view", made)
    assert found.problems == ()
    assert found.data == applied(data, change)
    before = [line for line in text.splitlines() if line.startswith("#")]
    after = made.splitlines()
    if change.path[0] != next(iter(data)) or len(data) > 1:
        # Comments on lines of their own at the top level belong to nothing that was changed.
        assert [line for line in before if line not in after] == []


def test_many_changes_are_made_in_one_go() -> None:
    """150 columns added beside one, and taken away again: as one after the other, in no time."""
    own = "# ours\ndimensions:\n  # the key\n  c0: {hidden: true}  # so\nlabel: x\n"
    added = [Edit(("dimensions", f"c{n}"), {"sql": f'"C{n}"'}) for n in range(1, 150)]
    added += [Edit(("schema",), "s")]
    began = time.thread_time()
    whole = edit(own, added)
    assert edit(whole, [Edit(one.path, delete=True) for one in added]) == own
    assert time.thread_time() - began < 3.0
    one_by_one = own
    for one in added:
        one_by_one = edit(one_by_one, [one])
    assert whole == one_by_one


def test_lines_of_another_system_stay_as_they_are() -> None:
    text = "label: X # c\r\ndimensions:\r\n  a: {sql: x}\r\n"
    changes = [Edit(("dimensions", "b"), {"sql": "a\nb"}), Edit(("label",), "Y")]
    made = edit(text, changes)
    assert made.startswith("label: Y # c\r\ndimensions:\r\n  a: {sql: x}\r\n  b:\r\n")
    assert made.count("\n") == made.count("\r\n")
    assert read("v.view", made).data["dimensions"]["b"] == {"sql": "a\nb"}


def test_a_large_merge_of_anchors_is_written_out_soon() -> None:
    keys = "".join(f"  k{n}: v\n" for n in range(5_000))
    text = f"# head\nx-a: &a\n{keys}x-b:\n  <<: *a\n  own: 1\nlabel: X\n"
    began = time.process_time()
    made = expanded(text)
    assert time.process_time() - began < SLOW_MACHINE / 4
    assert made.startswith("# head\n")
    assert read("v.view", made).data == read("v.view", text).data
    assert "&a" not in made
