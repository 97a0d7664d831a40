"""Passwords, session ids, links, secrets of second factors, recovery codes go through everything;
then the store, the logs and the answers of everything else are searched for them: none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.secret import SecretStr
from tests.security.test_canaries import Marks
from tests.signin.test_links import link, redeem
from tests.signin.test_second_factor import Phone, now
from tests.support.browser import SESSION, SESSIONS, Browser
from tests.support.server import running_server, settings_for

__all__ = ["now"]


def test_no_secret_of_signing_in_shows_anywhere(
    tmp_path: Path,
    now: list[int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marks, home = Marks(), tmp_path / "home"
    first, second = marks.new("password"), marks.new("another password")
    monkeypatch.setattr("tests.signin.test_second_factor.PASSWORD", first)
    embedding = SecretStr(marks.new("embed secret"))
    settings = settings_for(home, log_level="debug", embed_secrets=embedding)
    with running_server(settings) as server:
        visitor = {"externalId": "7", "name": "Eve", "secret": embedding.reveal()}
        made = server.anonymous.post("/embed/sso/generate-url", json=visitor)
        marks.keep(made)
        marks.keep(server.anonymous.get(made.json()["url"]))
        visitor["name"] = ""
        marks.keep(server.anonymous.post("/embed/sso/generate-url", json={**visitor, "x": 1}))
        server.user("ann@example.com", admin=True)
        secret = link(server, "ann@example.com")
        assert redeem(server, secret, first) == 200
        marks.marks["link"] = secret.encode()
        browser = Browser(server)
        assert browser.sign_in("ann@example.com", first).status_code == 200
        marks.marks["session"] = (browser.cookie or "").encode()
        phone = Phone(browser, now)
        marks.marks["second session"] = (browser.cookie or "").encode()
        marks.marks["totp"] = phone.secret.reveal().encode()
        for number, code in enumerate(phone.recovery):
            marks.marks[f"recovery {number}"] = code.encode()
            marks.marks[f"plain recovery {number}"] = code.replace("-", "").upper().encode()
        now[0] += 1
        for sent in ({"password": second}, {"password": first, "code": "000000"},
                     {"password": first, "code": phone.recovery[0]}):  # fmt: skip
            answer = Browser(server).post(SESSION, json={"email": "ann@example.com", **sent})
            if answer.status_code != 200:
                marks.keep(answer)
        marks.keep(browser.post(SESSION, json={"email": second, "password": first, "x": second}))
        marks.keep(browser.post(f"{SESSION}/link", json={"link": secret, "password": second}))
        body = {"currentPassword": second, "newPassword": first}
        marks.keep(browser.put(f"{SESSION}/password", json=body))
        body = {"currentPassword": first, "newPassword": "short"}
        marks.keep(browser.put(f"{SESSION}/password", json=body))
        for path in (SESSION, SESSIONS, "/api/v1/audit-log?pageSize=100", "/metrics",
                     f"{SESSION}/second-factor", "/openapi.json"):  # fmt: skip
            marks.keep(browser.get(path))
        for path in home.rglob("*"):
            if path.is_file():
                marks.haystacks[str(path.relative_to(home))] = path.read_bytes()
        assert any(name.endswith("-wal") for name in marks.haystacks)
    printed = capfd.readouterr()
    marks.haystacks["log"] = (printed.out + printed.err).encode()
    assert b"session" in marks.haystacks["log"]
    assert len(marks.haystacks) > 12
    assert marks.found() == []
