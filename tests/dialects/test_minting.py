"""Passwords that are made at sign-in: how long one is used, and what happens to a refused one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.minting import Kept, Minted, signed_in
from dragoman.secret import SecretStr
from tests.dialects.fakes import FakeSession

TARGET = Target("postgres", {"host": "db", "username": "reader"}, {"x": SecretStr("a secret")})
REFUSED = DatabaseFailure(Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, "no", "stored fix")


@dataclass
class Counting:
    """Makes `token-1`, `token-2` and so on, each for a hundred seconds."""

    made: int = 0
    advice: str = "what to check"
    on_mint: Callable[[], None] = lambda: None
    limits: list[float] = field(default_factory=list)

    def mint(self, network: Any, seconds: float) -> Minted:
        self.limits.append(seconds)
        self.on_mint()
        self.made += 1
        return Minted("minted-user", SecretStr(f"token-{self.made}"), 100.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def session(minter: Any, kept: Kept, opened: Callable[[Target], Any]) -> Any:
    options = SessionOptions(connect_seconds=7.0)
    return signed_in(minter, TARGET, None, options, opened, kept)


def password(minter: Any, kept: Kept, target: Target = TARGET) -> str:
    """What a session of the target signs in with now."""
    found: list[Target] = []

    def opened(given: Target) -> FakeSession:
        found.append(given.current())
        return FakeSession()

    signed_in(minter, target, None, SessionOptions(), opened, kept)
    assert found[0].username == "minted-user"
    assert found[0].secrets["x"] == target.secrets["x"]
    return found[0].password.reveal()


def test_a_token_is_used_for_four_fifths_of_its_life() -> None:
    clock, minter = Clock(), Counting()
    kept = Kept(clock)
    assert password(minter, kept) == "token-1"
    clock.now = 79.0
    assert password(minter, kept) == "token-1"
    clock.now = 80.0
    assert password(minter, kept) == "token-2"


def test_a_session_that_signs_in_again_asks_for_what_holds_then() -> None:
    clock, minter, signed = Clock(), Counting(), []

    def opened(target: Target) -> FakeSession:
        first = target.current()
        clock.now = 200.0
        signed.extend((first.password, first.current().password))
        return FakeSession()

    session(minter, Kept(clock), opened)
    assert [each.reveal() for each in signed] == ["token-1", "token-2"]
    assert minter.limits == [7.0, 7.0]


def test_each_target_has_its_own() -> None:
    minter, kept = Counting(), Kept()
    other = replace(TARGET, settings={**TARGET.settings, "username": "other"})
    rotated = replace(TARGET, secrets={"x": SecretStr("another")})
    tokens = [password(minter, kept, each) for each in (TARGET, other, rotated, TARGET)]
    assert tokens == ["token-1", "token-2", "token-3", "token-1"]


def test_a_refused_token_is_not_used_again_and_the_advice_is_the_minters() -> None:
    minter, kept = Counting(), Kept()

    def opened(target: Target) -> FakeSession:
        target.current()
        raise REFUSED

    with pytest.raises(DatabaseFailure) as caught:
        session(minter, kept, opened)
    assert (caught.value.message, caught.value.fix) == ("no", "what to check")
    assert password(minter, kept) == "token-2"


def test_other_failures_keep_the_token() -> None:
    minter, kept = Counting(), Kept()
    gone = DatabaseFailure(Stage.DATABASE, Cause.DATABASE_NOT_FOUND, "none")

    def opened(target: Target) -> FakeSession:
        target.current()
        raise gone

    with pytest.raises(DatabaseFailure) as caught:
        session(minter, kept, opened)
    assert caught.value is gone
    assert password(minter, kept) == "token-1"


def test_what_fails_on_the_way_to_a_token_is_a_failed_sign_in_with_its_own_fix() -> None:
    def fail() -> None:
        raise DatabaseFailure(Stage.DNS, Cause.HOST_NOT_FOUND, "There is no host sts.", "look", "7")

    minter, kept = Counting(on_mint=fail), Kept()
    with pytest.raises(DatabaseFailure) as caught:
        session(minter, kept, lambda target: target.current())
    told = caught.value
    assert (told.stage, told.cause) == (Stage.AUTHENTICATION, Cause.HOST_NOT_FOUND)
    assert told.message.endswith("There is no host sts.")
    assert (told.fix, told.code) == ("look", "7")


def test_those_who_ask_at_once_get_one_token() -> None:
    start = threading.Barrier(5)
    minter, kept, found = Counting(), Kept(), []

    def ask() -> None:
        start.wait(30)
        found.append(password(minter, kept))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert found == ["token-1"] * 5


def test_what_is_kept_is_bounded() -> None:
    minter, kept = Counting(), Kept()
    for number in range(300):
        password(minter, kept, replace(TARGET, settings={"host": f"db{number}"}))
    assert len(kept._places) == 256


def test_without_a_minter_the_stored_password_is_used() -> None:
    found: list[Target] = []

    def opened(target: Target) -> FakeSession:
        found.append(target)
        return FakeSession()

    session(None, Kept(), opened)
    assert found == [TARGET]
    assert found[0].current() is TARGET
