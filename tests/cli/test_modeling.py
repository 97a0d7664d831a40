"""`dragoman schema` and `dragoman models validate`: no store, no server, exit codes for CI."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.semantics.files import FileKind, parse_path
from dragoman.semantics.files.folders import for_folder, from_folder
from dragoman.semantics.schema import document
from scripts import modeling_docs
from tests.cli.conftest import Run

GOOD = "dimensions:\n  id: {sql: id, primary_key: true}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with one error and one warning."""
    model = tmp_path / "shop"
    (model / "public").mkdir(parents=True)
    (model / "public" / "users.view.yaml").write_text(GOOD)
    (model / "orders.topic.yaml").write_text("base_view: users\nlable: x\n")
    (model / "README.md").write_text("not a model file")
    (model / ".git").mkdir()
    (model / ".git" / "x.view").write_text("nonsense: [")
    return model


@pytest.mark.parametrize("kind", list(FileKind))
def test_each_schema_is_printed(run: Run, kind: FileKind) -> None:
    assert json.loads(run("schema", kind.value).stdout) == document(kind)


def test_an_unknown_kind_is_a_usage_error(run: Run) -> None:
    assert "query_view" in run("schema", "table", code=2).stderr


def test_schemas_are_written_for_editors(run: Run, folder: Path) -> None:
    run("schema", "--write", str(folder))
    path, text = for_folder(parse_path("public/users.view"), GOOD)
    assert path == "public/users.view.yaml"
    way = text.splitlines()[0].partition("$schema=")[2]
    target = (folder / path).parent / way
    assert json.loads(target.read_text()) == document(FileKind.VIEW)
    assert from_folder(text) == GOOD
    assert for_folder(parse_path("public/users.view"), text) == (path, text)
    assert from_folder(GOOD) == GOOD


@pytest.mark.usefixtures("nothing_yet")
def test_findings_are_a_table_and_an_exit_code(run: Run, folder: Path, home: Path) -> None:
    result = run("models", "validate", str(folder), code=1)
    assert f"{folder / 'orders.topic.yaml'}:2:1 " in result.stdout
    assert 'Unknown key "lable"' in result.stdout
    assert "Did you mean `label`?" in result.stdout
    assert "1 error, 0 warnings" in result.stderr
    assert not home.exists()


def test_each_mistake_is_told_once_in_the_order_of_the_files(
    answer: Callable[..., Any], folder: Path
) -> None:
    (folder / "relationships.yaml").write_text(
        "- join_from_view: users\n  join_to_view: user\n  on_sql: ${users.id} = 1\n"
        "  relationship_type: many_to_1\n"
    )
    (folder / "tab.view.yaml").write_text("dimensions:\n\tid: {}\n")
    (folder / "quote.view.yaml").write_text("sql: 'a' || 'b'\n")
    found = answer("models", "validate", str(folder), code=1)
    assert [(one["file"], one["line"]) for one in found] == [
        *(("orders.topic", 2), ("quote.view", 1), ("relationships", 2), ("relationships", 4)),
        ("tab.view", 2),
    ]
    assert all(one["fix"] for one in found)
    assert found[2]["fix"] == "Did you mean users?"
    assert "tabs" in found[-1]["fix"]
    assert found[-1]["place"] == f"{folder / 'tab.view.yaml'}:2:1"


def test_unknown_columns_may_be_of_the_database(run: Run, folder: Path) -> None:
    (folder / "public" / "users.view.yaml").write_text("dimensions:\n  a: {sql: '${city}'}\n")
    assert "--catalog" in run("models", "validate", str(folder), code=1).stderr


def test_a_right_model_is_silent(run: Run, folder: Path) -> None:
    (folder / "orders.topic.yaml").write_text("base_view: users\n")
    result = run("models", "validate", str(folder), "--dialect", "duckdb")
    assert "0 errors, 0 warnings" in result.stderr


def test_findings_as_json(answer: Callable[..., Any], folder: Path) -> None:
    (found,) = answer("models", "validate", str(folder), code=1)
    assert found["severity"] == "error"
    assert (found["file"], found["line"], found["column"]) == ("orders.topic", 2, 1)
    assert found["yaml_path"] == ["lable"]


def test_files_that_cannot_be_read_are_findings(answer: Callable[..., Any], folder: Path) -> None:
    (folder / "orders.topic.yaml").write_text("base_view: users\n")
    (folder / "bad.view.yaml").write_bytes(b"label: \xff\xfe\n")
    (folder / "worse.view.yaml").write_text("a: [\n")
    (folder / "other").mkdir()
    (folder / "other" / "users.view.yaml").write_text("label: x\n")
    found = answer("models", "validate", str(folder), code=1)
    assert {(f["code"], f["file"]) for f in found} >= {
        ("yaml_syntax", "bad.view"),
        ("yaml_syntax", "worse.view"),
        ("duplicate_view", "public/users.view"),
    }


def test_a_schema_layer_below(answer: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    (folder / "orders.topic.yaml").unlink()
    (folder / "public" / "users.view.yaml").write_text("dimensions:\n  a: {sql: '${city}'}\n")
    assert len(answer("models", "validate", str(folder), code=1)) == 1
    catalog = tmp_path / "schema.json"
    files = {"public/users.view": "dimensions:\n  city: {sql: '\"city\"'}\n"}
    catalog.write_text(json.dumps({"files": files}))
    assert answer("models", "validate", str(folder), "--catalog", str(catalog)) == []
    catalog.write_text("[]")
    assert "no schema model" in _refusal(answer, folder, catalog)


def _refusal(answer: Callable[..., Any], folder: Path, catalog: Path) -> str:
    from typer.testing import CliRunner

    from dragoman.cli.main import app

    arguments = ["models", "validate", str(folder), "--catalog", str(catalog)]
    return CliRunner().invoke(app, arguments).stderr


def test_what_cannot_be_checked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "No model files" in run("models", "validate", str(tmp_path / "empty"), code=1).stderr
    assert "Not a folder" in run("models", "validate", str(tmp_path / "none"), code=6).stderr
    assert "dialect" in run("models", "validate", ".", "--dialect", "x", code=2).stderr


def test_a_link_out_of_the_folder_is_not_followed(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.view").write_text("lable: x\n")
    (folder / "orders.topic.yaml").unlink()
    (folder / "link.view").symlink_to(tmp_path / "secret.view")
    (folder / "up").symlink_to(tmp_path)
    run("models", "validate", str(folder))


def test_the_page_of_the_language_is_current() -> None:
    page = modeling_docs.PAGE.read_text("utf-8")
    assert page == modeling_docs.current(page)


def test_a_stale_page_is_noticed() -> None:
    page = modeling_docs.PAGE.read_text("utf-8")
    assert modeling_docs.current(page.replace("`join_to_view`", "`join_to`")) == page
