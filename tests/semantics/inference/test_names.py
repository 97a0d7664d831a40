"""View and field names: strange ones, long ones, and two that want the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.semantics.files import parse_path
from dragoman.semantics.inference.names import (
    MAX_LENGTH,
    clean,
    derives,
    field_names,
    settle,
    view_name,
)
from tests.semantics.inference.tables import conventions

NAME = re.compile(r"[a-z][a-z0-9_]*")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("users", "users"),
        ("USERS", "users"),
        ("ArtistId", "artist_id"),
        ("customerID", "customer_id"),
        ("HTTPServer", "http_server"),
        ("Order Items", "order_items"),
        ('say "hi"', "say_hi"),
        ("a.b", "a_b"),
        ("Größe", "grosse"),
        ("naïve café", "naive_cafe"),
        ("_private_", "private"),
        ("2024_sales", "n_2024_sales"),
        ("party 🎉 list", "party_list"),
    ],
)
def test_clean(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


@pytest.mark.parametrize("name", ["顧客", "🎉", "___", '"', " "])
def test_names_of_which_nothing_is_left_stay_apart(name: str) -> None:
    assert re.fullmatch(r"column_[0-9a-f]{8}", clean(name))
    assert clean(name) != clean(name + "!")


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = clean("a" * 127 + "1"), clean("a" * 127 + "2")
    assert len(one) == len(other) == MAX_LENGTH
    assert one != other
    assert clean("x" * 63) == "x" * 63


@given(st.text(min_size=1, max_size=140))
def test_any_name_becomes_one_of_the_language(name: str) -> None:
    assert NAME.fullmatch(clean(name))
    assert len(clean(name)) <= MAX_LENGTH


@given(st.lists(st.text(min_size=1, max_size=70), max_size=20, unique=True))
def test_fields_of_a_table_have_names_of_their_own(columns: list[str]) -> None:
    names = field_names(columns)
    assert len(set(names)) == len(columns)
    assert all(NAME.fullmatch(name) and len(name) <= MAX_LENGTH for name in names)


def test_collisions_in_a_table() -> None:
    assert field_names(["A B", "a_b", "a.b"]) == ["a_b_2", "a_b", "a_b_3"]


def test_reserved_names() -> None:
    assert field_names(["count", "true", "null", "select"]) == [
        "count_column",
        "true_field",
        "null_field",
        "select",  # a word of SQL only: it stands in quotes there
    ]
    assert view_name((), "all_views") == "all_views_view"
    assert view_name((), "false") == "false_view"


def test_view_names_and_scopes() -> None:
    usual = conventions(catalog="shop", multi_catalog=True)
    assert usual.view_name("shop", "public", "users") == "users"
    assert usual.view_name("SHOP", "PUBLIC", "users") == "users"
    assert usual.view_name("shop", "sales", "users") == "sales__users"
    assert usual.view_name("other", "public", "users") == "other_public__users"
    assert conventions().view_name("a_file", "public", "users") == "users"
    always = conventions(catalog="shop", always_scope=True)
    assert always.view_name("shop", "public", "users") == "shop_public__users"
    assert always.view_name(None, "public", "users") == "public__users"
    assert usual.folder("shop", "public") == "public"
    assert usual.folder("other", "public") == "other.public"
    assert always.folder("shop", "public") == "shop.public"


@pytest.mark.parametrize(
    "schema", ["..", ".", ".git", "a/b", "a\\b", "a\nb", "a\u202eb", " ", "💥"]
)
def test_each_schema_has_a_folder_that_a_file_may_be_in(schema: str) -> None:
    folder = conventions().folder(None, schema)
    assert parse_path(f"{folder}/t.view").folder == folder
    assert not folder.startswith(".")


def test_long_view_names_fit() -> None:
    one = view_name(("catalog", "schema"), "t" * 128 + "1")
    other = view_name(("catalog", "schema"), "t" * 128 + "2")
    assert one != other
    assert len(one) == len(other) == MAX_LENGTH


def wanted(*names: tuple[str, str, bool, str | None]) -> dict:
    return {(None, "public", table): (name, exact, held) for table, name, exact, held in names}


def test_tables_that_want_the_same_name() -> None:
    tables = wanted(
        ("Order Items", "order_items", False, None),
        ("order_items", "order_items", True, None),
        ("order.items", "order_items", False, None),
    )
    expected = {
        "order_items": "order_items",
        "Order Items": "order_items_2",
        "order.items": "order_items_3",
    }
    for each in (tables, dict(reversed(tables.items()))):
        assert {who[2]: name for who, name in settle(each).items()} == expected


def test_whoever_has_a_name_keeps_it() -> None:
    found = settle(
        wanted(
            ("Order Items", "order_items", False, "order_items"),
            ("order_items", "order_items", True, None),
        )
    )
    assert found[None, "public", "Order Items"] == "order_items"
    assert found[None, "public", "order_items"] == "order_items_2"


def test_a_number_takes_no_other_tables_name() -> None:
    found = settle(
        wanted(("A", "a", False, None), ("a", "a", True, None), ("a_2", "a_2", True, None))
    )
    assert found[None, "public", "a_2"] == "a_2"
    assert found[None, "public", "A"] == "a_3"


def test_names_that_were_given_for_another() -> None:
    assert derives("a", "a")
    assert derives("a_2", "a")
    assert not derives("a_2", "abc")
    assert not derives("sales__a", "a")
    long = "x" * 63
    assert derives(long[:61] + "_2", long)
