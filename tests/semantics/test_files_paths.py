"""Names of files: what they say, and which are refused."""

from __future__ import annotations

import pytest

from dragoman.semantics.files import BadPath, FileKind, disk_path, parse_path


@pytest.mark.parametrize(
    ("path", "kind", "name", "folder"),
    [
        ("model", FileKind.MODEL, "model", ""),
        ("model.yaml", FileKind.MODEL, "model", ""),
        ("relationships.yml", FileKind.RELATIONSHIPS, "relationships", ""),
        ("public/users.view", FileKind.VIEW, "users", "public"),
        ("public/users.view.yaml", FileKind.VIEW, "users", "public"),
        ("shop.public/users.view", FileKind.VIEW, "users", "shop.public"),
        ("facts.query.view", FileKind.QUERY_VIEW, "facts", ""),
        ("a/b/orders.topic", FileKind.TOPIC, "orders", "a/b"),
        ("sales.composite_topic", FileKind.COMPOSITE_TOPIC, "sales", ""),
    ],
)
def test_a_path_says_its_kind_and_name(path: str, kind: FileKind, name: str, folder: str) -> None:
    found = parse_path(path)
    assert (found.kind, found.name, found.folder) == (kind, name, folder)
    assert parse_path(disk_path(found.key)) == found


@pytest.mark.parametrize(
    "path",
    [
        *("", "users", "users.yaml", ".view", ".query.view.yaml", "../users.view", "/users.view"),
        *("a/../b.view", "a//b.view", "./b.view", "a\x00.view", "a\n.topic", "x" * 2000 + ".view"),
        "..\\users.view",
    ],
)
def test_a_path_that_is_no_file_of_a_model_is_refused(path: str) -> None:
    with pytest.raises(BadPath) as refused:
        parse_path(path)
    assert refused.value.fix
