"""A page of somebody else in a person's browser: it changes nothing and opens no session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.signin.conftest import account, visitor
from tests.support.bodies import body
from tests.support.browser import PASSWORD, SESSION, Browser
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

OWN = "http://127.0.0.1:8000"
UNSAID: dict[str, Any] = {"Origin": None, "Sec-Fetch-Site": None}
FORGED: dict[str, dict[str, Any]] = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, an old browser": {"Origin": "https://evil.example", "Sec-Fetch-Site": None},
    "a neighbouring host": {"Origin": OWN, "Sec-Fetch-Site": "same-site"},
    "another port": {"Origin": "http://127.0.0.1:9000", "Sec-Fetch-Site": None},
    "a sandbox": {"Origin": "null", "Sec-Fetch-Site": None},
    "a broken origin": {"Origin": "http://[", "Sec-Fetch-Site": None},
    "two that disagree": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    "nothing said, and no token": {**UNSAID, "X-CSRF-Token": None},
    "no token": {"X-CSRF-Token": None},
    "an empty token": {"X-CSRF-Token": ""},
    "a token that is no text": {"X-CSRF-Token": b"\xff"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_what_a_foreign_page_sends_changes_nothing(
    sqlite_server: Server, headers: dict[str, Any]
) -> None:
    browser = visitor(sqlite_server, admin=True)
    for method, path in (("POST", CONNECTIONS), ("DELETE", SESSION)):
        answer = browser.request(method, path, headers=headers, json=body("postgres"))
        assert_error(answer, 403)
    assert browser.get(CONNECTIONS).json() == {"connections": []}
    assert browser.post(CONNECTIONS, json=body("postgres")).status_code == 201


def test_a_token_of_another_session_is_no_token(sqlite_server: Server) -> None:
    browser = visitor(sqlite_server, admin=True)
    other = visitor(sqlite_server, "bob@example.com", admin=True)
    browser.csrf = other.csrf
    assert_error(browser.post(CONNECTIONS, json=body("postgres")), 403)


def test_the_token_ends_with_its_session(sqlite_server: Server) -> None:
    browser = visitor(sqlite_server, admin=True)
    before = browser.csrf
    browser.sign_in("ann@example.com")
    assert browser.csrf != before
    browser.csrf = before
    assert_error(browser.post(CONNECTIONS, json=body("postgres")), 403)


@pytest.mark.parametrize("path", [SESSION, f"{SESSION}/forgotten", f"{SESSION}/link"])
def test_no_foreign_page_signs_a_browser_in(sqlite_server: Server, path: str) -> None:
    account(sqlite_server, "ann@example.com")
    sent = {"email": "ann@example.com", "password": PASSWORD}
    for name in ("another site", "another site, an old browser", "a sandbox"):
        answer = Browser(sqlite_server).post(path, json=sent, headers=FORGED[name])
        assert_error(answer, 403)
        assert "set-cookie" not in answer.headers


def test_reading_needs_no_token(sqlite_server: Server) -> None:
    browser = visitor(sqlite_server)
    browser.csrf = None
    assert browser.get(CONNECTIONS, headers=UNSAID).status_code == 200
    assert browser.request("HEAD", CONNECTIONS).status_code == 200


def test_a_program_says_nothing_of_where_it_comes_from(sqlite_server: Server) -> None:
    browser = visitor(sqlite_server, admin=True)
    answer = browser.post(CONNECTIONS, json=body("postgres"), headers=UNSAID)
    assert answer.status_code == 201


def test_tokens_need_no_proof(sqlite_server: Server) -> None:
    answer = sqlite_server.root.post(
        CONNECTIONS, json=body("postgres"), headers={"Origin": "https://elsewhere.example"}
    )
    assert answer.status_code == 201


def test_a_proxy_that_hands_on_another_host_is_no_stranger(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", public_url="https://data.example.com/")
    with running_server(settings) as server:
        account(server, "ann@example.com", admin=True)
        browser = Browser(server, "https://data.example.com")
        behind = {"Host": "127.0.0.1:8000"}
        answer = browser.post(
            SESSION, json={"email": "ann@example.com", "password": PASSWORD}, headers=behind
        )
        assert answer.status_code == 200
        browser.csrf = answer.json()["csrfToken"]
        made = browser.post(CONNECTIONS, json=body("postgres"), headers=behind)
        assert made.status_code == 201
        browser.origin = "http://data.example.com"
        assert_error(browser.post(CONNECTIONS, json=body("postgres"), headers=behind), 403)
