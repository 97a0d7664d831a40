"""Models that extend others by name; views that the layer right below does not count for."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.models import service
from dragoman.models.service import Kind, NewModel
from tests.models.conftest import House
from tests.support.clients import assert_error

HUB = "measures:\n  revenue: {aggregate_type: sum, sql: '${amount}'}\ndimensions: {amount: {}}\n"


@pytest.fixture
def hub(house: House) -> str:
    with house.server.unit() as unit:
        wanted = NewModel(house.connection, Kind.SHARED, "Hub")
        made = service.create(unit, OPERATOR, wanted).id
    house.save(
        {
            "model": "template: true\nlabel: Hub\nweek_start_day: Sunday\ndefault_row_limit: 7\n",
            "orders.view": HUB,
        },
        made,
    )
    return made


def view(house: House, model: str, name: str = "orders") -> Any:
    with house.server.unit() as unit:
        found = service.load(unit, model)
        assert found is not None
        return service.composed(unit, found).view(name)


def test_what_another_model_says_is_a_layer(house: House, hub: str) -> None:
    house.save({"model": "extends: [Hub]\ndefault_row_limit: 9\n"})
    house.save({"orders.view": "measures: {revenue: {label: Turnover}}\n"})
    revenue = view(house, house.shared).measures["revenue"]
    assert (revenue.label, revenue.aggregate_type) == ("Turnover", "sum")
    shared = house.load(house.shared)
    with house.server.unit() as unit:
        composed = service.composed(unit, shared)
        assert composed.settings.week_start_day == "Sunday"
        assert composed.settings.default_row_limit == 9
        assert not composed.is_template
        assert "label" not in composed.layers[-1].settings()
    branch = house.branch("b")
    assert view(house, branch).measures["revenue"].label == "Turnover"
    house.save({"model": "default_row_limit: 9\n"}, branch)
    assert view(house, branch).measures["revenue"].aggregate_type is None


def test_changes_of_the_hub_are_seen(house: House, hub: str) -> None:
    house.save({"model": "extends: [Hub]\n"})
    house.save({"orders.view": HUB.replace("revenue", "income")}, hub)
    assert list(view(house, house.shared).measures) == ["income"]
    shared = house.load(house.shared)
    with house.server.unit() as unit:
        found = service.makeup(unit, shared)
    assert [each.id for each in found] == [hub, house.shared]


@pytest.mark.parametrize("name", ["Nobody", "Sales"])
def test_names_that_lead_nowhere_or_back(house: House, hub: str, name: str) -> None:
    client = house.server.root
    path = f"/api/v1/models/{house.shared}"
    body = {"fileName": "model", "yaml": f"extends: [{name}]\n", "mode": "extension"}
    assert "extends" in assert_error(client.post(f"{path}/yaml", json=body), 400)["message"]
    house.save({"model": "extends: [Hub]\n"})
    back = {"fileName": "model", "yaml": "extends: [Sales]\n", "mode": "extension"}
    answer = client.post(f"/api/v1/models/{hub}/yaml", json=back)
    assert "is made of this model" in assert_error(answer, 400)["message"]


def test_a_hub_that_is_gone_is_told(house: House, hub: str) -> None:
    house.save({"model": "extends: [Hub]\n"})
    client = house.server.root
    assert client.delete(f"/api/v1/models/{hub}").status_code == 200
    issues = client.get(f"/api/v1/models/{house.shared}/validate").json()
    assert [each["yaml_path"] for each in issues if each["code"] == "unknown_model"] == [
        "model,extends,0"
    ]
    # Whoever changes something else is not kept from it.
    house.save({"model": "extends: [Hub]\nlabel: Mine\n"})


def test_a_model_that_one_may_not_read_cannot_be_extended(house: House, hub: str) -> None:
    modeler = house.server.member("mo@example.com")
    [(user,)] = house.server.sql("SELECT id FROM users WHERE email = 'mo@example.com'")
    role = {"modelId": house.shared, "roleName": "MODELER"}
    assert house.server.root.post(f"/api/v1/users/{user}/model-roles", json=role).is_success
    body = {"fileName": "model", "yaml": "extends: [Hub]\n", "mode": "extension"}
    path = f"/api/v1/models/{house.shared}/yaml"
    assert "no model 'Hub'" in assert_error(modeler.post(path, json=body), 400)["message"]
    assert house.server.root.post(path, json=body).is_success


def test_a_template_is_not_asked(house: House, hub: str) -> None:
    query = {"modelId": hub, "table": "orders", "fields": ["orders.amount"]}
    body = {"query": query, "planOnly": True}
    answer = house.server.root.post("/api/v1/query/run", json=body)
    assert "template" in answer.text


def test_the_layer_right_below_does_not_count(house: House) -> None:
    """Schema, shared, extension: the extension sees the table as the database has it."""
    house.save({"orders.view": HUB})
    with house.server.unit() as unit:
        wanted = NewModel(house.connection, Kind.SHARED_EXTENSION, "More", house.shared)
        more = service.create(unit, OPERATOR, wanted).id
    client = house.server.root
    path = f"/api/v1/models/{more}/view/orders?mode=MERGED"
    assert client.delete(path).status_code == 200
    assert house.files(more) == {"orders.view": "shallow_ignored: true\n"}
    assert view(house, more) is None
    assert view(house, house.shared) is not None
    house.save({"orders.view": "shallow_ignored: true\ndimensions: {id: {}}\n"}, more)
    assert list(view(house, more).dimensions) == ["id"]
    assert client.get(f"/api/v1/models/{more}/validate").json() == []


def test_lower_layers_go_on_to_hold(house: House, hub: str) -> None:
    house.save({"model": "extends: [Hub]\n", "orders.view": "label: Sold\n"})
    with house.server.unit() as unit:
        wanted = NewModel(house.connection, Kind.SHARED_EXTENSION, "More", house.shared)
        more = service.create(unit, OPERATOR, wanted).id
    house.save({"orders.view": "shallow_ignored: true\n"}, more)
    found = view(house, more)
    assert (found.label, list(found.measures)) == (None, ["revenue"])


def test_a_branch_deletes_what_its_model_says(house: House) -> None:
    house.save({"orders.view": HUB})
    branch = house.branch("b")
    path = f"/api/v1/models/{house.shared}/view/orders?mode=MERGED&branch_id={branch}"
    assert house.server.root.delete(path).status_code == 200
    assert house.files(branch) == {}
    assert_error(house.server.root.delete(path), 404)
