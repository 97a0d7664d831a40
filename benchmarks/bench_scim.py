"""SCIM: 1,000 users made, against bare inserts of the same row; pages of a list of 10,000 users."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import load, report, servers
from support.report import Figure, Finding, Options, Target

PATH = "/api/scim/v2/Users"
BARE_PATH = "/api/v1/connections"
CLIENTS = 8
PAGE = 100
# Those of dragoman.store.engine.
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")
_numbers = itertools.count()


def measure(options: Options) -> Iterator[Finding]:
    """Create: checks, user, audit row; against one row in one transaction. Then the pages."""
    rounds, users = options.pick((7, 1_000), (2, 50))
    everybody, seconds = options.pick((10_000, 2.0), (1_000, 0.3))
    with servers.temporary_home() as home:
        token = servers.make_token(home)
        with servers.dragoman(home, token) as ours:
            ours.call("POST", PATH, _scim_body())
            plan = home / "plan.json"
            plan.write_text(json.dumps(_same_row(home)))
            with servers.bare(home, "insert", str(plan)) as floor:
                yield from _create(ours, floor, rounds, users)
            _fill(home, everybody)
            yield from _pages(ours, rounds, seconds)


def _scim_body() -> dict[str, object]:
    address = f"user{next(_numbers)}@example.com"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address,
        "displayName": "A User",
        "externalId": address,
        "active": True,
    }


def _bare_body() -> dict[str, object]:
    return {**_scim_body(), "name": f"bare{next(_numbers)}@example.com"}


def _same_row(home: Path) -> dict[str, object]:
    """A database with the same table and indexes, and the row that our server wrote."""
    database = home / "bare.db"
    with contextlib.closing(sqlite3.connect(home / "dragoman.db")) as source:
        source.row_factory = sqlite3.Row
        row = dict(source.execute("SELECT * FROM users").fetchone())
        made = source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'users' AND sql IS NOT NULL"
            " AND type IN ('table', 'index') ORDER BY type DESC"
        ).fetchall()
    with contextlib.closing(sqlite3.connect(database)) as target:
        for (statement,) in made:
            target.execute(statement)
    plan = {"database": str(database), "table": "users", "row": row, "pragmas": PRAGMAS}
    return {**plan, "named": "email"}


def _create(
    ours: servers.Server, floor: servers.Server, rounds: int, users: int
) -> Iterator[Finding]:
    a: list[float] = []
    b: list[float] = []
    for number in range(rounds + 1):
        mine = _seconds(ours, PATH, [_scim_body() for _ in range(users)])
        bare = _seconds(floor, BARE_PATH, [_bare_body() for _ in range(users)])
        if number:  # the first round warms both up
            a.append(mine)
            b.append(bare)
    at = f"{users} users, {CLIENTS} clients"
    yield Figure(f"create / bare insert, time, {at}", report.ratios(a, b), target=Target("<=", 3.0))
    yield Figure(f"create: {at}", a, "s")
    yield Figure(f"bare insert: {at}", b, "s")


def _seconds(server: servers.Server, path: str, bodies: list[dict[str, object]]) -> float:
    """From the first request to the last answer; each client keeps its connection."""
    shares = [bodies[number::CLIENTS] for number in range(CLIENTS)]

    def send(share: list[dict[str, object]]) -> None:
        headers = server.headers(**{"Content-Type": "application/json"})
        with contextlib.closing(server.connect()) as connection:
            for body in share:
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 201:
                    raise RuntimeError(f"{answer.status} {content[:200]!r}")

    with ThreadPoolExecutor(CLIENTS) as clients:
        began = time.perf_counter()
        list(clients.map(send, shares))
        return time.perf_counter() - began


def _fill(home: Path, count: int) -> None:
    """So many users in all, the missing ones made beside the server."""
    with contextlib.closing(sqlite3.connect(home / "dragoman.db", timeout=30)) as store:
        store.row_factory = sqlite3.Row
        row = dict(store.execute("SELECT * FROM users").fetchone())
        (there,) = store.execute("SELECT count(*) FROM users").fetchone()
        names = ", ".join(f'"{name}"' for name in row)
        values = ", ".join(f":{name}" for name in row)
        more = (
            {**row, "id": str(uuid.uuid4()), "email": f"more{number}@example.com"}
            for number in range(there, count)
        )
        with store:
            store.executemany(f"INSERT INTO users ({names}) VALUES ({values})", more)


def _pages(server: servers.Server, rounds: int, seconds: float) -> Iterator[Finding]:
    answer = json.loads(server.call("GET", f"{PATH}?count=0"))
    last = answer["totalResults"] - PAGE + 1
    at = f"{answer['totalResults']} users, {PAGE} a page"
    seen: dict[int, list[load.Seen]] = {1: [], last: []}
    for number, start in itertools.product(range(rounds + 1), seen):
        request = server.request("GET", f"{PATH}?startIndex={start}&count={PAGE}")
        one = load.run(server, request, seconds=seconds, connections=1)
        if number:
            seen[start].append(one)
    cpu = report.ratios([s.cpu_us for s in seen[last]], [s.cpu_us for s in seen[1]])
    yield Figure(f"last page / first page, processor time, {at}", cpu, target=Target("<=", 1.25))
    for name, start in (("first", 1), ("last", last)):
        yield Figure(f"{name} page, processor time", [s.cpu_us / 1000 for s in seen[start]], "ms")
        yield Figure(f"{name} page", [1000 / s.per_second for s in seen[start]], "ms")


if __name__ == "__main__":
    report.main(measure)
