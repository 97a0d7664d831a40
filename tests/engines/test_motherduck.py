"""MotherDuck cannot be reached from a test: its arguments, and its session on a local DuckDB file.

The stand-in shows what DuckDB does with our statements. It says nothing about the service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters import motherduck
from dragoman.dialects.adapters.motherduck import MotherDuckSession, database_url
from dragoman.dialects.adapters.motherduck_errors import not_opened
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.diagnosis import Status, diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.support.certificates import Certificates
from tests.support.servers import refusing, serving, tls_handler

TOKEN = "md-token-that-nobody-may-see"
TARGET = Target("motherduck", {"database": "shop"}, {"passwordUnencrypted": SecretStr(TOKEN)})


class StandIn:
    """A connection to a local file that takes MotherDuck's own setting and notes what it is told"""

    def __init__(self, connection: duckdb.DuckDBPyConnection, told: list[str]) -> None:
        self._connection = connection
        self._told = told

    def execute(self, sql: str, *parameters: Any) -> Any:
        self._told.append(sql)
        if sql == "ATTACH 'md:other'":
            sql = "ATTACH ':memory:' AS other"
        if "motherduck" in sql:
            return None
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Opener:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.configs: list[dict[str, Any]] = []
        self.told: list[str] = []

    def __call__(self, name: str, config: dict[str, Any]) -> Any:
        self.names.append(name)
        self.configs.append(dict(config))
        known = {key: value for key, value in config.items() if key != "motherduck_token"}
        return StandIn(duckdb.connect(str(self.path), config=known), self.told)


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE victim (a int); INSERT INTO victim VALUES (1)")
    return Opener(path)


Make = Callable[..., MotherDuckSession]


@pytest.fixture
def make(opener: Opener) -> Iterator[Make]:
    made: list[MotherDuckSession] = []

    def make(target: Target = TARGET, **options: Any) -> MotherDuckSession:
        made.append(MotherDuckSession(target, SessionOptions(**options), opener))
        return made[-1]

    yield make
    for session in made:
        session.close()


def test_the_token_is_a_configuration_value_and_nowhere_else(make: Make, opener: Opener) -> None:
    session = make()
    assert opener.configs[0]["motherduck_token"] == TOKEN
    assert opener.names[0].startswith("md:shop?attach_mode=single&")
    assert TOKEN not in "".join([*opener.names, *opener.told])
    assert opener.configs[0]["autoinstall_known_extensions"] == "false"
    assert "SET motherduck_saas_mode = true" in opener.told
    assert rows(session, "SELECT current_setting('lock_configuration') AS v") == [{"v": True}]


def test_no_two_sessions_share_an_instance() -> None:
    assert database_url("shop") != database_url("shop")


@pytest.mark.parametrize(
    "name", ["a?motherduck_token=x", "../x", "a;b", "a'b", "md:a", "a&saas_mode=false", '"', ""]
)
def test_only_plain_names_are_opened(make: Make, opener: Opener, name: str) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        make(replace(TARGET, settings={"database": name}))
    assert caught.value.stage is Stage.SETTINGS
    with pytest.raises(DatabaseFailure) as caught:
        make(replace(TARGET, settings={"database": "shop", "includeOtherCatalogs": f"x,{name}"}))
    assert caught.value.stage is Stage.SETTINGS
    assert opener.names == []


def test_statements_read_in_read_only_transactions(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dragoman.dialects.streaming.single_reading_statement", lambda sql, _: sql.strip()
    )
    session = make()
    for sql in ("INSERT INTO victim VALUES (2)", "DROP TABLE victim", "CREATE TABLE x (a int)"):
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert caught.value.cause is Cause.READ_ONLY, caught.value
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        "ATTACH '/tmp/x.duckdb'",
        "LOAD httpfs",
    ):
        with pytest.raises(DatabaseFailure):
            rows(session, sql)
    assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    assert not session.broken


def test_time_zone_schemas_and_reset(make: Make) -> None:
    session = make(timezone="Asia/Kolkata")
    assert session.schemas() == ["main"]
    assert session.readable_tables(["main"]) == 1
    assert session.readable_tables(["nothing"]) == 0
    session.reset()
    session.ping()
    answer = session.run("SELECT timestamptz '2024-02-29 10:00+00' AS v")
    assert answer.schema.field("v").type.tz == "Asia/Kolkata"


def test_time_limit_early_end_and_many_rows(make: Make) -> None:
    session = make(timeout_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        rows(session, "SELECT count(*) FROM range(100000000) a, range(1000000) b")
    assert caught.value.cause is Cause.QUERY_TIMEOUT
    assert time.monotonic() - started < 3
    answer = session.run("SELECT n FROM range(3000000) t(n)")
    next(answer.batches)
    answer.close()
    assert len(rows(session, "SELECT n FROM range(50000) t(n)")) == 50_000


def test_the_catalog_of_every_named_database(make: Make, opener: Opener) -> None:
    session = make(replace(TARGET, settings={"database": "shop", "includeOtherCatalogs": "other"}))
    assert "ATTACH 'md:other'" in opener.told
    found = [(table.catalog, table.name) for table in session.catalog(CatalogFilter())]
    assert found == [("shop", "victim")]
    session.ping()


@pytest.mark.parametrize(
    ("text", "stage", "cause"),
    [
        (f"Invalid token {TOKEN}", Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED),
        ("no database/share named 'shop' found", Stage.DATABASE, Cause.DATABASE_NOT_FOUND),
        ("DuckDB version v9 is not supported", Stage.DRIVER, Cause.OTHER),
        ("something else", Stage.DATABASE, Cause.OTHER),
    ],
)
def test_words_of_the_extension(text: str, stage: Stage, cause: Cause) -> None:
    failure = not_opened(duckdb.IOException(text), "shop", TARGET.secrets)
    assert (failure.stage, failure.cause) == (stage, cause)
    assert TOKEN not in repr(failure)


def test_what_a_driver_says_of_the_token_is_masked(make: Make) -> None:
    session = make()
    with pytest.raises(DatabaseFailure) as caught:
        rows(session, f"SELECT error('{TOKEN}')")
    assert TOKEN not in repr(caught.value)


def test_variables_that_the_extension_would_follow_are_refused() -> None:
    motherduck.refuse_environment({"PATH": "/bin"})
    with pytest.raises(DatabaseFailure) as caught:
        motherduck.refuse_environment({"MotherDuck_Host": "evil.example", "PATH": "/bin"})
    assert caught.value.stage is Stage.SETTINGS
    assert "evil" not in repr(caught.value)


def test_without_the_extension_the_driver_stage_says_what_to_install() -> None:
    found = diagnose(
        registry.get("motherduck"), TARGET, EgressPolicy.build(), SessionOptions(), deadline=10.0
    )
    if found.success or (found.failed and found.failed.stage is not Stage.DRIVER):
        pytest.skip("the extension is installed on this machine")
    assert found.failed
    assert found.failed.cause is Cause.DRIVER_MISSING
    assert "INSTALL motherduck" in found.failed.fix
    assert [s.status for s in found.stages].count(Status.PASSED) == 1


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motherduck, "require_extension", lambda: None)
    monkeypatch.setattr(motherduck, "HOST", "localhost")


@pytest.mark.usefixtures("extension")
def test_a_service_that_refuses_is_the_tcp_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as port:
        monkeypatch.setattr(motherduck, "PORT", port)
        found = diagnose(
            registry.get("motherduck"), TARGET, EgressPolicy.build(loopback=True), SessionOptions()
        )
    assert found.failed
    assert found.failed.stage is Stage.TCP


@pytest.mark.usefixtures("extension")
def test_an_address_that_may_not_be_dialled_is_the_dns_stage() -> None:
    with pytest.raises(DatabaseFailure) as caught:
        motherduck.open_session(TARGET, EgressPolicy.build(), SessionOptions())
    assert (caught.value.stage, caught.value.cause) == (Stage.DNS, Cause.ADDRESS_DENIED)


@pytest.mark.usefixtures("extension")
def test_a_certificate_of_a_stranger_stops_before_the_token(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("the extension was asked")

    monkeypatch.setattr(duckdb, "connect", never)
    with serving(tls_handler(certificates.good)) as port:
        monkeypatch.setattr(motherduck, "PORT", port)
        policy = EgressPolicy.build(loopback=True, tls=TlsPolicy(certificates.other_ca_file))
        with pytest.raises(DatabaseFailure) as caught:
            motherduck.open_session(TARGET, policy, SessionOptions())
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)
