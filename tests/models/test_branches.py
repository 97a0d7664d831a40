"""Branches: what they hold, how they merge, and that a merge loses nothing."""

from __future__ import annotations

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models import service
from dragoman.models.service import Kind, NewModel
from tests.models.conftest import House
from tests.support.clients import at_once

ORDERS = "label: Orders\nmeasures:\n  total: {aggregate_type: sum, sql: '${amount}'}\n"


def test_a_branch_holds_what_differs(house: House) -> None:
    house.save({"orders.view": ORDERS, "users.view": "label: U\n"})
    branch = house.branch("mine")
    assert house.files(branch) == house.files()
    house.save({"orders.view": "label: Mine\n", "users.view": None, "new.view": "{}\n"}, branch)
    assert house.files(branch) == {"orders.view": "label: Mine\n", "new.view": "{}\n"}
    assert house.files()["orders.view"] == ORDERS
    # What the branch has not touched goes on as the shared model has it.
    house.save({"later.view": "label: L\n"})
    assert house.files(branch)["later.view"] == "label: L\n"
    # A file that is as the shared model has it is no change.
    house.save({"orders.view": ORDERS, "users.view": "label: U\n", "new.view": None}, branch)
    model = house.load(branch)
    with house.server.unit() as unit:
        assert service.changed(unit, model) == {}


def test_a_view_moved_in_a_branch_is_one_view(house: House) -> None:
    house.save({"orders.view": ORDERS})
    branch = house.branch("mine")
    house.save({"orders.view": None, "shop/orders.view": _named("orders")}, branch)
    with house.server.unit() as unit:
        layer = service.StoredLayer(unit, branch)
        assert list(layer.view_names()) == ["orders"]
        view = layer.view("orders")
        assert view is not None
        assert view.path == "shop/orders.view"
    house.merge(branch)
    assert list(house.files()) == ["shop/orders.view"]


def _named(name: str) -> str:
    return f"# Reference this view as {name}\nlabel: Moved\n"


def test_merge_carries_changes_and_comments(house: House) -> None:
    house.save({"orders.view": "# head\nlabel: Orders\n\nhidden: false\n", "old.view": "{}\n"})
    branch = house.branch("team/mine")
    house.save(
        {
            "orders.view": "# head\nlabel: Orders\n\n# why\nhidden: true\n",
            "old.view": None,
            "new.view": "label: N\n",
        },
        branch,
    )
    house.save({"orders.view": "# head\n# shared\nlabel: All orders\n\nhidden: false\n"})
    version, paths = house.merge(branch, "Together")
    assert (version, paths) == (3, ["new.view", "old.view", "orders.view"])
    merged = "# head\n# shared\nlabel: All orders\n\n# why\nhidden: true\n"
    assert house.files() == {"orders.view": merged, "new.view": "label: N\n"}
    # The branch goes on from there with nothing of its own.
    assert house.files(branch) == house.files()
    assert house.merge(branch) == (3, [])


def test_conflicts_are_told_and_nothing_changes(house: House) -> None:
    house.save({"orders.view": ORDERS, "gone.view": "label: G\n", "kept.view": "label: K\n"})
    branch = house.branch("mine")
    mine = ORDERS.replace("sum", "average").replace("Orders", "Mine")
    house.save({"orders.view": mine, "gone.view": None, "kept.view": "label: K2\n"}, branch)
    yours = ORDERS.replace("sum", "max") + "hidden: true\n"
    house.save({"orders.view": yours, "gone.view": "label: G2\n", "kept.view": None})
    before = house.files()
    with pytest.raises(BadRequest, match="Merge conflict") as refused:
        house.merge(branch)
    told = refused.value.extra["conflicts"]
    assert told == [
        {"fileName": "gone.view", "path": [], "base": "label: G\n", "shared": "label: G2\n"},
        {"fileName": "kept.view", "path": [], "base": "label: K\n", "branch": "label: K2\n"},
        {
            "fileName": "orders.view",
            "path": ["measures", "total", "aggregate_type"],
            "base": "sum",
            "shared": "max",
            "branch": "average",
        },
    ]
    assert house.files() == before
    with pytest.raises(BadRequest, match="Merge conflict"):
        house.update(branch)
    house.update(branch, "theirs")
    assert house.merge(branch)[1] == ["gone.view", "kept.view", "orders.view"]
    merged = house.files()
    assert "average" in merged["orders.view"]
    assert "hidden: true" in merged["orders.view"]
    assert merged["kept.view"] == "label: K2\n"
    assert "gone.view" not in merged


def test_update_takes_the_shared_side_when_told(house: House) -> None:
    house.save({"orders.view": "label: A\n"})
    branch = house.branch("mine")
    house.save({"orders.view": "label: B\ntags: [b]\n"}, branch)
    house.save({"orders.view": "label: C\n"})
    house.update(branch, "ours")
    assert house.files(branch) == {"orders.view": "label: C\ntags:\n- b\n"}
    assert house.merge(branch) == (3, ["orders.view"])


def test_restore_in_a_branch_goes_back_to_the_shared_text(house: House) -> None:
    house.save({"orders.view": ORDERS})
    branch = house.branch("mine")
    house.save({"new.view": "label: N\n"}, branch)
    house.save({"orders.view": "label: B\n", "new.view": None}, branch)
    with house.server.unit() as unit:
        service.restore(unit, OPERATOR, service.lock(unit, branch), 1)
    assert house.files(branch) == {"orders.view": ORDERS, "new.view": "label: N\n"}


def test_names_of_branches(house: House) -> None:
    house.branch("team/project")
    for name in ("team", "team/project/x", "team/project", "a b", "/a", "a//b", "-a", "ä\0"):
        with pytest.raises(BadRequest):
            house.branch(name)
    deleted = house.branch("again")
    base, branch = house.load(house.shared), house.load(deleted)
    with house.server.unit() as unit:
        service.delete_branch(unit, OPERATOR, branch)
        with pytest.raises(NotFound):
            service.find(unit, base, "again")
        assert service.find(unit, base, "team/project").name == "team/project"
    house.branch("again")


def test_a_branch_of_an_extension(house: House) -> None:
    house.save({"orders.view": ORDERS})
    wanted = NewModel(house.connection, Kind.SHARED_EXTENSION, "Embedded", house.shared)
    with house.server.unit() as unit:
        extension = service.create(unit, OPERATOR, wanted).id
    branch = house.branch("mine", extension)
    house.save({"orders.view": "hidden: true\n"}, branch)
    house.merge(branch)
    assert house.files(extension) == {"orders.view": "hidden: true\n"}
    assert house.files() == {"orders.view": ORDERS}
    model = house.load(branch)
    with house.server.unit() as unit:
        found = service.lineage(unit, model)
    assert [each.id for each in found] == [house.shared, extension, branch]


def test_merges_and_writes_at_once_lose_nothing(house: House) -> None:
    branch = house.branch("busy")

    def act(number: int) -> None:
        house.save({f"b{number}.view": f"label: B{number}\n"}, branch)
        house.merge(branch)
        house.save({f"s{number}.view": f"label: S{number}\n"})
        house.update(branch)

    at_once(6, act)
    house.merge(branch)
    expected = {f"{side.lower()}{n}.view": f"label: {side}{n}\n" for side in "BS" for n in range(6)}
    assert house.files() == house.files(branch) == expected
