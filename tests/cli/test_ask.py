"""`dragoman ask` and `dragoman explain` on a model that a server made."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.support.server import running_server, settings_for


@pytest.fixture
def modelled(home: Path, shop: str) -> str:
    """The name of a connection whose schema model is there."""
    asked = {"build_schema_on_create": "on", "duckdb_root": str(home.parent)}
    with running_server(settings_for(home, **asked)) as server:
        connection = server.create("duckdb", name="Shop", database=shop)
        for _ in range(300):
            listed = server.root.get(f"/api/v1/connections/{connection}/catalog")
            if listed.json()["records"]:
                return "Shop"
            time.sleep(0.1)
    raise AssertionError("no schema model")


def test_a_question(run: Run, answer: Callable[..., Any], modelled: str) -> None:
    fields = ("--fields", "orders.note,orders.count")
    assert answer("ask", modelled, *fields) == [{"orders.note": "x", "orders.count": 10}]
    few = answer("ask", modelled, *fields, "--filter", "orders.id=< 3")
    assert few == [{"orders.note": "x", "orders.count": 3}]
    assert "█" in run("ask", modelled, *fields, "--chart").stdout


def test_an_explanation_runs_nothing(run: Run, answer: Callable[..., Any], modelled: str) -> None:
    told = answer("explain", modelled, "--fields", "orders.count")
    assert told["plan"][0] == "scan orders"
    assert "COUNT(*)" in told["sql"]
    assert "COUNT(*)" in run("explain", modelled, "--fields", "orders.count").stdout


def test_what_is_not_there(run: Run, modelled: str) -> None:
    assert "Did you mean" in run("ask", modelled, "--fields", "orders.cuont", code=2).stderr
    run("ask", "Shops", "--fields", "orders.count", code=4)
    run("ask", modelled, "--fields", "orders.count", "--filter", "orders.id", code=2)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_chart_in_a_file(run: Run, modelled: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"chart.{kind}"
    run("ask", modelled, "--fields", "orders.note,orders.count", "--chart-file", str(file))
    assert file.read_bytes()[:4] in (b"<svg", b"\x89PNG")
