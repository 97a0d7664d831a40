"""One-time codes: those of the RFC, each good once, asked for and demanded."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dragoman import clock
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.secret import SecretStr
from dragoman.signin import totp
from tests.signin.conftest import account, visitor
from tests.support.browser import PASSWORD, SESSION, SESSIONS, Browser
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

PATH = f"{SESSION}/second-factor"
RFC_SECRET = SecretStr(base64.b32encode(b"12345678901234567890").decode())


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
        (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    """RFC 6238, appendix B; ours are the last six digits."""
    assert totp.code_at(RFC_SECRET, seconds // 30) == code[-6:]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The present step; a test moves it."""
    from datetime import UTC, datetime

    steps = [int(clock.now().timestamp()) // 30]
    monkeypatch.setattr(clock, "now", lambda: datetime.fromtimestamp(steps[0] * 30 + 7, UTC))
    return steps


class Phone:
    """An authenticator that was set up on the page."""

    def __init__(self, browser: Browser, now: list[int]) -> None:
        begun = browser.post(PATH, json={"currentPassword": PASSWORD})
        assert begun.status_code == 200, begun.text
        self.secret = SecretStr(begun.json()["secret"])
        self.uri = begun.json()["uri"]
        self.now = now
        confirmed = browser.post(f"{PATH}/confirm", json={"code": self.code()})
        assert confirmed.status_code == 200, confirmed.text
        browser.csrf = confirmed.json()["csrfToken"]
        self.recovery = confirmed.json()["recoveryCodes"]

    def code(self, drift: int = 0) -> str:
        return totp.code_at(self.secret, self.now[0] + drift)


def test_a_code_is_asked_for_once_it_was_confirmed(server: Server, now: list[int]) -> None:
    browser, elsewhere = visitor(server), Browser(server)
    elsewhere.sign_in("ann@example.com")
    assert_error(browser.post(PATH, json={"currentPassword": "wrong"}), 403)
    # Begun and not confirmed: nothing changes.
    browser.post(PATH, json={"currentPassword": PASSWORD})
    assert_error(browser.post(f"{PATH}/confirm", json={"code": "000000x"}), 400)
    assert Browser(server).sign_in("ann@example.com").status_code == 200
    before = browser.cookie
    phone = Phone(browser, now)
    assert phone.uri == (
        f"otpauth://totp/Dragoman%3Aann%40example.com?secret={phone.secret.reveal()}&issuer=Dragoman"
    )
    assert browser.cookie != before
    assert_error(elsewhere.get(SESSION), 401)
    assert browser.get(PATH).json() == {"enrolled": True, "recoveryCodesLeft": 10}
    assert_error(browser.post(PATH, json={"currentPassword": PASSWORD}), 409)
    asked = Browser(server).sign_in("ann@example.com")
    assert assert_error(asked, 401)["secondFactor"] is True
    wrong = Browser(server).sign_in("ann@example.com", "wrong")
    assert "secondFactor" not in assert_error(wrong, 401)
    now[0] += 1
    spaced = f"{phone.code()[:3]} {phone.code()[3:]}"
    assert Browser(server).sign_in("ann@example.com", code=spaced).status_code == 200


def test_a_code_is_good_once_and_for_a_step_either_way(
    sqlite_server: Server, now: list[int]
) -> None:
    phone = Phone(visitor(sqlite_server), now)

    def enter(code: str) -> int:
        return Browser(sqlite_server).sign_in("ann@example.com", code=code).status_code

    assert enter(phone.code()) == 401  # used to confirm
    now[0] += 10
    assert enter(phone.code(-2)) == 401
    assert enter(phone.code(2)) == 401
    assert enter(phone.code(-1)) == 200
    assert enter(phone.code(-1)) == 401
    assert enter(phone.code(1)) == 200
    assert enter(phone.code()) == 401  # older than one that was used
    now[0] += 10
    assert sorted(at_once(4, lambda _: enter(phone.code()))).count(200) == 1


def test_recovery_codes_are_good_once(server: Server, now: list[int]) -> None:
    browser = visitor(server)
    phone = Phone(browser, now)
    assert len(set(phone.recovery)) == 10
    stored = str(server.sql("SELECT * FROM signin_recovery_codes"))
    assert not any(code in stored for code in phone.recovery)
    first = phone.recovery[0]
    assert Browser(server).sign_in("ann@example.com", code=first.upper()).status_code == 200
    assert_error(Browser(server).sign_in("ann@example.com", code=first), 401)
    assert browser.get(PATH).json()["recoveryCodesLeft"] == 9


def test_codes_cannot_be_guessed(sqlite_server: Server, now: list[int]) -> None:
    Phone(visitor(sqlite_server), now)
    answers = [
        Browser(sqlite_server).sign_in("ann@example.com", code=f"{n:06}").status_code
        for n in range(8)
    ]
    assert answers == [401] * 5 + [429] * 3


def test_removing_it_takes_the_password_and_a_code(server: Server, now: list[int]) -> None:
    browser = visitor(server)
    phone = Phone(browser, now)
    now[0] += 1
    sent = {"currentPassword": PASSWORD, "code": phone.code()}
    assert_error(browser.post(f"{PATH}/remove", json={**sent, "currentPassword": "wrong"}), 403)
    assert_error(browser.post(f"{PATH}/remove", json={**sent, "code": "123"}), 403)
    removed = browser.post(f"{PATH}/remove", json=sent)
    assert removed.status_code == 200
    assert Browser(server).sign_in("ann@example.com").status_code == 200
    for table in ("signin_totp", "signin_recovery_codes", "sealed_secrets"):
        assert server.sql(f"SELECT * FROM {table}") == []


def test_an_admin_takes_away_a_lost_one(server: Server, now: list[int]) -> None:
    browser = visitor(server)
    Phone(browser, now)
    with server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
    path = f"/api/v1/users/{user.id}/second-factor"
    assert_error(browser.delete(path), 403)
    assert server.root.delete(path).status_code == 200
    assert_error(browser.get(SESSION), 401)
    assert Browser(server).sign_in("ann@example.com").status_code == 200
    assert_error(server.root.delete(path.replace(user.id, "0" * 8 + user.id[8:])), 404)


def test_a_new_password_does_not_take_the_second_factor_away(
    sqlite_server: Server, now: list[int]
) -> None:
    Phone(visitor(sqlite_server), now)
    from tests.signin.conftest import set_password

    with sqlite_server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
    set_password(sqlite_server, user)
    assert assert_error(Browser(sqlite_server).sign_in("ann@example.com"), 401)["secondFactor"]


def test_where_it_is_demanded_nothing_goes_without(tmp_path: Path, now: list[int]) -> None:
    with running_server(settings_for(tmp_path / "home", second_factor="required")) as server:
        account(server, "ann@example.com", admin=True)
        browser = Browser(server)
        answer = browser.sign_in("ann@example.com")
        assert answer.status_code == 200
        assert answer.json()["kind"] == "enrolling"
        for path in (CONNECTIONS, "/api/v1/models", "/api/v1/audit-log", "/api/v1/api-keys"):
            assert_error(browser.get(path), 403)
        assert_error(browser.post("/api/v1/api-keys", json={"name": "n", "type": "personal"}), 403)
        assert browser.get(SESSIONS).status_code == 200
        Phone(browser, now)
        assert browser.get(SESSION).json()["kind"] == "session"
        assert browser.get(CONNECTIONS).status_code == 200
        now[0] += 1
        assert_error(
            browser.post(f"{PATH}/remove", json={"currentPassword": PASSWORD, "code": "1"}), 403
        )
        # Eight characters are enough where a second factor comes with them.
        changed = browser.put(
            f"{SESSION}/password",
            json={"currentPassword": PASSWORD, "newPassword": "gar7lant"},
        )
        assert changed.status_code == 200


def test_the_secret_is_sealed_and_rotates_with_the_keys(server: Server, now: list[int]) -> None:
    from dragoman.app import SEALED
    from dragoman.vault import rotation

    phone = Phone(visitor(server), now)
    [row] = server.sql("SELECT resource, property, value FROM sealed_secrets")
    assert row[:2] == ("second_factor", "totp")
    assert row[2].startswith("v1.")
    assert phone.secret.reveal() not in row[2]
    with server.unit() as unit:
        assert rotation.keys_in_use(unit, SEALED) == {server.house.keys.current().primary.id: 1}


def test_nothing_is_left_of_who_is_deleted(server: Server, now: list[int]) -> None:
    Phone(visitor(server), now)
    with server.unit() as unit:
        identity.delete_user(unit, OPERATOR, identity.get_user(unit, "ann@example.com"))
    for table in ("signin_sessions", "signin_passwords", "signin_totp", "sealed_secrets"):
        assert server.sql(f"SELECT * FROM {table}") == []


def test_the_command_line_takes_it_away(sqlite_server: Server, now: list[int]) -> None:
    from dragoman.signin import second_factor

    Phone(visitor(sqlite_server), now)
    with sqlite_server.unit() as unit:
        user = identity.get_user(unit, "ann@example.com")
        second_factor.reset(unit, OPERATOR, user.id)
    assert Browser(sqlite_server).sign_in("ann@example.com").status_code == 200
