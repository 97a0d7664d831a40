"""A page of somebody else in a person's browser: it reads nothing here, and rides on no session."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bodies import body
from tests.support.server import CONNECTIONS, Server

ELSEWHERE = {"Origin": "https://evil.example"}


def shared(headers: Any) -> list[str]:
    """Headers that would give an answer to another origin, or leave a session in the browser."""
    return [name for name in headers if name.startswith("access-control-") or name == "set-cookie"]


@pytest.mark.parametrize("path", [CONNECTIONS, "/healthz", "/openapi.json", "/docs"])
def test_no_answer_is_shared_with_another_origin(sqlite_server: Server, path: str) -> None:
    for client in (sqlite_server.root, sqlite_server.anonymous):
        assert shared(client.get(path, headers=ELSEWHERE).headers) == []


def test_no_request_of_another_origin_is_allowed_beforehand(sqlite_server: Server) -> None:
    asked = {
        **ELSEWHERE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = sqlite_server.anonymous.request("OPTIONS", CONNECTIONS, headers=asked)
    assert answer.status_code == 405
    assert shared(answer.headers) == []


def test_only_the_header_signs_in(sqlite_server: Server) -> None:
    """Nothing that a browser sends by itself, nor what stands in addresses and logs."""
    token = sqlite_server.root.token
    sent: list[dict[str, Any]] = [
        {"headers": {"Cookie": f"token={token}; Authorization=Bearer {token}"}},
        {"params": {"token": token, "access_token": token}},
        {"headers": {"Proxy-Authorization": f"Bearer {token}"}},
    ]
    for each in sent:
        answer = sqlite_server.anonymous.post(CONNECTIONS, json=body("duckdb"), **each)
        assert answer.status_code == 401
    assert sqlite_server.root.get(CONNECTIONS).json() == {"connections": []}


def test_the_documentation_is_shown_in_no_frame(sqlite_server: Server) -> None:
    policy = sqlite_server.anonymous.get("/docs").headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
