"""Processes that die, freeze or lose their store in the middle of a job: it goes on, whole."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from dragoman.settings import load
from dragoman.store import Store
from tests.jobs.waiting import ended, shown, submitted, until
from tests.support.engines import Engine, create_database, drop_database
from tests.support.live import LiveServer, live_server
from tests.support.server import running_server, settings_for
from tests.support.stores import organization_key

# Each process imports the engine, which takes a while on a busy machine.
pytestmark = pytest.mark.timeout(600)

PROGRAM = (str(Path(__file__).parents[1] / "jobs" / "server.py"),)
ROOT = {"PYTHONPATH": str(Path(__file__).parents[2])}


class Watched:
    """Jobs of a store that server processes work on, seen from outside them."""

    def __init__(self, home: Path, url: str | None, token: str) -> None:
        self.home, self.token = home, token
        self.settings: dict[str, Any] = {} if url is None else {"database_url": url}
        self.marks = home / "marks"
        self.marks.touch()
        self._store = Store(load({}, home=home, **_secret(self.settings)).store_url)

    def close(self) -> None:
        self._store.close()

    def serving(self, **more: Any) -> contextlib.AbstractContextManager[LiveServer]:
        settings = {**self.settings, **more}
        return live_server(self.home, self.token, variables=ROOT, program=PROGRAM, **settings)

    def submit(self, subject: str, steps: int, seconds: float = 0.05) -> str:
        arguments = {"marks": str(self.marks), "steps": steps, "seconds": seconds}
        with self._store.begin() as unit:
            return jobs.submit(unit, "STEPS", subject, arguments, OPERATOR).id

    def job(self, job_id: str) -> jobs.Job:
        with self._store.begin() as unit:
            found = jobs.find(unit, job_id)
        assert found is not None
        return found

    def done(self, job_id: str, steps: int, seconds: float = 120) -> jobs.Job:
        """The job, completed with what all of its steps returned."""

        def look() -> jobs.Job | None:
            found = self.job(job_id)
            return None if found.is_active else found

        found = until(look, seconds)
        assert found.error is None
        assert found.result == [number * number for number in range(steps)]
        return found

    def marked(self, job_id: str, word: str) -> list[tuple[int, int]]:
        """Steps of the job with this mark, and the processes that did them, in order."""
        lines = [line.split() for line in self.marks.read_text().splitlines()]
        return [(int(n), int(pid)) for job, what, n, pid in lines if (job, what) == (job_id, word)]

    def most_repeats(self, job_id: str) -> int:
        """How many steps were done once more than needed."""
        counts = Counter(number for number, _ in self.marked(job_id, "end"))
        return sum(count - 1 for count in counts.values())


def _secret(settings: Mapping[str, Any]) -> dict[str, Any]:
    from dragoman.secret import SecretStr

    return {name: SecretStr(value) for name, value in settings.items()}


@pytest.fixture
def sqlite_jobs(home: Path) -> Iterator[Watched]:
    watched = Watched(home, None, organization_key(home))
    yield watched
    watched.close()


@pytest.fixture
def postgres_jobs(home: Path, postgres_server: Engine) -> Iterator[Watched]:
    name = f"jobs_{os.getpid()}_{random.randrange(10**9)}"
    create_database(postgres_server, name)
    url = postgres_server.url("postgresql", name)
    from tests.support.live import command_line

    token = command_line(
        home, "token", "create", "--kind", "organization", database_url=url
    ).strip()
    watched = Watched(home, url, token)
    yield watched
    watched.close()
    drop_database(postgres_server, name)


def test_a_job_survives_kills_at_any_moment(sqlite_jobs: Watched) -> None:
    watched, kills, steps, dice = sqlite_jobs, 2, 30, random.Random()
    made = [watched.submit(f"s{number}", steps) for number in range(3)]
    for _ in range(kills):
        with watched.serving() as server:
            before = len(watched.marked(made[0], "begin"))
            until(lambda before=before: len(watched.marked(made[0], "begin")) > before, 120)
            time.sleep(dice.uniform(0, 0.4))
            server.kill()
    with watched.serving() as server:
        for job_id in made:
            watched.done(job_id, steps)
            # No step is lost, and only one that was under way at a kill is done again.
            assert {number for number, _ in watched.marked(job_id, "end")} == set(range(steps))
            assert watched.most_repeats(job_id) <= kills
            assert len(watched.marked(job_id, "begin")) <= steps + kills
        assert server.terminate() == 0


def test_one_worker_of_several_runs_jobs_and_another_takes_over(sqlite_jobs: Watched) -> None:
    watched = sqlite_jobs
    job_id = watched.submit("s", steps=60)
    with watched.serving(workers=2):
        until(lambda: len(watched.marked(job_id, "begin")) > 5, 120)
        first = {pid for _, pid in watched.marked(job_id, "begin")}
        assert len(first) == 1
        os.kill(next(iter(first)), signal.SIGKILL)
        watched.done(job_id, 60)
    pids = [pid for _, pid in watched.marked(job_id, "begin")]
    assert len(set(pids)) == 2
    assert pids == sorted(pids, key=pids.index)  # the second began when the first was gone
    assert watched.most_repeats(job_id) <= 1


@pytest.mark.engine("postgres")
def test_a_living_process_takes_over_the_jobs_of_a_dead_one(postgres_jobs: Watched) -> None:
    watched = postgres_jobs
    with watched.serving() as a, watched.serving() as b:
        made = [watched.submit(f"s{number}", steps=60) for number in range(5)]

        def both_at_work() -> bool:
            pids = {pid for job_id in made for _, pid in watched.marked(job_id, "begin")}
            return {a.pid, b.pid} <= pids

        until(both_at_work, 120)
        a.kill()
        for job_id in made:
            watched.done(job_id, 60)
            assert watched.most_repeats(job_id) <= 1
        taken = [
            job_id
            for job_id in made
            if {pid for _, pid in watched.marked(job_id, "begin")} == {a.pid, b.pid}
        ]
        assert taken, "the dead process had a job under way"


@pytest.mark.slow
@pytest.mark.engine("postgres")
def test_a_frozen_process_that_wakes_up_changes_nothing(postgres_jobs: Watched) -> None:
    watched = postgres_jobs
    with watched.serving() as a:
        job_id = watched.submit("s", steps=30, seconds=0.2)
        until(lambda: len(watched.marked(job_id, "begin")) > 3, 120)
        a.process.send_signal(signal.SIGSTOP)
        with watched.serving() as b:
            until(lambda: b.pid in {pid for _, pid in watched.marked(job_id, "begin")}, 120)
            a.process.send_signal(signal.SIGCONT)
            watched.done(job_id, 30)
            after = [pid for _, pid in watched.marked(job_id, "begin")]
            # The step that it froze in ended; it began no other.
            assert after[after.index(b.pid) :].count(a.pid) <= 1
            assert watched.most_repeats(job_id) <= 1
            assert a.terminate() == 0


def test_a_store_that_is_away_for_a_while_is_waited_for(store_url: str, tmp_path: Path) -> None:
    away, done = threading.Event(), threading.Event()

    def work(context: jobs.Context, _: Mapping[str, Any]) -> str:
        context.step("before", lambda: "before")
        away.set()
        assert done.wait(60)
        context.progress("after", 1, 1)
        return context.step("after", lambda: context.read(lambda unit: unit.now)) and "whole"

    with running_server(settings_for(tmp_path / "home", store_url)) as server:
        server.house.jobs.register("LONG", work)
        job = submitted(server, "LONG")
        assert away.wait(60)
        with _away(store_url, tmp_path):
            done.set()
            time.sleep(7)
        assert ended(server, job).result == "whole"
        assert shown(server, job).stage == "after"


@contextlib.contextmanager
def _away(store_url: str, directory: Path) -> Iterator[None]:
    """SQLite: somebody holds the lock. PostgreSQL: connections are ended and none is let in."""
    if store_url.startswith("sqlite"):
        other = sqlite3.connect(directory / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    server, _, name = store_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        mine = sql.Identifier(name)
        admin.execute(allow.format(mine, sql.SQL("false")))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        yield
        admin.execute(allow.format(mine, sql.SQL("true")))
