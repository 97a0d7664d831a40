"""Databases that everybody signs in to for themselves, with a stub in the provider's place.

That drivers carry these tokens is tested with each of them in tests/engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.connections import authorizing, dialling, personal
from dragoman.connections.sessions import identity
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.signin.hashing import HASHER
from tests.signin.conftest import CHEAP, account
from tests.support.browser import Browser
from tests.support.provider import CLIENT, LOGIN, SECRET, Provider, named, provider
from tests.support.server import CONNECTIONS, Server

CALLBACK = "/callback/oauth"
SETTINGS = {
    "authenticationType": "snowflake-external-oauth-user",
    "host": "myorg-shop",
    "database": "SHOP",
    "warehouse": "WH",
    "baseRole": "QUERIER",
    "oauthClientId": CLIENT,
    "oauthClientSecretUnencrypted": SECRET,
    "externalOauthAudience": "https://shop.example.test",
    "externalOauthAuthorizationUrl": f"https://{LOGIN}/authorize?tenant=1",
    "externalOauthTokenUrl": f"https://{LOGIN}/token",
}
SERVICE = {"username": "reader", "passwordUnencrypted": "canary-of-the-service"}


class Clock:
    """The clock by which tokens grow old."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Provider]:
    with provider(tmp_path) as made:
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(personal, "time", made)
    return made


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HASHER, "cost", CHEAP)


@pytest.fixture
def house(sqlite_server: Server, login: Provider, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that knows the provider's name."""
    network = named(login.ca_file, **{LOGIN: login.port})
    monkeypatch.setattr(sqlite_server.house, "network", network)
    return sqlite_server


def create(server: Server, **changes: Any) -> str:
    body = {"dialect": "snowflake", "name": "Shop", **SETTINGS, **changes}
    sent = {name: value for name, value in body.items() if value is not None}
    made = server.root.post(CONNECTIONS, json=sent)
    assert made.status_code == 201, made.text
    return str(made.json()["data"])


def visit(server: Server, email: str = "ann@example.com") -> tuple[Browser, Principal]:
    user = account(server, email)
    browser = Browser(server)
    assert browser.sign_in(email).status_code == 200
    return browser, Principal(PrincipalKind.PERSONAL, email, user_id=user.id)


def begun(browser: Browser, connection: str) -> str:
    """The provider's address that the browser is sent to."""
    answer = browser.get(f"/connections/{connection}/sign-in", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def sign_in(browser: Browser, connection: str, login: Provider) -> None:
    back = login.allow(begun(browser, connection))
    answer = browser.get(CALLBACK, params=back)
    assert answer.status_code == 200, answer.text
    assert "You are signed in to Shop" in answer.text


def target(server: Server, who: Principal, connection: str) -> Target:
    """The target as a question of that principal would have it."""
    with server.house.store.look() as unit:
        found = dialling.locate(unit, who, connection, Permission.CONNECTIONS_SQL)
    return dialling.opened(server.house, found).target


def token(server: Server, who: Principal, connection: str) -> str:
    return target(server, who, connection).current().secrets["accessToken"].reveal()


def failure(server: Server, who: Principal, connection: str) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        token(server, who, connection)
    return caught.value


def test_a_person_signs_in_and_asks_with_their_own_token(house: Server, login: Provider) -> None:
    connection = create(house, **SERVICE)
    browser, ann = visit(house)
    path = f"{CONNECTIONS}/{connection}/sign-in"
    told = browser.get(path).json()
    page = f"{house.settings.base_url}/connections/{connection}/sign-in"
    assert told == {"needed": True, "signedIn": False, "signedInAt": None, "url": page}
    address = begun(browser, connection)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"https://{LOGIN}/authorize?tenant=1&")
    assert asked["client_id"] == CLIENT
    assert asked["redirect_uri"] == house.settings.base_url + CALLBACK
    assert asked["scope"] == "session:role-any offline_access"
    assert asked["audience"] == "https://shop.example.test"
    assert SECRET not in address
    sign_in(browser, connection, login)
    form = login.asked[-1]
    assert form["path"] == "/token"
    assert form["redirect_uri"] == asked["redirect_uri"]
    signs = target(house, ann, connection).current()
    # Neither the client's secret nor the service account's goes along.
    assert {name: value.reveal() for name, value in signs.secrets.items()} == {
        "accessToken": "access-1"
    }
    assert browser.get(path).json()["signedIn"] is True
    assert "access-1" not in browser.get(path).text
    assert "access-1" not in repr(house.sql("SELECT value FROM connection_user_tokens"))
    assert "connection.sign_in" in house.root.get("/api/v1/audit-log").text


def test_a_person_without_a_token_is_told_where_to_sign_in(house: Server) -> None:
    connection = create(house, **SERVICE)
    _, ann = visit(house)
    told = failure(house, ann, connection)
    assert told.cause is Cause.SIGN_IN_NEEDED
    assert f"/connections/{connection}/sign-in" in str(told.fix)
    client = house.client(house.personal("ann@example.com"))
    answer = client.post(f"{CONNECTIONS}/{connection}/query", json={"sql": "SELECT 1"})
    assert answer.status_code == 403
    assert answer.json()["cause"] == "sign_in_needed"
    assert f"/connections/{connection}/sign-in" in answer.json()["fix"]


def test_keys_and_jobs_sign_in_as_the_service_account(house: Server) -> None:
    connection = create(house, **SERVICE)
    for who in (OPERATOR, Principal(PrincipalKind.ORGANIZATION, "k", organization_admin=True)):
        found = target(house, who, connection)
        assert found.renew is None
        assert found.password.reveal() == SERVICE["passwordUnencrypted"]


def test_a_diagnosis_is_of_the_service_account_or_of_who_asks(house: Server) -> None:
    """A connection without one can be diagnosed by who has signed in."""
    _, ann = visit(house)
    admin = Principal(PrincipalKind.PERSONAL, "a", user_id=ann.user_id, organization_admin=True)
    for given, person in ((SERVICE, False), ({}, True)):
        connection = create(house, **given)
        with house.house.store.look() as unit:
            found = dialling.locate_itself(unit, admin, connection, Permission.CONNECTIONS_TEST)
        assert (found.held is not None) is person


def test_a_sign_in_that_somebody_else_began_is_nobodys(house: Server, login: Provider) -> None:
    """Mallory begins, and has Ann's browser end it: Ann's rights must not become Mallory's."""
    connection = create(house)
    mallory, them = visit(house, "mallory@example.com")
    browser, ann = visit(house)
    back = login.allow(begun(mallory, connection))
    answer = browser.get(CALLBACK, params=back)
    assert answer.status_code == 400
    assert login.asked == []
    # Nor does another session of the same person end it.
    other = Browser(house)
    other.sign_in("mallory@example.com")
    assert other.get(CALLBACK, params=back).status_code == 400
    for who in (them, ann):
        assert failure(house, who, connection).cause is Cause.SIGN_IN_NEEDED


def test_a_sign_in_that_took_too_long_or_was_refused(
    house: Server, login: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = create(house)
    browser, _ = visit(house)
    back = login.allow(begun(browser, connection))
    refused = browser.get(CALLBACK, params={"state": back["state"], "error": "access_denied"})
    assert (refused.status_code, "access_denied" in refused.text) == (400, True)
    late = Clock()
    monkeypatch.setattr(authorizing, "time", late)
    assert browser.get(CALLBACK, params=back).status_code == 400
    assert browser.get(CALLBACK, params={"state": "v1.x", "code": "c"}).status_code == 400
    assert login.asked == []


def test_only_a_browser_begins_and_only_where_people_sign_in(house: Server) -> None:
    connection = create(house)
    house.user("ann@example.com")
    client = house.client(house.personal("ann@example.com"))
    assert client.get(f"/connections/{connection}/sign-in").status_code == 400
    assert house.root.get(f"{CONNECTIONS}/{connection}/sign-in").status_code == 400
    assert house.anonymous.get(f"/connections/{connection}/sign-in").status_code == 401
    other = house.create("postgres", baseRole="QUERIER")
    browser, _ = visit(house, "bob@example.com")
    answer = browser.get(f"/connections/{other}/sign-in", follow_redirects=False)
    assert answer.status_code == 400
    assert browser.get(f"{CONNECTIONS}/{other}/sign-in").json()["needed"] is False
    hidden = create(house, baseRole="NO_ACCESS")
    assert browser.get(f"/connections/{hidden}/sign-in").status_code == 404


@pytest.mark.parametrize("rotates", [True, False])
def test_a_token_is_renewed_before_it_ends_once_for_everybody(
    house: Server, login: Provider, clock: Clock, rotates: bool
) -> None:
    login.rotates = rotates
    connection = create(house)
    browser, ann = visit(house)
    sign_in(browser, connection, login)
    first = target(house, ann, connection)
    assert first.current().secrets["accessToken"].reveal() == "access-1"
    clock.now += 3600 - 901
    assert token(house, ann, connection) == "access-1"
    assert len(login.asked) == 1
    clock.now += 2
    assert token(house, ann, connection) == "access-2"
    assert login.asked[-1]["refresh_token"] == "refresh-1"
    # A session that is open since then takes what was stored.
    assert first.current().secrets["accessToken"].reveal() == "access-2"
    assert len(login.asked) == 2
    clock.now += 3600
    assert token(house, ann, connection) == "access-3"
    assert login.asked[-1]["refresh_token"] == ("refresh-2" if rotates else "refresh-1")


def test_what_was_taken_back_is_told(house: Server, login: Provider, clock: Clock) -> None:
    connection = create(house)
    browser, ann = visit(house)
    sign_in(browser, connection, login)
    login.revoke()
    clock.now += 3600
    told = failure(house, ann, connection)
    assert told.cause is Cause.SIGN_IN_NEEDED
    assert "refresh-1" not in repr(told)
    login.answer = (500, {}, {})
    assert failure(house, ann, connection).cause is Cause.AUTHENTICATION_FAILED


def test_another_process_that_renewed_first_wins(
    house: Server, login: Provider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refresh token that works once is used by both; who comes second takes what is stored."""
    connection = create(house)
    browser, ann = visit(house)
    sign_in(browser, connection, login)
    clock.now += 3600
    late = target(house, ann, connection)
    stored = personal._Keeper._stored
    seen: list[bool] = []

    def first(self: Any) -> Any:
        found = stored(self)
        if not seen:
            seen.append(True)
            # Without the lock, which another process does not see.
            self._renewed()
        return found

    monkeypatch.setattr(personal._Keeper, "_stored", first)
    assert late.current().secrets["accessToken"].reveal() == "access-2"
    assert [form["grant_type"] for form in login.asked[1:]] == ["refresh_token"] * 2


def test_a_redirect_of_the_endpoint_gets_nothing(house: Server, login: Provider) -> None:
    connection = create(house)
    browser, ann = visit(house)
    back = login.allow(begun(browser, connection))
    login.answer = (307, {"Location": "https://elsewhere.example.test/token"}, {})
    answer = browser.get(CALLBACK, params=back)
    assert answer.status_code == 502
    assert SECRET not in answer.text
    network: Any = house.house.network
    assert set(network.dialled) == {LOGIN}
    assert failure(house, ann, connection).cause is Cause.SIGN_IN_NEEDED


def test_an_endpoint_on_a_denied_address_is_not_dialled(
    house: Server, login: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = create(house)
    browser, _ = visit(house)
    back = login.allow(begun(browser, connection))
    network: Any = house.house.network
    away = replace(network, resolver=lambda _: ["169.254.169.254"])
    monkeypatch.setattr(house.house, "network", away)
    answer = browser.get(CALLBACK, params=back)
    assert (answer.status_code, answer.json()["cause"]) == (502, "address_denied")
    assert login.asked == []


def test_signing_out_and_the_trash_leave_nothing(house: Server, login: Provider) -> None:
    connection = create(house)
    browser, ann = visit(house)
    sign_in(browser, connection, login)
    assert browser.delete(f"{CONNECTIONS}/{connection}/sign-in").status_code == 200
    assert failure(house, ann, connection).cause is Cause.SIGN_IN_NEEDED
    sign_in(browser, connection, login)
    assert house.root.delete(f"{CONNECTIONS}/{connection}").status_code == 200
    assert house.sql("SELECT * FROM connection_user_tokens") == []


def test_tokens_open_for_their_person_and_their_destination_only(
    house: Server, login: Provider
) -> None:
    connection = create(house)
    browser, ann = visit(house)
    _, bob = visit(house, "bob@example.com")
    sign_in(browser, connection, login)
    house.sql("UPDATE connection_user_tokens SET user_id = :bob", bob=bob.user_id)
    assert failure(house, bob, connection).cause is Cause.SIGN_IN_NEEDED
    house.sql("UPDATE connection_user_tokens SET user_id = :ann", ann=ann.user_id)
    assert token(house, ann, connection)
    moved = {"database": "OTHER", "oauthClientSecretUnencrypted": SECRET}
    answer = house.root.patch(f"{CONNECTIONS}/{connection}", json=moved)
    assert answer.status_code == 200, answer.text
    assert failure(house, ann, connection).cause is Cause.SIGN_IN_NEEDED


def test_sessions_and_kept_results_are_of_one_person_and_one_sign_in(
    house: Server, login: Provider
) -> None:
    connection = create(house)
    found: set[bytes] = set()
    whose: set[str] = set()
    for email in ("ann@example.com", "bob@example.com"):
        browser, who = visit(house, email)
        for _ in range(2):
            sign_in(browser, connection, login)
            with house.house.store.look() as unit:
                located = dialling.locate(unit, who, connection, Permission.CONNECTIONS_SQL)
            found.add(identity(dialling.opened(house.house, located)))
            whose.add(located.whose)
    assert (len(found), len(whose)) == (4, 4)
