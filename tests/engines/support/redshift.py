"""PostgreSQL in Redshift's place: with views of our own that are named as Redshift's.

What that proves: the protocol, TLS, sign-in, cursor, limits, cancel, and that the statements about
the catalog are SQL whose rows are read rightly. It says nothing about Redshift's own views.
"""

from __future__ import annotations

from dataclasses import replace

import psycopg

from dragoman.dialects import registry
from tests.engines.conformance import Subject, postgres_subject
from tests.support.engines import Engine, create_database

_DATABASE = "warehouse"
# A view with this comment plays a late-binding one: its columns are in the function only.
_STAND_IN = """
CREATE VIEW svv_all_tables AS
SELECT current_database()::varchar AS database_name, n.nspname::varchar AS schema_name,
  c.relname::varchar AS table_name,
  CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'EXTERNAL TABLE' ELSE 'TABLE' END AS table_type,
  obj_description(c.oid, 'pg_class')::varchar AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f') AND has_table_privilege(c.oid, 'select');

CREATE VIEW svv_all_columns AS
SELECT c.table_catalog::varchar AS database_name, c.table_schema::varchar AS schema_name,
  c.table_name::varchar AS table_name, c.column_name::varchar AS column_name, c.ordinal_position,
  c.column_default, c.is_nullable, c.data_type, c.character_maximum_length, c.numeric_precision,
  c.numeric_scale,
  col_description(format('%I.%I', c.table_schema, c.table_name)::regclass,
    c.ordinal_position)::varchar AS remarks
FROM information_schema.columns c
WHERE coalesce(obj_description(format('%I.%I', c.table_schema, c.table_name)::regclass), '')
  <> 'late binding';

CREATE FUNCTION pg_get_late_binding_view_cols() RETURNS SETOF record LANGUAGE sql AS $$
  SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)::varchar,
    a.attnum::int
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  WHERE obj_description(c.oid, 'pg_class') = 'late binding' $$;
"""


def redshift_subject(engine: Engine) -> Subject:
    """The stand-in, in a database of its own on a PostgreSQL with TLS."""
    own = replace(engine, database=_DATABASE)
    with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
        new = found.fetchone() is None
    if new:
        create_database(engine, _DATABASE)
        with psycopg.connect(own.url("postgresql"), autocommit=True) as connection:
            connection.execute(_STAND_IN.encode())
    # The stand-in's own words: it sleeps, and knows no SUPER.
    return replace(
        postgres_subject(own, "redshift"),
        server_running=lambda _: _fetching(own),
        respelled=registry.get("postgres").spelling,
    )


def _fetching(engine: Engine) -> bool:
    """Whether a session of ours works: the server shows the FETCH, not the cursor's query."""
    with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dragoman'"
            " AND state = 'active' AND query LIKE 'FETCH %'"
        ).fetchone()
    return found is not None and found[0] > 0
