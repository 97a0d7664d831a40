"""DuckDB sees one file and nothing else of this machine (CVE-2026-77371)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dragoman.dialects.duckdb_session import DuckDBSession
from tests.support.clients import Client, assert_error
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

SECRET = "contents-of-a-file-outside"


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server whose DuckDB root is `inside`; beside it lies what must not be reached."""
    top = tmp_path_factory.mktemp("jail")
    inside = top / "inside"
    inside.mkdir()
    for path in (top / "outside.duckdb", inside / "shop.duckdb", inside / "other.duckdb"):
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT '{path.stem}' AS name")
    (top / "outside.csv").write_text(f"a\n{SECRET}\n")
    (inside / "neighbour.csv").write_text(f"a\n{SECRET}\n")
    (inside / "link.duckdb").symlink_to(top / "outside.duckdb")
    (inside / "up").symlink_to(top)
    os.environ["JAIL_SECRET"] = SECRET
    with running_server(settings_for(top / "home", duckdb_root=str(inside))) as server:
        yield server, top
    del os.environ["JAIL_SECRET"]


@pytest.fixture(scope="module")
def shop(jail: tuple[Server, Path]) -> str:
    return jail[0].create("duckdb", database="shop.duckdb")


def ask(client: Client, made: str, sql: str) -> Any:
    headers = {"Accept": "application/json"}
    return client.post(f"{CONNECTIONS}/{made}/query", json={"sql": sql}, headers=headers)


REACHING = [
    "SELECT * FROM read_text('{top}/outside.csv')",
    "SELECT * FROM read_blob('{top}/outside.csv')",
    "SELECT * FROM read_csv('{top}/outside.csv')",
    "SELECT * FROM read_csv_auto('{inside}/neighbour.csv')",
    "SELECT * FROM sniff_csv('{inside}/neighbour.csv')",
    "SELECT * FROM read_json('{top}/outside.csv')",
    "SELECT * FROM read_json_objects_auto('{top}/outside.csv')",
    "SELECT * FROM read_parquet('{top}/outside.csv')",
    "SELECT * FROM parquet_metadata('{top}/outside.csv')",
    "SELECT * FROM read_duckdb('{top}/outside.duckdb')",
    "SELECT * FROM '{top}/outside.csv'",
    "SELECT * FROM '/etc/passwd'",
    "FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM glob('{top}/*')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM query('SELECT * FROM ''/etc/passwd''')",
    "SELECT * FROM query('COPY t TO ''{top}/x''')",
    "SELECT * FROM query_table('{top}/outside.csv')",
    "SELECT getenv('JAIL_SECRET')",
    "SELECT * FROM read_text('http://169.254.169.254/latest/meta-data/')",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT * FROM 'http://127.0.0.1:1/x.csv'",
    "SELECT * FROM sqlite_scan('{top}/home/dragoman.db', 'tokens')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "SELECT * FROM st_read('/etc/passwd')",
    "SELECT * FROM iceberg_scan('/etc')",
    "SELECT * FROM delta_scan('/etc')",
    "SELECT * FROM python_map_function()",
    "COPY t TO '{top}/written.csv'",
    "COPY (SELECT 1) TO '{inside}/written.csv'",
    "COPY t FROM '{top}/outside.csv'",
    "EXPORT DATABASE '{top}/export'",
    "IMPORT DATABASE '{top}/export'",
    "ATTACH '{top}/outside.duckdb' AS o",
    "ATTACH '{inside}/other.duckdb' AS o",
    "ATTACH '{top}/home/dragoman.db' AS o (TYPE sqlite)",
    "ATTACH ':memory:' AS o",
    "DETACH shop",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "UPDATE EXTENSIONS",
    "SET enable_external_access = true",
    "SET GLOBAL enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SET temp_directory = '{top}'",
    "SET home_directory = '{top}'",
    "SET allowed_paths = ['/etc/passwd']",
    "SET allowed_directories = ['/']",
    "SET memory_limit = '100GB'",
    "SET VARIABLE x = 1",
    "PRAGMA enable_external_access",
    "PRAGMA enable_profiling",
    "PRAGMA profile_output='{top}/profile'",
    "PRAGMA database_list; SELECT 1",
    "SELECT * FROM pragma_storage_info('/etc/passwd')",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "CREATE TABLE made (a INT)",
    "CREATE TEMP TABLE made (a INT)",
    "CREATE TABLE memory.main.made (a INT)",
    "CREATE MACRO f() AS TABLE SELECT * FROM '/etc/passwd'",
    "INSERT INTO t VALUES ('x')",
    "UPDATE t SET name = 'x'",
    "DELETE FROM t",
    "DROP TABLE t",
    "WITH x AS (INSERT INTO t VALUES ('x') RETURNING name) SELECT * FROM x",
    "EXPLAIN ANALYZE COPY t TO '{top}/written.csv'",
    "EXPLAIN ANALYZE INSERT INTO t VALUES ('x')",
    "SELECT 1; COPY t TO '{top}/written.csv'",
    "CALL enable_logging(storage = 'file', storage_path = '{top}')",
    "CHECKPOINT",
    "VACUUM",
]


@pytest.mark.parametrize("sql", REACHING)
def test_statements_reach_nothing_outside(jail: tuple[Server, Path], shop: str, sql: str) -> None:
    server, top = jail
    files = _files(top)
    answer = ask(server.root, shop, sql.format(top=top, inside=top / "inside"))
    assert answer.status_code == 400, answer.text
    assert_error(answer, 400)
    assert SECRET not in answer.text
    assert "root:" not in answer.text
    assert _files(top) == files


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM which_secret('s3://x', 's3')",
        "SELECT * FROM duckdb_temporary_files()",
        "SELECT * FROM duckdb_variables()",
        "SELECT path FROM duckdb_databases()",
        "SELECT * FROM duckdb_settings()",
        "SELECT current_setting('home_directory')",
        "SHOW ALL TABLES",
        "SHOW DATABASES",
    ],
)
def test_catalogs_tell_no_secret_of_the_machine(
    jail: tuple[Server, Path], shop: str, sql: str
) -> None:
    answer = ask(jail[0].root, shop, sql)
    assert answer.status_code in (200, 400)
    assert SECRET not in answer.text
    assert "outside" not in answer.text


def test_what_may_be_read_still_can_be(jail: tuple[Server, Path], shop: str) -> None:
    answer = ask(jail[0].root, shop, "SELECT name FROM t")
    assert answer.status_code == 200
    assert "shop" in answer.text


def test_settings_are_locked_shut(jail: tuple[Server, Path], shop: str) -> None:
    wanted = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_unsigned_extensions": "false",
        "temp_directory": "",
    }
    for name, value in wanted.items():
        answer = ask(jail[0].root, shop, f"SELECT current_setting('{name}')::text AS v")
        assert answer.status_code == 200, answer.text
        assert f'"{value}"' in answer.text, name


OUTSIDE = [
    "../outside.duckdb", "{top}/outside.duckdb", "link.duckdb", "up/outside.duckdb",
    "./../outside.duckdb", "x/../../outside.duckdb", "/etc/passwd", "..", ".", "/", "~/x",
    "file:../outside.duckdb", "shop.duckdb?access_mode=read_write", "shop.duckdb\x00.x",
    "md:shop", "s3://bucket/x.duckdb", "http://127.0.0.1:1/x.duckdb", ":memory:x", "inside",
    "shop.duckdb' AS x; ATTACH '/etc/passwd", "shop.duckdb (READ_WRITE)", "ducklake:x",
    "../home/dragoman.db", "sqlite:../home/dragoman.db", "//etc/passwd", "\\..\\outside.duckdb",
]  # fmt: skip


@pytest.mark.parametrize("database", OUTSIDE)
def test_database_is_a_file_under_the_root(
    jail: tuple[Server, Path], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, top = jail
    opened: list[Path] = []
    real = DuckDBSession._open

    def watched(session: DuckDBSession) -> Any:
        opened.append(session._path)
        return real(session)

    monkeypatch.setattr(DuckDBSession, "_open", watched)
    named = database.format(top=top)
    sent = {"dialect": "duckdb", "name": "x", "database": named}
    answer = server.root.post(f"{CONNECTIONS}?test=true", json=sent)
    assert answer.status_code == 400, answer.text
    # A session that an earlier test gave back may be opened anew just now.
    assert {path.name for path in opened} <= {"shop.duckdb"}
    if "/etc" not in named and str(top) not in named:
        assert str(top) not in answer.text


def test_each_session_is_an_instance_of_its_own(jail: tuple[Server, Path], shop: str) -> None:
    server, _ = jail
    other = server.create("duckdb", database="other.duckdb")
    assert_error(ask(server.root, other, "SELECT * FROM shop.main.t"), 400)
    assert_error(ask(server.root, shop, "SELECT * FROM other.main.t"), 400)


def _files(top: Path) -> set[str]:
    return {str(each) for each in top.rglob("*") if "home" not in each.parts}
