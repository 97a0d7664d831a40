"""GET /api/v1/connections with 20 rows, against a bare Starlette route with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

from support import load, report, servers
from support.report import Figure, Finding, Options, Remark, Target

ROWS = 20
PATH = "/api/v1/connections"
CONNECTIONS = 16
PACE = 200.0


def measure(options: Options) -> Iterator[Finding]:
    """List 20 connections: token check, rate limit, last use, log line; then the pace of 200/s."""
    rounds, seconds = options.pick((7, 3.0), (2, 0.5))
    with servers.temporary_home() as home:
        token = servers.make_token(home)
        with servers.dragoman(home, token) as ours:
            body = _fill(ours)
            same = home / "body.json"
            same.write_bytes(body)
            with servers.bare(home, "list", str(same)) as floor:
                yield from _throughput(ours, floor, rounds, seconds)
                yield from _pace(ours, floor, *options.pick((5, 10.0), (1, 1.0)))


def _fill(server: servers.Server) -> bytes:
    for number in range(ROWS):
        server.call(
            "POST",
            PATH,
            {
                "dialect": "postgres",
                "name": f"Warehouse {number:02}",
                "host": "db.example.com",
                "database": "shop",
                "username": "reader",
                "passwordUnencrypted": "s3cret",
            },
        )
    return server.call("GET", PATH)


def _throughput(
    ours: servers.Server, floor: servers.Server, rounds: int, seconds: float
) -> Iterator[Finding]:
    sides = {"dragoman": ours, "bare": floor}
    seen: dict[str, list[load.Seen]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, server in sides.items():
            request = server.request("GET", PATH)
            one = load.run(server, request, seconds=seconds, connections=CONNECTIONS)
            if number:  # the first round warms both up
                seen[name].append(one)
    a, b = seen["dragoman"], seen["bare"]
    yield Figure("list / bare, requests a second", _ratio(a, b), target=Target(">=", 0.15))
    cpu = report.ratios([s.cpu_us for s in b], [s.cpu_us for s in a])
    yield Figure("bare / list, processor time of the server a request", cpu)
    for name, runs in seen.items():
        yield Figure(f"{name}: requests a second", [s.per_second for s in runs], "1/s")
        yield Figure(f"{name}: processor time a request", [s.cpu_us for s in runs], "us")
    busy = [max(x.busy, y.busy) for x, y in zip(a, b, strict=True)]
    yield Figure("load generator: cores used, the busier side", busy, "")
    if max(busy) > load.CLIENT_LIMIT:
        yield Remark("The load generator used a whole core: it may have been the limit.")


def _ratio(above: list[load.Seen], below: list[load.Seen]) -> list[float]:
    return report.ratios([s.per_second for s in above], [s.per_second for s in below])


def _pace(
    ours: servers.Server, floor: servers.Server, rounds: int, seconds: float
) -> Iterator[Finding]:
    a: list[load.Seen] = []
    b: list[load.Seen] = []
    for _ in range(rounds):
        for server, runs in ((ours, a), (floor, b)):
            request = server.request("GET", PATH)
            runs.append(load.run(server, request, seconds=seconds, connections=64, rate=PACE))
    yield Figure("p99 at 200 requests a second", [s.p99 for s in a], "ms", Target("<", 25.0))
    yield Figure("p50 at 200 requests a second", [s.p50 for s in a], "ms")
    yield Figure("bare: p99 at 200 requests a second", [s.p99 for s in b], "ms")


if __name__ == "__main__":
    report.main(measure)
