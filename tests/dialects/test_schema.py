"""The JSON Schema of a create body says what `validate` does; the description, what is declared."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import registry, schema
from dragoman.dialects.base import Proof
from dragoman.dialects.properties import PROPERTIES, SECRETS
from dragoman.dialects.validation import InvalidSettings, validate
from tests.support import bodies

SCHEMAS = {
    name: jsonschema_rs.Draft202012Validator(schema.json_schema(dialect.declaration))
    for name, dialect in registry.all_dialects().items()
}
TEXTS = ("", " ", "text", "a,b", "UTC", "NONE", "1000", "https://a.example/", "us")
OTHERS = (None, 1, 8080, 0, -1, 4.5, True, False, [], ["a"], ["a", 1], {})
SECRETS_SENT = ({"$secret": "env:A"}, {"$secret": "x"}, {"$secret": "env:A", "more": 1})
VALUES = st.sampled_from((*TEXTS, *OTHERS, *SECRETS_SENT))


def accepted(body: dict[str, Any]) -> bool:
    try:
        validate(body)
    except InvalidSettings:
        return False
    return True


@pytest.mark.parametrize("dialect", bodies.NAMES)
def test_minimal_bodies_fit_and_missing_properties_do_not(dialect: str) -> None:
    body = bodies.body(dialect)
    assert SCHEMAS[dialect].is_valid(body)
    for name in schema.json_schema(registry.get(dialect).declaration)["required"]:
        without = {k: v for k, v in body.items() if k != name}
        assert not SCHEMAS[dialect].is_valid(without), name
        assert not SCHEMAS[dialect].is_valid({**body, name: None}), name
        assert not accepted(without), name
    assert not SCHEMAS[dialect].is_valid({**body, "unknown": 1})


@given(st.sampled_from(bodies.NAMES), st.dictionaries(st.sampled_from(list(PROPERTIES)), VALUES))
def test_what_is_taken_fits_the_schema(dialect: str, changes: dict[str, Any]) -> None:
    body = {**bodies.body(dialect), **changes, "dialect": dialect}
    if accepted(body):
        assert SCHEMAS[dialect].is_valid(body)


@pytest.mark.parametrize("dialect", bodies.NAMES)
def test_what_does_not_fit_the_schema_is_refused(dialect: str) -> None:
    for name in PROPERTIES:
        for value in (1.5, "text", [1], {"a": 1}, True, 70_000):
            body = bodies.body(dialect, **{name: value})
            assert SCHEMAS[dialect].is_valid(body) or not accepted(body), (name, value)


def test_any_body_fits_exactly_one_dialect() -> None:
    body, components = schema.create_body_schema()
    assert set(body["discriminator"]["mapping"]) == set(registry.names())
    named = [reference["$ref"].rpartition("/")[2] for reference in body["oneOf"]]
    assert sorted(named) == sorted(components)
    whole = {**body, "components": {"schemas": components}}
    validator = jsonschema_rs.Draft202012Validator(whole)
    for dialect in bodies.NAMES:
        assert validator.is_valid(bodies.body(dialect))
    assert not validator.is_valid({**bodies.body("postgres"), "dialect": "other"})


def test_ways_to_sign_in_and_defaults_are_told() -> None:
    told = schema.json_schema(registry.get("snowflake").declaration)["properties"]
    assert "snowflake-keypair" in told["authenticationType"]["enum"]
    assert told["queryTimeoutSeconds"]["default"] == 900
    assert (told["queryTimeoutSeconds"]["minimum"], told["queryTimeoutSeconds"]["maximum"]) == (
        1,
        3600,
    )
    assert told["port"]["x-applies"] is False
    assert told["alwaysScopeViewNames"]["default"] is True
    assert (
        schema.json_schema(registry.get("postgres").declaration)["properties"]["port"]["default"]
        == 5432
    )


@pytest.mark.parametrize("dialect", bodies.NAMES)
def test_descriptions_are_json_and_mark_secrets(dialect: str) -> None:
    declared = registry.get(dialect).declaration
    told = json.loads(json.dumps(schema.describe(declared)))
    assert told["name"] == dialect
    assert {p["name"] for p in told["properties"] if p["secret"]} <= SECRETS
    assert [p["name"] for p in told["properties"]] == list(declared.properties())
    required = {p["name"] for p in told["properties"] if p["required"]}
    assert required <= set(bodies.body(dialect))
    assert isinstance(told["driver"]["installed"], bool)
    assert told["proof"] == declared.proof.value
    assert declared.live == (declared.proof is not Proof.DECLARED)
