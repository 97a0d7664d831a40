"""Durable background work: submitted in the caller's own transaction, run, joined, resumed.

    with store.begin() as unit:
        job = jobs.submit(unit, "REFRESH_SCHEMA", connection_id, {"hard_refresh": True}, principal)
    house.jobs.wake()  # starts it now rather than within a second

What was committed is run, also after a kill; what was rolled back never was. `app.py` says with
`house.jobs.register(kind, function)` which function does the work of a kind: see `Function`.
"""

from dragoman.jobs.context import Context, Function, JobFailed
from dragoman.jobs.records import Job, ask_more, cancel, find, submit, submit_first
from dragoman.jobs.runtime import Jobs

__all__ = [
    "Context",
    "Function",
    "Job",
    "JobFailed",
    "Jobs",
    "ask_more",
    "cancel",
    "find",
    "submit",
    "submit_first",
]
