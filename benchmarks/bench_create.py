"""POST /api/v1/connections against the bare insert of the same row behind the same framework."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from support import load, postgres, report, servers
from support.report import Figure, Finding, Options, Target

PATH = "/api/v1/connections"
# Nothing listens there: each attempt to read the catalog fails at once, which is when the jobs that
# follow the creates take the most from them.
BODY = json.dumps(
    {
        "dialect": "postgres",
        "name": "Warehouse",
        "host": "127.0.0.1",
        "port": 9,
        "database": "shop",
        "username": "reader",
        "passwordUnencrypted": "s3cret",
        "baseRole": "QUERIER",
        "queryTimeoutSeconds": 300,
    }
).encode()
# Those of dragoman.store.engine.
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000")


def measure(options: Options) -> Iterator[Finding]:
    """Create with everything that follows it by default: validation, sealed secret, audit, schema
    model, and a job that reads the catalog; against one row in one transaction."""
    rounds, seconds = options.pick((7, 3.0), (2, 0.5))
    with servers.temporary_home() as home:
        token = servers.make_token(home)
        with servers.dragoman(home, token, DRAGOMAN_BUILD_SCHEMA_ON_CREATE="on") as ours:
            ours.call("POST", PATH, json.loads(BODY))
            plan = home / "plan.json"
            plan.write_text(json.dumps(_same_row(home)))
            with servers.bare(home, "insert", str(plan)) as floor:
                for connections, target in ((8, Target(">=", 0.5)), (1, None)):
                    yield from _compare(ours, floor, connections, target, rounds, seconds)
    yield from _on_postgres(rounds, seconds)


def _on_postgres(rounds: int, seconds: float) -> Iterator[Finding]:
    """The same create with its store on PostgreSQL, where audited changes commit one by one. The
    server is on this machine and does not wait for the disk."""
    with postgres.server() as engine, servers.temporary_home() as home:
        settings = {
            "DRAGOMAN_BUILD_SCHEMA_ON_CREATE": "on",
            "DRAGOMAN_DATABASE_URL": engine.url("postgresql"),
        }
        token = servers.make_token(home, **settings)
        with servers.dragoman(home, token, **settings) as ours:
            request = ours.request("POST", PATH, BODY)
            for connections in (8, 1):
                runs = [
                    load.run(ours, request, seconds=seconds, connections=connections)
                    for _ in range(rounds + 1)
                ][1:]
                yield from _figures("create, store on PostgreSQL", runs, connections)


def _same_row(home: Path) -> dict[str, object]:
    """A database with the same table and indexes, and the row that our server wrote."""
    database = home / "bare.db"
    with closing(sqlite3.connect(home / "dragoman.db")) as source:
        source.row_factory = sqlite3.Row
        row = dict(source.execute("SELECT * FROM connections").fetchone())
        made = source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'connections' AND sql IS NOT NULL"
            " AND type IN ('table', 'index') ORDER BY type DESC"
        ).fetchall()
    with closing(sqlite3.connect(database)) as target:
        for (statement,) in made:
            target.execute(statement)
    return {"database": str(database), "table": "connections", "row": row, "pragmas": PRAGMAS}


def _compare(
    ours: servers.Server,
    floor: servers.Server,
    connections: int,
    target: Target | None,
    rounds: int,
    seconds: float,
) -> Iterator[Finding]:
    a: list[load.Seen] = []
    b: list[load.Seen] = []
    for number in range(rounds + 1):
        for server, runs in ((ours, a), (floor, b)):
            request = server.request("POST", PATH, BODY)
            one = load.run(server, request, seconds=seconds, connections=connections)
            if number:  # the first round warms both up
                runs.append(one)
    at = _at(connections)
    speed = report.ratios([s.per_second for s in a], [s.per_second for s in b])
    yield Figure(f"create / bare insert, requests a second, {at}", speed, target=target)
    cpu = report.ratios([s.cpu_us for s in b], [s.cpu_us for s in a])
    yield Figure(f"bare insert / create, processor time a request, {at}", cpu)
    for name, runs in (("create", a), ("bare insert", b)):
        yield from _figures(name, runs, connections)


def _figures(name: str, runs: list[load.Seen], connections: int) -> Iterator[Figure]:
    at = _at(connections)
    yield Figure(f"{name}: requests a second, {at}", [s.per_second for s in runs], "1/s")
    yield Figure(f"{name}: processor time a request, {at}", [s.cpu_us for s in runs], "us")
    yield Figure(f"{name}: p99, {at}", [s.p99 for s in runs], "ms")


def _at(connections: int) -> str:
    return f"{connections} client{'s' if connections > 1 else ''}"


if __name__ == "__main__":
    report.main(measure)
