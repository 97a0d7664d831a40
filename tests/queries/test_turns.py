"""Questions that wait for their turn, over HTTP: order, limits, giving up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.queries import executions
from tests.queries.fakes import eventually
from tests.queries.test_run import RUN, ask, lines, rows, schema_model_is_there
from tests.support.clients import Client, assert_error
from tests.support.server import Server, running_server, settings_for


class Gate:
    """Lets one question begin at a time, and tells which did, by its first column."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._passes = threading.Semaphore(0)
        self._spool = executions.spool

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._passes.release()

    def __call__(self, found: Any, *more: Any) -> Any:
        self.begun.append(found.schema.names[0])
        assert self._passes.acquire(timeout=60)
        return self._spool(found, *more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home: Path = tmp_path_factory.mktemp("home")
    limits = {"max_queries_per_connection": 1, "max_waiting_per_user": 2, "query_wait_seconds": 1}
    with running_server(settings_for(home, build_schema_on_create="on", **limits)) as running:
        yield running


@pytest.fixture(scope="module")
def connection(server: Server) -> str:
    made = server.create("duckdb", database=":memory:", baseRole="QUERIER")
    schema_model_is_there(server, made)
    return made


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr(executions, "spool", made)
    return made


def waiting(client: Client, model: str, field: str) -> str:
    """Asks a question that is not answered in time; its job."""
    *_, last = lines(client.post(RUN, json=ask(model, f"orders.{field}", cache="SkipCache")))
    assert last["timed_out"] == "true", last
    (job,) = last["remaining_job_ids"]
    return str(job)


def answer(client: Client, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(30):
        found = lines(client.get("/api/v1/query/wait", params={"job_ids": f'["{job}"]'}))
        if found[-1]["timed_out"] == "false":
            break
    return found


def test_who_asks_much_does_not_hold_up_who_asks_little(
    server: Server, connection: str, gate: Gate
) -> None:
    many, little = server.member("many@example.com"), server.member("little@example.com")
    jobs = [waiting(many, connection, name) for name in ("order_id", "status", "note")]
    assert_error(many.post(RUN, json=ask(connection, "orders.customer_id", cache="SkipCache")), 429)
    own = waiting(little, connection, "customer_id")
    assert gate.begun == ["orders.order_id"]
    gate.open(4)
    assert rows(answer(little, own)[1])
    for job in jobs:
        assert answer(many, job)[1]["status"] == "COMPLETE"
    assert gate.begun == [
        *("orders.order_id", "orders.customer_id", "orders.status", "orders.note"),
    ]


def test_questions_of_who_is_suspended_end(server: Server, connection: str, gate: Gate) -> None:
    leaver, other = server.member("leaver@example.com"), server.member("stays@example.com")
    running = waiting(leaver, connection, "order_id")
    queued, theirs = (waiting(each, connection, "status") for each in (leaver, other))
    with server.unit() as unit:
        user = identity.get_user(unit, "leaver@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    eventually(lambda: user.id not in executions.EXECUTIONS.people())
    gate.open(3)
    # What two wait for goes on for the other.
    assert answer(other, theirs)[1]["status"] == "COMPLETE"
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, user, disabled=False)
    for job in (running, queued):
        gone = leaver.get("/api/v1/query/wait", params={"job_ids": f'["{job}"]'})
        assert_error(gone, 404)


def test_one_that_is_given_up_while_it_waits_never_runs(
    server: Server, connection: str, gate: Gate
) -> None:
    client = server.member("third@example.com")
    first, second = (waiting(client, connection, name) for name in ("order_id", "status"))
    given_up = client.post("/api/v1/query/cancel", json={"job_ids": [second]})
    assert given_up.status_code == 200
    third = waiting(client, connection, "customer_id")
    gate.open(2)
    assert answer(client, first)[1]["status"] == "COMPLETE"
    assert answer(client, third)[1]["status"] == "COMPLETE"
    assert gate.begun == ["orders.order_id", "orders.customer_id"]
