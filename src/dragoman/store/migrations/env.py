"""Alembic's entry: run on the connection that `migrations.upgrade` hands over."""

from alembic import context

from dragoman.store.metadata import metadata

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    # Several processes may start together: one migrates, the others wait and find it done.
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727274)")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
