"""Users, their attributes and their roles on connections."""

from __future__ import annotations

import uuid

import pytest

from dragoman.access.policy import Permission, rights_of
from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.access.roles import Role
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity import service
from tests.support.server import Server

HERE = str(uuid.uuid4())


def test_user_is_found_by_address_in_any_case(server: Server) -> None:
    made = server.user("  Ann@Example.com ")
    with server.unit() as unit:
        assert service.get_user(unit, "ANN@example.COM") == made
        assert made.email == "ann@example.com"
        assert [user.id for user in service.list_users(unit)] == [made.id]
        with pytest.raises(NotFound, match="bob@"):
            service.get_user(unit, "bob@example.com")
    with pytest.raises(Conflict):
        server.user("ANN@EXAMPLE.COM")


@pytest.mark.parametrize("address", ["", "ann", "a@b@c", "a b@c", "@c", "a@", "a\0@c", "a@c\n.d"])
def test_what_is_no_address(server: Server, address: str) -> None:
    with pytest.raises(BadRequest):
        server.user(address)


def test_attributes(server: Server) -> None:
    ann, bob = server.user("ann@example.com"), server.user("bob@example.com")
    with server.unit() as unit:
        service.set_attribute(unit, OPERATOR, ann.id, "stage", ["dev", "a,b"])
        service.set_attribute(unit, OPERATOR, ann.id, "stage", ["test", "a,b"])
        service.set_attribute(unit, OPERATOR, ann.id, "region", ["eu"])
        assert service.own_values(unit, ann.id) == {"stage": ["test", "a,b"], "region": ["eu"]}
        service.set_attribute(unit, OPERATOR, ann.id, "region", [])
        assert service.own_values(unit, ann.id) == {"stage": ["test", "a,b"]}
        assert service.own_values(unit, bob.id) == {}
        assert service.own_values(unit, None) == {}


def principal(user: service.User) -> Principal:
    return Principal(PrincipalKind.PERSONAL, user.email, user_id=user.id)


def test_strongest_role_wins_and_the_base_role_is_the_floor(server: Server) -> None:
    ann = server.user("ann@example.com")
    server.custom_role("Analysts", Role.MODELER)
    cases = [
        ("NO_ACCESS", "QUERIER", Role.QUERIER),
        ("QUERY_TOPICS", "NO_ACCESS", Role.QUERY_TOPICS),
        ("RESTRICTED_QUERIER", "VIEWER", Role.QUERY_TOPICS),
        ("Analysts", "VIEWER", Role.MODELER),
        ("VIEWER", "Analysts", Role.MODELER),
        ("no longer there", "VIEWER", Role.VIEWER),
        ("no longer there", None, Role.NO_ACCESS),
    ]
    for base, direct, expected in cases:
        connection_id = str(uuid.uuid4())
        with server.unit() as unit:
            if direct is not None:
                service.grant_role(unit, OPERATOR, ann.id, connection_id, direct)
            assert service.rights_on(unit, principal(ann), connection_id, base) == rights_of(
                expected
            )


def test_new_role_takes_the_place_of_the_old(server: Server) -> None:
    ann = server.user("ann@example.com")
    with server.unit() as unit:
        service.grant_role(unit, OPERATOR, ann.id, HERE, "CONNECTION_ADMIN")
        service.grant_role(unit, OPERATOR, ann.id, HERE, "RESTRICTED_QUERIER")
        assert service.rights_on(unit, principal(ann), HERE, "NO_ACCESS") == rights_of(
            Role.QUERY_TOPICS
        )
        assert unit.db.exec_driver_sql("SELECT role FROM connection_roles").all() == [
            ("QUERY_TOPICS",)
        ]
        with pytest.raises(BadRequest, match="king"):
            service.grant_role(unit, OPERATOR, ann.id, HERE, "king")


def test_organization_key_has_no_roles_of_its_own(server: Server) -> None:
    key = Principal(PrincipalKind.ORGANIZATION, "key", organization_admin=True)
    with server.unit() as unit:
        assert service.granted_connections(unit, key, Permission.MODELS_READ) == []
        assert service.rights_on(unit, key, HERE, "VIEWER") == rights_of(Role.VIEWER)


def test_custom_roles(server: Server) -> None:
    server.custom_role("Finance readers", Role.QUERIER)
    with server.unit() as unit:
        assert service.role_name(unit, "Finance readers") == "Finance readers"
        reaching = service.roles_with(unit, Permission.QUERIES_ASK)
        assert set(reaching) == {"QUERIER", "MODELER", "CONNECTION_ADMIN", "Finance readers"}
    for name in ("VIEWER", "RESTRICTED_QUERIER", "", "1st", "a\0", "a'b", "x" * 81):
        with pytest.raises(BadRequest):
            server.custom_role(name, Role.VIEWER)
    with pytest.raises(Conflict):
        server.custom_role("Finance readers", Role.VIEWER)
