"""Random bodies, queries and headers never lead to a fault of ours, on both kinds of store."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.dialects.properties import PROPERTIES
from tests.support.bodies import NAMES, body
from tests.support.server import CONNECTIONS, ENVIRONMENTS, Server

FUZZ = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(max_size=40) | st.sampled_from(
    ["a;b", "a&b=c", "?x", "a\nb", "%00", "\\", "${x}", "{{x}}", "a'b", 'a"b', "\0", "\x7f", "NONE"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*PROPERTIES, "environmentUserAttribute"])


def sane(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    assert answer.headers["X-Request-Id"]


def encoded(value: Any) -> bytes:
    # Lone surrogates go out escaped: such bodies reach servers as well.
    return json.dumps(value).encode()


@FUZZ
@given(dialect=st.sampled_from(NAMES), changes=st.dictionaries(names | texts, values, max_size=4))
def test_bodies_of_create_and_change(server: Server, dialect: str, changes: dict[str, Any]) -> None:
    client = server.root
    made = client.post(CONNECTIONS, content=encoded({**body(dialect), **changes}))
    sane(made)
    first = server.sql("SELECT id FROM connections LIMIT 1") or [(server.create(),)]
    sane(client.patch(f"{CONNECTIONS}/{first[0][0]}", content=encoded(changes)))
    sane(client.get(f"{CONNECTIONS}?includeDeleted=true"))


@FUZZ
@given(
    query=st.dictionaries(
        st.sampled_from(
            ["name", "database", "dialect", "includeDeleted", "sortField", "pageSize", "cursor",
             "action", "actorName", "resourceId"]
        ) | texts,
        texts,
        max_size=3,
    )
)  # fmt: skip
def test_queries(server: Server, query: dict[str, str]) -> None:
    for path in (CONNECTIONS, "/api/v1/audit-log", ENVIRONMENTS):
        sent = {k.encode(errors="replace"): v.encode(errors="replace") for k, v in query.items()}
        sane(server.root.get(path, params=sent))


@FUZZ
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    sent=values,
    part=st.text("abcdef0123456789-{}", min_size=1, max_size=40),
)
def test_environments_and_ids(server: Server, method: str, sent: Any, part: str) -> None:
    content = encoded(sent)
    for path in (ENVIRONMENTS, f"{ENVIRONMENTS}/{part}", f"{CONNECTIONS}/{part}/restore"):
        sane(server.root.request(method, path, content=content))
    shaped = {"baseConnectionId": sent, "environmentConnectionIds": sent}
    sane(server.root.post(ENVIRONMENTS, content=encoded(shaped)))


@FUZZ
@given(
    headers=st.dictionaries(
        st.sampled_from(["Prefer", "Idempotency-Key", "X-Request-Id", "Accept", "Authorization"]),
        st.binary(max_size=60).filter(lambda value: not set(value) & set(b"\r\n\0")),
        max_size=4,
    )
)
def test_headers(server: Server, headers: dict[str, bytes]) -> None:
    sane(server.root.post(CONNECTIONS, json=body("mysql"), headers=headers))
    sane(server.root.get(CONNECTIONS, headers=headers))
