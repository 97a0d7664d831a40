"""Schema-refresh schedules through the API, and their runs: on time, once, and caught up once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dragoman import clock, jobs
from dragoman.catalog import service as catalog
from dragoman.schedules import service
from tests.jobs.waiting import until
from tests.support.clients import assert_error, at_once
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

DAILY = {"schedule": "0 2 * * ? *", "timezone": "America/New_York"}
PAST = "2020-01-01T00:00:00.000Z"


def path(connection_id: str, schedule_id: str = "") -> str:
    return f"{CONNECTIONS}/{connection_id}/schedules" + (schedule_id and f"/{schedule_id}")


def added(server: Server, connection_id: str, **changes: Any) -> dict[str, Any]:
    answer = server.root.post(path(connection_id), json={**DAILY, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def shown(server: Server, schedule: dict[str, Any]) -> dict[str, Any]:
    answer = server.root.get(path(schedule["connectionId"], schedule["scheduleId"]))
    assert answer.status_code == 200, answer.text
    return answer.json()


def make_due(server: Server, schedule: dict[str, Any], at: str = PAST) -> None:
    server.sql(
        "UPDATE refresh_schedules SET next_run_at = :at WHERE id = :id",
        at=at, id=schedule["scheduleId"],
    )  # fmt: skip


class Refreshes:
    """Stands in for the refresh itself, which is another room's: notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, context: jobs.Context, arguments: Mapping[str, Any]) -> None:
        self.asked.append((context.job.subject, dict(arguments)))


@pytest.fixture
def refreshes(server: Server) -> Refreshes:
    noted = Refreshes()
    server.house.jobs.register(catalog.KIND, noted)
    return noted


def test_the_five_operations(server: Server) -> None:
    made = server.create()
    schedule = added(server, made)
    assert schedule == {
        "scheduleId": schedule["scheduleId"],
        "connectionId": made,
        "schedule": "0 2 * * ? *",
        "timezone": "America/New_York",
        "description": "Runs daily at 2:00 AM (America/New_York)",
        "disabledAt": None,
        "hardRefresh": False,
        "createdAt": schedule["createdAt"],
        "updatedAt": schedule["createdAt"],
        "nextRunAt": schedule["nextRunAt"],
        "lastRunAt": None,
        "lastJobId": None,
    }
    upcoming = clock.parse(schedule["nextRunAt"])
    assert timedelta(0) < upcoming - datetime.now(UTC) < timedelta(days=1, hours=1)
    assert shown(server, schedule) == schedule
    second = added(server, made, hardRefresh=True, timezone="UTC")
    listed = server.root.get(path(made)).json()
    assert listed == {"schedules": [schedule, second]}
    body = {"schedule": "cron(30 8 1 * ? *)", "timezone": "Europe/Berlin"}
    one = path(made, second["scheduleId"])
    changed = server.root.put(one, json=body).json()
    assert (changed["schedule"], changed["timezone"]) == ("30 8 1 * ? *", "Europe/Berlin")
    assert changed["hardRefresh"] is True  # what a change leaves out stays
    assert changed["updatedAt"] > second["updatedAt"]
    assert changed["createdAt"] == second["createdAt"]
    assert server.root.put(one, json={**body, "hardRefresh": False}).json()["hardRefresh"] is False
    assert server.root.delete(one).json() == {"success": True}
    assert_error(server.root.delete(one), 404)
    assert server.root.get(path(made)).json() == {"schedules": [schedule]}
    actions = [row["action"] for row in server.root.get("/api/v1/audit-log").json()["records"]]
    assert actions.count("schedule.create") == 2
    assert actions.count("schedule.update") == 2
    assert actions.count("schedule.delete") == 1


def test_mistakes_are_told_with_their_field(sqlite_server: Server) -> None:
    server, made = sqlite_server, sqlite_server.create()
    wrong = {
        "minute: '61'": {"schedule": "61 2 * * ? *"},
        "month: 'FOO'": {"schedule": "0 2 1 FOO ? *"},
        "exactly one of": {"schedule": "0 2 1 * MON *"},
        "has 5 fields": {"schedule": "0 2 * * *"},
        "never comes due": {"schedule": "0 2 1 1 ? 2020"},
        "timezone: 'EST5EDT9'": {"timezone": "EST5EDT9"},
        "Expected `str`": {"schedule": 5},
        "unknown field": {"colour": "red"},
    }
    for words, changes in wrong.items():
        error = assert_error(server.root.post(path(made), json={**DAILY, **changes}), 400)
        assert words in error["message"], error
    error = assert_error(server.root.post(path(made), json={**DAILY, "timezone": "X"}), 400)
    assert [each["field"] for each in error["errors"]] == ["timezone"]
    assert_error(server.root.post(path(made), json={"schedule": "0 2 * * ? *"}), 400)
    assert server.root.get(path(made)).json() == {"schedules": []}
    schedule = added(server, made)
    one = path(made, schedule["scheduleId"])
    assert_error(server.root.put(one, json={**DAILY, "schedule": "x"}), 400)
    assert shown(server, schedule) == schedule


def test_only_admins_of_the_connection_have_to_do_with_them(server: Server) -> None:
    made, other = server.create(name="a", baseRole="NO_ACCESS"), server.create(name="b")
    schedule = added(server, made)
    one = path(made, schedule["scheduleId"])
    admin = server.member("admin@example.com", **{made: "CONNECTION_ADMIN"})
    modeler = server.member("modeler@example.com", **{made: "MODELER"})
    stranger = server.member("stranger@example.com")
    for client, status in ((modeler, 403), (stranger, 404), (server.anonymous, 401)):
        assert_error(client.get(path(made)), status)
        assert_error(client.post(path(made), json=DAILY), status)
        assert_error(client.get(one), status)
        assert_error(client.put(one, json=DAILY), status)
        assert_error(client.delete(one), status)
    assert admin.get(one).status_code == admin.put(one, json=DAILY).status_code == 200
    # A schedule of another connection is not there, even for those who may see both.
    assert_error(server.root.get(path(other, schedule["scheduleId"])), 404)
    assert_error(server.root.delete(path(other, schedule["scheduleId"])), 404)
    assert_error(server.root.get(path(made, str(uuid.uuid4()))), 404)
    assert_error(server.root.get(path(made, "first")), 400)
    assert_error(server.root.get(path(str(uuid.uuid4()))), 404)
    assert server.root.delete(f"{CONNECTIONS}/{made}").status_code == 200
    assert_error(server.root.get(one), 404)


def test_what_is_due_runs_once_and_moves_on(server: Server, refreshes: Refreshes) -> None:
    made = server.create()
    schedule = added(server, made, hardRefresh=True)
    make_due(server, schedule)
    until(lambda: refreshes.asked)
    ran = shown(server, schedule)
    assert ran["nextRunAt"] == schedule["nextRunAt"]  # as if it had not been late
    assert ran["lastRunAt"] > schedule["createdAt"]
    job = until(
        lambda: (
            (found := server.root.get(f"/api/v1/jobs/{ran['lastJobId']}/status").json())["status"]
            != "RUNNING"
            and found
        )
    )
    assert (job["job_type"], job["status"], job["connection_id"]) == (
        "REFRESH_SCHEMA", "COMPLETED", made,
    )  # fmt: skip
    service.run_due(server.house)
    assert refreshes.asked == [(made, {"hard_refresh": True, "schemas": "", "tables": ""})]


def test_it_runs_on_time(server: Server, refreshes: Refreshes) -> None:
    schedule = added(server, server.create())
    moment = datetime.now(UTC) + timedelta(seconds=2)
    make_due(server, schedule, clock.wire(moment))
    until(lambda: refreshes.asked)
    late = clock.parse(shown(server, schedule)["lastRunAt"]) - moment
    assert timedelta(0) <= late < timedelta(seconds=10)  # a second, on a machine of one's own


def test_many_that_look_at_once_run_it_once(server: Server, refreshes: Refreshes) -> None:
    made = server.create()
    schedule = added(server, made)
    server.house.jobs.stop()
    make_due(server, schedule)
    at_once(6, lambda _: service.run_due(server.house))
    assert server.sql("SELECT count(*) FROM jobs WHERE subject = :made", made=made) == [(1,)]


def test_runs_that_were_missed_are_made_up_for_once(store_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", store_url)
    noted = Refreshes()
    with running_server(settings) as server:
        made = server.create()
        schedule = added(server, made, schedule="0/5 * * * ? *")
        server.house.jobs.stop()
        make_due(server, schedule)  # six years of every five minutes
    with running_server(settings) as server:
        server.house.jobs.register(catalog.KIND, noted)
        until(lambda: noted.asked)
        upcoming = clock.parse(shown(server, schedule)["nextRunAt"])
        assert timedelta(0) < upcoming - datetime.now(UTC) <= timedelta(minutes=5)
        jobs_made = server.sql("SELECT count(*) FROM jobs WHERE subject = :made", made=made)
        assert jobs_made == [(1,)]


def test_a_disabled_schedule_does_not_run(server: Server, refreshes: Refreshes) -> None:
    made = server.create()
    schedule = added(server, made, disabled=True)
    assert schedule["disabledAt"] is not None
    assert schedule["nextRunAt"] is None
    one = path(made, schedule["scheduleId"])
    kept = server.root.put(one, json=DAILY).json()
    assert (kept["disabledAt"], kept["nextRunAt"]) == (schedule["disabledAt"], None)
    service.run_due(server.house)
    assert refreshes.asked == []
    back = server.root.put(one, json={**DAILY, "disabled": False}).json()
    assert back["disabledAt"] is None
    assert back["nextRunAt"] is not None


def test_a_refresh_under_way_is_joined(server: Server) -> None:
    go, runs = threading.Event(), []

    def work(context: jobs.Context, _: Mapping[str, Any]) -> None:
        runs.append(context.job.id)
        assert go.wait(60)

    server.house.jobs.register(catalog.KIND, work)
    made = server.create()
    schedules = [added(server, made) for _ in range(2)]
    for schedule in schedules:
        make_due(server, schedule)
    found = until(
        lambda: (
            (ids := {shown(server, schedule)["lastJobId"] for schedule in schedules}) - {None}
            and None not in ids
            and ids
        )
    )
    go.set()
    assert len(found) == 1


def test_a_connection_in_the_trash_rests_and_comes_back_with_its_schedules(
    server: Server, refreshes: Refreshes
) -> None:
    made = server.create("postgres")
    schedule = added(server, made)
    assert server.root.delete(f"{CONNECTIONS}/{made}").status_code == 200
    server.house.jobs.stop()
    make_due(server, schedule)
    service.run_due(server.house)
    assert server.sql("SELECT count(*) FROM jobs WHERE subject = :made", made=made) == [(0,)]
    secret = {"passwordUnencrypted": "new secret"}
    assert server.root.post(f"{CONNECTIONS}/{made}/restore", json=secret).status_code == 200
    assert shown(server, schedule)["nextRunAt"] == schedule["nextRunAt"]


def test_a_kill_between_two_due_schedules_loses_none(server: Server, refreshes: Refreshes) -> None:
    made = [server.create(name=f"c{number}") for number in range(2)]
    schedules = [added(server, each) for each in made]
    server.house.jobs.stop()
    for schedule in schedules:
        make_due(server, schedule)
    submit, seen = jobs.submit, []

    def dying(*arguments: Any) -> Any:
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return submit(*arguments)

    with mock.patch.object(jobs, "submit", dying), pytest.raises(KeyboardInterrupt):
        service.run_due(server.house)
    assert server.sql("SELECT count(*) FROM jobs") == [(1,)]
    service.run_due(server.house)
    subjects = {row[0] for row in server.sql("SELECT subject FROM jobs")}
    assert subjects == set(made)


def test_a_schedule_that_cannot_be_worked_out_holds_up_no_other(
    server: Server, refreshes: Refreshes
) -> None:
    made = [server.create(name=f"c{number}") for number in range(2)]
    broken, whole = (added(server, each) for each in made)
    server.house.jobs.stop()
    server.sql(
        "UPDATE refresh_schedules SET timezone = 'Gone/Away' WHERE id = :id",
        id=broken["scheduleId"],
    )
    make_due(server, broken, "2019-01-01T00:00:00.000Z")
    make_due(server, whole)
    service.run_due(server.house)
    assert {row[0] for row in server.sql("SELECT subject FROM jobs")} == {made[1]}
    (later,) = server.sql(
        "SELECT next_run_at FROM refresh_schedules WHERE id = :id", id=broken["scheduleId"]
    )[0]
    assert clock.parse(later) > datetime.now(UTC)
