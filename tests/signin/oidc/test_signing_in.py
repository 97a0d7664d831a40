"""Signing in through a provider: who is let in, as whom, with which groups and attributes."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.signin import sessions
from dragoman.signin.embed_rights import entity_group
from tests.signin.conftest import account
from tests.signin.oidc.conftest import PROVIDERS, add, enter, reasons, refused, start
from tests.support.browser import SESSION, Browser
from tests.support.clients import assert_error
from tests.support.identity_provider import Provider
from tests.support.server import Server


def test_who_the_provider_vouches_for_is_in(server: Server, provider: Provider) -> None:
    add(server, provider)
    browser = Browser(server)
    answer = enter(browser, provider, next="/docs?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs?a=1")
    who = browser.get(SESSION).json()
    assert (who["kind"], who["name"], who["organizationAdmin"]) == (
        "session", "ann@example.com", False,
    )  # fmt: skip
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
    assert (user.id, user.name) == (who["userId"], "Ann Other")
    # Known by the subject from now on, whatever becomes of address and name.
    provider.person |= {"email": "ann.married@example.com", "name": "Ann Married"}
    assert enter(Browser(server), provider).headers["location"] == "/signin"
    with server.unit() as unit:
        assert [each.name for each in identity.list_users(unit)] == ["Ann Married"]
        assert identity.get_user(unit, "ann@example.com").id == user.id
    actions = [row[0] for row in server.sql("SELECT action FROM audit_log ORDER BY seq")]
    assert actions.count("session.create") == 2


def test_the_request_is_bound_to_this_browser(here: Server, provider: Provider) -> None:
    add(here, provider, acrValues=["mfa"], scopes=["openid", "email"])
    browser = Browser(here)
    url = start(browser)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{provider.issuer}/authorize?")
    assert query["redirect_uri"] == "http://127.0.0.1:8000/signin/oidc/own/callback"
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert (query["scope"], query["acr_values"]) == ("openid email", "mfa")
    assert len(query["code_challenge"]) == len(query["nonce"]) == 43
    sent = browser.get("/signin/oidc/own/start").headers["set-cookie"].lower()
    assert sent.startswith("dragoman_oidc=")
    assert "httponly" in sent
    assert "samesite=lax" in sent
    assert "max-age=600" in sent
    # No secret of the browser's is in what the provider, and its logs, see.
    assert (browser.http.cookies.get("dragoman_oidc") or "?") not in url


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "javascript:1"]
)
def test_nothing_leads_elsewhere(here: Server, provider: Provider, path: str) -> None:
    add(here, provider)
    assert enter(Browser(here), provider, next=path).headers["location"] == "/signin"


def test_two_tabs_may_sign_in_at_once(here: Server, provider: Provider) -> None:
    add(here, provider)
    browser = Browser(here)
    first, second = start(browser, next="/first"), start(browser, next="/second")
    for url, path in ((second, "/second"), (first, "/first")):
        assert browser.get(provider.authorize(url)).headers["location"] == path


def test_an_account_is_taken_over_only_by_a_domain_of_the_provider(
    server: Server, provider: Provider
) -> None:
    user = account(server, "ann@example.com")
    add(server, provider, slug="off", linkByEmail=False)
    add(server, provider, slug="other", emailDomains=["example.org"])
    add(server, provider, slug="own")
    assert refused(enter(Browser(server), provider, "off")) == "no_account"
    assert refused(enter(Browser(server), provider, "other")) == "domain"
    browser = Browser(server)
    assert enter(browser, provider).headers["location"] == "/signin"
    assert browser.get(SESSION).json()["userId"] == user.id
    # The address is somebody else's now, as far as the provider is concerned.
    provider.person["sub"] = "u-2"
    assert refused(enter(Browser(server), provider)) == "other_identity"
    body = {"slug": "x", "name": "x", "issuer": provider.issuer, "clientId": "x",
            "linkByEmail": True}  # fmt: skip
    assert_error(server.root.post(PROVIDERS, json=body), 400)


@pytest.mark.parametrize(
    ("said", "settings", "word"),
    [
        ({"email_verified": False}, {}, "email_not_verified"),
        ({"email_verified": None}, {}, "email_not_verified"),
        ({"email_verified": None}, {"trustEmail": True}, ""),
        ({"email_verified": "true"}, {}, ""),
        ({"email": None}, {}, "no_email"),
        ({"email": "not an address", "email_verified": True}, {"emailDomains": [],
          "linkByEmail": False}, "mapping"),
        ({"email": "ann@sub.example.com"}, {}, "domain"),
        ({}, {"createUsers": False}, "no_account"),
        ({}, {"acrValues": ["mfa"]}, "second_factor"),
        ({"acr": "mfa"}, {"acrValues": ["mfa"]}, ""),
        # email_verified speaks of the claim email only.
        ({"upn": "bob@example.com"}, {"emailClaim": "upn"}, "email_not_verified"),
        ({"upn": "ann@example.com"}, {"emailClaim": "upn"}, ""),
        ({"upn": "bob@example.com"}, {"emailClaim": "upn", "trustEmail": True}, ""),
        # The sign of Kelvin is a k in lower case.
        ({"email": "fran\u212a@example.com"}, {}, "mapping"),
    ],
)  # fmt: skip
def test_who_is_let_in(
    here: Server,
    provider: Provider,
    said: dict[str, Any],
    settings: dict[str, Any],
    word: str,
) -> None:
    add(here, provider, **settings)
    whole = {**provider.person, **said}
    provider.person = {name: value for name, value in whole.items() if value is not None}
    provider.userinfo = dict(provider.person)
    answer = enter(Browser(here), provider)
    if word:
        assert refused(answer) == word
        assert here.sql("SELECT * FROM users") == []
    else:
        assert answer.headers["location"] == "/signin"


def test_who_is_suspended_stays_out(server: Server, provider: Provider) -> None:
    add(server, provider)
    browser = Browser(server)
    enter(browser, provider)
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    assert_error(browser.get(SESSION), 401)
    assert refused(enter(browser, provider)) == "suspended"


def test_claims_that_the_token_lacks_are_asked_for(here: Server, provider: Provider) -> None:
    add(here, provider)
    provider.userinfo = dict(provider.person)
    provider.person = {"sub": "u-1"}
    assert enter(Browser(here), provider).headers["location"] == "/signin"
    provider.userinfo["sub"] = "u-2"
    assert refused(enter(Browser(here), provider)) == "answer_invalid"
    assert "userinfo" in reasons(here)[-1]
    # Userinfo vouches for its own address, not for another one in the ID token.
    provider.person = {"sub": "u-1", "email": "boss@example.com"}
    provider.userinfo["sub"] = "u-1"
    assert refused(enter(Browser(here), provider)) == "email_not_verified"
    # Whose address cannot be told is of none of the domains, also when they were here before.
    provider.person = {"sub": "u-1"}
    provider.userinfo = {"sub": "u-1"}
    assert refused(enter(Browser(here), provider)) == "no_email"


def groups(server: Server) -> list[str]:
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        return [group.name for group in identity.groups_of(unit, user.id)]


def test_groups_are_added_or_are_exactly_those(server: Server, provider: Provider) -> None:
    with server.unit() as unit:
        for name in ("Sales", "Finance", "Local"):
            identity.create_group(unit, OPERATOR, name)
    add(server, provider, groupsClaim="realm.roles")
    provider.person["realm"] = {"roles": ["sales", "unheard of", 7]}
    enter(Browser(server), provider)
    assert groups(server) == ["Sales"]
    provider.person["realm"] = {"roles": ["Finance"]}
    enter(Browser(server), provider)
    assert groups(server) == ["Finance", "Sales"]
    with server.unit() as unit:
        local = identity.find_group(unit, "Local")
        assert local is not None
        user = identity.get_user(unit, "ann@example.com")
        identity.change_members(unit, OPERATOR, local, add=[user.id])
    chosen = {"id-1": "Sales", "id-2": "Finance"}
    add(server, provider, slug="exact", groupsClaim="groups", groupsMode="exact", groupNames=chosen)
    provider.person["groups"] = ["id-1", "Finance"]
    enter(Browser(server), provider, "exact")
    assert groups(server) == ["Local", "Sales"]
    add(server, provider, slug="all", groupsClaim="groups", groupsMode="exact")
    # Entra ID names too many groups elsewhere: that is not the same as none.
    del provider.person["groups"]
    provider.person["_claim_names"] = {"groups": "src1"}
    assert refused(enter(Browser(server), provider, "all")) == "mapping"
    assert groups(server) == ["Local", "Sales"]
    del provider.person["_claim_names"]
    enter(Browser(server), provider, "all")
    assert groups(server) == []


def test_groups_of_embedding_are_no_matter_of_a_provider(
    server: Server, provider: Provider
) -> None:
    name = entity_group("acme")
    with server.unit() as unit:
        entity = identity.create_group(unit, OPERATOR, name)
    add(server, provider, groupsClaim="groups", groupsMode="exact")
    provider.person["groups"] = [name.upper(), name]
    enter(Browser(server), provider)
    assert groups(server) == []
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.change_members(unit, OPERATOR, entity, add=[user.id])
    provider.person["groups"] = []
    enter(Browser(server), provider)
    assert groups(server) == [name]


def test_claims_become_attributes_of_their_type(server: Server, provider: Provider) -> None:
    with server.unit() as unit:
        for name, kind, several in (("region", "String", True), ("limit", "Number", False)):
            draft = identity.Definition(
                "", name, name, type=identity.Type(kind), multiple_values=several
            )
            identity.define(unit, OPERATOR, draft)
    add(server, provider, attributes={"region": "org.regions", "limit": "https://x.example/limit"})
    provider.person |= {"org": {"regions": ["eu", "us"]}, "https://x.example/limit": 50}
    enter(Browser(server), provider)

    def values() -> dict[str, list[str]]:
        with server.unit() as unit:
            user = identity.get_user(unit, "ann@example.com")
            return identity.own_values(unit, user.id)

    assert values() == {"region": ["eu", "us"], "limit": ["50"]}
    provider.person["https://x.example/limit"] = "fifty"
    assert refused(enter(Browser(server), provider)) == "mapping"
    assert values() == {"region": ["eu", "us"], "limit": ["50"]}
    del provider.person["org"]
    provider.person["https://x.example/limit"] = 7
    enter(Browser(server), provider)
    assert values() == {"limit": ["7"]}
    unknown = {"slug": "x", "name": "x", "issuer": provider.issuer, "clientId": "x",
               "attributes": {"nothing": "x"}}  # fmt: skip
    assert_error(server.root.post(PROVIDERS, json=unknown), 400)


def test_signing_out_ends_the_providers_session_as_well(here: Server, provider: Provider) -> None:
    add(here, provider)
    browser = Browser(here)
    enter(browser, provider)
    browser.csrf = browser.get(SESSION).json()["csrfToken"]
    said = browser.delete(SESSION).json()
    url = urlsplit(said["signOutUrl"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/out"
    assert parse_qs(url.query) == {
        "client_id": ["dragoman"],
        "post_logout_redirect_uri": ["http://127.0.0.1:8000/signin"],
    }
    assert_error(browser.get(SESSION), 401)


def test_an_id_token_is_kept_for_signing_out_where_the_provider_wants_it(
    server: Server, provider: Provider
) -> None:
    add(server, provider, keepIdToken=True)
    browser, other = Browser(server), Browser(server)
    enter(browser, provider)
    enter(other, provider)
    kept = "SELECT resource_id, value FROM sealed_secrets WHERE resource = 'session'"
    assert len(server.sql(kept)) == 2
    assert "eyJ" not in str(server.sql(kept))
    browser.csrf = browser.get(SESSION).json()["csrfToken"]
    query = parse_qs(urlsplit(browser.delete(SESSION).json()["signOutUrl"]).query)
    [header, body, _] = query["id_token_hint"][0].split(".")
    assert json.loads(base64.urlsafe_b64decode(body + "=="))["sub"] == "u-1"
    assert header.startswith("eyJ")
    assert len(server.sql(kept)) == 1
    # The other session ends in another way: its token goes with the next tidying.
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
        sessions.tidy(unit, server.house.settings)
    assert server.sql(kept) == []


def test_the_provider_ends_sessions(server: Server, provider: Provider) -> None:
    add(server, provider)
    browsers = []
    for sid in ("s-1", "s-2"):
        provider.person["sid"] = sid
        browsers.append(Browser(server))
        enter(browsers[-1], provider)
    event = {"http://schemas.openid.net/event/backchannel-logout": {}}
    claims = {**provider.claims(), "events": event}

    def tell(**changed: Any) -> int:
        said = {**claims, "jti": str(uuid.uuid4()), **changed}
        sent = {name: value for name, value in said.items() if value is not None}
        form = {"logout_token": provider.signed(sent)}
        return server.http.post("/signin/oidc/own/logout", data=form).status_code

    assert tell(events={}) == tell(nonce="n") == tell(aud="another") == tell(iat=1) == 400
    assert tell(sub=None, sid=None) == tell(sub="", sid=None) == tell(sub=7, sid="s-1") == 400
    assert tell(sid={}) == tell(sid="") == tell(jti=None) == 400
    crowd = "&".join(f"f{number}=" for number in range(30))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = server.http.post("/signin/oidc/own/logout", content=crowd, headers=form)
    assert answer.status_code == 400
    refusals = server.root.get("/api/v1/audit-log", params={"action": "session.refuse_end"}).json()
    details = [row["after"]["detail"] for row in refusals["records"]]
    assert len(details) == 10
    assert "the logout token is too old" in details
    assert "the logout token names nobody" in details
    assert [browser.get(SESSION).status_code for browser in browsers] == [200, 200]
    assert tell(sid="s-1", jti="once") == 200
    assert tell(sid="s-2", jti="once") == 400
    assert [browser.get(SESSION).status_code for browser in browsers] == [401, 200]
    assert tell(sub="somebody else", sid=None) == 200
    assert browsers[1].get(SESSION).status_code == 200
    assert tell(sid=None) == 200
    assert browsers[1].get(SESSION).status_code == 401
