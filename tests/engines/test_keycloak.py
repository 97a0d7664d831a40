"""People sign in through a real Keycloak: its own pages, its own tokens, its own logout calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.queries.fakes import eventually
from tests.support.keycloak import Keycloak, run_keycloak, submit
from tests.support.live import LiveServer, live_server

# Where people reach the server, as far as it knows; a test's browser goes to its port instead.
PUBLIC = "http://127.0.0.1:8000"
SESSION, USERS, GROUPS = "/api/v1/session", "/api/scim/v2/Users", "/api/scim/v2/Groups"


@dataclass
class Place:
    """The server, and the Keycloak that it knows as `work`."""

    server: LiveServer
    keycloak: Keycloak


class Person:
    """A browser with cookies of its own, that follows wherever it is sent."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.csrf: str | None = None

    def go(self, url: str) -> httpx.Response:
        """The page that the way ends at."""
        return self._arrive(self.http.get(self._place(url)))

    def sign_in(self, name: str = "ann", password: str | None = None) -> httpx.Response:
        page = self.go(f"{PUBLIC}/signin/oidc/work/start")
        fields = {"username": name, "password": password or self.place.keycloak.password}
        return self._arrive(submit(self.http, page, **fields))

    def confirm(self, page: httpx.Response) -> httpx.Response:
        return self._arrive(submit(self.http, page, confirmLogout="Logout"))

    def who(self) -> dict[str, Any] | None:
        answer = self.http.get(self._place(f"{PUBLIC}{SESSION}"))
        return answer.json() if answer.status_code == 200 else None

    def sign_out(self) -> str:
        """Ends the session here; where the browser is to go for it to end there."""
        who = self.who()
        assert who is not None
        headers = {"Origin": PUBLIC, "X-CSRF-Token": who["csrfToken"]}
        return self.http.delete(self._place(f"{PUBLIC}{SESSION}"), headers=headers).json()[
            "signOutUrl"
        ]

    def _arrive(self, answer: httpx.Response) -> httpx.Response:
        for _ in range(9):
            for cookie in self.http.cookies.jar:
                # Keycloak's are `Secure`; browsers send those without TLS to this machine.
                cookie.secure = False
            if not answer.is_redirect:
                return answer
            to = str(answer.url.join(answer.headers["location"]))
            answer = self.http.get(self._place(to))
        raise AssertionError("sent on and on")

    def _place(self, url: str) -> str:
        return url.replace(PUBLIC, self.place.server.address, 1)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, start_engine: Callable[..., Any]
) -> Iterator[Place]:
    with ExitStack() as stack:
        home = tmp_path_factory.mktemp("keycloak") / "home"
        server = stack.enter_context(live_server(home, public_url=PUBLIC))
        keycloak = start_engine("keycloak", lambda: run_keycloak(PUBLIC, server.address))
        server.root.post(GROUPS, json={"displayName": "Sales", "members": []})
        body = {
            "slug": "work",
            "name": "Work",
            "issuer": keycloak.issuer,
            "clientId": "dragoman",
            "clientSecret": keycloak.secret,
            "createUsers": True,
            "groupsClaim": "groups",
            "emailDomains": ["example.com"],
        }
        made = server.root.post("/api/v1/identity-providers", json=body)
        assert made.status_code == 201, made.text
        yield Place(server, keycloak)


def _change(place: Place, **changed: Any) -> None:
    one = "/api/v1/identity-providers/work"
    known = place.server.root.get(one).json()
    told = ("id", "redirectUri", "signedOutUri", "backChannelLogoutUri", "createdAt", "updatedAt")
    body = {name: value for name, value in known.items() if name not in (*told, "clientSecret")}
    assert place.server.root.put(one, json={**body, **changed}).status_code == 200


def _user(place: Place) -> dict[str, Any]:
    [found] = place.server.root.get(USERS).json()["Resources"]
    return found


def _reasons(place: Place) -> list[str]:
    rows = place.server.root.get("/api/v1/audit-log", params={"action": "session.refuse"}).json()
    return [row["after"]["reason"] for row in rows["records"]]


def test_a_person_signs_in_on_keycloaks_page(place: Place) -> None:
    person = Person(place)
    wrong = person.sign_in(password="wrong")
    assert "kc-form-login" in wrong.text
    assert person.who() is None
    page = person.sign_in()
    assert (page.status_code, page.url.path) == (200, "/signin")
    who = person.who()
    assert who is not None
    assert who["name"] == "ann@example.com"
    user = _user(place)
    assert user["displayName"] == "Ann Other"
    # A group that is only there is passed over.
    assert [group["display"] for group in user["groups"]] == ["Sales"]


def test_an_address_that_is_not_verified_lets_nobody_in(place: Place) -> None:
    person = Person(place)
    assert "refused=email_not_verified" in str(person.sign_in("bob").url)
    assert person.who() is None
    assert _reasons(place)[0] == "email_not_verified"


@pytest.mark.parametrize("kept", [False, True])
def test_signing_out_here_ends_the_session_there(place: Place, kept: bool) -> None:
    _change(place, keepIdToken=kept)
    person = Person(place)
    person.sign_in()
    page = person.go(person.sign_out())
    if not kept:  # without the ID token, Keycloak asks whether one means it
        assert "kc-logout" in page.text
        page = person.confirm(page)
    assert (page.url.path, page.status_code) == ("/signin", 200)
    # Keycloak asks for the password again.
    assert "kc-form-login" in person.go(f"{PUBLIC}/signin/oidc/work/start").text


def test_signing_out_there_ends_the_session_here(place: Place) -> None:
    leaves, stays = Person(place), Person(place)
    leaves.sign_in()
    stays.sign_in()
    end = f"{place.keycloak.issuer}/protocol/openid-connect/logout"
    leaves.confirm(leaves.go(f"{end}?client_id=dragoman"))
    eventually(lambda: leaves.who() is None)
    assert stays.who() is not None
    rows = place.server.root.get("/api/v1/audit-log", params={"action": "session.end_by_provider"})
    assert rows.json()["records"][0]["after"] == {"sessions": 1}


def test_who_is_deactivated_here_is_out_and_stays_out(place: Place) -> None:
    person = Person(place)
    person.sign_in()
    user = f"{USERS}/{_user(place)['id']}"

    def activate(active: bool) -> None:
        change = {"op": "replace", "path": "active", "value": active}
        schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
        body = {"schemas": [schema], "Operations": [change]}
        assert place.server.root.patch(user, json=body).status_code == 200

    activate(False)
    try:
        assert person.who() is None
        # Keycloak still knows the browser and asks for nothing; here nobody is let in.
        page = person.go(f"{PUBLIC}/signin/oidc/work/start")
        assert "refused=suspended" in str(page.url)
        assert person.who() is None
    finally:
        activate(True)
    person.go(f"{PUBLIC}/signin/oidc/work/start")
    assert person.who() is not None
