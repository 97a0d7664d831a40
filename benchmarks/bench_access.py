"""May this user do that? With 10,000 users, 1,000 groups and 500 grants a user, on SQLite.

A check is what a service does in an open unit of work: the epoch of the grants is read from the
store, and the rights of the user on the model are looked up in what was resolved before.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import insert, text
from support import report, servers
from support.report import Figure, Finding, Options, Target

from dragoman.access.policy import Permission, allow
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.identity import resolving
from dragoman.identity.tables import (
    group_roles,
    model_roles,
    user_group_members,
    user_groups,
    users,
)
from dragoman.secret import SecretStr
from dragoman.store import Store, UnitOfWork
from dragoman.store.migrations import ensure_current

NOW = "2026-01-01T00:00:00.000Z"
# Of a user's 500 grants half are their own, half those of ten groups.
OWN, GROUPS_OF_USER, OF_GROUP = 250, 10, 25
ROLES = ("VIEWER", "QUERY_TOPICS", "QUERIER", "MODELER")


def measure(options: Options) -> Iterator[Finding]:
    """A policy check, beside a look-up in a dict and beside the bare SQL of its grants."""
    people, groups = options.pick((10_000, 1_000), (50, 20))
    rounds, checks = options.pick((9, 20_000), (2, 200))
    # Every user has members in groups; as many as are asked about have grants of their own.
    asked = options.pick(200, 10)
    with servers.temporary_home() as home:
        store = Store(SecretStr(f"sqlite:///{home / 'store.db'}"))
        ensure_current(store)
        made = _fill(store, people, groups, asked)
        try:
            with store.look() as unit:
                yield from _measured(unit, made, rounds, checks)
        finally:
            store.close()


Questions = list[tuple[Principal, str, str]]


def _measured(
    unit: UnitOfWork, questions: Questions, rounds: int, checks: int
) -> Iterator[Finding]:
    plain = {(p.user_id, model): True for p, _, model in questions}

    def check(asked: tuple[Principal, str, str]) -> bool:
        principal, connection, model = asked
        rights = resolving.rights_on(unit, principal, connection, "NO_ACCESS", model)
        return allow(principal, Permission.MODELS_READ, rights)

    def bare(asked: tuple[Principal, str, str]) -> bool:
        return plain.get((asked[0].user_id, asked[2]), False)

    def sql(asked: tuple[Principal, str, str]) -> list[Any]:
        principal, connection, model = asked
        values = {"user": principal.user_id, "connection": connection, "model": model}
        return list(unit.db.execute(_BARE, values))

    for each in questions:
        assert check(each)
        assert sql(each)
    ours = [_microseconds(check, questions, checks) for _ in range(rounds)]
    yield Figure("a check, the epoch of the grants read with it", ours, "us", Target("<", 20))
    floor = [_microseconds(bare, questions, checks) for _ in range(rounds)]
    yield Figure("a look-up in a dict", floor, "us")
    statement = [_microseconds(sql, questions, max(checks // 50, 20)) for _ in range(rounds)]
    yield Figure("the bare SQL of the grants on the model", statement, "us")
    yield Figure("check / bare SQL", [a / b for a, b in zip(ours, statement, strict=True)])
    first = [_resolved(unit, questions) for _ in range(rounds)]
    yield Figure("resolving a user's 500 grants, once for each change", first, "us")


_BARE = text(
    "SELECT role FROM model_roles WHERE user_id = :user AND model_id = :model UNION ALL "
    "SELECT role FROM connection_roles WHERE user_id = :user AND connection_id = :connection "
    "UNION ALL SELECT g.role FROM group_roles g JOIN user_group_members m "
    "ON m.group_id = g.group_id WHERE m.user_id = :user AND g.connection_id = :connection "
    "AND g.model_id IN ('', :model)"
)


def _microseconds(ask: Callable[[Any], Any], questions: Questions, count: int) -> float:
    asked = [questions[number % len(questions)] for number in range(count)]
    began = time.process_time()
    for each in asked:
        ask(each)
    return (time.process_time() - began) / count * 1e6


def _resolved(unit: UnitOfWork, questions: Questions) -> float:
    now = resolving.snapshot(unit)
    now.people.clear()
    people = {principal.user_id for principal, _, _ in questions}
    began = time.process_time()
    for each in people:
        now.grants(unit, str(each))
    return (time.process_time() - began) / len(people) * 1e6


def _fill(store: Store, people: int, groups: int, asked: int) -> Questions:
    dice = random.Random(7)
    ids = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(people + groups)]
    user_ids, group_ids = ids[:people], ids[people:]
    connections = [str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(20)]
    models = [(dice.choice(connections), str(uuid.UUID(int=dice.getrandbits(128))))
              for _ in range(1_000)]  # fmt: skip
    members = [
        {"group_id": group, "user_id": user}
        for user in user_ids
        for group in dice.sample(group_ids, GROUPS_OF_USER)
    ]
    of_groups = [
        {"group_id": group, "connection_id": c, "model_id": m, "role": dice.choice(ROLES)}
        for group in group_ids
        for c, m in dice.sample(models, OF_GROUP)
    ]
    own = [
        {"user_id": user, "connection_id": c, "model_id": m, "role": dice.choice(ROLES)}
        for user in user_ids[:asked]
        for c, m in dice.sample(models, OWN)
    ]
    with store.begin() as unit:
        unit.db.execute(
            insert(users), [_user(number, each) for number, each in enumerate(user_ids)]
        )
        unit.db.execute(insert(user_groups), [_group(*each) for each in enumerate(group_ids)])
        unit.db.execute(insert(user_group_members), members)
        unit.db.execute(insert(group_roles), of_groups)
        unit.db.execute(insert(model_roles), own)
    made = [
        (Principal(PrincipalKind.PERSONAL, "x", user_id=row["user_id"]), row["connection_id"],
         row["model_id"])
        for row in own
    ]  # fmt: skip
    dice.shuffle(made)
    return made[:5_000]


def _user(number: int, user_id: str) -> dict[str, Any]:
    told = {"id": user_id, "email": f"{number}@example.com", "name": "x", "name_key": "x"}
    times = {"created_at": NOW, "updated_at": NOW}
    return {**told, **times, "organization_admin": False, "kind": "standard"}


def _group(number: int, group_id: str) -> dict[str, Any]:
    told = {"id": group_id, "mini_id": f"{number:08}", "name": str(number)}
    return {**told, "name_key": str(number), "created_at": NOW, "updated_at": NOW}


if __name__ == "__main__":
    report.main(measure)
