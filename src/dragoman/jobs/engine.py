"""DBOS Transact, as far as we use it: workflows and their steps, kept in a database.

The only module that knows DBOS. Importing it costs more than a second, so it is imported where
the first job is run. There is one engine in a process, as DBOS is a singleton.

A workflow has the id of its job, so that starting one twice is harmless. Jobs that find room run
where they were asked for, at once; the rest wait in one queue that all processes share.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from sqlalchemy import make_url

from dragoman.jobs.context import JobFailed, Keep
from dragoman.jobs.failures import stated
from dragoman.jobs.files import beside
from dragoman.secret import SecretStr

QUEUE = "jobs"
SCHEMA = "dragoman_jobs"
# What one process takes from the queue at once, and how often it looks there: more often while
# jobs wait, since looking ten times a second costs a tenth of a core.
QUEUED_AT_ONCE = 2
POLL_SECONDS = 1.0
BUSY_POLL_SECONDS = 0.1
# Jobs outlive an update of the server: a job's steps are named, so that one that no longer fits
# is told apart, and every version may run what another began.
VERSION = "1"
_IDLE_SECONDS = 3600.0
_GONE = ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "SUCCESS")

# What runs a job: it gets the job's id, and how to run a step so that its outcome is kept.
Body = Callable[[str, Keep], None]
_bodies: list[Body] = []
_in_use = threading.Lock()


class Plain(Serializer):
    """Values as JSON, in place of pickles: what lies in a database must never run as code."""

    def serialize(self, data: Any) -> str:
        """JSON; an exception as the sentence that it is for people, whose text may hold a secret
        where it is not meant for them."""
        if isinstance(data, Exception):
            return json.dumps({"$error": stated(data) or f"Unexpected {type(data).__name__}."})
        return json.dumps(data)

    def deserialize(self, serialized_data: str) -> Any:
        """What `serialize` wrote; an error comes back as `JobFailed`."""
        data: Any = json.loads(serialized_data)
        try:
            return JobFailed(data["$error"])
        except (TypeError, LookupError):
            return data

    def name(self) -> str:
        """What DBOS notes beside each value."""
        return "dragoman_json"


@DBOS.workflow(name="dragoman.job", max_recovery_attempts=None)
def _job(job_id: str) -> None:
    _bodies[-1](job_id, _keep)


def _keep(name: str, function: Callable[[], Any]) -> Any:
    return DBOS.run_step({"name": name}, function)


class Engine:
    """The launched DBOS of this process. `executor` names the process in the engine's tables."""

    def __init__(self, store_url: SecretStr, executor: str, body: Body) -> None:
        if not _in_use.acquire(blocking=False):
            raise RuntimeError("this process runs the jobs of another server already")
        self._poll = POLL_SECONDS
        try:
            _quieten()
            _bodies[:] = [body]
            DBOS(config=_config(store_url, executor))
            DBOS.launch()
            DBOS.register_queue(
                QUEUE, worker_concurrency=QUEUED_AT_ONCE, polling_interval_sec=POLL_SECONDS
            )
        except BaseException:
            DBOS.destroy()
            _in_use.release()
            raise

    def start(self, job_id: str) -> None:
        """Run the job here, now, unless it was started before."""
        with SetWorkflowID(job_id):
            DBOS.start_workflow(_job, job_id)

    def enqueue(self, job_id: str) -> None:
        """Let the next process with room run the job, unless it was started before."""
        with SetWorkflowID(job_id):
            DBOS.enqueue_workflow(QUEUE, _job, job_id)

    def hurry(self, waiting: bool) -> None:
        """Look at the queue more often while jobs wait there."""
        wanted = BUSY_POLL_SECONDS if waiting else POLL_SECONDS
        queue = None if wanted == self._poll else DBOS.retrieve_queue(QUEUE)
        if queue is not None:
            queue.set_polling_interval_sec(wanted)
            self._poll = wanted

    def executors(self) -> set[str]:
        """The processes that have jobs under way, dead or alive."""
        pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        return {each.executor_id for each in pending if each.executor_id}

    def under_way(self, executor: str) -> set[str]:
        """The jobs that a process has under way."""
        pending = DBOS.list_workflows(
            status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        return {each.workflow_id for each in pending}

    def resume(self, job_id: str) -> None:
        """Let the next process with room go on with a job that nothing runs any more."""
        DBOS.resume_workflow(job_id, queue_name=QUEUE)

    def take_over(self, executor: str) -> int:
        """Resume all that a dead process has under way; returns how much that was."""
        found = self.under_way(executor)
        for job_id in found:
            self.resume(job_id)
        return len(found)

    def missing(self, job_ids: Iterable[str]) -> tuple[set[str], set[str]]:
        """Those that the engine does not know, and those that it has ended."""
        wanted = list(job_ids)
        found = DBOS.list_workflows(workflow_ids=wanted, load_input=False, load_output=False)
        known = {each.workflow_id: each.status for each in found}
        ended = {each for each, status in known.items() if status in _GONE}
        return set(wanted) - known.keys(), ended

    def sweep(self) -> int:
        """Delete what the engine knows of jobs that have ended; returns how many."""
        found = DBOS.list_workflows(
            status=list(_GONE), load_input=False, load_output=False, limit=500
        )
        if found:
            DBOS.delete_workflows([each.workflow_id for each in found])
        return len(found)

    def close(self) -> None:
        """Stop taking work. What still runs is resumed by the next engine, from its last step."""
        DBOS.destroy()
        _in_use.release()


class Sqlite(sqlite3.Connection):
    """A connection to SQLite before 3.42, which has no `unixepoch('subsec')`: NULL comes of it.

    DBOS takes it for granted from Python 3.12 on, whose library may well be older (Debian 12).
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.create_function("unixepoch", 1, _seconds)


def _seconds(_modifier: str) -> float:
    return time.time()


def _config(store_url: SecretStr, executor: str) -> DBOSConfig:
    """No telemetry, no console of its own, no schedules: workflows and one queue."""
    return {
        "name": "dragoman",
        "system_database_url": _address(store_url),
        "dbos_system_schema": SCHEMA,
        "application_version": VERSION,
        "executor_id": executor,
        "serializer": Plain(),
        "log_level": "WARNING",
        "enable_otlp": False,
        "use_listen_notify": False,
        "sys_db_pool_size": 5,
        "db_engine_kwargs": {"hide_parameters": True, **_driver(store_url)},
        "notification_listener_polling_interval_sec": 0.2,
        "scheduler_polling_interval_sec": _IDLE_SECONDS,
    }


def _driver(store_url: SecretStr) -> dict[str, Any]:
    old = _on_sqlite(store_url) and sqlite3.sqlite_version_info < (3, 42)
    return {"connect_args": {"factory": Sqlite}} if old else {}


def _on_sqlite(store_url: SecretStr) -> bool:
    return make_url(store_url.reveal()).get_backend_name() == "sqlite"


def _address(store_url: SecretStr) -> str:
    """The store itself on Postgres, in a schema of its own; beside it a file on SQLite."""
    if not _on_sqlite(store_url):
        return store_url.reveal()
    path = beside(store_url, ".db")
    # The mode stays with the file; it doubles what the engine does in a second.
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA journal_mode=WAL")
    file.close()
    return f"sqlite:///{path}"


def _quieten() -> None:
    """Warnings of DBOS go the way of all log lines, not to a console of its own."""
    logger = logging.getLogger("dbos")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = True
