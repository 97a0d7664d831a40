"""Signing in with a password, and what a session may do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dragoman import clock
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.signin import throttle
from tests.signin.conftest import account, set_password, visitor
from tests.support.bodies import body
from tests.support.browser import PASSWORD, SESSION, SESSIONS, Browser
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server, running_server, settings_for


def test_a_session_acts_as_its_person(server: Server) -> None:
    user = account(server, "Ann@example.com")
    mine = server.create(baseRole="NO_ACCESS")
    hidden = server.create(baseRole="NO_ACCESS")
    server.grant(user, mine, "QUERIER")
    browser = Browser(server)
    assert_error(browser.get(SESSION), 401)
    answer = browser.sign_in(" ANN@example.com ")
    assert answer.status_code == 200
    assert answer.json()["userId"] == user.id
    assert answer.json()["kind"] == "session"
    assert browser.get(SESSION).json() == answer.json()
    seen = [row["id"] for row in browser.get(CONNECTIONS).json()["connections"]]
    assert seen == [mine]
    assert_error(browser.get(f"{CONNECTIONS}/{hidden}"), 404)
    assert_error(browser.post(CONNECTIONS, json=body("duckdb")), 403)


def test_an_admin_may_change_things_and_the_audit_names_the_person(server: Server) -> None:
    browser = visitor(server, admin=True)
    made = browser.post(CONNECTIONS, json=body("postgres"))
    assert made.status_code == 201
    [row] = server.sql(
        "SELECT actor_kind, actor_name FROM audit_log WHERE action = 'connection.create'"
    )
    assert row == ("session", "ann@example.com")
    actions = [row[0] for row in server.sql("SELECT action FROM audit_log ORDER BY seq")]
    assert "session.create" in actions


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(sqlite_server: Server) -> None:
    browser = Browser(sqlite_server)
    account(sqlite_server, "ann@example.com")
    sent = browser.sign_in("ann@example.com").headers["set-cookie"]
    name, _, rest = sent.partition("=")
    assert name == "dragoman_session"
    assert {part.strip().lower() for part in rest.split(";")[1:]} == {
        "httponly", "samesite=lax", "path=/", f"max-age={168 * 3600}",
    }  # fmt: skip
    assert len(browser.cookie or "") == 43
    assert browser.cookie not in str(sqlite_server.sql("SELECT * FROM signin_sessions"))


def test_behind_tls_the_cookie_is_secure_and_bound_to_its_host(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", public_url="https://data.example.com")
    with running_server(settings) as server:
        account(server, "ann@example.com")
        browser = Browser(server, "https://data.example.com")
        sent = browser.sign_in("ann@example.com").headers["set-cookie"]
        assert sent.startswith("__Host-dragoman_session=")
        assert "; Secure" in sent
        assert "omain" not in sent
        assert browser.get(SESSION).status_code == 200
        # A neighbour may plant a cookie of the plain name; it is not looked at.
        planted = {"Cookie": f"dragoman_session={browser.cookie}"}
        assert_error(server.anonymous.get(SESSION, headers=planted), 401)


def refusals(server: Server, sent: list[tuple[str, str]]) -> list[Any]:
    answers = [Browser(server).sign_in(email, password) for email, password in sent]
    for answer in answers:
        assert_error(answer, 401)
        assert "set-cookie" not in answer.headers
    return [(answer.json(), sorted(set(answer.headers) - {"x-request-id"})) for answer in answers]


def test_refusals_do_not_tell_who_has_an_account(server: Server) -> None:
    account(server, "ann@example.com")
    gone = account(server, "gone@example.com")
    server.user("none@example.com")
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, gone, disabled=True)
    seen = refusals(
        server,
        [
            ("ann@example.com", "wrong " + PASSWORD),
            ("gone@example.com", PASSWORD),
            ("none@example.com", PASSWORD),
            ("nobody@example.com", PASSWORD),
            ("no address", PASSWORD),
            ("", ""),
        ],
    )
    assert all(each == seen[0] for each in seen)
    rows = server.sql(
        "SELECT actor_name FROM audit_log WHERE action = 'session.refuse' ORDER BY seq"
    )
    known = ["ann@example.com", "gone@example.com", "none@example.com"]
    assert [row[0] for row in rows] == known + ["unknown"] * 3


def test_the_same_work_is_done_for_nobody(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dragoman.signin import hashing

    verified: list[str] = []
    real = hashing._verify
    monkeypatch.setattr(
        hashing,
        "_verify",
        lambda stored, password: verified.append(stored) or real(stored, password),
    )
    account(sqlite_server, "ann@example.com")
    for email in ("ann@example.com", "nobody@example.com"):
        Browser(sqlite_server).sign_in(email, "wrong")
    costs = [stored.split("$")[1:4] for stored in verified]
    assert len(costs) == 2
    assert costs[0] == costs[1]


def test_passwords_of_two_keyboards_are_one(sqlite_server: Server) -> None:
    user = sqlite_server.user("ann@example.com")
    set_password(sqlite_server, user, "ünder the same roof ﬁ".replace("ﬁ", "fi"))
    typed = "u\u0308nder the same roof \ufb01"
    assert Browser(sqlite_server).sign_in("ann@example.com", typed).status_code == 200


def test_failures_cost_more_and_more_waiting(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(server, "ann@example.com")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    for email in ("ann@example.com", "nobody@example.com"):
        for _ in range(throttle.FREE):
            assert_error(Browser(server).sign_in(email, "wrong"), 401)
        answer = Browser(server).sign_in(email)
        assert_error(answer, 429)
        assert answer.headers["Retry-After"] == "1"
    now += timedelta(seconds=2)
    assert_error(Browser(server).sign_in("ann@example.com", "wrong"), 401)
    assert Browser(server).sign_in("ann@example.com").headers["Retry-After"] == "2"
    now += timedelta(seconds=3)
    assert Browser(server).sign_in("ann@example.com").status_code == 200
    # A success wipes the count.
    for _ in range(throttle.FREE):
        assert_error(Browser(server).sign_in("ann@example.com", "wrong"), 401)


def test_after_a_hundred_failures_only_a_link_helps(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(sqlite_server, "ann@example.com")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    for _ in range(throttle.MOST):
        with sqlite_server.unit() as unit:
            throttle.attempt(unit, "ann@example.com")
        now += throttle.LONGEST_WAIT
    now += timedelta(days=20)
    assert_error(Browser(sqlite_server).sign_in("ann@example.com"), 429)
    with sqlite_server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
    set_password(sqlite_server, user)
    assert Browser(sqlite_server).sign_in("ann@example.com").status_code == 200


def test_attempts_at_the_same_moment_do_not_share_a_place(sqlite_server: Server) -> None:
    account(sqlite_server, "ann@example.com")
    answers = at_once(
        20, lambda n: Browser(sqlite_server).sign_in("ann@example.com", f"wrong {n}").status_code
    )
    assert sorted(set(answers)) == [401, 429]
    assert answers.count(401) <= throttle.FREE + 2


def test_an_address_that_fails_too_often_has_to_wait(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", login_failures_per_minute=3)) as server:
        account(server, "ann@example.com")
        for n in range(3):
            assert_error(Browser(server).sign_in(f"{n}@example.com", "wrong"), 401)
        assert_error(Browser(server).sign_in("3@example.com", "wrong"), 429)
        assert_error(Browser(server).sign_in("ann@example.com"), 429)


def test_signing_in_anew_ends_the_session_before(server: Server) -> None:
    browser = visitor(server)
    before = browser.cookie
    assert browser.sign_in("ann@example.com").status_code == 200
    assert browser.cookie != before
    assert len(server.sql("SELECT id FROM signin_sessions")) == 1
    old = {"Cookie": f"dragoman_session={before}"}
    assert_error(server.anonymous.get(SESSION, headers=old), 401)


def test_signing_out(server: Server) -> None:
    browser = visitor(server)
    kept = browser.cookie
    answer = browser.delete(SESSION)
    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert browser.cookie is None
    old = {"Cookie": f"dragoman_session={kept}"}
    assert_error(server.anonymous.get(SESSION, headers=old), 401)


def test_a_session_ends_when_it_is_idle_and_when_it_is_old(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = visitor(server)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)

    def later(**span: int) -> int:
        nonlocal now
        now += timedelta(**span)
        status = browser.get(SESSION).status_code
        server.house.visitors.flush(server.house.store)
        return status

    assert later(minutes=479) == 200
    assert later(minutes=479) == 200
    assert later(minutes=481) == 401
    browser.sign_in("ann@example.com")
    assert [later(hours=7) for _ in range(24)] == [200] * 23 + [401]


def test_what_is_over_is_forgotten(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor(server)
    Browser(server).sign_in("nobody@example.com")
    assert server.sql("SELECT * FROM signin_failures")
    now = clock.now() + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: now)
    monkeypatch.setattr(server.house.visitors, "_tidied", -10_000.0)
    server.house.visitors.flush(server.house.store)
    assert server.sql("SELECT * FROM signin_sessions") == []
    assert server.sql("SELECT * FROM signin_failures") == []


def test_one_sees_and_ends_ones_own_sessions(server: Server) -> None:
    first = visitor(server)
    second, other = Browser(server), visitor(server, "bob@example.com")
    second.sign_in("ann@example.com")
    listed = second.get(SESSIONS).json()["sessions"]
    assert [row["current"] for row in listed] in ([True, False], [False, True])
    assert {row["agent"] for row in listed} == {second.http.headers["user-agent"]}
    [elsewhere] = [row["id"] for row in listed if not row["current"]]
    assert_error(other.delete(f"{SESSIONS}/{elsewhere}"), 404)
    assert second.delete(f"{SESSIONS}/{elsewhere}").status_code == 200
    assert_error(first.get(SESSION), 401)
    assert_error(second.delete(f"{SESSIONS}/{elsewhere}"), 404)
    first.sign_in("ann@example.com")
    assert second.delete(SESSIONS).status_code == 200
    assert_error(first.get(SESSION), 401)
    assert second.get(SESSION).status_code == 200
    assert other.get(SESSION).status_code == 200


def test_suspension_ends_sessions_at_once_and_for_good(server: Server) -> None:
    browser = visitor(server)
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
    assert_error(browser.get(SESSION), 401)
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, user, disabled=False)
    assert_error(browser.get(SESSION), 401)
    assert browser.sign_in("ann@example.com").status_code == 200


def test_an_identity_provider_ends_sessions(sqlite_server: Server) -> None:
    users = "/api/scim/v2/Users"
    browser = visitor(sqlite_server)
    found = sqlite_server.root.get(users, params={"filter": 'userName eq "ann@example.com"'})
    user = f"{users}/{found.json()['Resources'][0]['id']}"
    for active in (False, True):
        sent = {"Operations": [{"op": "Replace", "path": "active", "value": str(active)}]}
        assert sqlite_server.root.patch(user, json=sent).status_code == 200
        assert_error(browser.get(SESSION), 401)
    assert browser.sign_in("ann@example.com").status_code == 200
    assert sqlite_server.root.delete(user).status_code == 204
    assert_error(browser.get(SESSION), 401)


def test_a_session_of_somebody_suspended_behind_our_back_does_not_pass(server: Server) -> None:
    browser = visitor(server)
    server.sql("UPDATE users SET disabled_at = '2026-01-01T00:00:00.000Z'")
    assert_error(browser.get(SESSION), 401)


def test_tokens_see_who_they_are_and_have_no_session(server: Server) -> None:
    seen = server.root.get(SESSION).json()
    assert (seen["kind"], seen["csrfToken"]) == ("organization", None)
    assert_error(server.root.delete(SESSION), 400)
    assert_error(server.root.get(SESSIONS), 400)
    member = server.member("bob@example.com")
    assert member.get(SESSION).json()["kind"] == "personal"
    assert member.get(SESSIONS).json() == {"sessions": []}
    sent = {"currentPassword": PASSWORD, "newPassword": "kitchen table forty miles"}
    assert_error(member.put(f"{SESSION}/password", json=sent), 400)


def test_a_token_comes_before_a_session(server: Server) -> None:
    browser = visitor(server)
    wrong = {"Authorization": "Bearer nonsense"}
    assert_error(browser.get(SESSION, headers=wrong), 401)


def test_passwords_can_be_switched_off(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", local_accounts="off")) as server:
        account(server, "ann@example.com")
        assert server.anonymous.get(f"{SESSION}/ways").json()["password"] is False
        assert_error(Browser(server).sign_in("ann@example.com"), 403)


def test_sessions_have_a_rate_limit_of_their_own(tmp_path: Path) -> None:
    settings = settings_for(
        tmp_path / "home", rate_limit_per_minute=1, session_rate_limit_per_minute=3
    )
    with running_server(settings) as server:
        browser = visitor(server)
        assert [browser.get(SESSION).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_the_page_is_ours_alone(sqlite_server: Server) -> None:
    page = sqlite_server.anonymous.get("/signin")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in page.text.replace("http-equiv", "")
    for name, media in (("signin.js", "text/javascript"), ("signin.css", "text/css")):
        assert f"/signin/{name}" in page.text
        assert (
            sqlite_server.anonymous.get(f"/signin/{name}").headers["content-type"].startswith(media)
        )
    assert_error(sqlite_server.anonymous.get("/signin/page.py"), 404)
