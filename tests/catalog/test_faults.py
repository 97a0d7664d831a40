"""Faults of the database in the middle of a read, and names and texts that nobody expects."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dragoman.catalog import refresh
from dragoman.dialects.failures import DatabaseFailure
from tests.catalog.conftest import Inline, Shop
from tests.support import engines


def test_a_database_that_cannot_be_reached_leaves_a_stated_failure(shop: Shop) -> None:
    shop.connect(port=1)
    with pytest.raises(DatabaseFailure):
        shop.refresh()
    failure = shop.refresh_state()["failure"]
    assert failure["stage"] == "tcp"
    assert failure["message"]
    assert failure["at"]
    assert shop.refresh_state()["status"] == "failed"
    assert shop.views() == []


def test_a_failure_ends_with_the_next_success(shop: Shop) -> None:
    shop.sql("CREATE TABLE t (id int)")
    shop.connect(passwordUnencrypted="wrong", username="nobody")
    with pytest.raises(DatabaseFailure):
        shop.refresh()
    engine = shop.engine
    answer = shop.server.root.patch(
        f"/api/v1/connections/{shop.id}",
        json={"username": engine.username, "passwordUnencrypted": engine.password},
    )
    assert answer.status_code == 200, answer.text
    shop.refresh()
    state = shop.refresh_state()
    assert (state["status"], state["failure"], state["tables"]) == ("completed", None, 1)


def test_a_database_dropped_in_the_middle_of_the_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sql(*(f"CREATE TABLE t{n} (id int, a text, b text, c text)" for n in range(600)))
    shop.connect()
    shop.refresh()
    before = shop.views()
    shop.sql("DROP TABLE t0")
    took = 0
    take = refresh.Comparison.take

    def dropping(self: Any, found: Any) -> None:
        nonlocal took
        took += 1
        if took == 10:
            engines.drop_database(shop.engine, shop.database)
        take(self, found)

    monkeypatch.setattr(refresh.Comparison, "take", dropping)
    # The server ends the session; what had crossed the wire by then may be all there was.
    with contextlib.suppress(DatabaseFailure):
        shop.refresh()
    whole = before[1:]  # of the new state: without t0
    failed = shop.refresh_state()["status"] == "failed"
    assert shop.views() == (before if failed else whole)
    monkeypatch.undo()
    with pytest.raises(DatabaseFailure):
        shop.refresh()
    assert shop.refresh_state()["failure"]["message"]
    engines.create_database(shop.engine, shop.database)


def test_permission_for_one_schema_only(shop: Shop) -> None:
    shop.sql(
        "CREATE SCHEMA open",
        "CREATE TABLE open.t (id int, secret text)",
        "CREATE SCHEMA shut",
        "CREATE TABLE shut.t (id int)",
        "CREATE ROLE one_schema LOGIN PASSWORD 'x'",
        "GRANT USAGE ON SCHEMA open TO one_schema",
        "GRANT SELECT (id) ON open.t TO one_schema",
    )
    try:
        shop.connect(username="one_schema", passwordUnencrypted="x")
        shop.refresh()
        assert shop.views() == ["open__t"]
        assert list(shop.definition("open__t")["dimensions"]) == ["id"]
    finally:
        shop.server.house.sessions.drop(())
        shop.sql("DROP OWNED BY one_schema", "DROP ROLE one_schema")


def test_tables_that_come_and_go_while_they_are_read(small_shop: Shop) -> None:
    shop = small_shop
    shop.sql(*(f"CREATE TABLE stays_{n} (id int)" for n in range(200)))
    shop.connect()
    stop = threading.Event()

    def churn() -> None:
        with psycopg.connect(shop.engine.url("postgresql", shop.database), autocommit=True) as db:
            number = 0
            while not stop.is_set():
                db.execute(f"CREATE TABLE a_{number} (id int, b text)".encode())
                db.execute(f"DROP TABLE a_{number}".encode())
                number += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            shop.refresh()
            stays = [view for view in shop.views() if view.startswith("stays_")]
            assert len(stays) == 200
    finally:
        stop.set()
        thread.join()


def strange() -> Iterator[tuple[str, str]]:
    yield 'say "hi"', "say_hi"
    yield "a.b.c", "a_b_c"
    yield "party 🎉", "party"
    yield "x" * 63, "x" * 63
    yield "Ünïcödé", "unicode"
    yield "line\nbreak", "line_break"
    yield "back\\slash\ttab", "back_slash_tab"
    yield "per%cent_", "per_cent"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_strange_identifiers(shop: Shop) -> None:
    for name, _ in strange():
        shop.sql(f"CREATE TABLE {quoted(name)} ({quoted(name)} int, {quoted(name.upper())} text)")
    shop.connect()
    shop.refresh()
    assert shop.views() == sorted(view for _, view in strange())
    for name, view in strange():
        definition = shop.definition(view)
        assert definition["table_name"] == name
        assert [each["sql"] for each in definition["dimensions"].values()] == [
            quoted(name),
            quoted(name.upper()),
        ]
    assert shop.refresh()["changed"] == 0


def test_comments_of_a_hundred_thousand_characters(shop: Shop) -> None:
    text = "x'\"\\\n\t☃" * 12_500
    literal = text.replace("'", "''")
    shop.sql(
        "CREATE TABLE t (id int)",
        f"COMMENT ON TABLE t IS '{literal}'",
        f"COMMENT ON COLUMN t.id IS '{literal}'",
    )
    shop.connect()
    shop.refresh()
    definition = shop.definition("t")
    assert definition["description"] == text
    assert definition["dimensions"]["id"]["description"] == text
    assert shop.refresh()["changed"] == 0


def test_identifiers_of_128_characters(small_shop: Shop) -> None:
    """PostgreSQL has none so long: a catalog that says so is handed over as it is."""
    from dragoman.dialects.catalog import Column, Table, TableKind

    def one(ending: str) -> Table:
        name = "n" * 127 + ending
        column = Column(name, 1, "integer", True, None, None, None)
        return Table(None, name, name, TableKind.TABLE, None, [column], [], [], None)

    shop = small_shop
    shop.connect()
    shop.feed([one("a"), one("b")])
    views = shop.views()
    assert len(set(views)) == 2
    assert all(len(view) <= 63 for view in views)
    assert {shop.definition(view)["table_name"][-1] for view in views} == {"a", "b"}


def test_a_job_that_is_stopped_leaves_nothing(small_shop: Shop) -> None:
    shop = small_shop
    shop.sql(*(f"CREATE TABLE t{n} (id int)" for n in range(50)))
    shop.connect()
    job = Inline(shop.server.house, shop.id)

    class Stop(BaseException):
        pass

    def stopped() -> None:
        raise Stop

    job.check = stopped  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(Stop):
        shop.refresh(job)
    assert shop.views() == []
    assert shop.refresh()["added"] == 50
