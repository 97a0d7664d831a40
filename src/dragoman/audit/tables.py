"""Tables of the audit. Only this room reads them."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

# `seq` is the row's number in the chain: without gaps, never used again. `acting_as_*`: the user
# that an organization key acted as; the actor is the key. `key_id` None: hashed without a key.
audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, nullable=False),
    Column("at", Time, nullable=False),
    Column("actor_kind", String(20), nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("actor_user_id", Id),
    Column("actor_token_id", Id),
    Column("acting_as_id", Id),
    Column("acting_as_name", Text),
    Column("action", String(60), nullable=False),
    Column("resource_type", String(40), nullable=False),
    Column("resource_id", String(80), nullable=False, index=True),
    Column("request_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("key_id", String(16)),
    Column("mac", LargeBinary(32), nullable=False),
)

# One row: the last number and hash, and those of the last row that was forgotten (the anchor).
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("mac", LargeBinary(32), nullable=False),
    Column("anchor_number", Integer, nullable=False),
    Column("anchor_mac", LargeBinary(32), nullable=False),
    Column("anchor_key_id", String(16)),
    Column("anchor_seal", LargeBinary(32)),
)
