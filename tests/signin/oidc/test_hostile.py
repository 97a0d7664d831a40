"""Providers that lie, answers that were stolen, replayed or swapped: nobody is let in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from dragoman import clock
from dragoman.app import BLOCKING_THREADS
from dragoman.signin.oidc import discovery, entering
from dragoman.signin.oidc.refusals import Reason, Refused
from tests.queries.fakes import eventually
from tests.signin.oidc.conftest import add, enter, reasons, refused, start
from tests.support.browser import SESSION, Browser
from tests.support.clients import assert_error
from tests.support.identity_provider import Provider, elliptic_key, running_provider
from tests.support.patience import SLOW_MACHINE
from tests.support.server import Server, running_server, settings_for


def _unsigned(provider: Provider, claims: dict[str, Any]) -> str:
    whole = provider.signed(claims).split(".")
    return f"eyJhbGciOiJub25lIn0.{whole[1]}."


def _by_public_key(provider: Provider, claims: dict[str, Any]) -> str:
    """The classic confusion: the public key, as text, taken for a shared secret."""
    key = provider.keys[-1]
    whole = provider.signed(claims).split(".")
    header = _encoded(f'{{"alg": "HS256", "kid": "{key.kid}"}}'.encode())
    signed = f"{header}.{whole[1]}"
    made = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{_encoded(made)}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _by_another(provider: Provider, claims: dict[str, Any]) -> str:
    key = RSAKey.generate_key(2048, {"kid": provider.keys[-1].kid})
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def _embedded(provider: Provider, claims: dict[str, Any]) -> str:
    """A token that brings its own key along."""
    key = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)


def _small_key(provider: Provider, claims: dict[str, Any]) -> str:
    key = RSAKey.generate_key(1024, {"kid": "small"})
    provider.keys = [key]
    return jwt.encode({"alg": "RS256", "kid": "small"}, claims, key)


@pytest.mark.parametrize(
    "sign", [_unsigned, _by_public_key, _by_another, _embedded, _small_key,
             lambda *_: "no.token.at all", lambda *_: 7, lambda *_: "a" * 70_000],
)  # fmt: skip
def test_signatures(here: Server, provider: Provider, sign: Any) -> None:
    add(here, provider)
    provider.sign = sign
    browser = Browser(here)
    assert refused(enter(browser, provider)) == "answer_invalid"
    assert_error(browser.get(SESSION), 401)
    assert here.sql("SELECT * FROM users") == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["dragoman", "other"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": 1}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": 2**40}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": 2**40}, "nbf"),
        ({"sub": None}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"at_hash": "AAAA"}, "at_hash"),
    ],
)
def test_claims(here: Server, provider: Provider, changed: dict[str, Any], why: str) -> None:
    add(here, provider)
    provider.bend_claims = lambda claims: {
        name: value for name, value in {**claims, **changed}.items() if value is not None
    }
    assert refused(enter(Browser(here), provider)) == "answer_invalid"
    assert why in reasons(here)[-1]


def test_what_is_right_in_other_ways(here: Server, provider: Provider) -> None:
    add(here, provider)
    half = _encoded(hashlib.sha256(b"access").digest()[:16])
    provider.bend_claims = lambda claims: {
        **claims, "aud": ["other", "dragoman"], "azp": "dragoman", "exp": int(time.time()) - 30,
        "at_hash": half,
    }  # fmt: skip
    provider.keys = [elliptic_key("curve")]
    provider.sign = lambda own, claims: own.signed(claims, "ES256")
    assert enter(Browser(here), provider).headers["location"] == "/signin"


def test_an_answer_counts_once_and_in_its_own_browser(here: Server, provider: Provider) -> None:
    add(here, provider)
    browser, thief = Browser(here), Browser(here)
    back = provider.authorize(start(browser))
    assert refused(thief.get(back)) == "begin_anew"
    start(thief)  # with a cookie of their own
    assert refused(thief.get(back)) == "begin_anew"
    assert browser.get(back).headers["location"] == "/signin"
    assert refused(browser.get(back)) == "begin_anew"
    changed = back.replace("state=", "state=A")
    assert refused(browser.get(changed)) == "begin_anew"
    assert_error(thief.get(SESSION), 401)
    # A code of theirs in an answer to somebody else's request: the verifier does not fit.
    mine, theirs = provider.authorize(start(browser)), provider.authorize(start(thief))
    code = theirs.split("code=")[1].split("&")[0]
    swapped = mine.replace(mine.split("code=")[1].split("&")[0], code)
    assert refused(browser.get(swapped)) == "provider_refused"


def test_a_sign_in_ends_after_ten_minutes(
    here: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(here, provider)
    browser, now = Browser(here), clock.now()
    back = provider.authorize(start(browser))
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=11))
    assert refused(browser.get(back)) == "begin_anew"


def test_mix_up(here: Server, provider: Provider) -> None:
    with running_provider() as evil:
        add(here, provider)
        add(here, evil, slug="evil", clientSecret=None)
        browser = Browser(here)
        # Who asked the evil one is sent to the honest one, and its code comes to the evil callback.
        honest = provider.authorize(start(browser))
        crossed = honest.replace("/own/callback", "/evil/callback")
        assert refused(browser.get(crossed)) == "begin_anew"
        asked = start(browser, "evil")
        evil.bend_answer = lambda query: {**query, "iss": provider.issuer}
        assert refused(browser.get(evil.authorize(asked))) == "answer_invalid"
        evil.bend_answer = lambda query: {n: v for n, v in query.items() if n != "iss"}
        assert refused(browser.get(evil.authorize(start(browser, "evil")))) == "answer_invalid"
        assert "/token" not in evil.asked


def test_a_provider_that_says_no(here: Server, provider: Provider) -> None:
    add(here, provider)
    for error, word in (("access_denied", "denied"), ("<b>x", "provider_refused")):
        provider.bend_answer = lambda query, error=error: {
            "state": query["state"], "iss": query["iss"], "error": error,
        }  # fmt: skip
        assert refused(enter(Browser(here), provider)) == word
    assert "<b>" not in str(reasons(here)[-2:])


_WELL_KNOWN = discovery.WELL_KNOWN


@pytest.mark.parametrize(
    "bend",
    [
        {"redirects": {_WELL_KNOWN: "http://169.254.169.254/latest/meta-data/"}},
        {"bodies": {_WELL_KNOWN: b"[]"}},
        {"bodies": {_WELL_KNOWN: b"[" * 100_000}},
        {"bodies": {_WELL_KNOWN: b" " * 600_000}},
        {"metadata": {"issuer": "https://other.example"}},
        {"metadata": {"token_endpoint": "http://169.254.169.254/token"}},
        {"metadata": {"authorization_endpoint": "javascript:alert(1)"}},
        {"metadata": {"jwks_uri": None}},
    ],
)
def test_metadata(here: Server, provider: Provider, bend: dict[str, Any]) -> None:
    add(here, provider)
    for name, value in bend.items():
        setattr(provider, name, value)
    answer = Browser(here).get("/signin/oidc/own/start")
    assert refused(answer) == "provider_unreachable"
    assert_error(here.root.post("/api/v1/identity-providers/own/check"), 502)


@pytest.mark.parametrize(
    "bend",
    [
        {"metadata": {"token_endpoint": "https://169.254.169.254/token"}},
        {"metadata": {"jwks_uri": "https://[fd00:ec2::254]/keys"}},
        {"bodies": {"/keys": b'{"keys": [' + b'{"kty": "RSA"},' * 40_000 + b"{}]}"}},
        {"bodies": {"/keys": b'{"keys": "none"}'}},
        {"redirects": {"/keys": "http://169.254.169.254/"}},
    ],
)
def test_places_that_are_not_dialled(
    here: Server, provider: Provider, bend: dict[str, Any]
) -> None:
    add(here, provider)
    for name, value in bend.items():
        setattr(provider, name, value)
    assert refused(enter(Browser(here), provider)) == "provider_unreachable"


def test_a_provider_that_is_away_is_asked_now_and_then_only(
    here: Server, provider: Provider
) -> None:
    now = [1000.0]
    directory = discovery.Directory(lambda: now[0])
    network, issuer = here.house.network, provider.issuer
    provider.bodies[_WELL_KNOWN] = b"out of order"

    def ask() -> None:
        with pytest.raises(Refused, match="no JSON object"):
            directory.document(network, issuer)

    visitors = [threading.Thread(target=ask) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(SLOW_MACHINE)
    assert provider.asked.count(_WELL_KNOWN) == 1
    del provider.bodies[_WELL_KNOWN]
    ask()
    now[0] += discovery.FAILED_SECONDS
    assert directory.document(network, issuer).issuer == issuer
    assert provider.asked.count(_WELL_KNOWN) == 2


def test_a_provider_that_hangs_takes_no_thread_from_questions(
    here: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(here, provider)
    asked: list[object] = []
    ends, blocking = threading.Event(), entering._blocking

    async def counted(work: Any) -> Any:
        asked.append(work)
        return await blocking(work)

    def hang(*_: object) -> None:
        assert ends.wait(SLOW_MACHINE)
        raise Refused(Reason.UNREACHABLE, "it hangs")

    monkeypatch.setattr(discovery, "read", hang)
    monkeypatch.setattr(entering, "_blocking", counted)
    threads = [
        threading.Thread(target=Browser(here).get, args=("/signin/oidc/own/start",))
        for _ in range(BLOCKING_THREADS + 4)
    ]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(asked) == len(threads))
        others = [here.house.blocking.submit(lambda: None) for _ in range(BLOCKING_THREADS)]
        assert [other.result(SLOW_MACHINE) for other in others] == [None] * BLOCKING_THREADS
        assert not ends.is_set()
    finally:
        ends.set()
        for thread in threads:
            thread.join(SLOW_MACHINE)


def test_nobody_fills_the_audit_by_asking_for_providers_that_are_not_there(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path / "home", login_failures_per_minute=5)
    with running_server(settings) as server:
        browser = Browser(server)
        answers = [browser.get("/signin/oidc/nobody/callback").status_code for _ in range(8)]
        answers += [server.http.post("/signin/oidc/nobody/logout").status_code]
        assert answers == [303] * 5 + [429] * 4
        assert len(reasons(server)) == 5


def test_keys_are_fetched_anew_when_they_rotate_and_not_too_often(
    here: Server, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    directory = discovery.Directory(lambda: now[0])
    network, issuer = here.house.network, provider.issuer
    [_, first] = directory.keys(network, issuer, None)
    assert directory.keys(network, issuer, str(first["kid"]))[1] == first
    assert provider.asked.count("/keys") == 1
    provider.rotate()
    rotated = provider.keys[0].kid
    for _ in range(3):
        directory.keys(network, issuer, rotated)
    assert provider.asked.count("/keys") == 1
    now[0] += discovery.AGAIN_SECONDS + 1
    for _ in range(3):
        assert directory.keys(network, issuer, rotated)[1]["kid"] == rotated
        directory.keys(network, issuer, "made up")
    assert provider.asked.count("/keys") == 2
    now[0] += discovery.KEEP_SECONDS + 1
    directory.keys(network, issuer, rotated)
    assert provider.asked.count("/keys") == 3
    assert provider.asked.count(_WELL_KNOWN) == 2
