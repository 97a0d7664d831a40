"""The store under trouble: locked, full, away, restarted; and what a unit of work promises."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from dragoman.access.roles import Role
from dragoman.secret import SecretStr
from dragoman.store import Store, StoreBusy, engine
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.engines import Engine, create_database, drop_database
from tests.support.server import CONNECTIONS, Server, running_server, settings_for


def pragma(server: Server, name: str) -> Any:
    return server.sql(f"PRAGMA {name}")[0][0]


def test_sqlite_is_durable_and_holds_its_rules(sqlite_server: Server) -> None:
    assert pragma(sqlite_server, "journal_mode") == "wal"
    assert pragma(sqlite_server, "foreign_keys") == 1
    assert pragma(sqlite_server, "busy_timeout") == 5000
    assert pragma(sqlite_server, "synchronous") == 2  # FULL
    with pytest.raises(Exception, match="FOREIGN KEY"):
        sqlite_server.sql(
            "INSERT INTO connection_secrets VALUES ('none', 'p', false, 'v', NULL, 'now')"
        )


def test_home_is_closed_to_others(sqlite_server: Server) -> None:
    assert sqlite_server.home.stat().st_mode & 0o777 == 0o700


def test_store_is_closed_to_others_in_an_open_home(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with running_server(settings_for(tmp_path)):
        files = sorted(tmp_path.glob("dragoman.db*"))
        assert [file.name for file in files] == [
            "dragoman.db",
            "dragoman.db-shm",
            "dragoman.db-wal",
        ]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_file_that_was_moved_away_is_a_store_that_is_away(sqlite_server: Server) -> None:
    """SQLite makes an empty file in its place, so that what is missed is a table."""
    (sqlite_server.home / "dragoman.db").rename(sqlite_server.home / "moved.db")
    sqlite_server.house.store.engine.dispose()
    with pytest.raises(StoreBusy, match="no such table"), sqlite_server.house.store.begin() as unit:
        unit.db.execute(text("SELECT * FROM custom_roles"))


def test_exception_rolls_all_back(server: Server) -> None:
    def work(unit: Any) -> None:
        unit.db.execute(text("INSERT INTO custom_roles VALUES ('a', 'VIEWER', 'now')"))
        raise RuntimeError("on second thought")

    async def write() -> None:
        await server.house.store.write(work)

    assert server.http.portal is not None
    with pytest.raises(RuntimeError):
        server.http.portal.call(write)
    assert server.sql("SELECT * FROM custom_roles") == []


def test_reading_units_cannot_write(server: Server) -> None:
    async def read() -> None:
        await server.house.store.read(
            lambda unit: unit.db.execute(
                text("INSERT INTO custom_roles VALUES ('a', 'VIEWER', 'now')")
            )
        )

    assert server.http.portal is not None
    with pytest.raises(Exception, match=r"read-?only"):
        server.http.portal.call(read)
    assert server.sql("SELECT * FROM custom_roles") == []
    assert server.root.get(CONNECTIONS).status_code == 200


def test_reading_unit_sees_one_moment(server: Server) -> None:
    """Both statements of a reading unit see the store as the first one found it."""
    store, seen = server.house.store, []

    def work(unit: Any) -> None:
        for _ in range(2):
            seen.append(unit.db.execute(text("SELECT count(*) FROM custom_roles")).scalar())
            thread = threading.Thread(
                target=server.custom_role, args=(f"r{len(seen)}", Role.VIEWER)
            )
            thread.start()
            thread.join()

    async def read() -> None:
        await store.read(work)

    assert server.http.portal is not None
    server.http.portal.call(read)
    assert seen == [0, 0]
    assert server.sql("SELECT count(*) FROM custom_roles") == [(2,)]


def test_error_in_a_reading_unit_leaves_the_reader_usable(server: Server) -> None:
    async def read() -> None:
        await server.house.store.read(lambda unit: unit.db.execute(text("SELECT nonsense")))

    assert server.http.portal is not None
    for _ in range(3):
        with pytest.raises(Exception, match="nonsense"):
            server.http.portal.call(read)
    assert server.root.get(CONNECTIONS).status_code == 200


def test_values_of_statements_are_not_in_error_texts(server: Server) -> None:
    row = "INSERT INTO custom_roles VALUES (:n, 'VIEWER', :t)"
    server.sql(row, n="x", t="now")
    with pytest.raises(Exception, match="custom_roles") as caught:
        server.sql(row, n="x", t="MARK-4711")
    assert "MARK-4711" not in str(caught.value)


# SQLite in trouble


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A server whose writes wait shortly for the lock."""
    prepare = engine._prepare_sqlite

    def prepared(connection: Any, record: Any) -> None:
        prepare(connection, record)
        connection.execute("PRAGMA busy_timeout=300")

    monkeypatch.setattr(engine, "_prepare_sqlite", prepared)
    monkeypatch.setattr(engine, "QUEUE_SECONDS", 0.4)
    with running_server(settings_for(tmp_path / "home")) as server:
        yield server


def test_store_locked_by_another_process(impatient: Server) -> None:
    client = impatient.root
    made = impatient.create()
    other = sqlite3.connect(impatient.home / "dragoman.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        began = time.monotonic()
        answer = client.post(CONNECTIONS, json=body("postgres"))
        assert_error(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1
        assert time.monotonic() - began < 3
        # Readers do not notice.
        assert client.get(f"{CONNECTIONS}/{made}").status_code == 200
        assert impatient.anonymous.get("/readyz").status_code == 200
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert client.post(CONNECTIONS, json=body("postgres")).status_code == 201


def test_waiting_writes_do_not_queue_up(impatient: Server) -> None:
    from tests.support.clients import at_once

    client = impatient.root
    other = sqlite3.connect(impatient.home / "dragoman.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        began = time.monotonic()
        answers = at_once(20, lambda _: client.post(CONNECTIONS, json=body("postgres")))
        assert {answer.status_code for answer in answers} == {503}
        assert time.monotonic() - began < 3  # one after the other they would take 6 s
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert client.post(CONNECTIONS, json=body("postgres")).status_code == 201


def test_store_locked_for_readers_too(impatient: Server) -> None:
    """A foreign program may lock the whole file; it is told in time and passes."""
    client = impatient.root
    assert client.get(CONNECTIONS).status_code == 200
    client.post(CONNECTIONS, json=body("postgres"))
    other = sqlite3.connect(impatient.home / "dragoman.db", 0.2, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    try:
        other.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        pass  # the server's own readers hold their part of the file
    else:
        assert client.post(CONNECTIONS, json=body("postgres")).status_code == 503
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert client.get(CONNECTIONS).status_code == 200


def test_full_disk(sqlite_server: Server) -> None:
    made = sqlite_server.create()
    store = sqlite_server.house.store

    def allow(pages: int) -> None:
        async def write() -> None:
            await store.write(
                lambda unit: unit.db.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            )

        assert sqlite_server.http.portal is not None
        sqlite_server.http.portal.call(write)

    allow(1)  # means: no more pages than there are
    sent = body("postgres", includeSchemas=[f"schema_{n}" for n in range(3000)])
    before = sqlite_server.sql("SELECT count(*) FROM connections")
    for _ in range(3):
        answer = sqlite_server.root.post(CONNECTIONS, json=sent)
        assert_error(answer, 503)
        assert "Retry-After" in answer.headers
    assert sqlite_server.root.get(f"{CONNECTIONS}/{made}").status_code == 200
    assert sqlite_server.sql("SELECT count(*) FROM connections") == before
    allow(1_000_000)
    assert sqlite_server.root.post(CONNECTIONS, json=sent).status_code == 201


# Postgres in trouble


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_server: Engine) -> Iterator[tuple[Server, str]]:
    name = f"store_{tmp_path.name}".lower().replace("-", "_")
    create_database(postgres_server, name)
    try:
        url = postgres_server.url("postgresql", name)
        with running_server(settings_for(tmp_path / "home", url)) as server:
            yield server, name
    finally:
        drop_database(postgres_server, name)


def end_sessions(postgres: Engine, name: str) -> int:
    with psycopg.connect(postgres.url("postgresql"), autocommit=True) as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        return len(found.fetchall())


def test_sessions_that_were_ended_are_replaced(
    on_postgres: tuple[Server, str], postgres_server: Engine
) -> None:
    server, name = on_postgres
    for _ in range(3):
        assert server.root.get(CONNECTIONS).status_code == 200
        assert end_sessions(postgres_server, name) > 0
        assert server.root.post(CONNECTIONS, json=body("mysql")).status_code == 201


def test_session_ended_in_the_middle_is_503_and_rolls_back(
    on_postgres: tuple[Server, str], postgres_server: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.connections import secrets

    server, name = on_postgres
    client, put = server.root, secrets.add

    def cut(*arguments: Any) -> None:
        end_sessions(postgres_server, name)
        put(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(secrets, "add", cut)
        answer = client.post(CONNECTIONS, json=body("mysql"))
    assert_error(answer, 503)
    assert server.sql("SELECT count(*) FROM connections") == [(0,)]
    assert client.post(CONNECTIONS, json=body("mysql")).status_code == 201


def test_store_that_cannot_be_reached_is_503(
    on_postgres: tuple[Server, str], postgres_server: Engine
) -> None:
    server, name = on_postgres
    client = server.root
    drop_database(postgres_server, name)
    for answer in (client.get(CONNECTIONS), server.anonymous.get("/readyz")):
        assert_error(answer, 503)
        assert name not in answer.text
    assert server.anonymous.get("/healthz").status_code == 200


def test_of_two_that_wait_for_each_other_the_loser_runs_again(
    on_postgres: tuple[Server, str],
) -> None:
    server, _ = on_postgres
    with server.house.store.begin() as unit:
        unit.db.execute(text("CREATE TABLE things (name TEXT PRIMARY KEY, seen TEXT)"))
        unit.db.execute(text("INSERT INTO things VALUES ('a', ''), ('b', '')"))
    both, runs = threading.Barrier(2, timeout=10), []

    def update(unit: Any, names: tuple[str, str]) -> None:
        runs.append(names)
        for place, name in enumerate(names):
            statement = text("UPDATE things SET seen = :n WHERE name = :n")
            unit.db.execute(statement, {"n": name})
            if place == 0 and runs.count(names) == 1:
                both.wait()

    async def write(*names: str) -> None:
        await server.house.store.write(lambda unit: update(unit, (names[0], names[1])))

    portal = server.http.portal
    assert portal is not None
    futures = [portal.start_task_soon(write, "a", "b"), portal.start_task_soon(write, "b", "a")]
    for future in futures:
        future.result(20)
    assert len(runs) >= 3


def test_password_of_the_store_is_in_no_error(tmp_path: Path) -> None:
    url = SecretStr("postgresql+psycopg://app:MARK-4711@127.0.0.1:1/none")
    store = Store(url)
    try:
        with pytest.raises(StoreBusy) as caught, store.begin():
            pass
        assert "MARK-4711" not in str(caught.value)
        assert "MARK-4711" not in repr(store.engine)
    finally:
        store.close()


def test_a_long_read_holds_up_no_writer_and_sees_one_moment(server: Server) -> None:
    store = server.house.store
    with store.begin() as unit:
        unit.db.execute(text("CREATE TABLE seen (n INTEGER)"))
    with store.look() as reading:
        count = text("SELECT COUNT(*) FROM seen")
        assert reading.db.execute(count).scalar() == 0
        with store.begin() as unit:
            unit.db.execute(text("INSERT INTO seen VALUES (1)"))
        assert reading.db.execute(count).scalar() == 0
    with store.look() as reading:
        assert reading.db.execute(count).scalar() == 1
