"""Jobs in one process: submitting, joining, progress, failures, cancelling, stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.jobs import records, running, runtime
from dragoman.jobs.running import Run
from tests.jobs.waiting import ended, engine_rows, shown, submitted, until
from tests.support.clients import at_once
from tests.support.patience import SLOW_MACHINE
from tests.support.server import Server, running_server, settings_for


def test_a_job_runs_with_its_arguments_and_keeps_its_result(server: Server) -> None:
    def work(context: jobs.Context, arguments: Mapping[str, Any]) -> Any:
        context.progress("reading", 1, 4)
        doubled = context.step("double", lambda number: number * 2, arguments["number"])
        return {"doubled": doubled, "subject": context.job.subject}

    server.house.jobs.register("DOUBLE", work)
    job = submitted(server, "DOUBLE", "some subject", number=21)
    assert (job.state, job.kind, job.subject) == ("queued", "DOUBLE", "some subject")
    done = ended(server, job)
    assert done.state == "completed", done.error
    assert done.result == {"doubled": 42, "subject": "some subject"}
    assert (done.stage, done.done, done.total) == ("reading", 1, 4)
    assert done.created_at <= (done.started_at or "") <= (done.finished_at or "")
    assert done.error is None


def test_what_is_rolled_back_never_runs(server: Server) -> None:
    ran: list[str] = []
    server.house.jobs.register("NOTE", lambda context, _: ran.append(context.job.subject))
    with server.unit() as unit:
        jobs.submit(unit, "NOTE", "rolled back", {}, OPERATOR)
        unit.db.rollback()
    ended(server, submitted(server, "NOTE", "committed"))
    assert ran == ["committed"]


def test_a_second_request_joins_the_job_under_way(server: Server) -> None:
    go, runs = threading.Event(), []

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        runs.append(context.job.id)
        assert go.wait(60)

    server.house.jobs.register("WAIT", work)
    first = submitted(server, "WAIT", "a")
    until(lambda: shown(server, first).state == "running")
    assert submitted(server, "WAIT", "a").id == first.id
    other = submitted(server, "WAIT", "b")
    assert other.id != first.id
    go.set()
    assert ended(server, first).state == ended(server, other).state == "completed"
    again = submitted(server, "WAIT", "a")
    assert again.id != first.id
    ended(server, again)
    # Who joined may have changed something that the first call had looked at already.
    assert sorted(runs) == sorted([first.id, first.id, other.id, again.id])


def test_a_job_that_is_joined_at_its_very_end_is_done_once_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request comes when the function has returned and the job has not ended yet."""
    real, world, joined = Run._called, ["old"], list[str]()

    def called(run: Run) -> Any:
        found = real(run)
        if not joined:
            world[0] = "new"
            joined.append(submitted(server, "LOOK", "a").id)
        return found

    monkeypatch.setattr(Run, "_called", called)
    server.house.jobs.register("LOOK", lambda *_: world[0])
    job = submitted(server, "LOOK", "a")
    done = ended(server, job)
    assert joined == [job.id]
    assert (done.state, done.result) == ("completed", "new")


def test_a_job_that_is_joined_for_ever_ends_and_another_follows(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MOST_TURNS", 2)
    runs: list[tuple[str, Any]] = []

    def work(context: jobs.Context, arguments: Mapping[str, Any]) -> None:
        runs.append((context.job.id, arguments))
        if len(runs) < 3:
            assert submitted(server, "LOOK", "a").id == context.job.id

    server.house.jobs.register("LOOK", work)
    job = submitted(server, "LOOK", "a", number=1)
    assert ended(server, job).state == "completed"
    until(lambda: len(runs) == 3)
    assert [each == job.id for each, _ in runs] == [True, True, False]
    assert runs[2][1] == {"number": 1}


def test_requests_at_the_same_time_become_one_job(server: Server) -> None:
    go = threading.Event()
    server.house.jobs.register("WAIT", lambda *_: go.wait(20) and None)
    found = at_once(8, lambda _: submitted(server, "WAIT", "same"))
    assert len({job.id for job in found}) == 1
    go.set()
    ended(server, found[0])


def test_a_failure_is_told_in_a_sentence(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def refused(*_: Any) -> None:
        raise DatabaseFailure(
            Stage.TCP, Cause.REFUSED, "db.example refused the connection.", "Start it."
        )

    def unforeseen(*_: Any) -> None:
        raise ValueError("postgresql://me:hunter2@db and other secrets: hunter2")

    def given_up(*_: Any) -> None:
        raise jobs.JobFailed("Nothing to read.")

    def unfit(*_: Any) -> Any:
        return {"not": object()}

    told = {}
    for kind, work in {"A": refused, "B": unforeseen, "C": given_up, "D": unfit}.items():
        server.house.jobs.register(kind, work)
        told[kind] = ended(server, submitted(server, kind))
    assert {job.state for job in told.values()} == {"failed"}
    assert told["A"].error == "db.example refused the connection. Start it."
    assert told["C"].error == "Nothing to read."
    for kind in ("B", "D"):
        assert told[kind].id in (told[kind].error or "")
        assert "hunter2" not in (told[kind].error or "")


def test_work_that_nobody_knows_fails_and_says_so(server: Server) -> None:
    failed = ended(server, submitted(server, "STRANGE"))
    assert failed.error == "This version of the server knows no work named STRANGE."


def test_a_cancelled_job_ends_at_once_and_writes_nothing_more(server: Server) -> None:
    going, cancelled = threading.Event(), threading.Event()
    after: list[str] = []

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        going.set()
        assert cancelled.wait(60)
        context.write(lambda unit: after.append("wrote"))
        after.append("went on")

    server.house.jobs.register("LONG", work)
    job = submitted(server, "LONG", "doomed")
    assert going.wait(60)
    with server.unit() as unit:
        assert jobs.cancel(unit, "doomed", "The connection was deleted.") == 1
        assert jobs.cancel(unit, "other", "No.") == 0
    cancelled.set()
    failed = shown(server, job)
    assert (failed.state, failed.error) == ("failed", "The connection was deleted.")
    ended(server, submitted(server, "LONG", "next"))
    assert shown(server, job) == failed
    assert after == ["wrote", "went on"]  # of the second job alone


def test_a_loop_without_a_word_to_the_context_sees_that_it_is_cancelled(server: Server) -> None:
    going, seen = threading.Event(), threading.Event()

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        going.set()
        while not context.cancelled:
            time.sleep(0.01)
        seen.set()

    server.house.jobs.register("LOOP", work)
    submitted(server, "LOOP", "round")
    assert going.wait(60)
    with server.unit() as unit:
        jobs.cancel(unit, "round", "Enough.")
    assert seen.wait(60)


def test_a_run_that_was_taken_over_writes_nothing(server: Server) -> None:
    going, taken = threading.Event(), threading.Event()
    wrote: list[str] = []

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        going.set()
        assert taken.wait(60)
        context.write(lambda unit: wrote.append("late"))

    server.house.jobs.register("SLOW", work)
    job = submitted(server, "SLOW")
    assert going.wait(60)
    with server.unit() as unit:
        assert records.start(unit, job.id, "another run") is not None
    taken.set()
    time.sleep(1)
    assert wrote == []
    assert shown(server, job).state == "running"


def test_more_jobs_than_run_at_once_all_end(server: Server) -> None:
    def work(context: jobs.Context, _: Mapping[str, Any]) -> str:
        return context.step("name", lambda: context.job.subject)

    server.house.jobs.register("MANY", work)
    made = [submitted(server, "MANY", f"subject {number}") for number in range(12)]
    results = [ended(server, job) for job in made]
    assert [job.result for job in results] == [job.subject for job in made]


def test_the_engine_gets_a_long_line_of_jobs_bit_by_bit(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand jobs wait in the store, where they cost nothing."""
    monkeypatch.setattr(runtime, "AHEAD", 4)
    go, begun = threading.Event(), list[str]()

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        begun.append(context.job.subject)
        go.wait(60)

    server.house.jobs.register("MANY", work)
    with server.unit() as unit:
        made = [jobs.submit(unit, "MANY", str(number), {}, OPERATOR) for number in range(20)]
    server.house.jobs.wake()
    until(lambda: len(begun) == 4)
    ahead = engine_rows(server, "SELECT count(*) FROM {}workflow_status")[0][0]
    go.set()
    for job in made:
        ended(server, job)
    assert 4 <= ahead <= 4 + runtime.AHEAD
    assert len(begun) == 20


def test_a_process_short_of_processor_time_takes_jobs_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Engine:
        hurried: bool | None = None

        def hurry(self, waiting: bool) -> None:
            self.hurried = waiting

    class Job:
        id, state = "waiting", "queued"

    clocks = iter([(0.0, 0.0), (1.0, 0.1), (2.0, 0.2), (3.0, 0.9), (4.0, 1.0)])
    monkeypatch.setattr(runtime, "_clocks", lambda: next(clocks))
    ours, engine = runtime.Jobs(), Engine()
    monkeypatch.setattr(ours, "_engine", engine)
    paces: list[tuple[float, bool | None]] = []
    for waiting in ([Job()], [Job()], [Job()], []):
        ours._set_pace(waiting)
        paces.append((ours._pause, engine.hurried))
    calm, pressed = (runtime.CROWD_SECONDS, True), (runtime.PRESSED_SECONDS, False)
    assert paces == [calm, calm, pressed, (runtime.PAUSE_SECONDS, False)]


def test_no_more_run_at_once_than_the_process_has_room_for(server: Server) -> None:
    lock, running, most = threading.Lock(), set[str](), [0]

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        with lock:
            running.add(context.job.id)
            most[0] = max(most[0], len(running))
        time.sleep(0.3)
        with lock:
            running.discard(context.job.id)

    server.house.jobs.register("MANY", work)
    with server.unit() as unit:
        made = [jobs.submit(unit, "MANY", str(number), {}, OPERATOR) for number in range(10)]
    server.house.jobs.wake()
    for job in made:
        ended(server, job)
    assert 2 <= most[0] <= 4  # two that are started at once, two from the queue


def test_what_a_step_raised_is_kept_without_its_secrets(server: Server) -> None:
    def leaking() -> None:
        raise ValueError("password hunter2")

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        context.step("leak", leaking)

    server.house.jobs.register("LEAK", work)
    failed = ended(server, submitted(server, "LEAK"))
    assert failed.state == "failed"
    kept = engine_rows(server, "SELECT error FROM {}operation_outputs")
    assert kept == [('{"$error": "Unexpected ValueError."}',)]


def test_a_stop_ends_soon_and_the_job_goes_on_at_the_next_start(
    store_url: str, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path / "home", store_url)
    steps: list[str] = []
    going = threading.Event()

    def first(context: jobs.Context, _: Mapping[str, Any]) -> None:
        context.step("one", lambda: steps.append("one"))
        going.set()
        while True:
            context.check()
            time.sleep(0.01)

    def second(context: jobs.Context, _: Mapping[str, Any]) -> str:
        context.step("one", lambda: steps.append("one"))
        context.step("two", lambda: steps.append("two"))
        return "done"

    with running_server(settings) as server:
        server.house.jobs.register("STEPS", first)
        job = submitted(server, "STEPS")
        assert going.wait(60)
        began = time.monotonic()
    assert time.monotonic() - began < 5 + SLOW_MACHINE
    with running_server(settings) as server:
        server.house.jobs.register("STEPS", second)
        assert ended(server, job).result == "done"
        (attempts,) = server.sql("SELECT attempts FROM jobs")[0]
        assert attempts == 1  # an orderly stop is no death
    assert steps == ["one", "two"]


def test_a_stop_does_not_wait_for_work_that_does_not_listen(store_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", store_url)
    going, deaf = threading.Event(), threading.Event()

    def work(*_: Any) -> None:
        going.set()
        deaf.wait(120)

    with running_server(settings) as server:
        server.house.jobs.register("DEAF", work)
        job = submitted(server, "DEAF")
        assert going.wait(60)
        began = time.monotonic()
    assert time.monotonic() - began < 12 + SLOW_MACHINE
    deaf.set()
    with running_server(settings) as server:
        server.house.jobs.register("DEAF", lambda *_: "heard")
        assert ended(server, job).result == "heard"


def test_a_job_whose_process_died_too_often_is_not_started_again(server: Server) -> None:
    ran: list[str] = []
    server.house.jobs.register("FATAL", lambda *_: ran.append("ran"))
    with server.unit() as unit:
        job = jobs.submit(unit, "FATAL", "s", {}, OPERATOR)
        for number in range(records.MOST_ATTEMPTS):
            assert records.start(unit, job.id, f"run {number}") is not None
        assert records.start(unit, job.id, "one more") is None
    failed = shown(server, job)
    assert failed.state == "failed"
    assert "5 times" in (failed.error or "")
    assert ran == []


def test_lists_are_filtered_and_paged(server: Server) -> None:
    with server.unit() as unit:
        made = [
            jobs.submit(unit, kind, subject, {}, OPERATOR)
            for kind in ("A", "B")
            for subject in ("x", "y", "z")
        ]
        records.finish(unit, made[0].id, "no")
        first, more, total = records.page(unit, records.Wanted(), size=4)
        rest, end, _ = records.page(unit, records.Wanted(), size=4, after=first[-1])
        assert (len(first), more, total, len(rest), end) == (4, True, 6, 2, False)
        assert {job.id for job in first + rest} == {job.id for job in made}

        def count(**wanted: Any) -> int:
            return records.page(unit, records.Wanted(**wanted), size=1)[2]

        assert count(kind="A") == 3
        assert count(connection_id="x") == 2
        assert count(states=("failed",)) == 1
        assert count(readable=("x", "y"), kind="B") == 2
        assert count(readable=()) == 0


def test_old_jobs_are_forgotten(server: Server) -> None:
    with server.unit() as unit:
        old, young = (jobs.submit(unit, "A", each, {}, OPERATOR) for each in ("old", "young"))
        running = jobs.submit(unit, "A", "running", {}, OPERATOR)
        for job in (old, young):
            records.finish(unit, job.id, None)
    past = "2020-01-01T00:00:00.000Z"
    server.sql("UPDATE jobs SET created_at = :past", past=past)
    server.sql("UPDATE jobs SET finished_at = :past WHERE id = :id", past=past, id=old.id)
    with server.unit() as unit:
        records.forget(unit, days=30)  # or the server did already, which looks at its start
        assert jobs.find(unit, old.id) is None
        assert jobs.find(unit, young.id)
        assert jobs.find(unit, running.id)
