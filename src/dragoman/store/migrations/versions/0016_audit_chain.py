"""The rows of the audit are numbered without gaps and chained by hash.

Rows that are there are hashed without a key, which no migration has; the first row that a server
writes after them binds them with one.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

Id = sa.String(36)
Time = sa.String(24)
START = bytes(32)
BATCH = 1000
# In the order in which they are hashed; as in dragoman.audit.chain, which may go on changing.
COPIED = (
    "id",
    "at",
    "actor_kind",
    "actor_name",
    "actor_user_id",
    "actor_token_id",
    "action",
    "resource_type",
    "resource_id",
    "request_id",
    "address",
    "before",
    "after",
)


def upgrade() -> None:
    chained = _table("audit_log_chained")
    number, mac = _copy(chained)
    op.drop_index("ix_audit_log_resource_id", "audit_log")
    op.drop_table("audit_log")
    op.rename_table("audit_log_chained", "audit_log")
    op.create_index("ix_audit_log_resource_id", "audit_log", ["resource_id"])
    chain = op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
        sa.Column("anchor_number", sa.Integer, nullable=False),
        sa.Column("anchor_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("anchor_key_id", sa.String(16)),
        sa.Column("anchor_seal", sa.LargeBinary(32)),
    )
    head = {"id": 1, "number": number, "mac": mac, "anchor_number": 0, "anchor_mac": START}
    op.bulk_insert(chain, [head])


def _table(name: str) -> sa.Table:
    return op.create_table(
        name,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_user_id", Id),
        sa.Column("actor_token_id", Id),
        sa.Column("acting_as_id", Id),
        sa.Column("acting_as_name", sa.Text),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("resource_type", sa.String(40), nullable=False),
        sa.Column("resource_id", sa.String(80), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("key_id", sa.String(16)),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
    )


def _copy(chained: sa.Table) -> tuple[int, bytes]:
    """Copy the rows in their order; the last number and hash."""
    connection = op.get_bind()
    columns: list[Any] = [sa.column(name) for name in ("seq", *COPIED)]
    old = sa.table("audit_log", *columns)
    number, mac, last = 0, START, -1
    while True:
        batch = sa.select(old).where(old.c.seq > last).order_by(old.c.seq).limit(BATCH)
        found = connection.execute(batch).mappings().all()
        rows: list[dict[str, Any]] = []
        for row in found:
            number, last = number + 1, row["seq"]
            mac = _hash(mac, number, row)
            rows.append({**{name: row[name] for name in COPIED}, "seq": number, "mac": mac})
        if rows:
            connection.execute(sa.insert(chained), rows)
        if len(found) < BATCH:
            return number, mac


def _hash(previous: bytes, number: int, row: Any) -> bytes:
    present = [(name, row[name]) for name in COPIED if row[name] is not None]
    content = _join([part.encode() for pair in present for part in pair])
    parts = [b"dragoman audit row v1", previous, b"%d" % number, b"", content]
    return hashlib.sha256(_join(parts)).digest()


def _join(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
