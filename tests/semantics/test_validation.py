"""The check of a model: what is found, where it is said to be, and what is left alone."""

from __future__ import annotations

import pytest

from dragoman.dialects import registry
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FilesLayer
from dragoman.semantics.problems import Problem, Severity
from dragoman.semantics.validation import validate
from tests.semantics.models import SHOP_TYPES, SchemaLayer, files, model, shop_schema


def check(dialect: str | None = "postgres", **texts: str) -> list[Problem]:
    return validate(model(shop_schema(), files(**texts)), dialect)


def only(dialect: str | None = "postgres", **texts: str) -> Problem:
    found = check(dialect, **texts)
    assert len(found) == 1, [(p.code, p.message) for p in found]
    return found[0]


def test_the_schema_alone_is_right() -> None:
    assert validate(model(shop_schema()), "postgres") == []


def test_a_good_model_is_right() -> None:
    good = {
        "model": "access_grants: {staff: {user_attribute: role, allowed_values: [a]}}\n",
        "users__view": """
            required_access_grants: [staff]
            dimensions:
              name: {label: Full name, drill_fields: [id]}
              age: {sql: 'EXTRACT(YEAR FROM ${created_at})', type: number}
              tier: {bin_boundaries: [1, 2], sql: '${age}'}
              loud: {sql: 'UPPER(${users.name})', aliases: [shout]}
            measures:
              total: {sql: '${age}', aggregate_type: sum, filters: {city: {is: Bern}}}
              ratio: {sql: '${total} / NULLIF(${count}, 0)'}
              raw: {sql: 'SUM(${age}) FILTER (WHERE ${age} > 3)'}
        """,
        "orders__topic": """
            joins: {users: {}}
            fields: [all_views.*, -users.city, users.shout]
            access_filters: [{field: users.city, user_attribute: city}]
            always_where_sql: ${orders.status} <> 'x'
            default_filters:
              orders.created_at[month]: {time_for_duration: [3 months ago, 3 months]}
        """,
    }
    assert check(**good) == []


@pytest.mark.parametrize(
    ("text", "code", "message", "line", "column"),
    [
        ("lable: x\n", "unknown_key", 'Unknown key "lable"', 1, 1),
        ("label: x\nhidden: on\n", "wrong_type", "must be true or false", 2, 1),
        ("dimensions:\n  a: {timeframes: [moth]}\n", "unknown_value", "moth", 2, 20),
        ("dimensions:\n  a b: {sql: x}\n", "bad_name", "cannot be a name", 2, 3),
        (
            "dimensions:\n  a: {sql: '${nme}'}\n",
            "unknown_field",
            "No field nme in view users",
            2,
            7,
        ),
        ("dimensions:\n  a: {sql: '${user.name}'}\n", "unknown_view", "No view user", 2, 7),
        ("dimensions:\n  a:\n    sql: ${id}}+\n", "bad_sql", "SQL does not parse", 3, 5),
        ("dimensions:\n  a: {sql: 'x y z'}\n", "bad_sql", "SQL does not parse", 2, 7),
        ("dimensions:\n  a: {sql: 'x, y'}\n", "bad_sql", "not one expression", 2, 7),
        ("dimensions:\n  a: {sql: 'x FROM t'}\n", "bad_sql", "not one expression", 2, 7),
        ("dimensions:\n  a: {sql: 'x; DROP TABLE t'}\n", "bad_sql", "not one expression", 2, 7),
        ("dimensions:\n  a: {sql: SUM(x)}\n", "aggregate_in_dimension", "SUM is of many", 2, 7),
        ("dimensions:\n  a: {sql: '${count}'}\n", "aggregate_in_dimension", "${count}", 2, 7),
        ("dimensions:\n  a: {sql: '${1 + 1}'}\n", "bad_reference", "names no field", 2, 7),
        ("dimensions:\n  a: {sql: '${name[month]}'}\n", "no_time", "is of type STRING", 2, 7),
        ("dimensions:\n  a: {sql: '${created_at[moth]}'}\n", "unknown_grain", "moth", 2, 7),
        ("dimensions:\n  a: {sql: '${TABLE}.x'}\n", "own_table", "own table", 2, 7),
        ("dimensions:\n  a: {sql: '${a} + 1'}\n", "field_cycle", "users.a → users.a", 2, 7),
        ("dimensions:\n  a: {order_by_field: b}\n", "unknown_field", "No field b", 2, 7),
        ("dimensions:\n  a: {extends: [a]}\n", "extends_cycle", "extends itself", 2, 17),
        ("dimensions:\n  a: {extends: [t.x]}\n", "unknown_view", "No view t", 2, 17),
        ("dimensions:\n  __omni_x: {sql: y}\n", "reserved_name", "reserved", 2, 3),
        ("dimensions:\n  a: {bin_boundaries: [2, 1]}\n", "bad_definition", "ascend", 2, 7),
        ("measures:\n  m: {aggregate_type: summ, sql: x}\n", "unknown_value", "summ", 2, 7),
        ("measures:\n  m: {sql: '${id} + 1'}\n", "no_aggregate", "value of many rows", 2, 7),
        ("measures:\n  m: {label: x}\n", "no_aggregate", "needs `aggregate_type`", 2, 3),
        (
            "measures:\n  m: {aggregate_type: sum, sql: '${count}'}\n",
            "nested_aggregate",
            "${count}",
            2,
            28,
        ),
        ("measures:\n  m: {aggregate_type: sum, sql: MAX(x)}\n", "nested_aggregate", "MAX", 2, 28),
        ("measures:\n  m: {aggregate_type: percentile, sql: x}\n", "bad_definition", "need", 2, 7),
        (
            "measures:\n  m: {aggregate_type: sum, sql: x, filters: {citty: {is: y}}}\n",
            "unknown_field",
            "No field citty",
            2,
            46,
        ),
        (
            "measures:\n  m: {aggregate_type: sum, sql: x, filters: {city: {greater_than: 3}}}\n",
            "wrong_operator",
            "is for numbers; the field has STRING",
            2,
            53,
        ),
        (
            "query: {fields: [orders.id], filters: {orders.id:"
            " {is: 1, cancel_query_filter: true}}}\n",
            "misplaced_key",
            "does nothing here",
            1,
            1 + len("query: {fields: [orders.id], filters: {orders.id: {is: 1, "),
        ),
        (
            "measures:\n  m: {aggregate_type: count, filters:"
            " {city: {or: [{is: x, cancel_query_filter: true}]}}}\n",
            "bad_definition",
            "whole filter",
            2,
            52,
        ),
        ("measures:\n  id: {aggregate_type: count}\n", "duplicate_field", "Duplicate field", 2, 3),
        ("required_access_grants: [staf]\n", "unknown_grant", "No access grant staf", 1, 1),
        ("extends: [user]\n", "unknown_view", "No view user", 1, 11),
        ("extends: [users]\n", "extends_cycle", "extends itself", 1, 11),
        ("sql: SELECT 1\nquery: {fields: [orders.id]}\n", "several_sources", "one of", 1, 1),
        ("sql: SELEC 1\n", "bad_sql", "SQL does not parse", 1, 1),
        ("sql: DELETE FROM x\n", "bad_sql", "not a SELECT", 1, 1),
        ("sets: {s: [id, -name, nme]}\n", "unknown_field", "No field nme", 1, 23),
        ("custom_compound_primary_key_sql: [idd]\n", "unknown_field", "No field idd", 1, 1),
    ],
)
def test_each_problem_of_a_view_has_its_place(
    text: str, code: str, message: str, line: int, column: int
) -> None:
    found = [p for p in check(users__view=text) if p.code == code]
    assert len(found) == 1, [(p.code, p.message, p.line, p.column) for p in check(users__view=text)]
    problem = found[0]
    assert message in problem.message
    assert (problem.file, problem.line, problem.column) == ("users.view", line, column)
    assert problem.view == "users"


def test_did_you_mean() -> None:
    assert "name" in only(users__view="dimensions:\n  a: {sql: '${nme}'}\n").fix
    assert "users" in only(users__view="dimensions:\n  a: {sql: '${user.name}'}\n").fix
    problem = only(users__view="lable: x\n")
    assert problem.auto_fix is not None
    assert problem.auto_fix.edits[0].rename == "label"
    assert problem.wire_path == "users.view,lable"


def test_a_dimension_may_take_an_aggregate_at_a_level_of_detail() -> None:
    lod = "{aggregate_type: sum, fixed: [city]}"
    assert (
        check(users__view=f"dimensions:\n  a: {{sql: '${{id}}', level_of_detail: {lod}}}\n") == []
    )
    window = "dimensions:\n  a: {sql: 'SUM(${id}) OVER (PARTITION BY ${city})'}\n"
    assert check(users__view=window) == []
    inner = "dimensions:\n  a: {sql: '(SELECT MAX(x) FROM t)'}\n"
    assert check(users__view=inner) == []


def test_templates_are_not_parsed_but_their_references_are_looked_up() -> None:
    text = "dimensions:\n  a: {sql: '{{# users.f.filter }} ${nme} {{/ users.f.filter }}'}\n"
    assert only(users__view=text).code == "unknown_field"
    value = "dimensions:\n  a: {sql: 'CASE {{ filters.users.f.value }} WHEN 1 THEN ${id} END'}\n"
    assert check(users__view=value) == []


def test_sql_is_read_in_the_connections_dialect() -> None:
    text = "dimensions:\n  a: {sql: 'TOP 3 x'}\n  b: {sql: '[my column]'}\n"
    assert {p.field for p in check("postgres", users__view=text)} == {"a"}
    assert check("sap_hana", users__view=text) == []  # no parser for it
    assert check(None, users__view=text) == []


def test_every_dialect_can_be_checked() -> None:
    text = "dimensions:\n  a: {sql: 'CAST(${id} AS INTEGER) + 1'}\n  b: {sql: 'MAX(${id})'}\n"
    for dialect in registry.names():
        found = {p.field for p in check(dialect, users__view=text)}
        assert found == (set() if dialect == "sap_hana" else {"b"}), dialect


def test_a_cycle_over_several_views_is_told_once_with_its_way() -> None:
    problem = only(
        users__view="dimensions:\n  a: {sql: '${orders.b}'}\n",
        orders__view="dimensions:\n  b: {sql: '${users.a} + 1'}\n",
    )
    assert problem.code == "field_cycle"
    assert "orders.b → users.a → orders.b" in problem.message


def test_a_long_chain_of_references_is_no_trouble() -> None:
    lines = [f"  f{n}: {{sql: '${{f{n + 1}}} + 1'}}" for n in range(3000)]
    text = "dimensions:\n" + "\n".join(lines) + "\n  f3000: {sql: '1'}\n"
    assert check(None, users__view=text) == []


def test_a_reference_that_a_refresh_broke_is_an_error_of_the_shared_file() -> None:
    shared = files(users__view="# head\ndimensions:\n  loud: {sql: 'UPPER(${city})'}\n")
    assert validate(model(shop_schema(), shared), "postgres") == []
    smaller = shop_schema()
    texts = {
        f.path.key: f.text.replace("  city:\n    sql: '\"city\"'\n", "") for f in smaller.files()
    }
    (problem,) = validate(model(SchemaLayer(texts, SHOP_TYPES), shared), "postgres")
    assert (problem.code, problem.file, problem.line) == ("unknown_field", "users.view", 3)


def test_a_property_without_a_column_of_its_own_is_taken_for_the_column() -> None:
    assert check(users__view="dimensions:\n  new_column: {label: New}\n") == []


def test_problems_stand_in_the_highest_layer_that_says_it() -> None:
    shared = files(users__view="dimensions:\n  a:\n    label: A\n    sql: ${nothing}\n")
    branch = files(users__view="dimensions:\n\n  a: {label: B}\n")
    (problem,) = validate(model(shop_schema(), shared, branch), None)
    assert (problem.file, problem.line) == ("users.view", 4)
    over = files(users__view="dimensions:\n\n  a: {sql: '${nil}'}\n")
    (problem,) = validate(model(shop_schema(), shared, over), None)
    assert (problem.line, problem.message) == (3, "No field nil in view users")


RELATION = "- {join_from_view: orders, join_to_view: users, relationship_type: many_to_one, "
TRUE = RELATION + "on_sql: 'true'}\n"
FALSE = RELATION + "on_sql: 'false'}\n"
ENDS = (
    "- {{join_from_view: {}, join_to_view: users, relationship_type: one_to_one, on_sql: 'true'}}\n"
)


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        (RELATION + "on_sql: '${orders.user_id} = ${users.idd}'}\n", "unknown_field", "error"),
        (RELATION + "on_sql: '${orders.id} = ${order_items.id}'}\n", "bad_reference", "error"),
        (RELATION + "on_sql: '${id} = 3'}\n", "bad_reference", "error"),
        (RELATION + "on_sql: 'a = = b'}\n", "bad_sql", "error"),
        (RELATION + "join_to_view_as: orders, on_sql: 'true'}\n", "alias_is_view", "error"),
        (RELATION + "id: new}\n", "bad_relationship", "error"),
        (RELATION + "on_sql: 'true', where_sql: 'true'}\n", "where_on_left_join", "warning"),
        (TRUE + FALSE, "duplicate_relationship", "error"),
        (ENDS.format("x"), "unknown_view", "error"),
        (ENDS.format("users"), "self_join", "error"),
        (RELATION + "on_sq: 'true'}\n", "unknown_key", "error"),
    ],
)
def test_joins(text: str, code: str, severity: str) -> None:
    found = [p for p in check(relationships=text) if p.code == code]
    assert found, [(p.code, p.message) for p in check(relationships=text)]
    assert found[0].severity == Severity(severity)
    assert found[0].file == "relationships"
    assert found[0].line is not None


def test_an_override_of_a_join_needs_no_condition_of_its_own() -> None:
    text = "- {join_from_view: orders, join_to_view: users, reversible: true}\n"
    assert check(relationships=text) == []


def test_a_view_without_a_key_that_a_join_repeats() -> None:
    schema = shop_schema()
    texts = {f.path.key: f.text.replace("    primary_key: true\n", "") for f in schema.files()}
    bare = SchemaLayer(texts, SHOP_TYPES)
    shared = files(relationships=RELATION + "on_sql: 'true'}\n")
    (problem,) = validate(model(bare, shared), "postgres")
    assert problem.code == "missing_primary_key"
    assert problem.is_warning
    assert "primary_key: true" in problem.fix
    keyed = files(
        relationships=RELATION + "on_sql: 'true'}\n",
        users__view="dimensions: {id: {primary_key: true}}\n",
    )
    assert validate(model(bare, keyed), "postgres") == []


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("dimensions: {a: {timeframes: [dayy]}}\n", "cannot be 'dayy'", "One of"),
        (
            "measures: {a: {aggregate_type: count, filters: {city: {iss: x}}}}\n",
            'Unknown key "iss"',
            "Did you mean `is`?",
        ),
        (
            "measures: {a: {aggregate_type: count, filters: {city: x}}}\n",
            "map of operators",
            "{is: x}",
        ),
        ("dimensions: {a: {groups: [{filter: {is: x}}]}}\n", "`name` is missing", "name: …"),
    ],
)
def test_one_mistake_is_told_once(text: str, message: str, fix: str) -> None:
    (found,) = check(users__view=text)
    assert message in found.message
    assert fix in found.fix


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("case when ${id} then", "Something is missing near `case when ${id} then`"),
        ("${id} +", "Something is missing near `${id} +`"),
        ("(1 + ${id}", "Expecting ) near `(1 + ${id}`"),
    ],
)
def test_sql_that_does_not_parse_is_shown_where_it_breaks(sql: str, message: str) -> None:
    (found,) = check(users__view=f"dimensions: {{a: {{sql: '{sql}'}}}}\n")
    assert found.message == f"SQL does not parse: {message}"


def test_a_topic_without_a_view_to_begin_with_is_told_how() -> None:
    (found,) = check(other__topic="label: x\n")
    assert (found.message, found.fix[:8]) == ("No view other", "Say whic")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("base_view: order\n", "unknown_view", "No view order"),
        ("joins: {users: {}, nothing: {}}\n", "unknown_view", "No view nothing"),
        ("joins: {order_items: {users: {}}}\n", "no_join_path", "from order_items to users"),
        ("fields: [userz.*]\n", "unknown_view", "No view userz"),
        ("fields: [users.nme]\n", "unknown_field", "No field nme"),
        ("fields: [order_items.*]\n", "no_join_path", "from orders to order_items"),
        ("fields: ['%']\n", "bad_name", "cannot be a name"),
        ("access_filters: [{field: users.x, user_attribute: a}]\n", "unknown_field", "No field x"),
        (
            "access_filters: [{field: order_items.id, user_attribute: a}]\n",
            "no_join_path",
            "from orders to order_items",
        ),
        ("access_filters: [{field: users.id}]\n", "missing_key", "`user_attribute` is missing"),
        ("always_where_sql: ${order_items.id} = 3\n", "no_join_path", "to order_items"),
        ("always_where_sql: a = = 3\n", "bad_sql", "does not parse"),
        ("always_where_filters: {users.city: {before: 2024-01-01}}\n", "wrong_operator", "moments"),
        (
            "always_where_filters: {users.city: {is: x, cancel_query_filter: true}}\n",
            "misplaced_key",
            "filters of measures",
        ),
        ("cache_policy: fast\n", "unknown_policy", "No cache policy fast"),
        ("required_access_grants: [x]\n", "unknown_grant", "No access grant x"),
        ("views: {users: {dimensions: {a: {sql: '${nope}'}}}}\n", "unknown_field", "No field nope"),
        ("views: {buyers: {label: x}}\n", "unknown_view", "No view buyers"),
        ("extends: [x]\n", "unknown_topic", "No topic x"),
        ("lable: x\n", "unknown_key", "lable"),
    ],
)
def test_topics(text: str, code: str, message: str) -> None:
    found = [p for p in check(orders__topic=text) if p.code == code]
    assert found, [(p.code, p.message) for p in check(orders__topic=text)]
    assert message in found[0].message
    assert (found[0].file, found[0].topic, found[0].line) == ("orders.topic", "orders", 1)


def test_joins_that_keep_rows_beside_joins_that_take_them_away() -> None:
    edges = """
        - join_from_view: orders
          join_to_view: users
          join_type: always_right
          relationship_type: many_to_one
          on_sql: ${orders.user_id} = ${users.id}
        - join_from_view: orders
          join_to_view: order_items
          join_type: inner
          relationship_type: one_to_many
          on_sql: ${order_items.order_id} = ${orders.id}
    """
    text = "joins: {users: {}, order_items: {}}\n"
    found = only(relationships=edges, orders__topic=text)
    assert (found.code, found.severity, found.topic) == ("mixed_joins", "warning", "orders")
    assert "All rows of users stay" in found.message
    alone = "joins: {users: {}}\n"
    assert check(relationships=edges, orders__topic=alone) == []


def test_a_field_that_a_topic_cannot_answer() -> None:
    problem = only(
        orders__view="dimensions:\n  x: {sql: '${order_items.price} + 1'}\n",
        orders__topic="joins: {}\n",
    )
    assert (problem.code, problem.is_warning) == ("field_broken_in_topic", True)
    assert "needs order_items" in problem.message


def test_views_that_only_a_topic_has() -> None:
    text = """
        joins: {buyers: {}}
        relationships:
          - {join_from_view: orders, join_to_view: users, join_to_view_as: buyers,
             relationship_type: many_to_one, on_sql: '${orders.user_id} = ${buyers.id}'}
        views: {buyers: {label: Buyers}}
    """
    assert [p.message for p in check(orders__topic=text)] == []


def test_default_rules_that_cannot_hold_in_a_topic() -> None:
    rules = "default_topic_access_filters: [{field: order_items.id, user_attribute: a}]\n"
    problem = only(model=rules, orders__topic="label: x\n")
    assert (problem.code, problem.file) == ("no_join_path", "orders.topic")
    assert "access_filters: []" in problem.fix
    assert check(model=rules, orders__topic="access_filters: []\n") == []


def test_the_model_file() -> None:
    text = """
        default_cache_policy: fast
        cache_policies: {slow: {max_cache_age: 90 days}}
        access_grants: {a: {user_attribute: x}}
    """
    assert {p.code for p in check(model=text)} == {"unknown_policy", "bad_setting", "missing_key"}


def test_query_views() -> None:
    text = """
        query:
          base_view: orders
          topic: nope
          fields: {orders.status: s, orders.nope: n, users.city: s}
          filters: {orders.status: {bind: users.nothing}}
    """
    found = check(facts__query__view=text)
    assert sorted(p.code for p in found) == [
        *("duplicate_field", "unknown_field", "unknown_field", "unknown_topic"),
    ]


def test_composite_topics() -> None:
    text = "topics: [orders, nope]\nshared_dimensions: {a: {mappings: {x: {field: a.b}}}}\n"
    found = check(both__composite_topic=text, orders__topic="label: x\n")
    assert [p.message for p in found] == ["No topic nope", "x is not one of the topics"]


def test_a_conflict_of_sections_between_layers() -> None:
    problem = only(orders__view="measures:\n  status: {aggregate_type: count}\n")
    assert (problem.code, problem.field) == ("duplicate_field", "status")
    hidden = (
        "dimensions:\n  status: {ignored: true}\nmeasures:\n  status: {aggregate_type: count}\n"
    )
    # The first file says both names itself, so it is told there.
    assert [p.code for p in check(orders__view=hidden)] == ["duplicate_field"]


def found_in(texts: dict[str, str]) -> list[Problem]:
    """The problems of files alone."""
    return validate(ComposedModel([FilesLayer(texts)]), "postgres")


def test_views_that_read_each_other_in_a_circle() -> None:
    def question(of: str) -> str:
        return f"query: {{base_view: {of}, fields: {{{of}.a: a}}}}\ndimensions: {{a: {{}}}}\n"

    circle = {f"v{n}.query.view": question(f"v{(n + 1) % 3}") for n in range(3)}
    sql = {"v1.query.view": "sql: SELECT a FROM ${v2} x\ndimensions: {a: {}}\n"}
    for texts in (circle, circle | sql):
        (found,) = [p for p in found_in(texts) if p.code == "view_cycle"]
        assert found.message == "A circle of views: v0 → v1 → v2 → v0"
        assert (found.file, found.line) == ("v0.query.view", 1)
    own = {"users.view": "sql: SELECT * FROM ${users} x\ndimensions: {a: {}}\n"}
    assert [p for p in found_in(own) if p.code == "view_cycle"] == []


def test_extending_over_many_ways_and_many_levels() -> None:
    base = "schema: s\ndimensions: {id: {sql: id}}\n"
    ways = {f"{side}0.view": base for side in "vw"}
    for n in range(1, 60):
        ways |= {f"{side}{n}.view": f"extends: [v{n - 1}, w{n - 1}]\n" for side in "vw"}
    assert found_in(ways) == []
    own = "schema: s\ndimensions:\n  v0: {sql: id}\n  w0: {sql: id}\n"
    for n in range(1, 60):
        own += "".join(f"  {side}{n}: {{extends: [v{n - 1}, w{n - 1}]}}\n" for side in "vw")
    assert found_in({"a.view": own}) == []
    topics = {"a.view": base, "v0.topic": "base_view: a\n", "w0.topic": "base_view: a\n"}
    for n in range(1, 60):
        topics |= {f"{side}{n}.topic": f"extends: [v{n - 1}, w{n - 1}]\n" for side in "vw"}
    assert found_in(topics) == []
    chain = {"v0.view": base} | {f"v{n}.view": f"extends: [v{n - 1}]\n" for n in range(1, 1500)}
    assert {p.code for p in found_in(chain)} == {"extends_depth"}
