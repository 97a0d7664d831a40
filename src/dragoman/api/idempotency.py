"""Idempotency-Key: the same request sent twice does its work once (24 hours).

The answer is kept in the transaction that did the work, so the two are there together or not at
all. The body is kept only as a keyed fingerprint, since it may hold a password.
Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
from sqlalchemy import Column, Integer, String, Table, Text, delete, insert, select
from sqlalchemy.exc import IntegrityError

from dragoman import clock
from dragoman.api.call import Call
from dragoman.api.errors import BadRequest, Unprocessable
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow, Time, metadata

KEEP = timedelta(hours=24)
MAX_KEY = 255
PURPOSE = "idempotency"

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", String(80), primary_key=True),
    Column("key", String(MAX_KEY), primary_key=True),
    Column("fingerprint", String(120), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Time, nullable=False, index=True),
)


class Answer(msgspec.Struct, frozen=True):
    """What a piece of work answers: a status and a JSON text without secrets."""

    status: int
    body: bytes
    replayed: bool = False


async def earlier(call: Call, raw: bytes) -> Answer | None:
    """The answer of the same request if it was made before, so that nothing of it is done again
    (a test of the connection, for instance). Raises `Unprocessable` as `once` does."""
    key = _key(call)
    if key is None:
        return None
    owner, asked = _owner(call), _asked(call, raw)
    row = await call.read(lambda unit: _stored(unit, owner, key))
    if row is None:
        return None
    # Off the event loop: a key that the ring lacks may make a key command run.
    return await asyncio.get_running_loop().run_in_executor(
        call.house.blocking, _replay, call, row, asked
    )


async def once(call: Call, raw: bytes, work: Callable[[UnitOfWork], Answer]) -> Answer:
    """Do the work in one transaction; with an Idempotency-Key, at most once.

    The same key with another body (or query) is a 422.
    """
    key = _key(call)
    if key is None:
        return await call.write(work)
    owner, asked = _owner(call), _asked(call, raw)

    def guarded(unit: UnitOfWork) -> Answer:
        known = _known(call, unit, owner, key, asked)
        if known is not None:
            return known
        done = work(unit)
        _keep(call, unit, owner, key, asked, done)
        return done

    try:
        return await call.write(guarded)
    except IntegrityError:
        # Another process won the race (Postgres); its answer is there now.
        again = await call.write(lambda unit: _known(call, unit, owner, key, asked))
        if again is None:
            raise
        return again


def _owner(call: Call) -> str:
    return call.principal.token_id or call.principal.name


def _key(call: Call) -> str | None:
    key = call.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not key.strip() or len(key) > MAX_KEY or not key.isprintable():
        raise BadRequest(f"Bad Request: Idempotency-Key must have 1 to {MAX_KEY} characters")
    return key


def _asked(call: Call, raw: bytes) -> bytes:
    scope = call.request.scope
    where = f"{scope['method']} {scope['path']}?".encode(errors="surrogateescape")
    return where + scope["query_string"] + b"\n" + raw


def _known(call: Call, unit: UnitOfWork, owner: str, key: str, asked: bytes) -> Answer | None:
    row = _stored(unit, owner, key)
    return None if row is None else _replay(call, row, asked)


def _stored(unit: UnitOfWork, owner: str, key: str) -> AnyRow | None:
    table = idempotency_keys
    return unit.db.execute(
        select(table.c.fingerprint, table.c.status, table.c.answer).where(
            table.c.owner == owner, table.c.key == key, table.c.created_at >= _oldest(unit)
        )
    ).first()


def _replay(call: Call, row: AnyRow, asked: bytes) -> Answer:
    if not call.house.vault.matches(row.fingerprint, asked, PURPOSE):
        raise Unprocessable("This Idempotency-Key was used with another request")
    return Answer(row.status, row.answer.encode(), replayed=True)


def _oldest(unit: UnitOfWork) -> str:
    return clock.wire(unit.moment - KEEP)


def _keep(call: Call, unit: UnitOfWork, owner: str, key: str, asked: bytes, done: Answer) -> None:
    old = idempotency_keys.c.created_at < _oldest(unit)
    unit.db.execute(delete(idempotency_keys).where(old))
    unit.db.execute(
        insert(idempotency_keys).values(
            owner=owner,
            key=key,
            fingerprint=call.house.vault.fingerprint(asked, PURPOSE),
            status=done.status,
            answer=done.body.decode(),
            created_at=unit.now,
        )
    )
