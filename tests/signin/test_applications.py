"""Applications on a person's machine, let in by OAuth: a public client of it, and hostile ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from oauthlib.oauth2 import WebApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError

from dragoman import clock
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.signin.oauth import grants
from tests.security.test_canaries import Marks
from tests.signin.conftest import visitor
from tests.support.browser import Browser
from tests.support.clients import assert_error
from tests.support.server import Server, running_server, settings_for

AUTHORIZE, TOKEN, KEYS = "/oauth/authorize", "/oauth/token", "/api/v1/api-keys"
BACK = "http://localhost:41234/callback"
WHO = "/api/v1/session"


class Cli:
    """The vendor's command line, as far as signing in goes (contract.md §1.3)."""

    def __init__(self, server: Server, back: str = BACK) -> None:
        self.server, self.back = server, back
        self.oauth = WebApplicationClient("omni-cli")
        self.verifier = self.oauth.create_code_verifier(64)
        self.state = "0123456789abcdef" * 2

    def url(self, **changed: str) -> str:
        challenge = self.oauth.create_code_challenge(self.verifier, "S256")
        whole = self.oauth.prepare_request_uri(
            f"https://127.0.0.1:8000{AUTHORIZE}",
            redirect_uri=self.back,
            scope=["user:default"],
            state=self.state,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        parts = urlsplit(whole)
        query = {**dict(parse_qsl(parts.query)), **changed}
        return parts._replace(scheme="http", query=urlencode(query)).geturl()

    def code(self, browser: Browser) -> str:
        """The code that a person's consent sends the command line."""
        location = consent(browser, self.url()).json()["location"]
        assert location.startswith(f"{self.back}?")
        # oauthlib takes no plain http, not even on one machine.
        said = self.oauth.parse_request_uri_response(f"https{location[4:]}", self.state)
        return said["code"]

    def exchange(self, code: str, **changed: str) -> httpx.Response:
        body = self.oauth.prepare_request_body(
            code, self.back, code_verifier=self.verifier, include_client_id=True
        )
        return self._post({**dict(parse_qsl(body)), **changed})

    def sign_in(self, browser: Browser) -> dict[str, Any]:
        answer = self.exchange(self.code(browser))
        assert answer.status_code == 200, answer.text
        return dict(self.oauth.parse_request_body_response(answer.text))

    def refresh(self, token: str) -> httpx.Response:
        body = self.oauth.prepare_refresh_body(refresh_token=token, client_id="omni-cli")
        return self._post(dict(parse_qsl(body)))

    def works(self, token: str) -> bool:
        answer = self.server.client(token).get(WHO)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    def _post(self, form: dict[str, str]) -> httpx.Response:
        return self.server.http.post(TOKEN, data=form)


def consent(browser: Browser, url: str, *, approve: bool = True) -> httpx.Response:
    page = browser.get(url)
    assert page.status_code == 200, page.text
    assert page.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    return browser.post(AUTHORIZE, json={"query": urlsplit(url).query, "approve": approve})


@pytest.fixture
def browser(server: Server) -> Browser:
    return visitor(server)


def test_the_command_line_signs_in_refreshes_and_signs_out(
    server: Server, browser: Browser
) -> None:
    cli = Cli(server)
    tokens = cli.sign_in(browser)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    who = server.client(tokens["access_token"]).get(WHO).json()
    assert who["name"] == "ann@example.com"
    mine = browser.get(KEYS, params={"type": "mcp"}).json()["records"]
    assert [(key["type"], key["name"]) for key in mine] == [("mcp", "Omni CLI")]
    assert_error(browser.post(f"{KEYS}/{mine[0]['id']}/rotate", json={}), 400)
    own = {"type": "personal", "name": "for ever"}
    assert_error(server.client(tokens["access_token"]).post(KEYS, json=own), 403)
    answer = cli.refresh(tokens["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"
    renewed = cli.oauth.parse_request_body_response(answer.text)
    assert not cli.works(tokens["access_token"])
    assert cli.works(renewed["access_token"])
    form = {"token": renewed["refresh_token"], "client_id": "omni-cli"}
    for _ in range(2):
        assert server.http.post("/oauth/revoke", data=form).status_code == 200
    assert not cli.works(renewed["access_token"])
    assert cli.refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"
    rows = server.root.get("/api/v1/audit-log").json()["records"]
    actions = {row["action"] for row in rows}
    assert actions >= {"application.authorize", "token.create", "token.renew", "token.revoke"}


def test_it_finds_the_endpoints(server: Server) -> None:
    said = server.http.get("/.well-known/oauth-authorization-server").json()
    assert said["issuer"] == "http://127.0.0.1:8000"
    assert said["authorization_endpoint"] == f"{said['issuer']}{AUTHORIZE}"
    assert said["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/callback",
        "http://localhost.evil.example/callback",
        "http://localhost:1@evil.example/callback",
        "http://localhost:80/elsewhere",
        "http://localhost:80/callback?next=x",
        "http://localhost:80/callback#x",
        "http://localhost\\.evil.example/callback",
        "http://LOCALHOST:80/callback",
        "http://localhost:99999/callback",
        "http://localhost:/callback",
        "http://10.0.0.1/callback",
        "javascript:alert(1)",
        "",
    ],
)
def test_codes_go_to_this_machine_only(server: Server, back: str) -> None:
    answer = server.http.get(Cli(server).url(redirect_uri=back))
    assert_error(answer, 400)
    assert "location" not in answer.headers


@pytest.mark.parametrize("back", [BACK, "http://127.0.0.1:1/callback", "http://[::1]:1/callback"])
def test_places_on_this_machine(server: Server, browser: Browser, back: str) -> None:
    assert Cli(server, back).sign_in(browser)["access_token"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "user:default admin"}, "invalid_scope"),
    ],
)
def test_what_is_not_there_is_told_to_the_application(
    server: Server, browser: Browser, changed: dict[str, str], word: str
) -> None:
    cli = Cli(server)
    answer = server.http.get(cli.url(**changed), follow_redirects=False)
    assert answer.status_code == 303
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    said = parse_qs(back.query)
    assert (said["error"], said["state"]) == ([word], [cli.state])
    query = urlsplit(cli.url(**changed)).query
    assert browser.post(AUTHORIZE, json={"query": query, "approve": True}).status_code == 400


def test_who_may_let_an_application_in(server: Server, browser: Browser) -> None:
    cli = Cli(server)
    query = urlsplit(cli.url()).query
    body = {"query": query, "approve": True}
    assert_error(server.http.post(AUTHORIZE, json=body), 401)
    assert_error(server.root.post(AUTHORIZE, json=body), 400)
    # An application's token lets no others in.
    token = cli.sign_in(browser)["access_token"]
    assert_error(server.client(token).post(AUTHORIZE, json=body), 403)
    csrf, browser.csrf = browser.csrf, "another"
    assert_error(browser.post(AUTHORIZE, json=body), 403)
    browser.csrf = csrf
    twice = {"query": f"{query}&client_id=omni-cli", "approve": True}
    assert_error(browser.post(AUTHORIZE, json=twice), 400)
    denied = consent(browser, cli.url(), approve=False).json()["location"]
    assert parse_qs(urlsplit(denied).query)["error"] == ["access_denied"]


def test_a_code_counts_once_for_who_asked(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(server)
    code = cli.code(browser)
    for changed in ({"code_verifier": "a" * 43}, {"redirect_uri": "http://localhost:1/callback"}):
        assert cli.exchange(cli.code(browser), **changed).json()["error"] == "invalid_grant"
    spoiled = cli.code(browser)
    cli.exchange(spoiled, code_verifier="a" * 43)
    assert cli.exchange(spoiled).json()["error"] == "invalid_grant"
    assert cli.exchange(code, client_id="another").json()["error"] == "invalid_client"
    assert cli.exchange(code, grant_type="password").json()["error"] == "unsupported_grant_type"
    tokens = cli.exchange(code).json()
    assert cli.works(tokens["access_token"])
    # The code comes again: somebody has stolen it, and nobody can tell which of the two it was.
    with pytest.raises(InvalidGrantError):
        cli.oauth.parse_request_body_response(cli.exchange(code).text)
    assert not cli.works(tokens["access_token"])
    assert cli.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    late, now = cli.code(browser), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + grants.CODE_LIFE + timedelta(seconds=1))
    assert cli.exchange(late).json()["error"] == "invalid_grant"


def test_a_refresh_token_that_comes_again_ends_the_access(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(server)
    first = cli.sign_in(browser)
    second = cli.refresh(first["refresh_token"]).json()
    # At once: two processes of one person.
    assert cli.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert cli.works(second["access_token"])
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=2))
    assert cli.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert not cli.works(second["access_token"])
    assert cli.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_access_ends_by_itself_and_goes_on_by_refreshing(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(server)
    tokens, now = cli.sign_in(browser), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=2))
    assert not cli.works(tokens["access_token"])
    renewed = cli.refresh(tokens["refresh_token"]).json()
    assert cli.works(renewed["access_token"])
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=32))
    assert cli.refresh(renewed["refresh_token"]).json()["error"] == "invalid_grant"


def test_who_is_suspended_or_revokes_ends_the_access(server: Server, browser: Browser) -> None:
    cli = Cli(server)
    tokens, code = cli.sign_in(browser), cli.code(browser)
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    assert not cli.works(tokens["access_token"])
    assert cli.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert cli.exchange(code).json()["error"] == "invalid_grant"
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=False)
    tokens = cli.refresh(tokens["refresh_token"]).json()
    key = server.client(tokens["access_token"])
    [mine] = key.get(KEYS, params={"type": "mcp"}).json()["records"]
    assert key.delete(f"{KEYS}/{mine['id']}").status_code == 200
    assert not cli.works(tokens["access_token"])
    assert cli.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_person_has_so_many_and_the_oldest_ends(
    server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "_MOST", 2)
    cli = Cli(server)
    tokens = [cli.sign_in(browser)["access_token"] for _ in range(3)]
    assert [cli.works(token) for token in tokens] == [False, True, True]


def test_guessing_is_counted(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", login_failures_per_minute=3)) as server:
        answers = [Cli(server).exchange("guess").status_code for _ in range(5)]
    assert answers == [400] * 3 + [429] * 2


def test_no_secret_of_an_application_shows_anywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    marks, home = Marks(), tmp_path / "home"
    with running_server(settings_for(home, log_level="debug")) as server:
        browser, cli = visitor(server, admin=True), Cli(server)
        code = cli.code(browser)
        first = cli.exchange(code).json()
        second = cli.refresh(first["refresh_token"]).json()
        marks.marks |= {"code": code.encode(), "verifier": cli.verifier.encode()}
        for name, tokens in (("first", first), ("second", second)):
            for kind in ("access_token", "refresh_token"):
                marks.marks[f"{name} {kind}"] = tokens[kind].encode()
        marks.keep(cli.exchange(code, redirect_uri=code))
        marks.keep(cli.refresh(first["refresh_token"]))
        body = {"query": urlsplit(cli.url(scope=code)).query, "approve": True}
        marks.keep(browser.post(AUTHORIZE, json=body))
        for path in (KEYS, "/api/v1/audit-log?pageSize=100", "/metrics"):
            marks.keep(browser.get(path))
        for path in home.rglob("*"):
            if path.is_file():
                marks.haystacks[str(path.relative_to(home))] = path.read_bytes()
    printed = capfd.readouterr()
    marks.haystacks["log"] = (printed.out + printed.err).encode()
    assert b"/oauth/token" in marks.haystacks["log"]
    assert marks.found() == []
