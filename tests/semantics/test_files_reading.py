"""Reading: YAML 1.2 values, marks, headers, and what cannot be read."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dragoman.semantics.files import SourceFile, limits, marks, read


def view(text: str) -> SourceFile:
    return read("public/users.view", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("on", "off", "yes", "no", "y", "N", "On", "YES", "tRue")),
        *((word, word) for word in ("2024-01-01", "12:30:00", "1_000", ".nan", ".inf", "=")),
        *(("true", True), ("False", False), ("null", None), ("~", None), ("", None)),
        *(("12", 12), ("-7", -7), ("0o14", 12), ("0x1F", 31), ("1.5", 1.5), ("1e3", 1000.0)),
        *((".5", 0.5), ("5.", 5.0), ("+1", 1), ("1" * 200, "1" * 200), ("1e999", "1e999")),
        *(("'12'", "12"), ('"true"', "true"), ("!!str 12", "12"), ("! 12", "12")),
        *(("[a, on, 1]", ["a", "on", 1]), ("{a: no}", {"a": "no"}), ("😀 ü", "😀 ü")),
    ],
)
def test_values_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    found = view(f"key: {text}\n")
    assert found.problems == ()
    assert found.data == {"key": value}
    assert type(found.data["key"]) is type(value)


def test_keys_are_text() -> None:
    assert view("1: a\ntrue: b\non: c\n").data == {"1": "a", "true": "b", "on": "c"}


def test_anchors_and_merges_are_written_out() -> None:
    text = "a: &x {hidden: true, label: A}\nb: *x\nc:\n  <<: *x\n  label: C\n"
    found = view(text)
    assert found.aliased
    assert found.data["b"] == {"hidden": True, "label": "A"}
    assert found.data["c"] == {"label": "C", "hidden": True}
    assert not view("a: 1\n").aliased


def test_an_empty_file_is_an_empty_map_or_list() -> None:
    assert view("").data == {}
    assert view("# nothing\n").data == {}
    assert read("relationships", "").data == []


def test_marks_of_every_key_and_item() -> None:
    text = "# head\nlabel: Users\ndimensions:\n  id:\n    sql: a\n    tags: [x,  y]\n"
    assert marks(text) == {
        ("label",): (2, 1),
        ("dimensions",): (3, 1),
        ("dimensions", "id"): (4, 3),
        ("dimensions", "id", "sql"): (5, 5),
        ("dimensions", "id", "tags"): (6, 5),
        ("dimensions", "id", "tags", 0): (6, 12),
        ("dimensions", "id", "tags", 1): (6, 16),
    }


def test_the_head_names_the_view() -> None:
    head = "# yaml-language-server: $schema=x\n# Reference this view as sales__users\n"
    assert view(f"{head}label: x\n").reference == "sales__users"
    assert view("label: x\n# Reference this view as other\n").reference is None


def test_feature_comments() -> None:
    text = "# !enable_feature(a)\n# !disable_feature(b)\nlabel: x\n"
    assert read("model", text).features == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("label: x\nlabel: y\n", "duplicate_key", 2, 1),
        ("a: [1\nb: 2\n", "yaml_syntax", 2, 2),
        ("a: b: c\n", "yaml_syntax", 1, 5),
        ("\ta: 1\n", "yaml_syntax", 1, 1),
        ("a: 1\n---\nb: 2\n", "yaml_documents", 2, 1),
        ("a: *x\n", "yaml_anchor", 1, 4),
        ("a: &x [*x]\n", "yaml_anchor", 1, 8),
        ("a: !!python/object:os.system x\n", "yaml_tag", 1, 4),
        ("a: !thing {b: 1}\n", "yaml_tag", 1, 4),
        ("<<: 3\n", "yaml_merge", 1, 1),
        ("? [a]\n: b\n", "yaml_key", 1, 3),
        ("a: ü\x01\n", "yaml_syntax", 1, 5),
        ("a: 1\nb: \ud83d\n", "yaml_syntax", 2, 4),
        ("- a\n", "wrong_type", 1, 1),
        ("# c\njust text\n", "wrong_type", 2, 1),
    ],
)
def test_each_fault_has_its_place(text: str, code: str, line: int, column: int) -> None:
    found = view(text)
    assert [(p.code, p.line, p.column) for p in found.problems] == [(code, line, column)]
    assert found.problems[0].file == "public/users.view"
    assert isinstance(found.data, dict)


def test_relationships_are_a_bare_list() -> None:
    (problem,) = read("relationships", "relationships:\n  - a: b\n").problems
    assert "must be a list" in problem.message


def test_every_duplicate_is_named_and_a_field_as_such() -> None:
    found = view("label: a\nlabel: b\ndimensions:\n  id: {}\n  id: {}\n")
    assert [(p.message, p.field) for p in found.problems] == [
        ('Duplicate key "label"', None),
        ('Duplicate field name "id"', "id"),
    ]
    assert found.data["label"] == "a"


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(30), "yaml_limit"),
        ("a: " + "[" * 100_000, "yaml_limit"),
        ("a: " + "{a: " * 100_000, "yaml_limit"),
        ("- " * 100_000, "yaml_limit"),
        ("\n".join(" " * n + "a:" for n in range(2_000)), "yaml_limit"),
        ("a: " + "x" * 50_000_000, "yaml_limit"),
        ("[" + "&a x, " * 1_000_000 + "]", "yaml_limit"),
    ],
)
def test_hostile_files_are_refused_at_once(text: str, code: str) -> None:
    began = time.thread_time()
    (problem,) = view(text).problems
    assert problem.code == code
    assert time.thread_time() - began < 10


def test_a_very_long_comment_and_emoji_are_read() -> None:
    found = view(
        f"# {'c' * 100_000}\nlabel: 😀{'x' * 100_000}\ndescription: |\n  {'y ' * 90_000}\n"
    )
    assert found.problems == ()
    assert found.data["label"] == "😀" + "x" * 100_000
    assert found.marks[("label",)] == (2, 1)


def test_a_file_just_within_the_limits_is_read() -> None:
    depth = limits.MAX_DEPTH - 1  # the map around them is one
    assert view("a: " + "[" * depth + "]" * depth).problems == ()
    assert view("a: " + "[" * (depth + 1) + "]" * (depth + 1)).problems[0].code == "yaml_limit"
