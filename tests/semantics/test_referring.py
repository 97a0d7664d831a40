"""Who refers to whom, and renaming with all that refers along."""

from __future__ import annotations

import textwrap

import pytest

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FilesLayer
from dragoman.semantics.model.references import FieldRef
from dragoman.semantics.referring import NamedFile, References
from dragoman.semantics.validation import validate

TEXTS = {
    "users.view": """
        # people
        table_name: people
        dimensions:
          id: {sql: '"ID"', primary_key: true}
          # where they live
          city:
            sql: '"CITY"'   # as stored
            drill_fields: [id, city]
          loud: {sql: 'UPPER(${city}) || ${users.city}'}
        measures:
          in_bern: {aggregate_type: count, filters: {city: {is: Bern}}}
        filters:
          f: {type: string, bind_to: [city]}
        sets: {place: [city, id, buyers.*]}
    """,
    "buyers.view": "extends: [users]\ndimensions:\n  city: {label: Town}  # mine\n",
    "orders.view": """
        schema: s
        dimensions:
          id: {sql: id, primary_key: true}
          user_id: {sql: user_id}
          where: {sql: 'CASE WHEN ${users.city//} = 1 THEN {{ filters.users.city.value }} END'}
          city: {sql: city}
          both: {sql: '${city} || ${buyers.city}', order_by_field: users.city}
    """,
    "facts.query.view": """
        query:
          base_view: users
          fields: {city: c, users.in_bern: n}
          filters: {users.city: {bind: orders.city}}
          sorts: [{field: users.city}]
    """,
    "relationships": """
        - join_from_view: orders   # who bought
          join_to_view: users
          join_to_view_as: sellers
          relationship_type: many_to_one
          on_sql: ${orders.user_id} = ${sellers.id} AND ${sellers.city} > ''
        - {join_from_view: orders, join_to_view: users, relationship_type: many_to_one,
           on_sql: '${orders.user_id} = ${users.id}'}
        - {join_from_view: orders, join_to_view: buyers, relationship_type: many_to_one,
           on_sql: '${orders.user_id} = ${buyers.id}'}
    """,
    "orders.topic": """
        joins: {users: {}, sellers: {}, buyers: {}}
        fields: [all_views.*, -users.city, users.*, sellers.city]
        always_where_sql: ${users.city} <> ''
        default_filters:
          # only these
          users.city: {is: Bern}
        access_filters: [{field: users.city, user_attribute: city}]
        views:
          users: {dimensions: {city: {label: Place}}}
    """,
    "users.topic": "joins: {}\nfields: [users.city]\ndefault_filters: {city: {is: x}}\n",
}


def layer(texts: dict[str, str]) -> FilesLayer:
    made = FilesLayer({key: textwrap.dedent(text).lstrip("\n") for key, text in texts.items()})
    assert made.problems() == []
    return made


def references(of: FilesLayer) -> References:
    return References(NamedFile.of(source) for source in of.files())


def errors(of: FilesLayer) -> list[str]:
    return [p.message for p in validate(ComposedModel([of]), "postgres") if not p.is_warning]


def test_the_model_is_right_to_begin_with() -> None:
    assert errors(layer(TEXTS)) == []


def test_who_refers_to_a_field() -> None:
    found = references(layer(TEXTS)).of_field("users", "city")
    assert {m.file for m in found} == set(TEXTS)
    assert ("orders.view", ("dimensions", "city")) not in [(m.file, m.path) for m in found]
    assert [m.path for m in found if m.definition] == [
        ("dimensions", "city"),
        ("views", "users", "dimensions", "city"),
        ("dimensions", "city"),
    ]


def test_a_field_is_renamed_wherever_it_is_named() -> None:
    before = layer(TEXTS)
    made = references(before).rename_field("users", "city", "town")
    after = layer({key: made.get(key, before.text(key) or "") for key in TEXTS})
    assert errors(after) == []
    left = references(after)
    assert [m for m in left.of_field("users", "city") if m.view != "orders"] == []
    assert len(left.of_field("users", "town")) == len(references(before).of_field("users", "city"))
    users = after.text("users.view") or ""
    assert "# where they live\n  town:\n    sql: '\"CITY\"'   # as stored" in users
    assert "drill_fields:\n    - id\n    - town" in users or "[id, town]" in users
    assert "UPPER(${town}) || ${users.town}" in users
    orders = after.text("orders.view") or ""
    assert "${city} || ${buyers.town}" in orders
    assert "${users.town//} = 1 THEN {{ filters.users.town.value }}" in orders
    topic = after.text("orders.topic") or ""
    assert "# only these\n  users.town:" in topic
    assert "# mine" in (after.text("buyers.view") or "")


def test_the_old_name_of_a_field_is_kept_as_an_alias() -> None:
    before = layer({"users.view": "dimensions:\n  city:\n    label: City # c\n"})
    made = references(before).rename_field("users", "city", "town", alias=True)
    assert made == {
        "users.view": "dimensions:\n  town:\n    label: City # c\n    aliases:\n    - city\n"
    }


def test_a_view_is_renamed_with_its_file_and_keeps_its_table() -> None:
    before = layer(TEXTS)
    assert before.view("orders") is not None
    made = references(before).rename_view("orders", "purchases")
    assert made["orders.view"] is None
    assert "table_name: orders" in (made["purchases.view"] or "")
    texts = {key: before.text(key) or "" for key in TEXTS} | made
    after = layer({key: text for key, text in texts.items() if text is not None})
    assert errors(after) == []
    assert references(after).of_view("orders") == []
    assert "base_view: purchases" in (after.text("orders.topic") or "")
    assert "join_from_view: purchases   # who bought" in (after.text("relationships") or "")


def test_a_view_under_its_alias_keeps_it() -> None:
    before = layer(TEXTS)
    made = references(before).rename_view("users", "people")
    texts = {key: before.text(key) or "" for key in TEXTS} | made
    after = layer({key: text for key, text in texts.items() if text is not None})
    assert errors(after) == []
    assert "extends: [people]" in (made["buyers.view"] or "") or "- people" in (
        made["buyers.view"] or ""
    )
    assert "join_to_view_as: sellers" in (after.text("relationships") or "")


def test_a_set_with_all_fields_of_a_view_follows_it() -> None:
    before = layer(TEXTS)
    made = references(before).rename_view("buyers", "clients")
    assert "clients.*" in (made["users.view"] or "")
    assert "buyers" not in (made["users.view"] or "")


def test_a_view_that_its_head_names() -> None:
    texts = {"sales/users.view": "# Reference this view as sales__users\nlabel: x\n"}
    made = references(layer(texts)).rename_view("sales__users", "people")
    assert made == {
        "sales/users.view": "# Reference this view as people\nlabel: x\ntable_name: users\n"
    }


@pytest.mark.parametrize("name", ["", "a b", "1a", "a.b", "ä"])
def test_a_new_name_must_be_one(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        references(layer(TEXTS)).rename_field("users", "city", name)


def test_whole_views_in_sql() -> None:
    texts = {
        "a.view": "sql: SELECT * FROM ${b} AS b\n",
        "b.view": "dimensions:\n  c: {sql: '${d}'}\n  d: {sql: d}\n",
    }
    made = references(layer(texts)).rename_view("b", "bb")
    assert made["a.view"] == "sql: SELECT * FROM ${bb} AS b\n"
    assert set(made) == {"a.view", "b.view", "bb.view"}


def test_a_field_that_is_called_like_a_view() -> None:
    texts = {
        "a.view": "dimensions:\n  b: {sql: x}\n  d: {sql: '${b} + ${b.c}'}\n",
        "b.view": "dimensions:\n  c: {sql: y}\n",
    }
    made = references(layer(texts)).rename_view("b", "bb")
    assert "${b} + ${bb.c}" in (made["a.view"] or "")
    renamed = references(layer(texts)).rename_field("a", "b", "z")
    assert "${z} + ${b.c}" in renamed["a.view"]


def test_a_question_inside_a_filter_follows() -> None:
    asked = "{base_view: b, fields: [b.c, n], filters: {c: {is: 1}}}"
    said = f"{{field_name_in_query: b.c, query_structure: {asked}}}"
    texts = {
        "a.view": f"measures:\n  m: {{filters: {{d: {{or: [{{is: 1}}, {said}]}}}}}}\n",
        "b.view": "dimensions:\n  c: {sql: y}\n  n: {sql: z}\n",
    }
    found = references(layer(texts))
    of_field = [m.path[4:] for m in found.of_field("b", "c") if m.file == "a.view"]
    assert of_field == [
        ("or", 1, "field_name_in_query"),
        ("or", 1, "query_structure", "fields", 0),
        ("or", 1, "query_structure", "filters", "c"),
    ]
    renamed = found.rename_field("b", "c", "e")["a.view"]
    assert "field_name_in_query: b.e" in renamed
    assert "b.c" not in renamed
    assert "base_view: bb" in (found.rename_view("b", "bb")["a.view"] or "")


def test_references_move_to_another_field_and_definitions_stay() -> None:
    texts = {
        "a.view": "dimensions:\n  x: {sql: 'UPPER(${old})'}\n  old: {sql: y}\n",
        "b.view": """
            measures:
              m: {aggregate_type: sum, sql: '${a.old}', filters: {a.old: {is: 1}}}
        """,
    }
    made = references(layer(texts)).replace_field("a", "old", FieldRef("b", "new"))
    assert made["a.view"].startswith("dimensions:\n  x:\n    sql: UPPER(${b.new})\n  old:")
    assert "${b.new}" in made["b.view"]
    assert "b.new:" in made["b.view"]
    assert set(references(layer(texts)).replace_view("a", "c")) == {"b.view"}
