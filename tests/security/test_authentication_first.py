"""No driver, no socket and no look-up before the caller is known (CVE-2023-38646, CVE-2023-37470).

The route table itself is walked, so that a new route is under test from its first day.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dragoman.access.policy import Permission
from dragoman.api.routing import Route
from dragoman.app import routes
from dragoman.dialects import registry
from dragoman.egress import EgressPolicy
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server

PROTECTED = [route for route in routes() if route.permission is not Permission.PUBLIC]
PUBLIC = {
    "/signin/oidc/{provider}/start",
    "/signin/oidc/{provider}/callback",
    "/signin/oidc/{provider}/logout",
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{name}",
    "/api/webhooks/model/{modelId}",  # signed by the git host
    # Where people sign in; what these do without a session is tested in tests/signin.
    "/signin", "/signin/{file}", "/api/v1/session", "/api/v1/session/ways",
    "/api/v1/session/forgotten", "/api/v1/session/link",
    "/embed/login", "/embed/sso/redeem-session",  # signed by the application
    "/embed/sso/generate-url",  # the body has the application's secret
    # What these give away without a code or a refresh token is tested in tests/signin.
    "/oauth/authorize", "/oauth/token", "/oauth/revoke", "/.well-known/oauth-authorization-server",
}  # fmt: skip
CHANGING = {
    "/signin/oidc/{provider}/logout",
    "/api/webhooks/model/{modelId}", "/api/v1/session", "/api/v1/session/forgotten",
    "/api/v1/session/link", "/embed/sso/generate-url", "/oauth/token", "/oauth/revoke",
}  # fmt: skip
WRONG_TOKENS = {
    "none": None,
    "empty": "",
    "not one of ours": "hunter2",
    "wrong checksum": "omni_osk_" + "A" * 40,
    "a user and a password": "cm9vdDpyb290",
}


def label(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every way out of the server that was taken: look-ups, sockets, sessions of databases."""
    seen: list[str] = []

    def spy(place: Any, name: str) -> None:
        def taken(*_arguments: Any, **_named: Any) -> Any:
            seen.append(name)
            raise AssertionError(f"{name} was reached")

        monkeypatch.setattr(place, name, taken)

    spy(EgressPolicy, "resolve")
    spy(EgressPolicy, "connect")
    spy(EgressPolicy, "check_name")
    for dialect in registry.all_dialects().values():
        spy(type(dialect), "connect")
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: seen.append("getaddrinfo") or [])
    monkeypatch.setattr("socket.create_connection", lambda *a, **k: seen.append("socket"))
    monkeypatch.setattr("socket.socket.connect", lambda *a, **k: seen.append("socket"))
    return seen


def path_of(route: Route) -> str:
    path = route.path
    for name in route.path_names:
        path = path.replace(f"{{{name}}}", str(uuid.uuid4()))
    return path


def test_the_public_routes_are_the_known_ones() -> None:
    assert {r.path for r in routes() if r.permission is Permission.PUBLIC} == PUBLIC
    public = [route for route in routes() if route.permission is Permission.PUBLIC]
    assert {route.path for route in public if route.method != "GET"} == CHANGING


@pytest.mark.parametrize("token", WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_without_a_token_each_route_is_closed_and_dials_nothing(
    sqlite_server: Server, touched: list[str], token: str | None
) -> None:
    client = sqlite_server.client(token)
    sent = body("postgres", host="127.0.0.1")

    def ask(route: Route) -> None:
        for query in ("", "?test=true"):
            answer = client.request(route.method, path_of(route) + query, json=sent)
            if route.refuses_without_401:
                assert answer.status_code == (403 if token else 400), label(route)
                continue
            assert answer.status_code == 401, label(route)
            if route.path.startswith("/api/scim/"):
                assert answer.json()["status"] == "401"  # a text there (RFC 7644, 3.12)
            else:
                assert_error(answer, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")

    for route in PROTECTED:
        ask(route)
        if touched:  # by the route, which will do it again, or by a thread of an earlier test
            touched.clear()
            ask(route)
        assert touched == [], label(route)


def test_a_body_is_not_even_read_before_the_caller_is_known(sqlite_server: Server) -> None:
    for sent in (b"{", b"x" * 2_000_000, b""):
        assert_error(sqlite_server.anonymous.post(CONNECTIONS, content=sent), 401)


def test_other_schemes_and_places_of_a_token_are_no_authentication(sqlite_server: Server) -> None:
    key = sqlite_server.key()
    for headers in (
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
        {"Authorization": f"Token {key}"},
        {"X-API-Key": key},
        {"Cookie": f"token={key}"},
    ):
        assert_error(sqlite_server.anonymous.get(CONNECTIONS, headers=headers), 401)
    assert_error(sqlite_server.anonymous.get(f"{CONNECTIONS}?token={key}"), 401)


def test_members_without_a_role_reach_no_driver(sqlite_server: Server, touched: list[str]) -> None:
    open_to_all = sqlite_server.sql  # the store answers; nothing else may be reached
    touched.clear()
    member = sqlite_server.member("reader@example.com")
    sent = body("postgres", host="127.0.0.1")
    for path in (CONNECTIONS, f"{CONNECTIONS}?test=true", f"{CONNECTIONS}/test"):
        assert_error(member.post(path, json=sent), 403)
    assert touched == []
    assert open_to_all("SELECT count(*) FROM connections") == [(0,)]


def test_no_route_differs_in_its_path_by_case_or_slashes(sqlite_server: Server) -> None:
    for path in ("/API/v1/connections", "//api/v1/connections", "/api/v1/./connections",
                 "/api/v1//connections", "/api/v1/connections/", "/api/v1/connections%2f",
                 "/healthz/../api/v1/connections"):  # fmt: skip
        answer = sqlite_server.anonymous.get(path)
        assert answer.status_code in (401, 404), path
