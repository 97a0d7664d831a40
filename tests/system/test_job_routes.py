"""The status of a job and the list of jobs: shapes, who sees them, filters and pages."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from dragoman.jobs import records
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server

JOBS = "/api/v1/jobs"


def submitted(server: Server, subject: str, kind: str = "REFRESH_SCHEMA") -> str:
    """The id of a job that nothing runs."""
    with server.unit() as unit:
        return jobs.submit(unit, kind, subject, {}, OPERATOR).id


@pytest.fixture
def server(server: Server) -> Server:
    server.house.jobs.stop()  # jobs stay as the test puts them
    return server


def test_the_status_of_a_job_as_it_goes(server: Server) -> None:
    made = server.create()
    job_id = submitted(server, made)
    path = f"{JOBS}/{job_id}/status"
    waiting = server.root.get(path).json()
    assert waiting == {
        "job_id": job_id,
        "job_type": "REFRESH_SCHEMA",
        "status": "RUNNING",
        "connection_id": made,
        "progress": None,
        "error": None,
        "created_at": waiting["created_at"],
        "started_at": None,
        "finished_at": None,
    }
    with server.unit() as unit:
        records.start(unit, job_id, "run")
        records.progress(unit, job_id, "reading", 3, 7)
    running = server.root.get(path).json()
    assert running["status"] == "RUNNING"
    assert running["progress"] == {"stage": "reading", "done": 3, "total": 7}
    assert running["started_at"] >= running["created_at"]
    with server.unit() as unit:
        records.finish(unit, job_id, "The database refused.")
    failed = server.root.get(path).json()
    assert (failed["status"], failed["error"]) == ("FAILED", "The database refused.")
    again = submitted(server, made)
    with server.unit() as unit:
        records.finish(unit, again, None, '{"tables": 3}')
    done = server.root.get(f"{JOBS}/{again}/status").json()
    assert (done["status"], done["error"]) == ("COMPLETED", None)


def test_a_job_is_seen_by_those_who_see_its_connection(server: Server) -> None:
    open_ = server.create(name="open", baseRole="QUERY_TOPICS")
    closed = server.create(name="closed", baseRole="NO_ACCESS")
    seen, hidden = submitted(server, open_), submitted(server, closed)
    member = server.member("member@example.com")
    granted = server.member("granted@example.com", **{closed: "QUERY_TOPICS"})
    assert member.get(f"{JOBS}/{seen}/status").status_code == 200
    for job_id in (seen, hidden):
        assert granted.get(f"{JOBS}/{job_id}/status").status_code == 200
    body = assert_error(member.get(f"{JOBS}/{hidden}/status"), 404)
    unknown = str(uuid.uuid4())
    other = assert_error(member.get(f"{JOBS}/{unknown}/status"), 404)
    assert body["message"].replace(hidden, "") == other["message"].replace(unknown, "")
    assert [row["job_id"] for row in member.get(JOBS).json()["records"]] == [seen]
    assert granted.get(JOBS).json()["pageInfo"]["totalRecords"] == 2
    assert_error(server.anonymous.get(f"{JOBS}/{seen}/status"), 401)
    assert_error(server.root.get(f"{JOBS}/none/status"), 400)


def test_the_list_is_filtered_and_paged(server: Server) -> None:
    made = [server.create(name=f"c{number}") for number in range(5)]
    ids = [submitted(server, connection_id) for connection_id in made]
    with server.unit() as unit:
        records.finish(unit, ids[0], None)
        records.finish(unit, ids[1], "no")

    def listed(**query: Any) -> list[str]:
        answer = server.root.get(JOBS, params=query)
        assert answer.status_code == 200, answer.text
        return [row["job_id"] for row in answer.json()["records"]]

    assert set(listed()) == set(ids)
    assert listed(connectionId=made[2]) == [ids[2]]
    assert listed(status="completed") == [ids[0]]
    assert listed(status="FAILED") == [ids[1]]
    assert set(listed(status="IN_PROGRESS")) == set(listed(status="RUNNING")) == set(ids[2:])
    assert listed(jobType="OTHER") == []
    seen: list[str] = []
    query: dict[str, Any] = {"pageSize": 2}
    while True:
        page = server.root.get(JOBS, params=query).json()
        assert page["pageInfo"]["totalRecords"] == 5
        seen += [row["job_id"] for row in page["records"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["pageInfo"]["nextCursor"] is None
            break
        query["cursor"] = page["pageInfo"]["nextCursor"]
    assert sorted(seen) == sorted(ids)
    for wrong in ({"status": "DONE"}, {"cursor": "x"}, {"pageSize": 0}, {"colour": "red"}):
        assert_error(server.root.get(JOBS, params=wrong), 400)


def test_deleting_a_connection_ends_its_jobs(server: Server) -> None:
    made, other = server.create(name="gone"), server.create(name="stays")
    doomed, spared = submitted(server, made), submitted(server, other)
    assert server.root.delete(f"{CONNECTIONS}/{made}").status_code == 200
    with server.unit() as unit:
        ended = jobs.find(unit, doomed)
        going = jobs.find(unit, spared)
    assert ended is not None
    assert ended.error == "The connection was deleted."
    assert going is not None
    assert going.is_active
