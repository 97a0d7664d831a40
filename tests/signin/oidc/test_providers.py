"""Setting providers up, and where their secrets go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.signin.oidc import providers
from tests.security.test_canaries import Marks
from tests.signin.oidc.conftest import PROVIDERS, add, enter, refused
from tests.support.browser import SESSION, Browser
from tests.support.clients import assert_error
from tests.support.identity_provider import Provider
from tests.support.server import Server, running_server, settings_for

BODY = {"slug": "own", "name": "Own", "issuer": "https://login.example.com", "clientId": "x"}


def test_what_is_set_up_is_shown_without_its_secret(server: Server, provider: Provider) -> None:
    made = add(server, provider, emailDomains=["Example.COM"])
    one = f"{PROVIDERS}/own"
    assert server.root.get(one).json() == made
    assert server.root.get(PROVIDERS).json() == {"identityProviders": [made]}
    assert (made["clientSecret"], made["emailDomains"]) == ("stored", ["example.com"])
    own = "http://127.0.0.1:8000/signin/oidc/own"
    assert (made["redirectUri"], made["backChannelLogoutUri"]) == (
        f"{own}/callback", f"{own}/logout",
    )  # fmt: skip
    checked = server.root.post(f"{one}/check").json()
    assert (checked["tokenEndpoint"], checked["keys"]) == (f"{provider.issuer}/token", 2)
    [button] = server.anonymous.get(f"{SESSION}/ways").json()["providers"]
    assert button == {"name": "Own", "url": "/signin/oidc/own/start"}
    browser = Browser(server)
    enter(browser, provider)
    assert server.root.put(one, json={**BODY, "issuer": provider.issuer, "enabled": False,
                                      "clientId": "dragoman"}).status_code == 200  # fmt: skip
    assert_error(browser.get(SESSION), 401)
    assert server.anonymous.get(f"{SESSION}/ways").json()["providers"] == []
    assert refused(Browser(server).get(button["url"])) == "unknown_provider"
    assert server.root.get(one).json()["clientSecret"] == "stored"
    assert_error(server.root.post(PROVIDERS, json=BODY), 409)
    assert server.root.delete(one).status_code == 200
    assert_error(server.root.get(one), 404)
    assert server.sql("SELECT * FROM sealed_secrets") == []


def test_a_secret_goes_to_its_issuer_only(here: Server, provider: Provider) -> None:
    add(here, provider)
    one, moved = f"{PROVIDERS}/own", {**BODY, "clientId": provider.client_id}
    assert_error(here.root.put(one, json=moved), 400)
    # Behind the server's back the secret does not open either.
    here.sql("UPDATE signin_providers SET settings = replace(settings, 'dragoman', 'other')")
    assert here.root.get(one).json()["clientId"] == "other"
    provider.client_id = "other"
    assert refused(enter(Browser(here), provider)) == "provider_unreachable"
    for secret, shown in ((None, None), ({"$secret": "env:DRAGOMAN_SECRET_X"},
                                         "env:DRAGOMAN_SECRET_X")):  # fmt: skip
        answer = here.root.put(one, json={**moved, "clientSecret": secret})
        assert answer.json()["clientSecret"] == shown


def test_a_secret_may_be_kept_outside(
    here: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(here, provider, clientSecret={"$secret": "env:DRAGOMAN_SECRET_OIDC"})
    assert refused(enter(Browser(here), provider)) == "provider_unreachable"
    monkeypatch.setenv("DRAGOMAN_SECRET_OIDC", provider.client_secret or "")
    assert enter(Browser(here), provider).headers["location"] == "/signin"
    body = {**BODY, "slug": "x", "clientSecret": {"$secret": "env:HOME"}}
    assert_error(here.root.post(PROVIDERS, json=body), 400)


@pytest.mark.parametrize("way", ["post", "none"])
def test_other_ways_to_show_who_the_client_is(here: Server, provider: Provider, way: str) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = [f"client_secret_{way}"]
    if way == "none":
        provider.client_secret = None
    add(here, provider)
    assert enter(Browser(here), provider).headers["location"] == "/signin"


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://login.example.com"},
        {"issuer": "https://169.254.169.254"},
        {"issuer": "https://a:b@login.example.com"},
        {"issuer": "https://login.example.com?x=1"},
        {"issuer": "file:///etc/passwd"},
        {"slug": "../own"},
        {"slug": ""},
        {"scopes": ["email"]},
        {"scopes": ["openid", "a b"]},
        {"emailDomains": ["example"]},
        {"linkByEmail": True},
        {"clientSecret": ""},
        {"clientSecret": {"$secret": "cmd:x"}},
        {"groupsMode": "some"},
        {"name": " "},
        {"unheard": 1},
    ],
)
def test_what_cannot_be(here: Server, changed: dict[str, Any]) -> None:
    assert_error(here.root.post(PROVIDERS, json={**BODY, **changed}), 400)


def test_no_secret_of_a_provider_shows_anywhere(
    tmp_path: Path, provider: Provider, capfd: pytest.CaptureFixture[str]
) -> None:
    marks, home = Marks(), tmp_path / "home"
    provider.client_secret = marks.new("client secret")
    with running_server(settings_for(home, log_level="debug")) as server:
        add(server, provider, keepIdToken=True)
        issued: list[str] = []
        provider.bend_tokens = lambda tokens: [issued.append(tokens["id_token"]), tokens][-1]
        browser = Browser(server)
        enter(browser, provider)
        marks.marks["ID token"] = issued[0].encode()
        assert server.sql("SELECT property FROM sealed_secrets WHERE resource = 'session'")
        marks.marks["session"] = (browser.cookie or "").encode()
        marks.marks["browser"] = (browser.http.cookies.get("dragoman_oidc") or "").encode()
        assert all(marks.marks.values())
        # The provider quotes the right secret when it is not satisfied with ours.
        with server.unit() as unit:
            right = provider.client_secret
            found = providers.get(unit, "own")
            assert providers.secret_of(found, server.house.vault, server.settings) is not None
        provider.client_secret = right + "x"
        assert refused(enter(Browser(server), provider)) == "provider_refused"
        for path in (PROVIDERS, f"{PROVIDERS}/own", "/api/v1/audit-log?pageSize=100", "/metrics"):
            marks.keep(server.root.get(path))
        wrong = {**BODY, "slug": "?", "clientSecret": right}
        marks.keep(server.root.post(PROVIDERS, json=wrong))
        for path in home.rglob("*"):
            if path.is_file():
                marks.haystacks[str(path.relative_to(home))] = path.read_bytes()
    printed = capfd.readouterr()
    marks.haystacks["log"] = (printed.out + printed.err).encode()
    assert marks.found() == []
