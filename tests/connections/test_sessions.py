"""The way to a session: circuit breaker, identity, and drivers that never come back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.api.errors import Unavailable
from dragoman.connections import sessions
from dragoman.connections.dialling import Destination
from dragoman.connections.sessions import leased
from dragoman.dialects.base import Target
from dragoman.dialects.breaker import FIRST_PAUSE, THRESHOLD
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.observability import metrics
from dragoman.secret import SecretStr
from tests.dialects.fakes import FakeDialect, FakeSession
from tests.queries.fakes import eventually, small_house
from tests.support.bodies import body
from tests.support.server import CONNECTIONS, Server
from tests.support.servers import refusing


@pytest.fixture
def house() -> Iterator[Any]:
    with small_house() as made:
        yield made


def destination(dialect: FakeDialect, password: str = "one", version: int = 1) -> Destination:
    secrets = {"passwordUnencrypted": SecretStr(password)}
    return Destination("c", version, dialect, Target("fake", {}, secrets))


def refuse() -> None:
    raise DatabaseFailure(Stage.TCP, Cause.REFUSED, "db:5432 refused", "Start it.")


def counted(outcome: str) -> float:
    return metrics.CONNECTS.labels("fake", outcome)._value.get()


def fail(house: Any, where: Destination, times: int = THRESHOLD) -> None:
    for _ in range(times):
        with pytest.raises(DatabaseFailure), leased(house, where):
            pass


def test_after_failures_in_a_row_nothing_is_dialled(house: Any) -> None:
    dialect = FakeDialect()
    dialect.on_connect = refuse
    before = counted("failed"), counted("refused")
    fail(house, destination(dialect))
    dialect.on_connect = lambda: pytest.fail("dialled")
    with pytest.raises(Unavailable) as caught, leased(house, destination(dialect)):
        pass
    error = caught.value
    assert int(error.headers["Retry-After"]) == FIRST_PAUSE
    assert "db:5432 refused" in error.message
    assert error.extra == {
        "stage": "tcp", "cause": "refused", "fix": "Start it.", "code": "circuit_open",
    }  # fmt: skip
    assert (counted("failed"), counted("refused")) == (before[0] + THRESHOLD, before[1] + 1)


def test_errors_of_statements_never_open_it(house: Any) -> None:
    dialect = FakeDialect()
    for _ in range(THRESHOLD * 2):
        with pytest.raises(DatabaseFailure), leased(house, destination(dialect)):
            raise DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, "it broke")
    with leased(house, destination(dialect)):
        pass


@pytest.mark.parametrize("changed", [{"version": 2}, {"password": "two"}])
def test_a_changed_connection_is_dialled_again(house: Any, changed: dict[str, Any]) -> None:
    dialect = FakeDialect()
    dialect.on_connect = refuse
    fail(house, destination(dialect))
    dialect.on_connect = lambda: None
    with leased(house, destination(dialect, **changed)):
        pass


def test_a_rotated_secret_gets_sessions_of_its_own(house: Any) -> None:
    dialect, seen = FakeDialect(), []
    for password in ("one", "one", "two", "one"):
        with leased(house, destination(dialect, password)) as session:
            seen.append(session)
        dialect.session = FakeSession()
    assert seen[0] is seen[1] is seen[3]
    assert seen[2] is not seen[0]


def test_a_driver_that_hangs_while_it_signs_in_is_left_behind(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "OPEN_SECONDS", 0.05)
    dialect, over = FakeDialect(), threading.Event()
    dialect.on_connect = lambda: over.wait(10) and None
    with pytest.raises(DatabaseFailure) as caught, leased(house, destination(dialect)):
        pass
    assert (caught.value.stage, caught.value.cause) == (Stage.AUTHENTICATION, Cause.TIMEOUT)
    over.set()
    for _ in range(100):
        if dialect.session.closed:
            break
        threading.Event().wait(0.02)
    assert dialect.session.closed, "what came too late is closed"


def test_the_api_answers_503_until_the_connection_changes(server: Server) -> None:
    before = _open_circuits(server)
    with refusing() as port:
        sent = body("postgres", host="127.0.0.1", port=port)
        made = server.root.post(CONNECTIONS, json=sent).json()["data"]
        path = f"{CONNECTIONS}/{made}/query"
        codes = [server.root.post(path, json={"sql": "SELECT 1"}) for _ in range(THRESHOLD + 1)]
        assert [code.status_code for code in codes] == [502] * THRESHOLD + [503]
        answer = codes[-1].json()
        assert answer["code"] == "circuit_open"
        assert answer["cause"] == "refused"
        assert "refused the connection" in answer["message"]
        assert 1 <= int(codes[-1].headers["Retry-After"]) <= FIRST_PAUSE
        assert _open_circuits(server) == before + 1
        changed = server.root.patch(f"{CONNECTIONS}/{made}", json={"queryTimeoutSeconds": 60})
        assert changed.status_code == 200, changed.text
        assert server.root.post(path, json={"sql": "SELECT 1"}).status_code == 502
        assert _open_circuits(server) == before


def _open_circuits(server: Server) -> float:
    """Of PostgreSQL, in this process: other servers before this one may have left some open."""
    line = 'dragoman_circuits_open{dialect="postgres"} '
    found = [each for each in server.root.get("/metrics").text.splitlines() if line in each]
    return float(found[0].removeprefix(line)) if found else 0.0


@pytest.mark.parametrize("how", ["changed", "deleted"])
def test_sessions_of_a_connection_end_when_it_does(server: Server, how: str) -> None:
    made = server.root.post(CONNECTIONS, json=body("duckdb")).json()["data"]
    path = f"{CONNECTIONS}/{made}"
    asked = server.root.post(f"{path}/query", json={"sql": "SELECT 1"})
    assert asked.status_code == 200, asked.text
    shelves = server.house.sessions._shelves
    (shelf,) = (shelf for owner, shelf in shelves.items() if owner[0] == made)
    eventually(lambda: shelf.idle)  # it comes back when the answer is on its way already
    (idle,) = shelf.idle
    if how == "changed":
        answer = server.root.patch(path, json={"queryTimeoutSeconds": 60})
    else:
        answer = server.root.delete(path)
    assert answer.status_code == 200, answer.text
    assert not shelf.idle
    with pytest.raises(DatabaseFailure, match="closed"):
        idle.session.ping()
