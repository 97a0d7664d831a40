"""Migrations: from nothing and from every earlier revision, on both kinds of store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from dragoman import app  # imports the rooms, so that the metadata has their tables
from dragoman.queries import tables as shared_results  # imported by its first use
from dragoman.secret import SecretStr
from dragoman.settings import load
from dragoman.store import Store, migrations
from dragoman.store.metadata import metadata
from tests.support.clients import at_once

SCRIPTS = ScriptDirectory(str(Path(migrations.__file__).parent))
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


@pytest.fixture
def url(empty_store_url: str, tmp_path: Path) -> SecretStr:
    return load({}, home=tmp_path, database_url=SecretStr(empty_store_url)).store_url


@pytest.fixture
def store(url: SecretStr) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def test_head_is_the_newest_file() -> None:
    assert SCRIPTS.get_heads() == [migrations.HEAD]
    assert sorted(REVISIONS) == REVISIONS  # they are compared as text
    files = {path.name[:4] for path in Path(SCRIPTS.versions).glob("[0-9]*.py")}
    assert files == set(REVISIONS)


def _is_declared(_thing: object, name: str | None, *_: object) -> bool:
    return name != "uq_jobs_active"  # jobs/tables.py says why


def assert_as_declared(store: Store) -> None:
    with store.engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_declared}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        for table in metadata.tables.values():
            found = inspect(connection).get_foreign_keys(table.name)
            assert {(key["referred_table"], key["options"].get("ondelete")) for key in found} == {
                (key.column.table.name, key.ondelete) for key in table.foreign_keys
            }


def test_empty_store_becomes_what_the_tables_declare(store: Store) -> None:
    assert app.routes()
    assert shared_results.shared_results.metadata is metadata
    assert migrations.current(store) is None
    migrations.ensure_current(store)
    assert migrations.current(store) == migrations.HEAD
    assert_as_declared(store)
    migrations.ensure_current(store)


@pytest.mark.parametrize("revision", REVISIONS)
def test_upgrade_from_every_revision(store: Store, revision: str) -> None:
    migrations.upgrade(store, revision)
    assert migrations.current(store) == revision
    with store.begin() as unit:
        # What every revision has had: rows survive each later migration.
        unit.db.execute(
            text("INSERT INTO custom_roles (name, base_role, created_at) VALUES ('a', 'b', 'c')")
        )
    migrations.ensure_current(store)
    assert migrations.current(store) == migrations.HEAD
    assert_as_declared(store)
    with store.begin() as unit:
        assert unit.db.execute(text("SELECT name FROM custom_roles")).scalar() == "a"


def test_organization_keys_keep_their_makers(store: Store) -> None:
    migrations.upgrade(store, "0009")
    with store.begin() as unit:
        unit.db.execute(text("INSERT INTO users VALUES ('u', 'a@b', 'a', true, NULL, 'c')"))
        for kind in ("organization", "personal"):
            values = "(id, kind, name, digest, hint, user_id, enabled, created_at)"
            statement = f"INSERT INTO tokens {values} VALUES (:k, :k, '', :d, '', 'u', true, '')"
            unit.db.execute(text(statement), {"k": kind, "d": kind.encode()})
    migrations.ensure_current(store)
    with store.begin() as unit:
        found = unit.db.execute(text("SELECT kind, user_id, maker_id FROM tokens ORDER BY kind"))
        assert [tuple(row) for row in found] == [
            ("organization", None, "u"),
            ("personal", "u", None),
        ]
        unit.db.execute(text("DELETE FROM users"))
        assert unit.db.execute(text("SELECT kind FROM tokens")).scalars().all() == ["organization"]


def test_newer_store_is_refused_and_left_alone(store: Store) -> None:
    migrations.ensure_current(store)
    with store.begin() as unit:
        unit.db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrations.NewerStore, match="9999"):
        migrations.ensure_current(store)
    assert migrations.current(store) == "9999"


START = """
import sys
from dragoman.queries import tables as shared_results  # imported by its first use
from dragoman.secret import SecretStr
from dragoman.store import Store, migrations
store = Store(SecretStr(sys.stdin.read()))
migrations.ensure_current(store)
print(migrations.current(store))
"""


def test_processes_that_start_together_migrate_once(url: SecretStr) -> None:
    def start(_: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", START],
            input=url.reveal(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr

    assert set(at_once(3, start)) == {migrations.HEAD}


def test_failed_migration_leaves_nothing(store: Store) -> None:
    with store.begin() as unit:
        # In the way of the last table that the first migration makes.
        unit.db.execute(text("CREATE TABLE idempotency_keys (x INTEGER)"))
    with pytest.raises(Exception, match="idempotency_keys"):
        migrations.ensure_current(store)
    assert migrations.current(store) is None
    with store.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["idempotency_keys"]
