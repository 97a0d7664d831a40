"""Circuit breakers: when they open, who may try, what closes them."""

from __future__ import annotations

import threading

import pytest

from dragoman.dialects.breaker import FIRST_PAUSE, LAST_PAUSE, CircuitOpen, Circuits
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage


class Bench:
    """Circuits with a clock that a test turns, and what was heard of them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heard: list[tuple[str, bool]] = []
        watch = lambda label, opened: self.heard.append((label, opened))  # noqa: E731
        self.circuits = Circuits(watch, threshold=3, clock=lambda: self.now)

    def try_it(self, error: BaseException | None = None, version: int = 1) -> None:
        with self.circuits.attempt("c", version, "postgres"):
            if error is not None:
                raise error

    def fail(self, times: int = 1, cause: Cause = Cause.REFUSED, version: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(DatabaseFailure):
                self.try_it(DatabaseFailure(Stage.TCP, cause, "db:5432 refused"), version)

    def refused(self) -> CircuitOpen:
        with pytest.raises(CircuitOpen) as caught:
            self.try_it()
        return caught.value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_it_opens_after_failures_in_a_row_and_tells_the_last(bench: Bench) -> None:
    bench.fail(2)
    bench.try_it()  # one success forgets them
    bench.fail(3)
    refused = bench.refused()
    assert refused.failure.message == "db:5432 refused"
    assert (refused.failures, refused.seconds) == (3, FIRST_PAUSE)
    assert bench.heard == [("postgres", True)]


def test_one_probe_at_a_time_and_its_success_closes(bench: Bench) -> None:
    bench.fail(3)
    bench.now = FIRST_PAUSE
    inside, over = threading.Event(), threading.Event()

    def probe() -> None:
        with bench.circuits.attempt("c", 1, "postgres"):
            inside.set()
            over.wait(5)

    thread = threading.Thread(target=probe)
    thread.start()
    inside.wait(5)
    assert bench.refused().seconds >= 1
    over.set()
    thread.join()
    bench.try_it()
    assert bench.heard == [("postgres", True), ("postgres", False)]


def test_each_failed_probe_doubles_the_pause_to_a_bound(bench: Bench) -> None:
    bench.fail(3)
    pauses = []
    for _ in range(6):
        pauses.append(bench.refused().seconds)
        bench.now += pauses[-1]
        bench.fail()
    assert pauses == [10, 20, 40, 80, LAST_PAUSE, LAST_PAUSE]
    assert bench.heard == [("postgres", True)]


def test_a_probe_that_says_nothing_lets_the_next_one_try(bench: Bench) -> None:
    bench.fail(3)
    bench.now = FIRST_PAUSE
    with pytest.raises(KeyboardInterrupt):
        bench.try_it(KeyboardInterrupt())
    bench.try_it()


@pytest.mark.parametrize(
    "cause", [Cause.DRIVER_MISSING, Cause.ADDRESS_DENIED, Cause.SETTINGS_INVALID, Cause.CANCELLED]
)
def test_what_is_found_before_dialling_is_not_counted(bench: Bench, cause: Cause) -> None:
    bench.fail(10, cause)
    bench.try_it()


def test_a_changed_connection_begins_anew(bench: Bench) -> None:
    bench.fail(3)
    bench.try_it(version=2)
    assert bench.heard == [("postgres", True), ("postgres", False)]
    bench.fail(3, version=2)
    bench.circuits.close("c")
    bench.try_it(version=2)
    assert bench.heard[2:] == [("postgres", True), ("postgres", False)]


def test_late_failures_of_attempts_under_way_do_not_lengthen_the_pause(bench: Bench) -> None:
    under_way = bench.circuits.attempt("c", 1, "postgres")
    under_way.__enter__()
    bench.fail(3)
    late = DatabaseFailure(Stage.TCP, Cause.TIMEOUT, "late")
    assert not under_way.__exit__(type(late), late, None)
    refused = bench.refused()
    assert (refused.seconds, refused.failure.message) == (FIRST_PAUSE, "late")
