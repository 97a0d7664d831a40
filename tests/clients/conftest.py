"""A server process, a model of the sample shop, and programs of clients that others wrote."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENGINES_TESTED
from tests.support.live import LiveServer, live_server
from tests.support.server import MODELS

PYTHON = Path(__file__).parents[2] / ".engines" / "clients" / "bin" / "python"
PROGRAMS = Path(__file__).parent / "programs"
SECRET = "0123456789abcdef0123456789abcdef"
FILES = {
    "orders.topic": "base_view: orders\nlabel: Orders\njoins: {customers: {}}\n",
    "orders.view": "measures: {still_open: {aggregate_type: count, filters: {status: {is: open}}}}",
}


@dataclass(frozen=True)
class Shop:
    """Where the server is, and the shared model `Shop` on it."""

    server: LiveServer
    connection: str
    model: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    home: Path = tmp_path_factory.mktemp("clients") / "home"
    with live_server(home, build_schema_on_create="on", embed_secrets=SECRET) as server:
        connection = server.create("duckdb", database=":memory:")
        _wait_for_schema(server, connection)
        body = {"connectionId": connection, "modelKind": "SHARED", "modelName": "Shop"}
        model = server.root.post(MODELS, json=body).json()["model"]["id"]
        for name, text in FILES.items():
            wanted = {"fileName": name, "yaml": text, "mode": "extension"}
            assert server.root.post(f"{MODELS}/{model}/yaml", json=wanted).status_code == 200
        yield Shop(server, connection, model)


def _wait_for_schema(server: LiveServer, connection: str) -> None:
    for _ in range(300):
        listed = server.root.get(f"/api/v1/connections/{connection}/catalog")
        if listed.status_code == 200 and listed.json()["records"]:
            return
        time.sleep(0.1)
    raise AssertionError(listed.text)


@pytest.fixture(scope="session")
def run_client(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs one of `programs/` with the clients' packages; what it printed, which is JSON."""
    outcomes = request.config.stash[ENGINES_TESTED]
    if not PYTHON.exists():
        outcomes["public clients"] = "make engines installs them"
        pytest.skip("public clients: make engines installs them")
    outcomes["public clients"] = ""

    def run(program: str, shop: Shop, *arguments: str) -> Any:
        command = [PYTHON, PROGRAMS / program, shop.server.address, shop.server.token, shop.model]
        done = subprocess.run(
            [*map(str, command), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
