"""Answers that servers of one store share."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from dragoman import clock
from dragoman.queries.shared_results import PIECE_BYTES, SharedResults
from dragoman.queries.spool import Spooled
from dragoman.queries.tables import shared_results
from dragoman.secret import SecretStr
from dragoman.store import Store
from dragoman.vault import KEY_FILE_NAME
from tests.queries.fakes import eventually
from tests.queries.test_run import RUN, ask, lines, rows, schema_model_is_there
from tests.support import engines
from tests.support.engines import Engine
from tests.support.live import LiveServer, command_line, live_server

DAY = 86_400.0


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(SecretStr(store_url))
    yield opened
    opened.close()


def keep(shared: SharedResults, key: str, content: bytes, seconds_ago: float = 0) -> None:
    result = Spooled(Path("there"), 3, len(content))
    made = clock.now() - timedelta(seconds=seconds_ago)
    shared.keep(key, io.BytesIO(content), result, made)


def test_what_one_keeps_another_finds(store: Store, tmp_path: Path) -> None:
    shared = SharedResults(store, 10 * PIECE_BYTES)
    content = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"the rest"
    keep(shared, "k", content, seconds_ago=60)
    found = shared.find("k", DAY, None, tmp_path)
    assert found is not None
    assert found.spooled.path.read_bytes() == content
    assert (found.spooled.rows, found.spooled.bytes) == (3, len(content))
    # Neither what is too old, nor what was made before a reset.
    assert shared.find("k", 59, None, tmp_path) is None
    assert shared.find("k", DAY, clock.wire(found.made_at), tmp_path) is None
    assert shared.find("other", DAY, None, tmp_path) is None
    keep(shared, "k", b"newer")
    newer = shared.find("k", 59, None, tmp_path)
    assert newer is not None
    assert newer.spooled.path.read_bytes() == b"newer"


def test_the_oldest_make_room(store: Store, tmp_path: Path) -> None:
    shared = SharedResults(store, 100)
    for age, key in ((30, "a"), (20, "b"), (10, "c")):
        keep(shared, key, b"x" * 40, age)
    there = [key for key in "abc" if shared.find(key, DAY, None, tmp_path)]
    assert there == ["b", "c"]
    assert shared.fits(Spooled(tmp_path, 1, 12))
    assert not shared.fits(Spooled(tmp_path, 1, 13))


def test_a_store_that_is_away_costs_no_question(tmp_path: Path) -> None:
    away = Store(SecretStr(f"sqlite:///{tmp_path / 'empty.db'}"))
    shared = SharedResults(away, 100)
    keep(shared, "k", b"content")
    assert shared.find("k", DAY, None, tmp_path) is None
    away.close()


@pytest.fixture
def two_servers(
    tmp_path: Path, postgres_server: Engine, migrated_database: str
) -> Iterator[tuple[LiveServer, LiveServer, str]]:
    """Two processes with homes of their own, on one PostgreSQL store and with one key ring."""
    with engines.database(postgres_server, migrated_database) as url:
        one, other = tmp_path / "one", tmp_path / "other"
        token = command_line(
            one, "token", "create", "--kind", "organization", database_url=url
        ).strip()
        settings = {
            "database_url": url,
            "shared_cache_mb": 8,
            "build_schema_on_create": "on",
        }
        with live_server(one, token, **settings) as first:
            other.mkdir(mode=0o700)
            shutil.copy(one / KEY_FILE_NAME, other / KEY_FILE_NAME)
            with live_server(other, token, **settings) as second:
                yield first, second, url


def from_cache(server: LiveServer, question: object) -> tuple[bool, list[str]]:
    line = lines(server.root.post(RUN, json=question))[1]
    return line["cache_metadata"]["from_cache"], sorted(map(str, rows(line)))


def shared_by(url: str) -> int:
    store = Store(SecretStr(url))
    with store.begin() as unit:
        found = unit.db.execute(select(func.count()).select_from(shared_results)).scalar_one()
    store.close()
    return found


def test_one_process_answers_from_what_another_made(
    two_servers: tuple[LiveServer, LiveServer, str],
) -> None:
    first, second, url = two_servers
    connection = first.create("duckdb", database=":memory:", queryTimezone="NONE")
    schema_model_is_there(first, connection)
    made = first.root.post(
        "/api/v1/models",
        json={"connectionId": connection, "modelKind": "SHARED", "modelName": "Shop"},
    ).json()
    question = ask(
        made["model"]["id"],
        "orders.status",
        "orders.count",
        sorts=[{"column_name": "orders.status"}],
        column_totals={"::total::": {"type": "aggregation"}},
    )
    assert not from_cache(first, question)[0]
    mine = from_cache(first, question)
    eventually(lambda: shared_by(url) == 1)  # which is done when the answer is there already
    theirs = from_cache(second, question)
    assert mine == theirs
    assert theirs[0]
    assert from_cache(second, question) == theirs  # now from its own disk
    assert not from_cache(second, {**question, "cache": "SkipCache"})[0]
