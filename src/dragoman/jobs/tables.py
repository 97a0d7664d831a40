"""Tables of the jobs room: our index of the work and its outbox. The engine keeps its own."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

ACTIVE = "state IN ('queued', 'running')"

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("subject", String(80), nullable=False),
    # Those who may read this connection may see the job.
    Column("connection_id", String(80)),
    Column("arguments", Text, nullable=False),  # JSON object
    Column("state", String(12), nullable=False),
    Column("stage", Text),
    Column("done", Integer),
    Column("total", Integer),
    Column("error", Text),
    Column("result", Text),  # JSON
    Column(
        "joins", Integer, nullable=False, server_default="0"
    ),  # how often one asked for it again
    Column("runner", Id),  # of the run that may write: a new one for every start
    Column("attempts", Integer, nullable=False),
    Column("created_by", Id),
    Column("created_at", Time, nullable=False),
    Column("started_at", Time),
    Column("finished_at", Time),
    # The unique index over the active jobs, uq_jobs_active, is written in the migration alone: its
    # condition, given here, would load PostgreSQL's dialect at each start, 60 ms of it.
    Index("ix_jobs_created_at", "created_at", "id"),
)

# Processes that run jobs on a shared Postgres store, and when each was last heard of: seconds
# since 1970 by the clock of the database, so that clocks of machines need not agree.
job_executors = Table(
    "job_executors",
    metadata,
    Column("id", Id, primary_key=True),
    Column("seen_at", Float(53), nullable=False),
)
