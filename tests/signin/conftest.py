"""Accounts with a password. Hashes are cheap here: what they cost is tested in test_hashing.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.signin import service
from dragoman.signin.hashing import HASHER, Cost, hash_password
from tests.support.browser import PASSWORD, Browser
from tests.support.server import Server

CHEAP = Cost(memory=32, passes=1, lanes=1)
Account = Callable[..., identity.User]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HASHER, "cost", CHEAP)


def set_password(server: Server, user: identity.User, password: str = PASSWORD) -> None:
    with server.unit() as unit:
        service.set_password(unit, OPERATOR, user, hash_password(password, CHEAP))


def account(server: Server, email: str, *, admin: bool = False) -> identity.User:
    """A member with a password."""
    user = server.user(email, admin=admin)
    set_password(server, user)
    return user


def visitor(server: Server, email: str = "ann@example.com", *, admin: bool = False) -> Browser:
    """A browser that a new member has signed in with."""
    account(server, email, admin=admin)
    browser = Browser(server)
    assert browser.sign_in(email).status_code == 200
    return browser
