"""The pool of sessions: bounds, reuse, and what must not be lent again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dragoman.dialects import pool as pool_module
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.pool import (
    FRESH_SECONDS,
    MAX_AGE_SECONDS,
    PoolClosed,
    PoolTimeout,
    SessionPool,
)
from tests.dialects.fakes import FakeSession
from tests.support.patience import SLOW_MACHINE

KEY = ("connection", 1, "UTC")


class Opener:
    def __init__(self) -> None:
        self.made: list[FakeSession] = []
        self.lock = threading.Lock()

    def __call__(self) -> FakeSession:
        session = FakeSession()
        with self.lock:
            self.made.append(session)
        return session


def test_a_session_is_reset_and_used_again() -> None:
    pool, opener = SessionPool(), Opener()
    with pool.lease(KEY, opener) as first:
        pass
    with pool.lease(KEY, opener) as second:
        assert second is first
    assert opener.made[0].resets == 2
    with pool.lease((*KEY, "other"), opener) as third:
        assert third is not first


def test_no_more_than_the_bound_are_open_at_once() -> None:
    pool, opener = SessionPool(max_per_owner=3), Opener()
    now, most, lock = 0, 0, threading.Lock()

    def use(_: int) -> None:
        nonlocal now, most
        with pool.lease(KEY, opener):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.005)
            with lock:
                now -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(use, range(60)))
    assert most == 3
    assert len(opener.made) == 3


def test_a_broken_session_is_closed_and_its_place_is_free() -> None:
    pool, opener = SessionPool(max_per_owner=1), Opener()
    with pool.lease(KEY, opener) as session:
        session.broken = True
    assert opener.made[0].closed
    with pool.lease(KEY, opener, timeout=0.1) as other:
        assert other is not session


def test_a_session_that_cannot_be_reset_is_closed() -> None:
    pool, opener = SessionPool(max_per_owner=1), Opener()

    def fail() -> None:
        raise RuntimeError("gone")

    with pool.lease(KEY, opener):
        opener.made[0].on_reset = fail
    assert opener.made[0].closed
    with pool.lease(KEY, opener, timeout=0.1):
        assert len(opener.made) == 2


def test_an_error_of_the_user_gives_the_session_back() -> None:
    pool, opener = SessionPool(max_per_owner=1), Opener()
    with pytest.raises(ValueError, match="mine"), pool.lease(KEY, opener):
        raise ValueError("mine")
    with pool.lease(KEY, opener, timeout=0.1):
        assert len(opener.made) == 1


def test_an_opener_that_fails_leaves_its_place_free() -> None:
    pool = SessionPool(max_per_owner=1)

    def fail() -> FakeSession:
        raise OSError("refused")

    for _ in range(3):
        with pytest.raises(OSError, match="refused"), pool.lease(KEY, fail, timeout=0.1):
            pass


def test_waiting_has_an_end_and_a_bound() -> None:
    pool, opener = SessionPool(max_per_owner=1, max_waiting=0), Opener()
    lease = pool.lease(KEY, opener)
    with pool.lease(KEY, opener), pytest.raises(PoolTimeout, match="too many"):
        lease.__enter__()
    pool = SessionPool(max_per_owner=1)
    lease = pool.lease(KEY, opener, timeout=0.05)
    with pool.lease(KEY, opener), pytest.raises(PoolTimeout, match="seconds"):
        lease.__enter__()


def test_a_dropped_key_is_never_lent_again() -> None:
    pool, opener = SessionPool(), Opener()
    with pool.lease(KEY, opener):
        pass
    with pool.lease(("other",), opener) as kept:
        pass
    with pool.lease(KEY, opener) as lent:
        pool.drop(("connection", 1))
        with pool.lease(KEY, opener) as fresh:
            assert fresh is not lent
    assert opener.made[0].closed
    with pool.lease(KEY, opener) as again:
        assert again is fresh
    with pool.lease(("other",), opener) as other:
        assert other is kept


def test_idle_sessions_end() -> None:
    clock = [0.0]
    pool, opener = SessionPool(idle_seconds=10, clock=lambda: clock[0]), Opener()
    with pool.lease(KEY, opener):
        pass
    clock[0] = 11.0
    pool.close_idle()
    assert opener.made[0].closed
    with pool.lease(KEY, opener):
        assert len(opener.made) == 2


def test_options_share_the_bound_of_their_owner() -> None:
    pool, opener = SessionPool(max_per_owner=1), Opener()
    with pool.lease(KEY, opener, variant="UTC") as first:
        pass
    # The idle one with other options makes room.
    with pool.lease(KEY, opener, timeout=0.1, variant="Asia/Tokyo") as second:
        assert second is not first
        assert opener.made[0].closed
        with pytest.raises(PoolTimeout):
            pool.lease(KEY, opener, timeout=0.05, variant="UTC").__enter__()
    with pool.lease(KEY, opener, variant="Asia/Tokyo") as again:
        assert again is second


def test_a_session_that_was_idle_must_answer_before_it_is_lent() -> None:
    clock = [0.0]
    pool, opener = SessionPool(max_per_owner=1, clock=lambda: clock[0]), Opener()

    def gone() -> None:
        raise DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, "gone")

    with pool.lease(KEY, opener):
        opener.made[0].on_ping = gone
    with pool.lease(KEY, opener) as fresh:  # used a moment ago: not asked
        assert fresh is opener.made[0]
    clock[0] = FRESH_SECONDS + 1
    with pool.lease(KEY, opener, timeout=0.1) as other:
        assert other is opener.made[1]
    assert opener.made[0].closed


def test_a_session_of_an_hour_is_not_kept() -> None:
    clock = [0.0]
    pool, opener = SessionPool(idle_seconds=1e9, clock=lambda: clock[0]), Opener()
    for moment, made in ((0, 1), (MAX_AGE_SECONDS - 1, 1), (MAX_AGE_SECONDS + 1, 1), (4000, 2)):
        clock[0] = moment
        with pool.lease(KEY, opener):
            assert len(opener.made) == made
    assert opener.made[0].closed
    assert not opener.made[1].closed


def test_a_session_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "PING_SECONDS", 0.05)
    clock = [0.0]
    pool, opener = SessionPool(max_per_owner=1, clock=lambda: clock[0]), Opener()
    stuck = threading.Event()
    with pool.lease(KEY, opener):
        opener.made[0].on_ping = lambda: stuck.wait(60) and None
    clock[0] = FRESH_SECONDS + 1
    began = time.monotonic()
    with pool.lease(KEY, opener, timeout=30) as other:
        assert other is opener.made[1]
        opener.made[1].on_reset = lambda: stuck.wait(60) and None
    with pool.lease(KEY, opener, timeout=30) as third:
        assert third is opener.made[2]
    assert time.monotonic() - began < 2 + SLOW_MACHINE
    stuck.set()


def test_close_ends_all_and_wakes_those_who_wait() -> None:
    pool, opener = SessionPool(max_per_owner=1), Opener()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            with pool.lease(KEY, opener, timeout=60):
                pass
        except PoolClosed as error:
            errors.append(error)

    with pool.lease(KEY, opener):
        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(0.05)
        pool.close()
        waiter.join(60)
    assert len(errors) == 1
    assert opener.made[0].closed
    with pytest.raises(PoolClosed), pool.lease(KEY, opener):
        pass
