"""The whole OpenAPI document against a running server: no 500, no undocumented status, answers of
the documented form; with bodies that fit the schema and with bodies that do not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dragoman.api import openapi
from dragoman.app import routes
from tests.support.live import LiveServer, live_server

CHECKS = (
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
EXAMPLES = 5


def described(*, every_edge: bool) -> Any:
    """The document. `every_edge`: also the case of each bound and each wrong type, two hundred of
    an operation."""
    schema = schemathesis.openapi.from_dict(openapi.document(routes()))
    schema.config.generation.update(with_security_parameters=False)
    schema.config.phases.coverage.enabled = every_edge
    return schema


def operations() -> list[str]:
    """Method and path of each."""
    found = described(every_edge=False).get_all_operations()
    return [operation.ok().label for operation in found]


@dataclass(frozen=True)
class Place:
    """A running server, and ids that are in use there."""

    server: LiveServer
    ids: list[str]
    models: list[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that can reach nothing: what is under test is its own answers."""
    home = tmp_path_factory.mktemp("contract") / "home"
    with live_server(home, egress="list", log_level="error") as server:
        ids = [server.create(dialect) for dialect in ("postgres", "snowflake", "duckdb")]
        base, other = (server.create("postgres") for _ in range(2))
        sent = {"baseConnectionId": base, "environmentConnectionIds": [other]}
        made = server.root.post("/api/v1/connection-environments", json=sent)
        ids += [base, other, made.json()["data"][0]["id"]]
        yield Place(server, ids, _models(server, base))
        assert "Traceback" not in server.log.read_text()


def _models(server: LiveServer, connection: str) -> list[str]:
    """A schema model, a shared one with files and a branch."""
    sent = {"connectionId": connection, "modelKind": "SHARED", "modelName": "Sales"}
    shared = server.root.post("/api/v1/models", json=sent).json()["model"]["id"]
    branch = {**sent, "modelKind": "BRANCH", "modelName": "b", "baseModelId": shared}
    made = server.root.post("/api/v1/models", json=branch).json()["model"]["id"]
    for name, text in (
        ("o.view", "sql: SELECT 1 AS id\ndimensions: {id: }"),
        ("t.topic", "base_view: o"),
    ):
        file = {"fileName": name, "yaml": text}
        assert server.root.post(f"/api/v1/models/{shared}/yaml", json=file).status_code == 200
    return [connection, shared, made]


def profile(examples: int) -> Any:
    """Settings for so many random requests of an operation."""
    return settings(
        max_examples=examples,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def call(place: Place, case: Any) -> None:
    """Send one request and hold the answer to the document."""
    parameters = case.path_parameters or {}
    # An id that is in use reaches further than one that is not.
    digest = hashlib.sha256(repr((parameters, case.body)).encode(errors="replace")).digest()
    if digest[0] % 2 and case.meta and case.meta.generation.mode.is_positive:
        for name, known in (("id", place.ids), ("modelId", place.models)):
            if name in parameters:
                case.path_parameters[name] = known[digest[1] % len(known)]
    headers = {"Authorization": f"Bearer {place.server.token}"}
    answer = case.call(base_url=place.server.address, headers=headers, timeout=20)
    # 502 and 503 are documented answers; a 500 never is.
    assert answer.status_code != 500, answer.text
    case.validate_response(answer, checks=CHECKS)


def asker(schema: Any) -> Callable[[Place, str, int], None]:
    """What sends an operation its examples, its edges and so many random requests.

    `schema.parametrize()` gives all of its tests one name, and of tests of one name a run in
    several processes runs one; and it makes the examples of all when tests are collected.
    """
    known = {found.ok().label: found.ok() for found in schema.get_all_operations()}

    def ask(place: Place, operation: str, examples: int) -> None:
        @profile(examples)
        def send(case: Any) -> None:
            call(place, case)

        build_operation_test(
            config=schema.config,
            operation=known[operation],
            test_func=send,
            given_kwargs={},
            feedback=FeedbackSources(),
        )()

    return ask


@pytest.fixture(scope="module")
def ask() -> Callable[[Place, str, int], None]:
    return asker(described(every_edge=False))


@pytest.mark.parametrize("operation", operations())
def test_every_operation_keeps_to_the_document(
    operation: str, place: Place, ask: Callable[[Place, str, int], None]
) -> None:
    ask(place, operation, EXAMPLES)
