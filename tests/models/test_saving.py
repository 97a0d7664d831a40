"""Saves: each is a version; writers wait for each other; nothing is lost."""

from __future__ import annotations

import threading

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.models import service
from dragoman.models.service import checksum_of
from tests.models.conftest import House
from tests.support.clients import at_once

ORDERS = "# Ours\nlabel: Orders\nmeasures:\n  total:\n    sql: ${amount}\n    aggregate_type: sum\n"


def test_a_schema_model_is_there_with_its_connection(house: House) -> None:
    schema = house.load(house.connection)
    assert (schema.kind, schema.name, schema.id) == ("SCHEMA", "Shop", schema.connection_id)
    house.server.root.patch(f"/api/v1/connections/{house.connection}", json={"name": "Store"})
    assert house.load(house.connection).name == "Store"
    with pytest.raises(BadRequest, match="mirrors"):
        house.save({"orders.view": ORDERS}, house.connection)


def test_text_comes_back_as_it_was_written(house: House) -> None:
    assert house.save({"orders.view": ORDERS}) == 1
    assert house.files() == {"orders.view": ORDERS}


def test_a_save_that_changes_nothing_is_no_version(house: House) -> None:
    house.save({"orders.view": ORDERS})
    assert house.save({"orders.view": ORDERS, "gone.view": None}) == 1


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("orders.view", "a: [", "Invalid YAML syntax"),
        ("orders.view", "- a", "view must be a map"),
        ("relationships", "relationships: []", "must be a list"),
        ("orders.view", "a: 1\na: 2", "Duplicate key"),
        ("orders.txt", "a: 1", "no file of a model"),
        ("../orders.view", "a: 1", "does not stay inside"),
        ("x" * 401 + ".view", "a: 1", "at most 400"),
        (".git/x.view", "a: 1", "begins with a dot"),
        ("a/.github/x.view", "a: 1", "begins with a dot"),
    ],
)
def test_what_cannot_be_read_is_refused_whole(
    house: House, path: str, text: str, words: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        house.save({"good.view": "label: Good\n", path: text})
    assert words in refused.value.message
    assert house.files() == {}


def test_two_files_cannot_define_one_view(house: House) -> None:
    house.save({"orders.view": ORDERS})
    with pytest.raises(BadRequest, match=r"Duplicate view orders: public/orders\.view and orders"):
        house.save({"public/orders.view": ORDERS})
    with pytest.raises(BadRequest, match="Duplicate"):
        house.save({"users.view": "a: 1\n", "users.query.view": "a: 1\n"})
    house.save({"public/orders.view": ORDERS, "orders.view": None})
    assert list(house.files()) == ["public/orders.view"]


def test_a_checksum_that_is_old_names_both_versions(house: House) -> None:
    house.save({"orders.view": ORDERS})
    seen = checksum_of(ORDERS)
    house.save({"orders.view": "label: Mine\n"}, expected={"orders.view": seen})
    with pytest.raises(Conflict, match="version 2; what you saw was of version 1") as refused:
        house.save({"orders.view": "label: Yours\n"}, expected={"orders.view": seen})
    extra = refused.value.extra
    assert extra["previousChecksum"] == seen
    assert extra["currentChecksum"] == checksum_of("label: Mine\n")
    assert (extra["previousVersion"], extra["currentVersion"]) == (1, 2)
    with pytest.raises(Conflict):
        house.save({"orders.view": "label: New\n"}, expected={"orders.view": None})
    assert house.files() == {"orders.view": "label: Mine\n"}


def test_writers_at_once_lose_nothing(house: House) -> None:
    """Each changes one file of its own and one of all, seen as it was at the start."""
    house.save({"all.view": "label: Start\n"})
    seen = checksum_of("label: Start\n")

    def write(number: int) -> str:
        house.save({f"v{number}.view": f"label: {number}\n"})
        try:
            house.save({"all.view": f"label: {number}\n"}, expected={"all.view": seen})
        except Conflict:
            return "conflict"
        return f"label: {number}\n"

    outcomes = at_once(8, write)
    won = [text for text in outcomes if text != "conflict"]
    assert len(won) == 1
    texts = house.files()
    assert texts.pop("all.view") == won[0]
    assert texts == {f"v{number}.view": f"label: {number}\n" for number in range(8)}
    with house.server.unit() as unit:
        model = service.get(unit, OPERATOR, house.shared)
        versions = service.history(unit, model)
    assert [each.version for each in versions] == list(range(10, 0, -1))


def test_what_comes_between_reading_and_writing_a_branch_stays(house: House) -> None:
    """The base model stays as the branch's writer read it, until the branch is written: else the
    merge takes what is missing in the branch for taken away."""
    house.save({"orders.view": "label: Orders\n"})
    branch = house.branch("dev")
    other = threading.Thread(
        target=house.save, args=[{"orders.view": "label: Orders\nhidden: true\n"}]
    )
    with house.server.unit() as unit:
        model = service.lock(unit, branch)
        read = service.files(unit, branch)["orders.view"]
        other.start()
        other.join(0.2)  # it waits, unless it does not
        wanted = service.Save({"orders.view": f"{read}tags: [a]\n"})
        service.save(unit, OPERATOR, model, wanted)
    other.join()
    house.merge(branch)
    assert house.files() == {"orders.view": "label: Orders\nhidden: true\ntags: [a]\n"}


def test_history_says_who_what_and_why(house: House) -> None:
    house.save({"orders.view": ORDERS}, message="First")
    house.save({"orders.view": None, "a.topic": "base_view: orders\n"})
    with house.server.unit() as unit:
        model = service.get(unit, OPERATOR, house.shared)
        newest, first = service.history(unit, model)
        only = service.history(unit, model, path="a.topic")
    assert (first.message, first.author_name) == ("First", "command line")
    assert first.files == {"orders.view": True}
    assert newest.files == {"orders.view": False, "a.topic": True}
    assert newest.message == "Update a.topic and 1 more"
    assert only == [newest]


def test_restoring_a_version_is_a_version(house: House) -> None:
    house.save({"orders.view": ORDERS, "users.view": "label: U\n"})
    house.save({"orders.view": "label: Other\n", "new.view": "label: N\n", "users.view": None})
    with house.server.unit() as unit:
        model = service.lock(unit, house.shared)
        assert service.restore(unit, OPERATOR, model, 1, paths=["users.view"]) == 3
    assert set(house.files()) == {"orders.view", "new.view", "users.view"}
    with house.server.unit() as unit:
        model = service.lock(unit, house.shared)
        assert service.restore(unit, OPERATOR, model, 1) == 4
    assert house.files() == {"orders.view": ORDERS, "users.view": "label: U\n"}
    with house.server.unit() as unit, pytest.raises(NotFound, match="Version 9"):
        service.restore(unit, OPERATOR, service.lock(unit, house.shared), 9)


def test_a_layer_gives_what_the_files_say(house: House) -> None:
    join = "- join_from_view: orders\n  join_to_view: users\n  on_sql: ${orders.u} = ${users.id}\n"
    house.save(
        {
            "model": "week_start_day: Sunday\n",
            "relationships": join,
            "orders.view": ORDERS,
            "users.view": "label: U\n",
            "t.topic": "base_view: orders\n",
        }
    )
    with house.server.unit() as unit:
        layer = service.StoredLayer(unit, house.shared)
        assert layer.settings() == {"week_start_day": "Sunday"}
        assert set(layer.view_names()) == {"orders", "users"}
        view = layer.view("orders")
        assert view is not None
        assert (view.path, view.definition["label"]) == ("orders.view", "Orders")
        assert layer.view("nobody") is None
        assert len(layer.relationships_of("users")) == 1
        assert layer.relationships_of("products") == []
        topic = layer.topic("t")
        assert topic is not None
        assert topic.definition == {"base_view": "orders"}
        assert [each.name for each in layer.views()] == ["orders", "users"]
        assert layer.text("orders.view") == ORDERS
