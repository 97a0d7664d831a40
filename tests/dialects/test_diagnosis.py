"""The stages of a diagnosis: order, what is skipped, and that nothing gets out of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.diagnosis import Diagnosis, Status, diagnose
from dragoman.dialects.explanations import EXPLANATIONS
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.secret import SecretStr
from tests.dialects.fakes import FakeDialect, FakeNetwork, FakeSession
from tests.support.patience import SLOW_MACHINE

PASSWORD = "canary-secret"


def target(**settings: str) -> Target:
    given = {"host": "db.example", "port": 1, "database": "d", "username": "u", **settings}
    return Target("fake", given, {"passwordUnencrypted": SecretStr(PASSWORD)})


def examine(dialect: FakeDialect, network: FakeNetwork | None = None, **settings: str) -> Diagnosis:
    return diagnose(dialect, target(**settings), network or FakeNetwork(), SessionOptions())


def failing(stage: Stage, cause: Cause = Cause.OTHER) -> Callable[[], None]:
    def act() -> None:
        raise DatabaseFailure(stage, cause, "went wrong", "do this")

    return act


def statuses(found: Diagnosis) -> list[Status]:
    return [stage.status for stage in found.stages]


def test_all_ten_stages_pass_in_order_and_the_session_is_closed() -> None:
    dialect = FakeDialect()
    found = examine(dialect)
    assert found.success
    assert [stage.stage for stage in found.stages] == list(Stage)
    assert statuses(found) == [Status.PASSED] * 10
    assert dialect.session.closed


@pytest.mark.parametrize("stage", [Stage.DNS, Stage.TCP, Stage.TLS, Stage.AUTHENTICATION])
def test_after_a_failure_the_rest_is_skipped(stage: Stage) -> None:
    dialect, network = FakeDialect(), FakeNetwork()
    hooks = {
        Stage.DNS: (network, "on_resolve"),
        Stage.TCP: (network, "on_connect"),
        Stage.TLS: (dialect, "on_tls"),
        Stage.AUTHENTICATION: (dialect, "on_connect"),
    }
    setattr(*hooks[stage], failing(stage))
    found = examine(dialect, network)
    at = list(Stage).index(stage)
    assert statuses(found) == [Status.PASSED] * at + [Status.FAILED] + [Status.SKIPPED] * (9 - at)
    assert found.failed
    assert (found.failed.message, found.failed.fix) == ("went wrong", "do this")


def test_signing_in_may_find_that_there_is_no_database() -> None:
    dialect = FakeDialect()
    dialect.on_connect = failing(Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    found = examine(dialect)
    assert found[Stage.AUTHENTICATION].status is Status.PASSED
    assert found[Stage.DATABASE].status is Status.FAILED
    assert found[Stage.DATABASE].cause is Cause.DATABASE_NOT_FOUND


def test_a_stage_that_passed_is_not_made_to_fail_later() -> None:
    dialect = FakeDialect()
    dialect.on_connect = failing(Stage.TCP, Cause.REFUSED)
    found = examine(dialect)
    assert found[Stage.TCP].status is Status.PASSED
    assert found[Stage.AUTHENTICATION].status is Status.FAILED


def test_schemas_of_the_settings_must_exist() -> None:
    assert examine(FakeDialect(), defaultSchema="sales").success
    missing = examine(FakeDialect(), defaultSchema="Sales")
    assert missing[Stage.SCHEMA].status is Status.FAILED
    assert "public, sales" in missing[Stage.SCHEMA].fix


@pytest.mark.parametrize(
    ("listed", "good"),
    [
        ("public,sales", True),
        ("s*", True),
        ("x*", False),
        ("public,nope", False),
        ("", True),
        ("pub[l]ic", False),
    ],
)
def test_included_schemas_and_wildcards_match_at_least_one(listed: str, good: bool) -> None:
    assert examine(FakeDialect(), includeSchemas=listed).success is good


def test_tables_are_looked_for_in_the_schemas_of_the_settings_only() -> None:
    session = FakeSession()
    examine(FakeDialect(session), includeSchemas="s*")
    examine(FakeDialect(session))
    assert session.asked == [["sales"], []]


def test_no_readable_table_is_a_matter_of_privileges() -> None:
    found = examine(FakeDialect(FakeSession(tables=0)))
    assert found[Stage.PRIVILEGES].status is Status.FAILED
    assert found[Stage.QUERY].status is Status.SKIPPED


def test_a_secret_that_is_not_there_fails_the_settings() -> None:
    why = DatabaseFailure(Stage.SETTINGS, Cause.SECRET_UNRESOLVED, "env:X is not set")
    found = diagnose(FakeDialect(), target(), FakeNetwork(), SessionOptions(), unresolved=why)
    assert statuses(found) == [Status.FAILED] + [Status.SKIPPED] * 9


def test_an_unexpected_error_is_a_failure_without_secrets() -> None:
    dialect = FakeDialect()

    def explode() -> None:
        raise RuntimeError(f"dsn=user:{PASSWORD}@host")

    dialect.on_connect = explode
    found = examine(dialect)
    assert found[Stage.AUTHENTICATION].status is Status.FAILED
    assert PASSWORD not in repr(found)


def test_a_driver_that_hangs_is_stopped_at_the_deadline() -> None:
    dialect, loose = FakeDialect(), threading.Event()
    dialect.on_connect = lambda: loose.wait(60)
    started = time.monotonic()
    found = diagnose(dialect, target(), FakeNetwork(), SessionOptions(), deadline=0.3)
    assert time.monotonic() - started < 0.3 + SLOW_MACHINE
    assert found[Stage.AUTHENTICATION].status is Status.FAILED
    assert found[Stage.AUTHENTICATION].cause is Cause.TIMEOUT
    before = repr(found)
    loose.set()
    deadline = time.monotonic() + 60
    while not dialect.session.closed:
        assert time.monotonic() < deadline, "what came loose is left open"
        time.sleep(0.01)
    assert repr(found) == before


def test_who_may_not_read_the_catalog_lacks_a_privilege() -> None:
    session = FakeSession()
    session.schemas = failing(Stage.QUERY, Cause.PERMISSION_DENIED)  # type: ignore[assignment]
    found = examine(FakeDialect(session))
    assert found[Stage.SCHEMA].status is Status.SKIPPED
    assert found[Stage.PRIVILEGES].status is Status.FAILED
    session = FakeSession()
    session.readable_tables = failing(Stage.QUERY)  # type: ignore[assignment]
    found = examine(FakeDialect(session), includeSchemas="")
    assert found[Stage.SCHEMA].status is Status.PASSED
    assert found[Stage.PRIVILEGES].status is Status.FAILED


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_is_explained_and_has_a_fix(cause: Cause) -> None:
    """The same words are in the documentation."""
    dialect = FakeDialect()

    def fail() -> None:
        raise DatabaseFailure(Stage.AUTHENTICATION, cause, "went wrong", None, "28P01")

    dialect.on_connect = fail
    failed = examine(dialect).failed
    assert failed
    assert failed.fix == EXPLANATIONS[cause].fix
    assert failed.detail == f"{cause.value}, code 28P01"
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text("utf-8")
    assert EXPLANATIONS[cause].fix in page
