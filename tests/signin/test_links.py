"""Links to choose a password: once, for a while, never in the store; and changing a password."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from dragoman import clock, mail
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.signin import links
from dragoman.signin.tables import subjects
from tests.signin.conftest import set_password, visitor
from tests.support.browser import PASSWORD, SESSION, Browser
from tests.support.clients import assert_error, at_once
from tests.support.mailbox import Mailbox, mailbox
from tests.support.server import Server, running_server, settings_for

NEW = "kitchen table forty miles"


def link(server: Server, email: str, purpose: links.Purpose = "invite") -> str:
    with server.unit() as unit:
        return links.make(unit, OPERATOR, identity.get_user(unit, email), purpose).reveal()


def redeem(server: Server, secret: str, password: str = NEW) -> int:
    sent = {"link": secret, "password": password}
    return Browser(server).post(f"{SESSION}/link", json=sent).status_code


def test_an_invitation_is_redeemed_once(server: Server) -> None:
    server.user("ann@example.com")
    secret = link(server, "ann@example.com")
    assert secret not in str(server.sql("SELECT * FROM signin_links"))
    assert redeem(server, secret, "too short") == 400
    assert redeem(server, secret) == 200
    assert redeem(server, secret, PASSWORD) == 400
    assert Browser(server).sign_in("ann@example.com", NEW).status_code == 200
    [row] = server.sql("SELECT hash FROM signin_passwords")
    assert row[0].startswith("$argon2id$")
    assert NEW not in row[0]


def test_of_two_at_the_same_moment_one_wins(server: Server) -> None:
    server.user("ann@example.com")
    secret = link(server, "ann@example.com")
    statuses = at_once(4, lambda n: redeem(server, secret, f"{NEW} {n}"))
    assert sorted(statuses) == [200, 400, 400, 400]


def test_links_that_do_not_work(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = server.user("ann@example.com")
    older = link(server, "ann@example.com")
    newer = link(server, "ann@example.com", "reset")
    assert redeem(server, older) == 400
    assert redeem(server, newer[:-1] + ("A" if newer[-1] != "A" else "B")) == 400
    assert redeem(server, "") == 400
    now = clock.now() + timedelta(hours=1, seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: now)
        assert redeem(server, newer) == 400
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, ann, disabled=True)
    assert redeem(server, newer) == 400
    with server.unit() as unit, pytest.raises(Exception, match="suspended"):
        links.make(unit, OPERATOR, identity.get_user(unit, "ann@example.com"), "invite")


def test_who_only_gets_mail_cannot_sign_in(server: Server) -> None:
    with server.unit() as unit:
        kind = identity.Kind.EMAIL_ONLY
        user = identity.create_user(unit, OPERATOR, "list@example.com", kind=kind)
    set_password(server, user)
    assert_error(Browser(server).sign_in("list@example.com"), 401)
    with server.unit() as unit, pytest.raises(Exception, match="no member"):
        links.make(unit, OPERATOR, user, "invite")


def test_guesses_of_links_count_against_the_address(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", login_failures_per_minute=2)) as server:
        assert [redeem(server, f"guess {n}") for n in range(4)] == [400, 400, 429, 429]


def test_a_new_password_ends_what_the_old_one_opened(server: Server) -> None:
    thief = visitor(server)
    assert redeem(server, link(server, "ann@example.com", "reset")) == 200
    assert_error(thief.get(SESSION), 401)
    assert_error(thief.sign_in("ann@example.com", PASSWORD), 401)
    owner = Browser(server)
    assert owner.sign_in("ann@example.com", NEW).status_code == 200


def change(browser: Browser, old: str, new: str) -> int:
    sent = {"currentPassword": old, "newPassword": new}
    answer = browser.put(f"{SESSION}/password", json=sent)
    if answer.status_code == 200:
        browser.csrf = answer.json()["csrfToken"]
    return answer.status_code


def test_changing_the_password_ends_other_sessions_and_renews_this_one(server: Server) -> None:
    browser, elsewhere = visitor(server), Browser(server)
    elsewhere.sign_in("ann@example.com")
    before = browser.cookie
    assert change(browser, "wrong " + PASSWORD, NEW) == 403
    assert change(browser, PASSWORD, "ann@example.com2026") == 400
    assert change(browser, PASSWORD, NEW) == 200
    assert browser.cookie != before
    assert browser.get(SESSION).status_code == 200
    assert_error(elsewhere.get(SESSION), 401)
    old = {"Cookie": f"dragoman_session={before}"}
    assert_error(server.anonymous.get(SESSION, headers=old), 401)
    assert change(browser, NEW, PASSWORD) == 200


def test_a_borrowed_session_cannot_guess_the_password(sqlite_server: Server) -> None:
    browser = visitor(sqlite_server)
    statuses = [change(browser, f"wrong {n}", NEW) for n in range(7)]
    assert statuses == [403] * 5 + [429] * 2


@pytest.fixture
def post() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


def mailing(
    tmp_path: Path, post: Mailbox, **more: object
) -> contextlib.AbstractContextManager[Server]:
    settings = settings_for(
        tmp_path / "home",
        smtp_host="127.0.0.1",
        smtp_port=post.port,
        smtp_tls="off",
        smtp_from="dragoman@example.com",
        public_url="http://data.example.com",
        **more,
    )
    return running_server(settings)


def test_a_lost_password_is_asked_for_by_mail(tmp_path: Path, post: Mailbox) -> None:
    with mailing(tmp_path, post) as server:
        server.user("ann@example.com")
        assert server.anonymous.get(f"{SESSION}/ways").json()["mail"] is True
        answers = [
            Browser(server).post(f"{SESSION}/forgotten", json={"email": email})
            for email in ("nobody@example.com", "no address", "ANN@example.com")
        ]
        assert {(each.status_code, each.text) for each in answers} == {(202, '{"success":true}')}
        letter = post.next()
        assert letter["To"] == "ann@example.com"
        text = letter.get_content()
        [line] = [line for line in text.splitlines() if "#link=" in line]
        place, _, secret = line.partition("#link=")
        assert place == "http://data.example.com/signin"
        # A second mail at once would only annoy.
        Browser(server).post(f"{SESSION}/forgotten", json={"email": "ann@example.com"})
        assert redeem(server, secret) == 200
        server.house.blocking.shutdown(wait=True)
        assert post.letters.empty()


def of_provider(server: Server, email: str) -> identity.User:
    """Somebody whom an identity provider lets in."""
    user = server.user(email)
    with server.unit() as unit:
        row = {"digest": email.encode().ljust(32), "user_id": user.id, "issuer": "https://x"}
        more = {"subject": email, "created_at": unit.now, "seen_at": unit.now}
        unit.db.execute(insert(subjects).values({**row, **more}))
    return user


def test_no_mail_leads_around_an_identity_provider(tmp_path: Path, post: Mailbox) -> None:
    with mailing(tmp_path, post) as server:
        of_provider(server, "ann@example.com")
        set_password(server, of_provider(server, "bob@example.com"))
        for email in ("ann@example.com", "bob@example.com"):
            Browser(server).post(f"{SESSION}/forgotten", json={"email": email})
        server.house.blocking.shutdown(wait=True)
        # Bob has a password here as well, and has lost it.
        assert post.next()["To"] == "bob@example.com"
        assert post.letters.empty()
        assert len(server.sql("SELECT * FROM signin_links")) == 1


def test_no_mail_is_sent_where_passwords_are_off(tmp_path: Path, post: Mailbox) -> None:
    with mailing(tmp_path, post, local_accounts="off") as server:
        server.user("ann@example.com")
        Browser(server).post(f"{SESSION}/forgotten", json={"email": "ann@example.com"})
        server.house.blocking.shutdown(wait=True)
        assert post.letters.empty()


def test_without_a_mail_server_the_answer_is_the_same(sqlite_server: Server) -> None:
    sqlite_server.user("ann@example.com")
    sent = {"email": "ann@example.com"}
    answer = Browser(sqlite_server).post(f"{SESSION}/forgotten", json=sent)
    assert (answer.status_code, answer.text) == (202, '{"success":true}')
    assert sqlite_server.sql("SELECT * FROM signin_links") == []


def test_mail_is_dialled_under_the_egress_policy(tmp_path: Path, post: Mailbox) -> None:
    server = mailing(tmp_path, post, egress="public")
    with server as running, pytest.raises(mail.MailFailure, match="may not connect"):
        mail.send(running.settings, running.house.network, "ann@example.com", "x", "y")
    assert post.letters.empty()


def test_a_mail_server_that_refuses_is_told_without_the_mail(tmp_path: Path, post: Mailbox) -> None:
    post.refusing = True
    with mailing(tmp_path, post) as server, pytest.raises(mail.MailFailure) as told:
        mail.send(server.settings, server.house.network, "ann@example.com", "x", "secret text")
    assert "550" in str(told.value)
    assert "secret" not in str(told.value)


def test_a_mail_has_one_recipient_whatever_the_address_says(tmp_path: Path, post: Mailbox) -> None:
    with mailing(tmp_path, post) as server:
        for to in ("a@b.c\nBcc: d@e.f", "a@b.c, d@e.f", "a,d@e.f", "<d@e.f>"):
            with pytest.raises(mail.MailFailure):
                mail.send(server.settings, server.house.network, to, "x", "y")
    assert post.letters.empty()
