"""The table of the schedules room. Only this room reads it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

refresh_schedules = Table(
    "refresh_schedules",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "connection_id",
        Id,
        ForeignKey("connections.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("schedule", Text, nullable=False),
    Column("timezone", String(80), nullable=False),
    Column("hard_refresh", Boolean, nullable=False),
    Column("disabled_at", Time),
    # When it is due: worked out once, here, so that looking for what is due reads one index.
    Column("next_run_at", Time, index=True),
    Column("last_run_at", Time),
    Column("last_job_id", Id),
    Column("created_by", Id),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)
