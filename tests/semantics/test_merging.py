"""Merging: its laws, and what is particular about views, topics and joins."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.semantics.composing.merging import (
    extend_view,
    merge,
    merge_relationships,
    merge_topic,
    merge_view,
)

LEAVES = st.booleans() | st.integers(0, 3) | st.sampled_from("abc") | st.lists(st.integers(0, 2))
# A property is a map or it is not, in every layer: that is what makes merging associative.
MAPS = st.dictionaries(st.sampled_from("xyz"), LEAVES)
TREES = st.fixed_dictionaries(
    {}, optional={"a": LEAVES, "b": LEAVES, "c": MAPS, "d": st.dictionaries(st.just("m"), MAPS)}
)


@given(TREES, TREES, TREES)
def test_laws(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merge(a, {}) == a == merge({}, a)
    assert merge(a, a) == a
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(TREES, TREES)
def test_what_is_above_stands_and_the_rest_stays(low: dict[str, Any], high: dict[str, Any]) -> None:
    before = repr((low, high))
    merged = merge(low, high)
    assert set(merged) == set(low) | set(high)
    assert all(merged[key] == low[key] for key in set(low) - set(high))
    assert all(merged[k] == v for k, v in high.items() if not isinstance(v, dict))
    assert repr((low, high)) == before


@given(TREES)
def test_order_is_that_of_the_lower_layer(low: dict[str, Any]) -> None:
    assert list(merge(low, {"z": 1, **low})) == [*low, "z"]


def test_null_says_nothing() -> None:
    low = {"label": "A", "sql": "x"}
    assert merge(low, {"label": None, "tags": None}) == {**low, "tags": None}


def test_a_field_without_properties_keeps_those_below() -> None:
    low = {"dimensions": {"id": {"sql": "x"}}}
    assert merge_view(low, {"dimensions": {"id": None, "name": None}}) == {
        "dimensions": {"id": {"sql": "x"}, "name": {}}
    }


def test_one_source_of_rows() -> None:
    low = {"table_name": "t", "schema": "s", "label": "T"}
    assert merge_view(low, {"sql": "SELECT 1"}) == {
        "schema": "s",
        "label": "T",
        "sql": "SELECT 1",
    }
    assert merge_view({"sql": "SELECT 1"}, {"table_name": "t"}) == {"table_name": "t"}
    assert merge_view({"sql": "SELECT 1"}, {"label": "x"})["sql"] == "SELECT 1"


def test_a_topics_join_tree_is_said_as_a_whole() -> None:
    low = {"joins": {"users": {}}, "views": {"users": {"dimensions": {"a": {"label": "A"}}}}}
    high = {"joins": {"orders": {}}, "views": {"users": {"dimensions": {"a": {"sql": "x"}}}}}
    merged = merge_topic(low, high)
    assert merged["joins"] == {"orders": {}}
    assert merged["views"] == {"users": {"dimensions": {"a": {"label": "A", "sql": "x"}}}}


def test_extending_and_refusing() -> None:
    base = {"dimensions": {"a": {"label": "A"}, "b": {"label": "B", "tags": ["x"]}, "c": {}}}
    own = {
        "dimensions": {
            "a": {"ignore_from_extended": True},
            "b": {"ignore_from_extended": True, "label": "mine"},
        }
    }
    assert extend_view(base, own)["dimensions"] == {
        "b": {"ignore_from_extended": True, "label": "mine"},
        "c": {},
    }


def join(a: str, b: str, **more: Any) -> dict[str, Any]:
    return {"join_from_view": a, "join_to_view": b, **more}


def test_joins_override_by_ends_or_id() -> None:
    low = [join("a", "b", on_sql="1"), join("a", "c"), join("a", "c", id="other")]
    assert merge_relationships([low, [join("a", "b", where_sql="2")]])[0] == join(
        "a", "b", on_sql="1", where_sql="2"
    )
    assert merge_relationships([low, [{"id": "a_b", "ignored": True}]]) == low[1:]
    assert merge_relationships([low, [join("a", "c", id="other", on_sql="x")]])[2]["on_sql"] == "x"
    assert merge_relationships([low, [join("a", "c", on_sql="x")]])[1]["on_sql"] == "x"
    assert len(merge_relationships([low, [join("a", "b", join_to_view_as="z")]])) == 4
    assert len(merge_relationships([low, [join("a", "b", id="new")]])) == 4


def test_joins_of_one_layer_do_not_override_each_other() -> None:
    assert len(merge_relationships([[join("a", "b"), join("a", "b")]])) == 2
