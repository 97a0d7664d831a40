"""A shared model over the schema model of a real database (DuckDB), from table to topic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dragoman.catalog import refresh
from tests.catalog.conftest import Inline
from tests.support.server import MODELS, Server, running_server, settings_for

TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, amount DECIMAL(9, 2), made TIMESTAMP);
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute(TABLES)
    with running_server(settings_for(tmp_path / "home", duckdb_root=str(tmp_path))) as running:
        yield running


def test_from_table_to_topic(server: Server) -> None:
    connection = server.create("duckdb", database="shop.duckdb")
    refresh.refresh(Inline(server.house, connection), {"hard": True, "schemas": "", "tables": ""})
    sent = {"connectionId": connection, "modelKind": "SHARED", "modelName": "Sales"}
    shared = server.root.post(MODELS, json=sent).json()["model"]["id"]
    path = f"{MODELS}/{shared}"
    whole = server.root.get(f"{path}/yaml").json()
    key = next(k for k, name in whole["viewNames"].items() if name.endswith("orders"))
    view = whole["viewNames"][key]
    own = "measures:\n  revenue:  # net\n    sql: ${amount}\n    aggregate_type: sum\n"
    for name, text in (("orders.view", own), ("shop.topic", f"base_view: {view}\n")):
        answer = server.root.post(f"{path}/yaml", json={"fileName": name, "yaml": text})
        assert answer.status_code == 200, answer.text
    files = server.root.get(f"{path}/yaml", params={"mode": "extension"}).json()["files"]
    assert set(files) == {key, "shop.topic"}
    combined = server.root.get(f"{path}/yaml", params={"fileName": "orders.view"}).json()["files"]
    assert "  revenue:  # net\n" in combined[key]
    assert "user_id:" in combined[key]
    errors = server.root.get(f"{path}/validate").json()
    assert [each for each in errors if not each["is_warning"]] == []
    topic = server.root.get(f"{path}/topic/shop").json()["topic"]
    orders = next(each for each in topic["views"] if each["name"] == view)
    assert {"amount", "made[month]"} <= {field["field_name"] for field in orders["dimensions"]}
    assert "revenue" in {field["field_name"] for field in orders["measures"]}
    assert [list(names) for names in topic["join_via_map"].values()] == [[]]
    renamed = server.root.patch(f"{path}/view/{view}/field/amount", json={"newFieldName": "net"})
    assert renamed.status_code == 200, renamed.text
    after = server.root.get(f"{path}/yaml", params={"mode": "extension"}).json()["files"][key]
    assert "sql: ${net}" in after
    assert "# net" in after
