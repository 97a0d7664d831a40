"""Random grants and revocations against the policy as one would write it on paper: no snapshot, no
rights of roles, each grant looked at for each question. The changes go through one process's store,
the questions through another's, so that nothing kept may outlive a change."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.access.policy import GRANTABLE, RULES, THROUGH_MODELS, Permission, allow
from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.access.roles import Role
from dragoman.identity import resolving, service
from dragoman.store import Store
from dragoman.store.migrations import ensure_current

ORDER = list(Role)
CUSTOM = ("Custom a", "Custom b")
PERMISSIONS = sorted(GRANTABLE)


@dataclass
class Paper:
    """What was done so far, and what follows from it. `model` is empty for a whole connection."""

    users: list[str]
    groups: list[Any]
    places: list[tuple[str, str]]
    members: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    roles: dict[str, tuple[Role, set[str], set[str]]] = field(default_factory=dict[str, Any])
    given: dict[tuple[str, str, str], str] = field(default_factory=dict[Any, str])

    def gives(self, role: str, permission: Permission) -> bool:
        if role in self.roles:
            base, added, taken = self.roles[role]
            if permission in taken:
                return False
            return permission in added or self.gives(base.value, permission)
        least = RULES[permission].role
        return role in ORDER and least is not None and ORDER.index(Role(role)) >= ORDER.index(least)

    def permits(self, user: str, permission: Permission, place: tuple[str, str], base: str) -> bool:
        connection, model = place
        if self.gives(base, permission):
            return True
        for (holder, where, on), role in self.given.items():
            mine = holder == user or (holder, user) in self.members
            counts = on in ("", model) or (not model and permission in THROUGH_MODELS)
            if mine and where == connection and counts and self.gives(role, permission):
                return True
        return False


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Store]]:
    from dragoman.secret import SecretStr

    url = SecretStr(f"sqlite:///{tmp_path_factory.mktemp('grants') / 'store.db'}")
    one, other = Store(url), Store(url)
    ensure_current(one)
    yield one, other
    one.close()
    other.close()


def _paper(store: Store) -> Paper:
    connections = [str(uuid.uuid4()) for _ in range(2)]
    places = [(each, "") for each in connections]
    places += [(each, str(uuid.uuid4())) for each in connections for _ in range(2)]
    with store.begin() as unit:
        for role in service.list_custom_roles(unit):
            service.delete_custom_role(unit, OPERATOR, role.name)
        users = [
            service.create_user(unit, OPERATOR, f"{uuid.uuid4()}@example.com").id for _ in range(2)
        ]
        groups = [service.create_group(unit, OPERATOR, str(uuid.uuid4())) for _ in range(2)]
    return Paper(users, groups, places)


NUMBER = st.integers(0, 11)
ROLE = st.sampled_from([*ORDER, *CUSTOM])
SETS = st.sets(st.sampled_from(PERMISSIONS), max_size=3)
CHANGE = st.one_of(
    st.tuples(st.just("user"), NUMBER, NUMBER, ROLE),
    st.tuples(st.just("group"), NUMBER, NUMBER, ROLE),
    st.tuples(st.just("member"), NUMBER, NUMBER, st.booleans()),
    st.tuples(st.just("define"), st.sampled_from(CUSTOM), st.sampled_from(ORDER), SETS, SETS),
    st.tuples(st.just("undefine"), st.sampled_from(CUSTOM), st.sampled_from([None, *ORDER])),
)


def _apply(store: Store, paper: Paper, change: Any) -> None:
    kind, *rest = change
    with store.begin() as unit:
        if kind == "member":
            user, group = paper.users[rest[0] % 2], paper.groups[rest[1] % 2]
            there = {"add": [user]} if rest[2] else {"remove": [user]}
            service.change_members(unit, OPERATOR, group, **there)
            pair = {(group.id, user)}
            paper.members = paper.members | pair if rest[2] else paper.members - pair
        elif kind in ("user", "group"):
            role = str(rest[2])
            if role in CUSTOM and role not in paper.roles:
                return
            connection, model = paper.places[rest[1] % len(paper.places)]
            if kind == "user":
                holder = paper.users[rest[0] % 2]
                service.grant_role(unit, OPERATOR, holder, connection, role, model or None)
            else:
                group = paper.groups[rest[0] % 2]
                service.grant_group_role(unit, OPERATOR, group, connection, role, model or None)
                holder = group.id
            paper.given[holder, connection, model] = role
        elif kind == "define":
            name, base, added, taken = rest
            added, taken = set(added) - set(taken), set(taken)
            known = name in paper.roles
            do = service.change_custom_role if known else service.create_custom_role
            do(unit, OPERATOR, name, base, added, taken)
            paper.roles[name] = (base, added, taken)
        elif rest[0] in paper.roles:
            name, instead = rest
            service.delete_custom_role(unit, OPERATOR, name, instead and instead.value)
            del paper.roles[name]
            paper.given = {
                key: str(instead) if role == name else role
                for key, role in paper.given.items()
                if role != name or instead is not None
            }


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=st.lists(CHANGE, min_size=1, max_size=12), base=ROLE)
def test_the_same_answer_as_on_paper(
    stores: tuple[Store, Store], changes: list[Any], base: str
) -> None:
    writing, reading = stores
    paper = _paper(writing)
    for change in changes:
        _apply(writing, paper, change)
        with reading.look() as unit:
            for user in paper.users:
                _compare(unit, paper, user, str(base))


def _compare(unit: Any, paper: Paper, user: str, base: str) -> None:
    asker = Principal(PrincipalKind.PERSONAL, "x", user_id=user)
    for place, permission in itertools.product(paper.places, GRANTABLE):
        connection, model = place
        rights = service.rights_on(unit, asker, connection, base, model or None)
        expected = paper.permits(user, permission, place, base)
        assert allow(asker, permission, rights) is expected, (place, permission)
    for permission in (Permission.CONNECTIONS_READ, Permission.MODELS_READ, Permission.MODELS_EDIT):
        apart = {p for p in paper.places if paper.permits(user, permission, p, "NO_ACCESS")}
        listed = set(service.granted_connections(unit, asker, permission))
        assert listed == {connection for connection, model in apart if not model}
        models = service.granted_models(unit, asker, permission)
        whole = {connection for connection, model in apart if not model}
        assert set(models) <= {model for _, model in apart if model}
        assert {m for c, m in apart if m and c not in whole} <= set(models)
        with_it = {r for r in (*ORDER, *paper.roles) if paper.gives(str(r), permission)}
        assert set(service.roles_with(unit, permission)) == with_it


def test_what_is_rolled_back_was_never_resolved(stores: tuple[Store, Store]) -> None:
    """A snapshot of a transaction that failed belongs to an epoch that nobody sees again."""
    writing, reading = stores
    paper = _paper(writing)
    user, (connection, _) = paper.users[0], paper.places[0]
    asker = Principal(PrincipalKind.PERSONAL, "x", user_id=user)

    def reads(unit: Any) -> bool:
        return Permission.MODELS_READ in service.rights_on(unit, asker, connection, "NO_ACCESS")

    with pytest.raises(ZeroDivisionError), writing.begin() as unit:  # noqa: PT012
        service.grant_role(unit, OPERATOR, user, connection, "MODELER")
        assert reads(unit)
        raise ZeroDivisionError
    for store in (writing, reading):
        with store.look() as unit:
            assert not reads(unit)


def test_a_change_by_any_hand_is_another_epoch(server: Any) -> None:
    """On both kinds of store: also what is written behind the server's back, or by a cascade."""
    user = server.user("ann@example.com")
    with server.unit() as unit:
        group = service.create_group(unit, OPERATOR, "g", [user.id])
        service.create_custom_role(unit, OPERATOR, "Mine", Role.VIEWER, ("models:edit",))
        service.grant_role(unit, OPERATOR, user.id, "c", "Mine")
        service.grant_role(unit, OPERATOR, user.id, "c", "Mine", "m")
        service.grant_group_role(unit, OPERATOR, group, "c", "Mine")
    seen = {_epoch(server)}
    for statement in (
        "UPDATE connection_roles SET role = 'VIEWER'",
        "UPDATE model_roles SET role = 'VIEWER'",
        "UPDATE group_roles SET role = 'VIEWER'",
        "UPDATE custom_role_permissions SET given = NOT given",
        "DELETE FROM custom_role_permissions",
        "UPDATE custom_roles SET base_role = 'MODELER'",
        "DELETE FROM custom_roles",
        "DELETE FROM user_groups",
        "DELETE FROM connection_roles",
        "DELETE FROM model_roles",
    ):
        server.sql(statement)
        assert _epoch(server) not in seen, statement
        seen.add(_epoch(server))


def _epoch(server: Any) -> str:
    with server.unit() as unit:
        return resolving.snapshot(unit).epoch
