"""A provider of our own, and people who sign in through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.browser import Browser
from tests.support.identity_provider import Provider, running_provider
from tests.support.server import Server, running_server, settings_for

PROVIDERS = "/api/v1/identity-providers"


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(settings_for(tmp_path_factory.mktemp("oidc") / "home")) as running:
        yield running


@pytest.fixture
def here(_shared: Server) -> Iterator[Server]:
    """One server for a file, without the people and the providers of the test before."""
    yield _shared
    _shared.sql("DELETE FROM signin_providers")
    _shared.sql("DELETE FROM users")


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def add(server: Server, provider: Provider, slug: str = "own", **changes: Any) -> dict[str, Any]:
    """Set the provider up, for everybody whom it vouches for."""
    body = {
        "slug": slug,
        "name": "Own",
        "issuer": provider.issuer,
        "clientId": provider.client_id,
        "clientSecret": provider.client_secret,
        "createUsers": True,
        "linkByEmail": True,
        "emailDomains": ["example.com"],
        **changes,
    }
    answer = server.root.post(PROVIDERS, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def start(browser: Browser, slug: str = "own", **query: str) -> str:
    """Where the provider is asked."""
    answer = browser.get(f"/signin/oidc/{slug}/start", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def enter(browser: Browser, provider: Provider, slug: str = "own", **query: str) -> httpx.Response:
    """Go to the provider, sign in there, and come back."""
    back = provider.authorize(start(browser, slug, **query))
    assert back.startswith(f"http://127.0.0.1:8000/signin/oidc/{slug}/callback?")
    return browser.get(back)


def refused(answer: httpx.Response) -> str:
    """The word that the page gets for why nobody was let in."""
    assert answer.status_code == 303, answer.text
    place = urlsplit(answer.headers["location"])
    assert (place.path, place.netloc) == ("/signin", "")
    assert "dragoman_session" not in answer.headers.get("set-cookie", "")
    return parse_qs(place.fragment)["refused"][0]


def reasons(server: Server) -> list[str]:
    """What the audit has on refusals, oldest first."""
    rows = server.root.get("/api/v1/audit-log", params={"action": "session.refuse"}).json()
    return [row["after"]["detail"] for row in reversed(rows["records"])]
