"""Models of several layers: views, inheritance, joins, topics."""

from __future__ import annotations

import pytest

from dragoman.semantics.datatypes import DataType
from dragoman.semantics.files import FilesLayer
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Aggregate
from dragoman.semantics.model.filters import Condition, Operator
from dragoman.semantics.model.relationships import Cardinality, JoinType
from dragoman.semantics.model.topics import CompositeTopic, Topic
from dragoman.semantics.model.views import NoSource, QuerySource, SqlSource, TableSource, View
from tests.semantics.models import files, model, shop_schema


def view_of(*layers: FilesLayer, name: str = "users") -> View:
    found = model(*layers).view(name)
    assert found is not None
    return found


def topic_of(*layers: FilesLayer, name: str = "orders") -> Topic:
    found = model(*layers).topic(name)
    assert isinstance(found, Topic)
    return found


def test_a_property_of_a_higher_layer_stands() -> None:
    shared = files(users__view="label: People\ndimensions:\n  name:\n    label: Full name\n")
    branch = files(
        users__view="dimensions:\n  name:\n    hidden: true\n  city:\n    ignored: true\n"
    )
    users = view_of(shop_schema(), shared, branch)
    name = users.dimensions["name"]
    assert (users.label, name.label, name.hidden) == ("People", "Full name", True)
    assert name.sql is not None
    assert name.sql.text == '"name"'
    assert name.type is DataType.STRING
    assert "city" not in users.dimensions
    assert users.source == TableSource(None, "public", "users")
    assert [d.name for d in users.primary_key] == ["id"]
    assert users.measures["count"].aggregate_type is Aggregate.COUNT


def test_a_dimension_with_other_sql_is_no_longer_its_column() -> None:
    shared = files(users__view="dimensions:\n  name:\n    sql: LENGTH(${name})\n")
    assert view_of(shop_schema(), shared).dimensions["name"].type is DataType.UNKNOWN
    hint = files(users__view="dimensions:\n  name:\n    sql: LENGTH(x)\n    type: number\n")
    assert view_of(shop_schema(), hint).dimensions["name"].type is DataType.NUMBER


def test_an_ignored_view_is_gone_until_a_higher_layer_says_otherwise() -> None:
    gone = files(users__view="ignored: true\n")
    assert model(shop_schema(), gone).view("users") is None
    back = files(users__view="ignored: false\n")
    assert model(shop_schema(), gone, back).view("users") is not None


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ("ignored_schemas: [pub*]\n", []),
        ("included_schemas: [other]\n", []),
        ("included_schemas: [public]\nignored_views: [public.users]\n", ["orders", "order_items"]),
        ("ignored_views: [public__users, orders]\n", ["order_items"]),
        ("included_views: [users]\n", ["users"]),
    ],
)
def test_the_model_file_prunes_the_schema_layer(settings: str, there: list[str]) -> None:
    found = model(shop_schema(), files(model=settings))
    assert sorted(n for n in found.view_names() if found.view(n)) == sorted(there)


def test_pruning_leaves_what_people_wrote() -> None:
    shared = files(model="ignored_schemas: [public]\n", users__view="label: People\n")
    assert model(shop_schema(), shared).view("users") is not None


def test_only_what_is_asked_for_is_loaded() -> None:
    schema = shop_schema()
    composed = model(schema, files(users__view="label: People\n"))
    assert composed.view("users") is not None
    assert schema.asked == ["users"]


def test_extends_copies_the_whole_parent() -> None:
    shared = files(
        users__view="label: People\naliases: [persons]\ndimensions:\n  name: {label: Full name}\n",
        buyers__view="""
            extends: [users]
            dimensions:
              city: {ignore_from_extended: true}
              name: {description: Who buys}
        """,
    )
    buyers = view_of(shop_schema(), shared, name="buyers")
    assert buyers.source == TableSource(None, "public", "users")
    assert buyers.label == "People"
    assert buyers.aliases == ()
    assert "city" not in buyers.dimensions
    assert buyers.dimensions["name"].label == "Full name"
    assert buyers.dimensions["name"].description == "Who buys"
    assert buyers.dimensions["name"].view == "buyers"
    assert buyers.dimensions["id"].type is DataType.NUMBER


def test_extends_of_several_later_ones_win_and_templates_have_no_table() -> None:
    shared = files(
        base__view="template: true\nlabel: Base\ndimensions:\n  a: {label: base}\n",
        more__view="template: true\ndimensions:\n  a: {label: more}\n",
        real__view="extends: [base, more]\ndescription: x\n",
    )
    real = view_of(shared, name="real")
    assert (real.label, real.template) == ("Base", False)
    assert real.dimensions["a"].label == "more"
    assert real.source == TableSource(None, None, "real")
    assert view_of(shared, name="base").source == NoSource()


def test_a_parents_own_table_name_is_inherited() -> None:
    shared = files(users__view="schema: s\n", buyers__view="extends: [users]\n")
    assert view_of(shared, name="buyers").source == TableSource(None, "s", "users")


def test_fields_extend_fields() -> None:
    shared = files(
        t__view="""
            template: true
            measures:
              m: {aggregate_type: sum, sql: '${x}', hidden: true}
        """,
        u__view="""
            measures:
              a: {extends: [t.m], hidden: false, label: A}
              b: {extends: [a], label: B}
              c: {extends: [c, nothing.x, d]}
              d: {extends: [c], label: D}
        """,
    )
    u = view_of(shared, name="u")
    assert u.measures["b"].aggregate_type is Aggregate.SUM
    assert (u.measures["b"].label, u.measures["b"].hidden) == ("B", False)
    assert u.measures["c"].label == "D"


def test_cycles_end() -> None:
    shared = files(a__view="extends: [b]\nlabel: A\n", b__view="extends: [a]\ndescription: B\n")
    a = view_of(shared, name="a")
    assert (a.label, a.description) == ("A", "B")


def test_constants_are_put_in_once() -> None:
    shared = files(
        model="constants: {rate: '1.2', evil: '@{rate}'}\n",
        users__view="dimensions:\n  a: {sql: '${price} * @{rate} + @{evil} + @{none}'}\n",
    )
    sql = view_of(shared).dimensions["a"].sql
    assert sql is not None
    assert sql.text == "${price} * 1.2 + @{rate} + @{none}"


def test_sources_of_rows() -> None:
    shared = files(
        a__view="sql: SELECT 1\n",
        b__query__view="query:\n  base_view: a\n  fields: {a.x: x, a.count: n}\n  limit: 5\n"
        "  sorts: [{field: a.x, desc: true}]\n  filters: {a.y: {bind: c.y}}\n",
    )
    assert isinstance(view_of(shared, name="a").source, SqlSource)
    source = view_of(shared, name="b").source
    assert isinstance(source, QuerySource)
    query = source.query
    assert [(str(f.field), f.output) for f in query.fields] == [("a.x", "x"), ("a.count", "n")]
    assert (query.limit, query.sorts[0].desc, str(query.filters[0].bind)) == (5, True, "c.y")


def test_a_field_that_cannot_be_understood_breaks_nothing_else() -> None:
    users = view_of(
        files(
            users__view="""
            required_access_grants: {a: b}
            measures:
              p: {aggregate_type: percentile, sql: x}
              s: {aggregate_type: sums, sql: x}
              f: {aggregate_type: sum, sql: x, filters: {status: done}}
              ok: {aggregate_type: sum, sql: x, filters: {status: {is: done}}}
            dimensions:
              secret: {sql: x, required_access_grants: {a: b}}
              text: just text
        """
        )
    )
    assert list(users.measures) == ["ok"]
    assert set(users.broken) == {"p", "s", "f", "secret", "text"}
    assert "percentile" in users.broken["p"]
    assert users.required_access_grants == ("<nobody>",)  # closed, not open
    (only,) = users.measures["ok"].filters
    assert only.expression == Condition(Operator.IS, ("done",))


def test_joins_have_aliases_that_are_views() -> None:
    shared = files(
        relationships="""
            - join_from_view: orders
              join_to_view: users
              join_to_view_as: sellers
              relationship_type: many_to_one
              on_sql: ${orders.seller_id} = ${sellers.id}
              reversible: true
        """
    )
    composed = model(shop_schema(), shared)
    sellers = composed.view("sellers")
    assert sellers is not None
    assert (sellers.name, sellers.alias_of) == ("sellers", "users")
    assert sellers.dimensions["id"].address == "sellers.id"
    (back,) = composed.edges("sellers")
    assert (back.target, back.cardinality) == ("orders", Cardinality.ONE_TO_MANY)
    assert [e.target for e in composed.edges("orders")] == ["users", "sellers"]


def test_join_types_turn_with_the_direction() -> None:
    shared = files(
        relationships="""
            - {join_from_view: a, join_to_view: b, join_type: left_right, reversible: true,
               relationship_type: one_to_one, on_sql: x}
            - {join_from_view: c, join_to_view: d, join_type: right_left, reversible: true,
               relationship_type: one_to_one, on_sql: x}
            - {join_from_view: e, join_to_view: f, join_type: always_inner, reversible: true,
               relationship_type: one_to_one, on_sql: x}
        """
    )
    composed = model(shared)
    types = {name: composed.edges(name)[0].join_type for name in "abcdef"}
    left, right = JoinType.ALWAYS_LEFT, JoinType.ALWAYS_RIGHT
    assert types == {
        "a": left,
        "b": right,
        "c": right,
        "d": left,
        "e": JoinType.INNER,
        "f": JoinType.INNER,
    }


def test_a_topic_without_joins_has_all_that_multiply_nothing() -> None:
    composed = model(shop_schema(), files(items__topic="base_view: order_items\n"))
    topic = composed.topic("items")
    assert isinstance(topic, Topic)
    found = composed.join_map(topic)
    assert {v: [e.target for e in way] for v, way in found.via.items()} == {
        "order_items": [],
        "orders": ["orders"],
        "users": ["orders", "users"],
    }
    users = composed.topic("users")
    assert users is None


def test_two_ways_are_ambiguous() -> None:
    rows = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")]
    text = "".join(
        f"- {{join_from_view: {x}, join_to_view: {y}, relationship_type: many_to_one, on_sql: x}}\n"
        for x, y in rows
    )
    composed = model(files(relationships=text, a__topic="label: A\n"))
    topic = composed.topic("a")
    assert isinstance(topic, Topic)
    assert composed.join_map(topic).ambiguous == {"d", "e"}


def test_a_topics_tree_says_what_is_joined() -> None:
    shared = files(
        people__topic="base_view: users\njoins:\n  orders:\n    order_items: {}\n  nothing: {}\n"
    )
    composed = model(shop_schema(), shared)
    topic = composed.topic("people")
    assert isinstance(topic, Topic)
    found = composed.join_map(topic)
    assert list(found.via) == ["users", "orders", "order_items"]
    assert [e.cardinality for e in found.via["order_items"]] == [Cardinality.ONE_TO_MANY] * 2
    assert found.missing == {"nothing": "users"}


def test_a_topics_own_joins_and_views() -> None:
    shared = files(
        orders__topic="""
            joins: {users: {}}
            relationships:
              - {join_from_view: orders, join_to_view: users, relationship_type: one_to_one,
                 on_sql: '${orders.email} = ${users.email}'}
            views:
              users:
                label: Customers
                dimensions: {vip: {sql: '${id} < 10'}}
        """
    )
    composed = model(shop_schema(), shared)
    topic = composed.topic("orders")
    assert isinstance(topic, Topic)
    (way,) = composed.join_map(topic).via["users"]
    assert way.cardinality is Cardinality.ONE_TO_ONE
    users = composed.topic_view(topic, "users")
    assert users is not None
    assert (users.label, "vip" in users.dimensions) == ("Customers", True)
    plain = composed.view("users")
    assert plain is not None
    assert "vip" not in plain.dimensions


def test_a_topic_inherits_and_has_the_models_rules() -> None:
    shared = files(
        model="""
            default_topic_access_filters: [{field: users.city, user_attribute: city}]
            default_topic_required_access_grants: [staff]
        """,
        base__topic="template: true\nbase_view: orders\nlabel: Base\nfields: [all_views.*]\n",
        orders__topic="extends: [base]\nlabel: Orders\n",
        open__topic="extends: [base]\naccess_filters: []\nrequired_access_grants: []\n",
    )
    orders = topic_of(shop_schema(), shared)
    assert (orders.label, orders.base_view, orders.template) == ("Orders", "orders", False)
    assert str(orders.access_filters[0].field) == "users.city"
    assert orders.required_access_grants == ("staff",)
    opened = topic_of(shop_schema(), shared, name="open")
    assert opened.access_filters == ()
    assert opened.required_access_grants == ()


@pytest.mark.parametrize(
    "line",
    [
        "access_filters: {field: a.b}",
        "access_filters: [{field: a.b}]",
        "access_filters: [{field: 'a b', user_attribute: x}]",
        "always_where_sql: [1]",
        "always_where_filters: {a.b: 3}",
        "required_access_grants: {a: b}",
        "fields: ['%']",
        "joins: [users]",
    ],
)
def test_a_topic_with_rules_that_cannot_be_understood_is_closed(line: str) -> None:
    composed = model(files(orders__topic=f"{line}\n"))
    with pytest.raises(BadDefinition):
        composed.topic("orders")


def test_broken_default_rules_close_the_topics_that_would_have_them() -> None:
    settings = files(
        model="default_topic_access_filters: [{field: a.b}]\n",
        a__topic="label: x\n",
        b__topic="access_filters: []\n",
    )
    with pytest.raises(BadDefinition):
        model(settings).topic("a")
    assert model(settings).topic("b") is not None


def test_composite_topics() -> None:
    shared = files(
        both__composite_topic="""
            topics: [orders, visits]
            shared_dimensions:
              day: {mappings: {orders: {field: orders.created_at}, visits: {field: visits.at}}}
            shared_measures: {ratio: {sql: '${orders.orders.count} / ${visits.visits.count}'}}
        """
    )
    both = model(shared).topic("both")
    assert isinstance(both, CompositeTopic)
    assert str(both.shared_dimensions["day"]["visits"]) == "visits.at"


def test_plain_definitions_with_and_without_what_is_inherited() -> None:
    composed = model(files(a__view="label: A\n", b__view="extends: [a]\n"))
    assert composed.view_definition("b") == {"extends": ["a"]}
    assert composed.view_definition("b", fully_resolved=True) == {"table_name": "a", "label": "A"}
    assert composed.view_definition("none") is None


def test_former_names() -> None:
    composed = model(files(a__view="aliases: [old]\ndimensions:\n  x: {aliases: [y]}\n"))
    assert composed.renamed("old") == "a"
    a = composed.view("a")
    assert a is not None
    assert a.field("y") is a.dimensions["x"]
    assert a.field("z") is None
