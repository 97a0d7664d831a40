"""A model with 10,000 views over HTTP: one view's YAML, the list of topics, one save."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support import report, servers
from support.report import Figure, Finding, Options, Remark, Target

MODELS = "/api/v1/models"
COLUMNS = 15
TOPICS = 50


def measure(options: Options) -> Iterator[Finding]:
    """Push a folder of views, then ask for one of them, for all topics, and save one."""
    views, rounds, calls = options.pick((10_000, 5, 60), (300, 2, 10))
    with servers.temporary_home() as home:
        token = servers.make_token(home)
        with servers.dragoman(home, token) as server:
            shared = _shared_model(server)
        folder = home / "model"
        _write(folder, views)
        began = time.perf_counter()
        _push(home, folder, shared)
        yield Figure(f"push of {views:,} views, from a folder", [time.perf_counter() - began], "s")
        with servers.dragoman(home, token) as server:
            yield from _asked(server, f"{MODELS}/{shared}", views, rounds, calls)


def _asked(
    server: servers.Server, model: str, views: int, rounds: int, calls: int
) -> Iterator[Finding]:
    def one(number: int) -> None:
        name = f"s{number * 7919 % views % 20}/t{number * 7919 % views}.view"
        found = json.loads(server.call("GET", f"{model}/yaml?fileName={name}"))
        assert len(found["files"]) == 1, name

    def topics(_: int) -> None:
        found = json.loads(server.call("GET", f"{model}/topic"))
        assert len(found["topics"]) == TOPICS

    def save(number: int) -> None:
        body = {"fileName": f"s0/t{number % views // 20 * 20}.view", "mode": "extension"}
        server.call("POST", f"{model}/yaml", {**body, "yaml": f"label: L{time.time_ns()}\n"})

    def nothing(_: int) -> None:
        server.call("GET", "/healthz")

    yield Figure("one view's YAML", _each(one, rounds, calls), "ms", Target("<", 20.0))
    yield Figure("list of topics", _each(topics, rounds, calls), "ms", Target("<", 50.0))
    yield Figure("save of one view, answered with its text", _each(save, rounds, calls), "ms")
    yield Figure("a request that does nothing, for comparison", _each(nothing, rounds, calls), "ms")
    yield Remark("Each figure is the median of its round's calls, on a new TCP connection each.")


def _each(call: Callable[[int], None], rounds: int, calls: int) -> list[float]:
    call(0)
    found: list[float] = []
    for turn in range(rounds):
        seen: list[float] = []
        for number in range(calls):
            began = time.perf_counter()
            call(turn * calls + number)
            seen.append((time.perf_counter() - began) * 1000)
        found.append(statistics.median(seen))
    return found


def _shared_model(server: servers.Server) -> str:
    sent: dict[str, Any] = {"dialect": "duckdb", "name": "Warehouse", "database": ":memory:"}
    connection = json.loads(server.call("POST", "/api/v1/connections", sent))["data"]
    model = {"connectionId": connection, "modelKind": "SHARED", "modelName": "Sales"}
    return json.loads(server.call("POST", MODELS, model))["model"]["id"]


def _write(folder: Path, views: int) -> None:
    columns = "".join(
        f"  c{n}:\n    sql: '\"C{n}\"'\n    label: Column {n}\n" for n in range(COLUMNS)
    )
    for number in range(views):
        file = folder / f"s{number % 20}" / f"t{number}.view.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = f"# Table {number}\nschema: s{number % 20}\ntable_name: T{number}\n"
        measures = "measures:\n  count:\n    aggregate_type: count\n"
        file.write_text(f"{head}dimensions:\n{columns}{measures}")
    for number in range(TOPICS):
        file = folder / f"topic{number}.topic.yaml"
        file.write_text(f"base_view: t{number}\nlabel: Topic {number}\njoins: {{}}\n")


def _push(home: Path, folder: Path, shared: str) -> None:
    done = subprocess.run(
        servers.command("models", "push", str(folder), "--model", shared, "--json"),
        env=servers.environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"models push: {done.stderr[-2000:]}")


if __name__ == "__main__":
    report.main(measure)
