"""The canonical bytes of a context: one for each, and no two alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.vault import Context

# Few letters, so that hypothesis meets pairs that only differ in where one part ends; s and i are
# the marks of the types.
texts = st.text(alphabet="asi\0:1\ud83d\ude00😀", max_size=4)
values = st.one_of(st.none(), texts, st.integers(-2, 12))
contexts = st.builds(Context, texts, texts, texts, st.dictionaries(texts, values, max_size=3))


def meaning(context: Context) -> tuple[object, ...]:
    present = {(k, type(v), v) for k, v in context.destination.items() if v is not None}
    return context.resource, context.resource_id, context.property, frozenset(present)


@given(contexts, contexts)
def test_the_encoding_is_injective(one: Context, other: Context) -> None:
    same_bytes = one.associated_data() == other.associated_data()
    assert same_bytes == (meaning(one) == meaning(other))


@given(contexts)
def test_the_order_of_the_destination_does_not_count(context: Context) -> None:
    turned = dict(reversed(list(context.destination.items())))
    assert replace(context, destination=turned).associated_data() == context.associated_data()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"port": 5432}, {"port": "5432"}),
        ({"host": "a", "user": "b"}, {"host": "ab", "user": ""}),
        ({"host": "a"}, {"hos": "ta"}),
        ({"host": ""}, {}),
        ({"host": "\ud83d\ude00"}, {"host": "😀"}),
    ],
)
def test_neighbours_differ(one: dict, other: dict) -> None:
    first, second = (Context("connection", "1", "password", d) for d in (one, other))
    assert first.associated_data() != second.associated_data()


def test_parts_do_not_run_into_each_other() -> None:
    assert (
        Context("ab", "c", "d", {}).associated_data()
        != Context("a", "bc", "d", {}).associated_data()
    )
    assert (
        Context("a", "b", "c", {"d": "e"}).associated_data()
        != Context("a", "b", "cd", {"e": ""}).associated_data()
    )


def test_a_mark_of_a_type_inside_a_text_does_not_start_a_part() -> None:
    one, other = Context("a", "bsc", "d", {}), Context("asb", "c", "d", {})
    assert one.associated_data() != other.associated_data()


def test_none_means_absent() -> None:
    assert (
        Context("a", "b", "c", {"port": None}).associated_data()
        == Context("a", "b", "c", {}).associated_data()
    )


@pytest.mark.parametrize("value", [True, 1.5, b"x", ["x"]])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="str, int or None"):
        Context("a", "b", "c", {"port": value}).associated_data()  # type: ignore[dict-item]
