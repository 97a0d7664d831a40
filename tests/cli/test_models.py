"""`dragoman models`: a model in a folder and back, with conflicts told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.cli import local
from dragoman.models import service
from dragoman.models.service import Kind, NewModel
from dragoman.semantics.files import FileKind
from dragoman.semantics.schema import document
from tests.cli.conftest import Run

Answer = Callable[..., Any]
ORDERS = "# ours\nlabel: Orders\nhidden: false\n"


@pytest.fixture
def shared(connected: str) -> str:
    """A shared model with one view and one topic, over the connection Shop."""
    with local.work() as unit:
        made = service.create(unit, OPERATOR, NewModel(connected, Kind.SHARED, "Sales"))
        files: dict[str, str | None] = {
            "main/orders.view": ORDERS,
            "t.topic": "base_view: orders\n",
        }
        service.save_files(unit, OPERATOR, made.id, files)
    return made.id


def save(model: str, **files: str | None) -> None:
    changes = {path.replace("__", "/").replace("_view", ".view"): t for path, t in files.items()}
    with local.work() as unit:
        service.save_files(unit, OPERATOR, model, changes)


def texts(model: str) -> dict[str, str]:
    with local.work() as unit:
        return service.files(unit, model)


def own(file: Path) -> str:
    """A file of the folder without the line for editors."""
    first, _, rest = file.read_text().partition("\n")
    assert first.startswith("# yaml-language-server: $schema=../.dragoman/view.schema.json")
    return rest


def test_list(answer: Answer, shared: str) -> None:
    rows = answer("models", "list")
    assert [(row["name"], row["kind"]) for row in rows] == [("Sales", "SHARED"), ("Shop", "SCHEMA")]
    assert rows[0]["id"] == shared


def test_there_and_back(run: Run, answer: Answer, shared: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert run("models", "pull", str(folder)).stdout == "A main/orders.view\nA t.topic\n"
    file = folder / "main" / "orders.view.yaml"
    line, _, text = file.read_text().partition("\n")
    assert text == ORDERS
    schema = file.parent / line.partition("$schema=")[2]
    assert json.loads(schema.read_text()) == document(FileKind.VIEW)
    assert "No difference" in run("models", "diff", str(folder)).stderr
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    shown = run("models", "diff", str(folder), code=3).stdout
    assert "+++ folder/main/orders.view\nOnly the ends of lines differ." in shown
    file.write_text(f"{line}\n" + ORDERS.replace("Orders", "All orders"), "utf-8-sig")
    (folder / "new.view.yml").write_text("sql: SELECT 1\n")
    (folder / "t.topic.yaml").unlink()
    (folder / "README.md").write_text("not a model file")
    shown = run("models", "diff", str(folder), code=3).stdout
    assert "-label: Orders\n+label: All orders\n" in shown
    told = answer("models", "push", str(folder), "-m", "From the folder")
    assert told["version"] == 2
    assert {(one["action"], one["file"]) for one in told["changes"]} == {
        ("changed", "main/orders.view"),
        ("added", "new.view"),
        ("deleted", "t.topic"),
    }
    assert texts(shared)["main/orders.view"] == "# ours\nlabel: All orders\nhidden: false\n"
    with local.work() as unit:
        model = service.load(unit, shared)
        assert model is not None
        assert service.history(unit, model)[0].message == "From the folder"
    assert answer("models", "push", str(folder))["changes"] == []
    save(shared, new_view=None)
    assert run("models", "pull", str(folder)).stdout == "D new.view\n"
    assert not (folder / "new.view.yml").exists()


def test_both_sides_are_merged_or_told(run: Run, shared: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    run("models", "pull", str(folder))
    file = folder / "main" / "orders.view.yaml"
    file.write_text(ORDERS.replace("# ours", "# mine"))
    save(shared, main__orders_view=ORDERS.replace("false", "true"))
    refused = run("models", "push", str(folder), code=5)
    assert "1 files changed in the model since: main/orders.view" in refused.stderr
    run("models", "pull", str(folder))
    assert own(file) == "# mine\nlabel: Orders\nhidden: true\n"
    run("models", "push", str(folder))
    assert texts(shared)["main/orders.view"] == "# mine\nlabel: Orders\nhidden: true\n"
    file.write_text("label: A\n")
    save(shared, main__orders_view="label: B\n")
    assert "changed here and in the model" in run("models", "pull", str(folder), code=5).stderr
    assert file.read_text() == "label: A\n"
    run("models", "pull", str(folder), "--force")
    assert own(file) == "label: B\n"
    file.write_text("label: C\n")
    save(shared, main__orders_view="label: D\n")
    run("models", "push", str(folder), "--force")
    assert texts(shared)["main/orders.view"] == "label: C\n"


def test_a_folder_that_is_not_empty_is_not_overwritten(
    run: Run, shared: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (folder / "main").mkdir(parents=True)
    (folder / "main" / "orders.view.yaml").write_text("label: Mine\n")
    assert "main/orders.view" in run("models", "pull", str(folder), code=5).stderr
    assert "main/orders.view" in run("models", "push", str(folder), code=5).stderr
    assert texts(shared)["main/orders.view"] == ORDERS


def test_a_branch(run: Run, answer: Answer, shared: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    run("models", "pull", str(folder))
    (folder / "main" / "orders.view.yaml").write_text("label: Branch\n")
    assert "No branch" in run("models", "diff", str(folder), "--branch", "b", code=4).stderr
    told = answer("models", "push", str(folder), "--branch", "team/b")
    assert told["name"] == "team/b"
    assert texts(told["modelId"])["main/orders.view"] == "label: Branch\n"
    assert texts(shared)["main/orders.view"] == ORDERS
    assert answer("models", "diff", str(folder))["changes"] == []


def test_what_cannot_be_read_changes_nothing(run: Run, shared: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    run("models", "pull", str(folder))
    file = folder / "main" / "orders.view.yaml"
    file.write_text(file.read_text() + "a: [")
    lines = len(file.read_text().splitlines())
    refused = run("models", "push", str(folder), code=5)
    assert f"main/orders.view.yaml:{lines + 1}:1: Invalid YAML syntax" in refused.stderr
    save(shared, main__orders_view=ORDERS.replace("false", "true"))
    assert "main/orders.view.yaml, line" in run("models", "pull", str(folder), code=5).stderr
    assert file.read_text().endswith("a: [")
    save(shared, main__orders_view=ORDERS)
    (folder / "main" / "orders.view.yaml").write_bytes(b"\xff")
    assert "UTF-8" in run("models", "push", str(folder), code=5).stderr
    assert texts(shared)["main/orders.view"] == ORDERS
    (folder / ".dragoman.json").write_text("{")
    assert ".dragoman.json" in run("models", "pull", str(folder), code=5).stderr


def test_a_model_that_is_not_there(run: Run, connected: str, tmp_path: Path) -> None:
    assert connected
    run("models", "pull", str(tmp_path / "m"), "--model", "None", code=4)
    run("models", "push", str(tmp_path / "m"), code=4)
