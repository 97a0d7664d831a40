"""Ways to read the catalog of a PostgreSQL server: ours, bare bulk SQL, SQLAlchemy's two."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Generator
from typing import Any

from tests.support.engines import Engine

# What a catalog needs, said as plainly as can be: columns with types, defaults and comments ...
COLUMNS = """
    SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'),
           a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum), c.reltuples::bigint
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""
# ... and keys with their columns by number.
KEYS = """
    SELECT conrelid, conname, contype, conkey, confrelid, confkey
    FROM pg_constraint WHERE contype IN ('p', 'f') AND connamespace IN (
      SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"""


class NotBuilt(Exception):
    """Dragoman cannot read a catalog yet."""


def bulk(connection: Any) -> float:
    """Seconds for the two bulk statements by psycopg, all rows fetched and thrown away."""
    began = time.perf_counter()
    connection.execute(COLUMNS).fetchall()
    connection.execute(KEYS).fetchall()
    return time.perf_counter() - began


@contextlib.contextmanager
def session(engine: Engine) -> Generator[Any]:
    """A session of Dragoman's own PostgreSQL adapter. Raises `NotBuilt` without a catalog."""
    from dragoman.dialects import registry
    from dragoman.dialects.base import Session, SessionOptions, Target
    from dragoman.dialects.network import TlsPolicy
    from dragoman.egress import EgressPolicy
    from dragoman.secret import SecretStr

    if not hasattr(Session, "catalog"):
        raise NotBuilt
    settings = {
        "dialect": "postgres",
        "host": engine.host,
        "port": engine.port,
        "database": engine.database,
        "username": engine.username,
    }
    target = Target("postgres", settings, {"passwordUnencrypted": SecretStr(engine.password)})
    policy = EgressPolicy.build(
        mode="any", allow=(), loopback=True, tls=TlsPolicy(None, "loopback")
    )
    opened = registry.get("postgres").connect(target, policy, SessionOptions())
    try:
        yield opened
    finally:
        opened.close()


def ours(opened: Any) -> float:
    """Seconds for Dragoman's reader to give the whole catalog as its own objects."""
    began = time.perf_counter()
    found = opened.catalog()
    if inspect.isgenerator(found) or hasattr(found, "__next__"):
        for _ in found:
            pass
    return time.perf_counter() - began


def inspector_bulk(database: Any, schemas: list[str], *, keys: bool) -> float:
    """Seconds for SQLAlchemy's `get_multi_columns` over the schemas; with keys and comments too."""
    from sqlalchemy import inspect as inspector

    began = time.perf_counter()
    looking = inspector(database)
    for schema in schemas:
        looking.get_multi_columns(schema=schema)
        if keys:
            looking.get_multi_pk_constraint(schema=schema)
            looking.get_multi_foreign_keys(schema=schema)
            looking.get_multi_table_comment(schema=schema)
    return time.perf_counter() - began


def inspector_each(database: Any, tables: list[tuple[str, str]]) -> float:
    """Seconds for SQLAlchemy's per-table calls over these tables only."""
    from sqlalchemy import inspect as inspector

    began = time.perf_counter()
    looking = inspector(database)
    for schema, name in tables:
        looking.get_columns(name, schema)
        looking.get_pk_constraint(name, schema)
        looking.get_foreign_keys(name, schema)
        looking.get_table_comment(name, schema)
    return time.perf_counter() - began
