"""Groups of users."""

from __future__ import annotations

import uuid

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity import service
from tests.support.server import Server


def names(groups: list[service.Group]) -> list[str]:
    return [group.name for group in groups]


def test_group_is_found_by_either_id_and_by_name_in_any_case(server: Server) -> None:
    with server.unit() as unit:
        made = service.create_group(unit, OPERATOR, "  Straße ", external_id="00g1")
        assert service.group_of(unit, made.mini_id) == made
        assert service.get_group(unit, made.id) == made
        assert service.find_group(unit, "STRASSE") == made
        assert (made.name, made.external_id) == ("Straße", "00g1")
        assert len(made.mini_id) == 8
        assert made.mini_id.isalnum()
        assert service.group_of(unit, "nothing") is None
        with pytest.raises(NotFound):
            service.get_group(unit, str(uuid.uuid4()))


def test_members(server: Server) -> None:
    ann, bob = server.user("ann@example.com"), server.user("bob@example.com")
    with server.unit() as unit:
        sales = service.create_group(unit, OPERATOR, "Sales", [bob.id, ann.id, bob.id])
        service.create_group(unit, OPERATOR, "Analysts", [ann.id])
        found = service.members_of(unit, sales.id)
        assert [member.email for member in found] == ["ann@example.com", "bob@example.com"]
        assert names(service.groups_of(unit, ann.id)) == ["Analysts", "Sales"]
        assert names(service.groups_of(unit, bob.id)) == ["Sales"]
        assert service.groups_of(unit, None) == []

        service.set_members(unit, OPERATOR, sales, [bob.id])
        assert names(service.groups_of(unit, ann.id)) == ["Analysts"]
        service.change_members(unit, OPERATOR, sales, add=[ann.id, bob.id])
        service.change_members(unit, OPERATOR, sales, remove=[bob.id, str(uuid.uuid4())])
        assert [member.id for member in service.members_of(unit, sales.id)] == [ann.id]
        with pytest.raises(BadRequest, match="no user"):
            service.set_members(unit, OPERATOR, sales, [ann.id, str(uuid.uuid4())])


def test_many_members(server: Server) -> None:
    count = 1201  # more than one statement takes
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with server.unit() as unit:
        for number, user_id in enumerate(ids):
            unit.db.exec_driver_sql(
                "INSERT INTO users (id, email, name, organization_admin, created_at)"
                f" VALUES ('{user_id}', 'u{number}@example.com', 'u', false, '{unit.now}')"
            )
        group = service.create_group(unit, OPERATOR, "Everybody", ids)
        assert len(service.members_of(unit, group.id)) == count
        service.set_members(unit, OPERATOR, group, ids[:1])
        assert len(service.members_of(unit, group.id)) == 1


def test_rename(server: Server) -> None:
    with server.unit() as unit:
        sales = service.create_group(unit, OPERATOR, "Sales")
        service.create_group(unit, OPERATOR, "Analysts")
        with pytest.raises(Conflict, match="ANALYSTS"):
            service.rename_group(unit, OPERATOR, sales, "ANALYSTS")
        renamed = service.rename_group(unit, OPERATOR, sales, "SALES")  # the same but for case
        assert (renamed.id, renamed.name) == (sales.id, "SALES")
        assert names(service.list_groups(unit)) == ["Analysts", "SALES"]
        with pytest.raises(Conflict):
            service.create_group(unit, OPERATOR, "sales")


def test_deleting_a_group_or_a_user_leaves_the_other(server: Server) -> None:
    ann = server.user("ann@example.com")
    with server.unit() as unit:
        sales = service.create_group(unit, OPERATOR, "Sales", [ann.id])
        service.delete_group(unit, OPERATOR, sales)
        assert service.groups_of(unit, ann.id) == []
        assert service.user_of(unit, ann.id) == ann
        again = service.create_group(unit, OPERATOR, "Sales", [ann.id])
        assert again.mini_id != sales.mini_id
        unit.db.exec_driver_sql("DELETE FROM users")
        assert service.members_of(unit, again.id) == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\0", "a\nb"])
def test_what_cannot_name_a_group(sqlite_server: Server, name: str) -> None:
    with sqlite_server.unit() as unit, pytest.raises(BadRequest):
        service.create_group(unit, OPERATOR, name)


def test_every_change_has_an_audit_row(sqlite_server: Server) -> None:
    ann = sqlite_server.user("ann@example.com")
    with sqlite_server.unit() as unit:
        group = service.create_group(unit, OPERATOR, "Sales")
        service.set_members(unit, OPERATOR, group, [ann.id])
        service.set_members(unit, OPERATOR, group, [ann.id])  # changes nothing: no row
        group = service.rename_group(unit, OPERATOR, group, "Trade")
        service.rename_group(unit, OPERATOR, group, "Trade")
        service.delete_group(unit, OPERATOR, group)
    rows = sqlite_server.sql(
        "SELECT action, before, after FROM audit_log WHERE resource_type = 'group' ORDER BY seq"
    )
    assert rows == [
        ("group.create", None, '{"name":"Sales","members":[]}'),
        ("group.members", None, f'{{"added":["{ann.id}"],"removed":[]}}'),
        ("group.rename", '{"name":"Sales"}', '{"name":"Trade"}'),
        ("group.delete", '{"name":"Trade"}', None),
    ]
