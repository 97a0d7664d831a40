"""What a topic offers to those who make questions: its fields, and values to filter by."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.queries.test_run import model, server, write
from tests.support.server import Server

__all__ = ["model", "server"]
VIEW = """
dimensions:
  status: {label: State, group_label: Basics, synonyms: [phase]}
  secret: {sql: '${status}', required_access_grants: [insiders]}
  masked:
    sql: ${status}
    mask_unless_access_grants: [insiders]
    sample_values: [shipped]
  size:
    sql: "'L'"
    suggestion_list: [{value: L, label: Large}, {value: S, label: Small}]
  elsewhere: {sql: '${nowhere.id}'}
  quiet: {sql: '1', hidden: true}
measures:
  open_orders:
    aggregate_type: count
    filters: {status: {is: open}}
filters:
  state: {type: string, bind_to: [orders.status]}
"""
GRANTS = "access_grants:\n  insiders: {user_attribute: team, allowed_values: [x]}\n"
TOPIC = "base_view: orders\nbase_view_label: Purchases\njoins: {}\n"


@pytest.fixture(scope="module")
def at(server: Server, model: str) -> str:
    """The address of a topic."""
    write(server, model, "orders.view", VIEW)
    write(server, model, "model", GRANTS)
    write(server, model, "picked.topic", TOPIC)
    rule = "access_filters:\n  - {field: orders.status, user_attribute: status}\n"
    write(server, model, "mine.topic", TOPIC + rule)
    write(server, model, "locked.topic", TOPIC + "required_access_grants: [insiders]\n")
    return f"/api/v1/models/{model}/topic"


@pytest.fixture(scope="module")
def member(server: Server, model: str) -> Any:
    from dragoman.access.principal import OPERATOR
    from dragoman.identity import service as identity

    listed = server.root.get("/api/v1/models", params={"modelId": model}).json()["records"]
    client = server.member("picker@example.com", **{listed[0]["connectionId"]: "QUERY_TOPICS"})
    with server.unit() as unit:
        user = identity.get_user(unit, "picker@example.com")
        identity.set_attribute(unit, OPERATOR, user.id, "status", ["shipped"])
    return client


def values(client: Any, at: str, topic: str = "picked", **query: Any) -> list[str]:
    answer = client.get(f"{at}/{topic}/values", params=query)
    assert answer.status_code == 200, answer.text
    return [each["value"] for each in answer.json()["values"]]


def test_a_topic_that_one_may_not_see_is_not_there(member: Any, at: str, model: str) -> None:
    """The same words and the same status as for a name that no topic has."""

    def told(topic: str) -> list[str]:
        query = {
            "modelId": model,
            "table": "orders",
            "fields": ["orders.count"],
            "join_paths_from_topic_name": topic,
        }
        answers = [
            member.get(f"{at}/{topic}/fields"),
            member.get(f"{at}/{topic}/values", params={"field": "orders.status"}),
            member.post("/api/v1/query/run", json={"query": query, "resultType": "json"}),
            member.post("/api/v1/query/run", json={"query": query}),
        ]
        assert [each.status_code for each in answers] == [404, 404, 404, 200]
        _, failed, _ = map(json.loads, answers.pop().text.splitlines())
        texts = [each.text for each in answers] + [failed["error_type"], failed["error_message"]]
        return [each.replace(topic, "X") for each in texts]

    assert told("locked") == told("absent")


def test_fields_with_their_labels(member: Any, at: str) -> None:
    answer = member.get(f"{at}/picked/fields").json()
    (view,) = answer["views"]
    assert (view["name"], view["label"]) == ("orders", "Purchases")
    fields = {field["name"]: field for field in view["fields"]}
    status = fields["orders.status"]
    assert (status["label"], status["group_label"]) == ("State", "Basics")
    assert (status["kind"], status["data_type"], status["synonyms"]) == (
        "dimension",
        "STRING",
        ["phase"],
    )
    assert fields["orders.open_orders"]["kind"] == "measure"
    assert fields["orders.state"]["kind"] == "filter"
    assert fields["orders.masked"]["masked"] is True
    assert "sample_values" not in fields["orders.masked"]
    # Not permitted, hidden, and of a view that the topic does not have.
    assert not {"orders.secret", "orders.quiet", "orders.elsewhere"} & set(fields)
    times = [field for field in fields.values() if field.get("time_frames")]
    assert any(one["name"].endswith("[month]") for one in times[0]["time_frames"])
    more = member.get(f"{at}/picked/fields", params={"includeHidden": "true"}).json()
    assert any(field["name"] == "orders.quiet" for field in more["views"][0]["fields"])
    assert member.get(f"{at}/nothing/fields").status_code == 404


def test_a_topic_does_not_tell_what_its_reader_may_not_know(
    server: Server, member: Any, at: str
) -> None:
    def dimensions(client: Any) -> dict[str, Any]:
        (view,) = client.get(f"{at}/picked").json()["topic"]["views"]
        return {each["field_name"]: each for each in view["dimensions"]}

    assert dimensions(server.root)["masked"]["sample_values"] == ["shipped"]
    seen = dimensions(member)
    assert "secret" not in seen
    assert "sample_values" not in seen["masked"]


def test_values_of_a_field(server: Server, member: Any, at: str) -> None:
    every = values(server.root, at, field="orders.status")
    assert every == sorted(every)
    assert "shipped" in every
    assert values(member, at, field="orders.status", search="SHIP") == ["shipped"]
    assert values(member, at, field="orders.state") == every
    few = member.get(f"{at}/picked/values", params={"field": "orders.status", "limit": 1}).json()
    assert len(few["values"]) == 1
    assert (few["complete"], few["source"]) == (False, "database")


def test_values_that_the_model_lists(member: Any, at: str) -> None:
    answer = member.get(f"{at}/picked/values", params={"field": "orders.size", "search": "lar"})
    assert answer.json()["values"] == [{"value": "L", "label": "Large"}]
    assert answer.json()["source"] == "model"


def test_values_obey_rules_on_rows_and_masks(server: Server, member: Any, at: str) -> None:
    assert values(member, at, "mine", field="orders.status") == ["shipped"]
    assert values(member, at, "mine", field="orders.status", search="open") == []
    for name in ("orders.masked", "orders.secret"):
        refused = member.get(f"{at}/picked/values", params={"field": name})
        assert refused.status_code == 403, refused.text
        assert "shipped" not in refused.text
    stranger = server.member("nobody@example.com")
    assert stranger.get(f"{at}/picked/values", params={"field": "orders.status"}).status_code == 404


@pytest.mark.parametrize(
    "query",
    [{}, {"field": "status"}, {"field": "orders.open_orders"}, {"field": "orders.no"}]
    + [{"field": "orders.status", "limit": limit} for limit in (0, 1001, "x")]
    + [{"field": "orders.status", "search": "x" * 501}],
)
def test_bad_requests(member: Any, at: str, query: dict[str, Any]) -> None:
    assert member.get(f"{at}/picked/values", params=query).status_code == 400


def test_fields_of_elements_are_of_their_view() -> None:
    from dragoman.semantics.compiler.compile import Compiler
    from dragoman.semantics.compiler.pickers import pickable
    from dragoman.semantics.composition import ComposedModel
    from dragoman.semantics.query.request import Query
    from tests.semantics.compiler.support import MemoryLayer, asking

    orders = {
        "schema": "main",
        "dimensions": {
            "id": {"primary_key": True},
            "lines": {},
            "price": {"sql": "price", "nested_on_field": "lines"},
        },
    }
    layer = MemoryLayer({"orders": orders}, (), {"orders": {"base_view": "orders", "joins": {}}})
    compiler = Compiler(ComposedModel([layer]))
    question = compiler.question(Query(fields=(), topic="orders"), asking())
    (view,) = pickable(question, hidden=False)
    assert [field.names[0][0] for field in view.fields] == [
        "orders.id",
        "orders.lines",
        "orders.price",
    ]
