"""Migrations of the store, run by `dragoman migrate` and at start.

Alembic costs 0.7 s to import, so a store that is current is recognised without it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from dragoman.store.busy import told
from dragoman.store.engine import Store

# The newest revision in `versions/`; a test holds the two together.
HEAD = "0023"


class NewerStore(Exception):
    """The store was migrated by a later version of Dragoman than this one."""


def current(store: Store) -> str | None:
    """The store's revision; None for an empty store."""
    reading = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    with told(), reading.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def ensure_current(store: Store) -> None:
    """Bring the store to `HEAD`. Raises `NewerStore` rather than run on an unknown shape."""
    found = current(store)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise NewerStore(f"The store is at revision {found}, this version knows {HEAD}.")
    upgrade(store, HEAD)


def upgrade(store: Store, revision: str) -> None:
    """Run the migrations up to a revision, all in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with store.begin() as unit:
        config.attributes["connection"] = unit.db
        command.upgrade(config, revision)
