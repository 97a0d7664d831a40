"""The refresh that starts by itself: with a new connection, a change of what is read, a restore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalog.conftest import Shop, a_shop
from tests.support.engines import Engine
from tests.support.server import running_server, settings_for


@pytest.fixture
def shop(store_url: str, tmp_path: Path, postgres_server: Engine) -> Iterator[Shop]:
    """A server that builds schema models by itself."""
    settings = settings_for(tmp_path / "home", store_url, build_schema_on_create="on")
    with running_server(settings) as server, a_shop(server, postgres_server) as made:
        yield made


def test_a_new_connection_has_its_model_soon(shop: Shop) -> None:
    shop.sql("CREATE TABLE users (id int)")
    shop.connect()
    state = shop.wait()
    assert (state["status"], state["tables"]) == ("completed", 1)
    assert shop.views() == ["users"]


def test_one_that_cannot_be_reached_is_made_all_the_same(shop: Shop) -> None:
    shop.connect(port=1)
    state = shop.wait()
    assert state["status"] == "failed"
    assert state["failure"]["stage"] == "tcp"


def test_a_change_of_what_is_read_reads_again(shop: Shop) -> None:
    shop.sql("CREATE SCHEMA a", "CREATE TABLE a.t (id int)", "CREATE TABLE t (id int)")
    shop.connect(includeSchemas="public")
    first = shop.wait()
    path = f"/api/v1/connections/{shop.id}"
    assert shop.server.root.patch(path, json={"baseRole": "QUERIER"}).status_code == 200
    assert shop.refresh_state()["jobId"] == first["jobId"]
    assert shop.server.root.patch(path, json={"includeSchemas": "a"}).status_code == 200
    second = shop.wait()
    assert second["jobId"] != first["jobId"]
    assert shop.views() == ["a__t"]


def test_a_restored_connection_reads_again(shop: Shop) -> None:
    shop.sql("CREATE TABLE t (id int)")
    shop.connect()
    first = shop.wait()
    path = f"/api/v1/connections/{shop.id}"
    assert shop.server.root.delete(path).status_code == 200
    body = {"passwordUnencrypted": shop.engine.password}
    assert shop.server.root.post(f"{path}/restore", json=body).status_code == 200
    assert shop.wait()["jobId"] != first["jobId"]


def test_the_setting_turns_it_off(shop: Shop, sqlite_server: object) -> None:
    from tests.support.server import Server

    assert isinstance(sqlite_server, Server)
    shop.server = sqlite_server
    shop.connect()
    assert shop.refresh_state()["status"] == "never"
