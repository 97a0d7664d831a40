"""Views, fields and topics over HTTP (contract §3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.semantics.files import read
from tests.models.conftest import House
from tests.models.schema import generate
from tests.support.clients import Client, assert_error
from tests.support.server import MODELS

ORDERS = """\
# ours
measures:
  # the sum
  total:
    sql: ${amount}
    aggregate_type: sum
  half:
    sql: ${total} / 2
"""
SHOP = """\
base_view: orders  # root
label: The shop
joins:
  users: {}
default_filters:
  orders.total:
    greater_than: 1
fields: [all_views.*, -orders.user_id]
"""


class Api:
    """One model's objects."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.root = house.server.root
        self.path = f"{MODELS}/{house.shared}"
        house.save({"public/orders.view": ORDERS, "shop.topic": SHOP})

    def ok(self, method: str, path: str, sent: Any = None, **query: Any) -> dict[str, Any]:
        answer = self.root.request(method, f"{self.path}/{path}", json=sent, params=query)
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["success"] is True
        return answer.json()

    def refused(self, status: int, method: str, path: str, sent: Any = None) -> str:
        answer = self.root.request(method, f"{self.path}/{path}", json=sent)
        return assert_error(answer, status)["message"]

    def text(self, path: str = "public/orders.view") -> str:
        return self.house.files()[path]

    def problems(self) -> list[str]:
        """The errors that validation finds."""
        found = self.root.get(f"{self.path}/validate").json()
        return [each["message"] for each in found if not each["is_warning"]]

    def data(self, path: str = "public/orders.view") -> Any:
        return read(path, self.text(path)).data


@pytest.fixture
def api(house: House, monkeypatch: pytest.MonkeyPatch) -> Api:
    generate(monkeypatch)
    return Api(house)


def test_views_with_their_fields(api: Api) -> None:
    views = {view["name"]: view for view in api.ok("GET", "view")["views"]}
    assert set(views) == {"marts__foo", "orders", "users"}
    names = {field["name"]: field["type"] for field in views["orders"]["fields"]}
    assert names["amount"] == "dimension"
    assert names["total"] == names["count"] == "measure"


def test_view_properties(api: Api) -> None:
    api.ok("PATCH", "view/orders", {"label": "O", "hidden": True, "aiContext": "x", "tags": ["a"]})
    assert api.text() == f"{ORDERS}label: O\nhidden: true\ntags:\n- a\nai_context: x\n"
    api.ok("PATCH", "view/orders", {"label": None, "hidden": None, "aiContext": None, "tags": None})
    assert api.text() == ORDERS
    api.ok("PATCH", "view/users", {"description": "People"})
    assert api.text("public/users.view") == "description: People\n"
    assert "nobody" in api.refused(404, "PATCH", "view/nobody", {"label": "x"})
    api.refused(400, "PATCH", "view/orders", {"unknown": 1})


def test_views_are_deleted_as_the_mode_says(api: Api) -> None:
    api.ok("DELETE", "view/orders", mode="EXTENSION")
    assert "public/orders.view" not in api.house.files()
    api.refused(404, "DELETE", "view/orders?mode=EXTENSION")
    api.ok("DELETE", "view/orders")
    assert api.data() == {"ignored": True}
    api.refused(404, "DELETE", "view/orders")
    api.house.save({"mine.view": "sql: SELECT 1\n"})
    api.ok("DELETE", "view/mine", mode="MERGED")
    assert "mine.view" not in api.house.files()
    api.refused(400, "DELETE", "view/users?mode=HARD")


def test_fields_are_made(api: Api) -> None:
    made = {"viewName": "orders", "fieldName": "big", "sql": "${amount} > 10", "tags": ["t"]}
    answer = api.root.post(f"{api.path}/field", json=made)
    assert answer.status_code == 201
    sent = {
        "viewName": "users",
        "fieldName": "n",
        "aggregateType": "COUNT_DISTINCT",
        "sql": "${id}",
    }
    api.ok("POST", "field", sent)
    assert api.data()["dimensions"] == {"big": {"sql": "${amount} > 10", "tags": ["t"]}}
    assert api.data("public/users.view")["measures"]["n"]["aggregate_type"] == "count_distinct"
    assert "Duplicate field name orders.big" in api.refused(400, "POST", "field", made)
    column = {**made, "fieldName": "amount"}
    assert "Duplicate field name orders.amount" in api.refused(400, "POST", "field", column)
    api.refused(400, "POST", "field", {**made, "fieldName": "1x"})
    api.refused(400, "POST", "field", {**made, "fieldName": "x", "aggregateType": "add"})
    api.refused(404, "POST", "field", {**made, "viewName": "nobody"})


def test_fields_are_changed(api: Api) -> None:
    api.ok("PATCH", "view/orders/field/total", {"format": "usd_2", "sql": "${amount} * 2"})
    assert "  # the sum\n  total:\n    sql: ${amount} * 2\n" in api.text()
    sent = {
        "label": "Amount",
        "binBoundaries": [1, 2.5],
        "groupNames": ["low"],
        "groupFilters": [{"less_than": 1}],
        "elseValue": "high",
        "synonyms": ["sum"],
    }
    api.ok("PATCH", "view/orders/field/amount", sent)
    assert api.data()["dimensions"]["amount"] == {
        "label": "Amount",
        "bin_boundaries": [1, 2.5],
        "synonyms": ["sum"],
        "else": "high",
        "groups": [{"filter": {"less_than": 1}, "name": "low"}],
    }
    assert "groupNames" in api.refused(
        400, "PATCH", "view/orders/field/amount", {"groupFilters": [{"is": 1}]}
    )
    api.refused(404, "PATCH", "view/orders/field/nothing", {"label": "x"})


def test_a_renamed_field_is_renamed_everywhere(api: Api) -> None:
    api.ok("PATCH", "view/orders/field/total", {"newFieldName": "revenue", "label": "Revenue"})
    assert "  # the sum\n  revenue:\n" in api.text()
    assert api.data()["measures"]["half"]["sql"] == "${revenue} / 2"
    assert api.data()["measures"]["revenue"]["aliases"] == ["total"]
    assert "  orders.revenue:\n    greater_than: 1\n" in api.text("shop.topic")
    assert "base_view: orders  # root\n" in api.text("shop.topic")
    api.refused(400, "PATCH", "view/orders/field/half", {"newFieldName": "amount"})


def test_a_renamed_column_answers_to_both_names(api: Api) -> None:
    api.ok("PATCH", "view/orders/field/amount", {"newFieldName": "net"})
    own = api.data()
    assert own["dimensions"]["amount"] == {"ignored": True}
    assert own["dimensions"]["net"] == {"sql": '"amount"', "aliases": ["amount"]}
    assert own["measures"]["total"]["sql"] == "${net}"


def test_a_field_is_moved(api: Api) -> None:
    api.ok("PATCH", "view/orders/field/total", {"newViewName": "users"})
    assert "total" not in api.data()["measures"]
    assert api.data()["measures"]["half"]["sql"] == "${users.total} / 2"
    moved = api.data("public/users.view")["measures"]["total"]
    assert moved == {"sql": "${orders.amount}", "aggregate_type": "sum"}
    assert "users.total:" in api.text("shop.topic")
    assert api.problems() == []


def test_a_moved_field_goes_on_to_mean_the_same(api: Api) -> None:
    values = {
        "sql": "${amount} + ${users.id} + ${created_at[month]}",
        "filters": {"id": {"is": 1}, "users.name": {"is": "x"}},
        "drillFields": ["id", "users.name"],
    }
    api.ok("PATCH", "view/orders/field/total", values)
    api.ok("PATCH", "view/orders/field/total", {"newViewName": "users", "newFieldName": "sum"})
    moved = api.data("public/users.view")["measures"]["sum"]
    assert moved["sql"] == "${orders.amount} + ${users.id} + ${orders.created_at[month]}"
    assert list(moved["filters"]) == ["orders.id", "users.name"]
    assert moved["drill_fields"] == ["orders.id", "users.name"]
    assert api.problems() == []


def test_a_column_stays_in_its_view(api: Api) -> None:
    api.refused(400, "PATCH", "view/orders/field/amount", {"newViewName": "users"})


def test_fields_are_deleted(api: Api) -> None:
    api.ok("DELETE", "view/orders/field/total")
    assert "total:" not in api.text()
    api.ok("DELETE", "view/orders/field/half")
    assert "measures" not in api.data()
    api.ok("DELETE", "view/orders/field/amount")
    assert api.data() == {"dimensions": {"amount": {"ignored": True}}}
    api.refused(404, "DELETE", "view/orders/field/amount")


def test_fields_inside_a_topic(api: Api) -> None:
    made = {"viewName": "users", "fieldName": "vip", "sql": "true", "topicContext": "shop"}
    api.ok("POST", "field", made)
    assert api.data("shop.topic")["views"] == {"users": {"dimensions": {"vip": {"sql": "true"}}}}
    api.ok("PATCH", "view/users/field/vip", {"label": "VIP", "topicContext": "shop"})
    topic = api.ok("GET", "topic/shop")["topic"]
    (users,) = [view for view in topic["views"] if view["name"] == "users"]
    assert "vip" in [field["field_name"] for field in users["dimensions"]]
    api.ok("DELETE", "view/users/field/vip", topic_context="shop")
    assert "views" not in api.data("shop.topic")
    api.refused(404, "PATCH", "view/users/field/vip", {"label": "x"})


def test_topics(api: Api) -> None:
    assert api.ok("GET", "topic")["topics"] == [
        {"name": "shop", "base_view_name": "orders", "label": "The shop"}
    ]
    api.ok("PATCH", "topic/shop", {"groupLabel": "G", "newTopicName": "store"})
    assert "shop.topic" not in api.house.files()
    assert api.text("store.topic") == f"{SHOP}group_label: G\n"
    api.refused(404, "GET", "topic/shop")
    api.refused(404, "PATCH", "topic/shop", {"label": "x"})
    api.ok("DELETE", "topic/store")
    assert "store.topic" not in api.house.files()
    api.refused(404, "DELETE", "topic/store")


def test_an_inherited_topic_is_ignored(api: Api) -> None:
    branch = api.house.branch("mine")
    api.ok("DELETE", "topic/shop", branch_id=branch)
    assert "shop.topic" not in api.house.files(branch)
    assert "shop.topic" in api.house.files()


def test_a_topic_as_the_sdk_reads_it(api: Api) -> None:
    """The keys and values of the vendor's own example of a resolved topic."""
    topic = api.ok("GET", "topic/shop")["topic"]
    assert topic["name"] == "shop"
    assert topic["base_view_name"] == "orders"
    assert topic["join_via_map"] == {"users": []}
    assert topic["join_via_map_key_order"] == ["users"]
    assert topic["has_frozen_join_via_map"] is True
    assert topic["default_filters"] == {"orders.total": {"greater_than": 1}}
    assert topic["ide_file_name"] == "shop.topic"
    assert topic["relationships"] == [
        {
            "id": "orders_users",
            "left_view_name": "orders",
            "right_view_name": "users",
            "join_type": "ALWAYS_LEFT",
            "type": "ASSUMED_MANY_TO_ONE",
            "sql": "${orders.user_id} = ${users.id}",
            "original_on_sql": "${orders.user_id} = ${users.id}",
            "on": {
                "type": "call",
                "operator": "SqlStdOperatorTable.EQUALS",
                "operands": [
                    {"type": "field", "field_name": "orders.user_id"},
                    {"type": "field", "field_name": "users.id"},
                ],
                "distinct": False,
            },
            "ignored": False,
            "bidirectional": False,
        }
    ]
    orders, users = topic["views"]
    assert (orders["name"], users["name"]) == ("orders", "users")
    assert orders["schema"] == "public"
    assert orders["primary_key"] == [{"type": "field", "field_name": "orders.id"}]
    assert orders["ide_file_name"] == "public/orders.view"
    fields = {field["field_name"]: field for field in orders["dimensions"]}
    assert "user_id" not in fields  # the topic leaves it out
    assert fields["id"]["format"] == "ID"
    assert fields["id"]["data_type"] == "NUMBER"
    assert fields["id"]["fully_qualified_name"] == "orders.id"
    month = fields["created_at[month]"]
    assert month["time_frames"] == [None, "DATE", "WEEK", "MONTH", "QUARTER", "YEAR"]
    assert (month["date_type"], month["label"], month["parent_field"]) == (
        *("MONTH", "Month", "created_at"),
    )
    assert month["drill_fields"] == ["orders.created_at[date]", "orders.created_at[week]"]
    assert fields["created_at"]["is_group_parent_field"] is True
    measures = {field["field_name"]: field for field in orders["measures"]}
    assert measures["total"]["type"] == "aggregation"
    assert measures["total"]["aggregate_type"] == "SUM"
    assert measures["total"]["display_sql"] == "SUM(${amount})"
    assert measures["count"]["display_sql"] == "COUNT(*)"
    assert measures["count"]["label"] == "Orders Count"
    assert measures["half"]["type"] == "metric"


def test_a_topic_that_cannot_be_understood(api: Api) -> None:
    api.house.save({"bad.topic": "base_view: orders\naccess_filters: 3\n"})
    assert "bad" in api.refused(400, "GET", "topic/bad")


def test_topics_hidden_by_grants_are_not_there(api: Api) -> None:
    house, server = api.house, api.house.server
    grants = "access_grants:\n  eu: {user_attribute: region, allowed_values: [EU]}\n"
    house.save({"model": grants, "shop.topic": f"{SHOP}required_access_grants: [eu]\n"})
    server.root.patch(f"/api/v1/connections/{house.connection}", json={"baseRole": "QUERY_TOPICS"})
    clients: list[Client] = []
    for region in ("EU", "US", None):
        user = server.user(f"{region}@example.com")
        if region is not None:
            with server.unit() as unit:
                identity.set_attribute(unit, OPERATOR, user.id, "region", [region])
        clients.append(server.client(server.personal(user.email)))
    eu, us, nobody = clients
    assert eu.get(f"{api.path}/topic/shop").status_code == 200
    for client in (us, nobody):
        hidden = assert_error(client.get(f"{api.path}/topic/shop"), 404)
        gone = assert_error(client.get(f"{api.path}/topic/none"), 404)
        assert hidden["message"].replace("shop", "none") == gone["message"]
        assert client.get(f"{api.path}/topic").json()["topics"] == []
    assert len(eu.get(f"{api.path}/topic").json()["topics"]) == 1
