"""Writing: what is read again equals what was written, also by readers of YAML 1.1."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from dragoman.semantics.files import FileKind, read, write

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(["on", "yes", "1e3", "0o7", "2024-01-01", "~", "", "=", "<<", "a: b", "#x"])
)
KEYS = st.text(max_size=15)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
@example({"a": "x\r\ny", "b": "x\x85y", "c": "\ufeff", "d": "\u2028", "e": "\x7f", "f": "a\n"})
@example(
    {"a": " lead\nmore\n", "b": "trail \nx", "c": "\n\nx\n\n", "d": "x\n  y\n", "😀": "😀\n😀"}
)
@example({"<<": "a", "merge": {"<<": {"a": 1}}})
def test_what_is_written_is_read_again(data: dict[str, Any]) -> None:
    found = read("users.view", write(data))
    assert found.problems == ()
    assert found.data == data
    assert list(found.data) == list(data)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=4))
def test_lists_too(data: list[Any]) -> None:
    assert read("relationships", write(data, FileKind.RELATIONSHIPS)).data == data


@given(st.dictionaries(st.sampled_from(["a", "on", "b c"]), SCALARS, max_size=3))
def test_other_readers_agree_about_text(data: dict[str, Any]) -> None:
    text = write(data)
    for loaded in (yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)):
        assert {key for key, value in loaded.items() if isinstance(value, str)} == {
            key for key, value in data.items() if isinstance(value, str)
        }


def test_keys_come_in_the_languages_order_and_text_in_blocks() -> None:
    data = {
        "measures": {"count": {"aggregate_type": "count"}},
        "x-own": 1,
        "dimensions": {"id": {"sql": '"ID"'}},
        "label": "Users",
        "schema": "public",
        "sql": "SELECT 1\nFROM x\n",
    }
    assert write(data, FileKind.VIEW) == (
        "schema: public\nsql: |\n  SELECT 1\n  FROM x\nlabel: Users\nx-own: 1\n"
        "dimensions:\n  id:\n    sql: '\"ID\"'\nmeasures:\n  count:\n    aggregate_type: count\n"
    )


@pytest.mark.parametrize(("kind", "text"), [(FileKind.VIEW, "{}\n"), (None, "{}\n")])
def test_nothing_is_an_empty_map(kind: FileKind | None, text: str) -> None:
    assert write({}, kind) == text
