"""The JSON Schema of each kind of file, and the quick check that is made of it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.semantics.files import FileKind
from dragoman.semantics.schema import check, document
from dragoman.semantics.schema.documents import DIALECT

VALIDATORS = {kind: jsonschema_rs.Draft202012Validator(document(kind)) for kind in FileKind}


@pytest.mark.parametrize("kind", list(FileKind))
def test_each_document_is_json_schema_2020_12_and_complete(kind: FileKind) -> None:
    made = document(kind)
    assert made["$schema"] == DIALECT
    assert jsonschema_rs.meta.is_valid(made)
    text = json.dumps(made)
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert used == set(made.get("$defs", {}))


def _described(schema: Any, path: str = "") -> list[str]:
    missing: list[str] = []
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("description") and "$ref" not in inner:
            missing.append(f"{path}/{name}")
        missing += _described(inner, f"{path}/{name}")
    for name, inner in schema.get("$defs", {}).items():
        missing += _described(inner, f"{path}/$defs/{name}")
    return missing


@pytest.mark.parametrize("kind", list(FileKind))
def test_every_parameter_is_described(kind: FileKind) -> None:
    assert _described(document(kind)) == []


def test_a_document_is_a_copy() -> None:
    document(FileKind.VIEW)["title"] = "changed"
    assert document(FileKind.VIEW)["title"] != "changed"


def _keys(schema: Any) -> list[str]:
    keys = list(schema.get("properties", {}))
    for inner in schema.get("$defs", {}).values():
        keys += list(inner.get("properties", {}))
    return keys


ALL_KEYS = sorted({key for kind in FileKind for key in _keys(document(kind))})
LEAVES = (
    st.sampled_from(["a", "users.name", "all_views.*", "many_to_one", "sum", "month", "", "a b"])
    | st.integers(-20, 200)
    | st.booleans()
    | st.none()
    | st.floats(0, 1)
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ALL_KEYS, "x-own", "nonsense"]), inner, max_size=4)
    ),
    max_leaves=15,
)
MAPS = st.dictionaries(st.sampled_from([*ALL_KEYS, "x-own"]), DATA, max_size=4)


@given(st.sampled_from(list(FileKind)), MAPS | st.lists(MAPS, max_size=2))
def test_the_quick_check_agrees_with_a_complete_validator(kind: FileKind, data: Any) -> None:
    assert (not check(kind, data)) == VALIDATORS[kind].is_valid(data), check(kind, data)


FIELDS = st.dictionaries(st.sampled_from(["a", "b c"]), MAPS | st.none(), max_size=2)


@given(st.fixed_dictionaries({"dimensions": FIELDS, "measures": FIELDS, "filters": FIELDS}))
def test_it_agrees_inside_fields(data: Any) -> None:
    assert (not check(FileKind.VIEW, data)) == VALIDATORS[FileKind.VIEW].is_valid(data)


def test_findings_name_the_way_and_what_was_meant() -> None:
    data = {"dimensions": {"a": {"groups": [{"filter": {"iss": 1}, "name": "x"}]}}}
    (finding,) = check(FileKind.VIEW, data)
    assert finding.path == ("dimensions", "a", "groups", 0, "filter", "iss")
    assert finding.rename == "is"


def test_findings_are_limited() -> None:
    assert len(check(FileKind.VIEW, {f"k{n}": 1 for n in range(500)})) == 100
