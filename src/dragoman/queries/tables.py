"""Tables of the room of questions: answers that servers share. Only this room reads them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table

from dragoman.store.metadata import Time, metadata

shared_results = Table(
    "query_shared_results",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("made_at", Time, nullable=False, index=True),
    Column("row_count", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("pieces", Integer, nullable=False),
)

shared_pieces = Table(
    "query_shared_pieces",
    metadata,
    Column(
        "key", String(64), ForeignKey(shared_results.c.key, ondelete="CASCADE"), primary_key=True
    ),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
