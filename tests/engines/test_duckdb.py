"""What is DuckDB's own: files under one directory, sample data, settings per session."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.validation import validate
from dragoman.egress import EgressPolicy
from tests.engines.conformance import Subject, duckdb_subject, rows


@pytest.fixture
def duck(tmp_path: Path) -> Subject:
    return duckdb_subject(tmp_path)


def sample(**options: object) -> Subject:
    return Subject(
        registry.get("duckdb"),
        Target("duckdb", {"database": ":memory:"}, {}),
        EgressPolicy.build(),
    )


def test_the_sample_data_is_a_shop() -> None:
    with sample().session() as session:
        assert session.schemas() == ["main"]
        assert session.readable_tables(["main"]) == 4
        counts = {
            table: rows(session, f"SELECT count(*) AS n FROM {table}")[0]["n"]
            for table in ("customers", "products", "orders", "order_items")
        }
        assert counts == {"customers": 200, "products": 60, "orders": 1000, "order_items": 2500}
        empty = rows(session, "SELECT count(*) AS n FROM orders WHERE shipped_on IS NULL")
        assert 0 < empty[0]["n"] < 1000
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, "WITH x AS (SELECT 1) DELETE FROM orders")
        assert caught.value.cause is Cause.READ_ONLY


_LARGEST = 2**128 - 1
TEXTS: list[tuple[str, object]] = [
    (f"{_LARGEST}::UHUGEINT", str(_LARGEST)),
    ("TIMETZ '10:11:12+02'", "10:11:12+02"),
    ("'101'::BIT", "101"),
    (f"'{10**50}'::BIGNUM", str(10**50)),
    ("VARIANT 'x'", "x"),
    ("NULL::BIT", None),
    (f"[{_LARGEST}::UHUGEINT, NULL]", [str(_LARGEST), None]),
    ("['1'::BIT]::BIT[1]", ["1"]),
    ("{'it\"s': '1'::BIT, 'n': 1}", {'it"s': "1", "n": 1}),
    ("MAP {'k': '1'::BIT}", [("k", "1")]),
]


@pytest.mark.parametrize(("sql", "value"), TEXTS, ids=[case[0] for case in TEXTS])
def test_what_arrow_has_no_equal_for_is_text(sql: str, value: object) -> None:
    """Beside a column of the same name."""
    with sample().session() as session:
        answer = session.run(f"SELECT 1 AS v, {sql} AS v FROM range(3)")
        batches = list(answer.batches)
    assert answer.schema.names == ["v", "v"]
    assert [row for batch in batches for row in batch.column(1).to_pylist()] == [value] * 3
    assert [row for batch in batches for row in batch.column(0).to_pylist()] == [1] * 3


def test_no_password_and_no_host_are_asked_for() -> None:
    draft = validate({"dialect": "duckdb", "name": "Sample", "database": ":memory:"})
    assert draft.warnings == []


@pytest.mark.parametrize(
    ("database", "cause"),
    [
        ("missing.duckdb", Cause.DATABASE_NOT_FOUND),
        ("../outside.duckdb", Cause.PERMISSION_DENIED),
        ("/etc/hostname", Cause.PERMISSION_DENIED),
        ("link.duckdb", Cause.PERMISSION_DENIED),
        ("loop.duckdb", Cause.DATABASE_NOT_FOUND),
        (".", Cause.DATABASE_NOT_FOUND),
        ("text.duckdb", Cause.OTHER),
        ("md:", Cause.DATABASE_NOT_FOUND),
        (":memory:x", Cause.DATABASE_NOT_FOUND),
        ("x" * 5000, Cause.DATABASE_NOT_FOUND),
    ],
)
def test_only_database_files_under_the_directory_open(
    tmp_path: Path, database: str, cause: Cause
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.duckdb").write_bytes(b"")
    (root / "link.duckdb").symlink_to(tmp_path / "outside.duckdb")
    (root / "loop.duckdb").symlink_to(root / "loop.duckdb")
    (root / "text.duckdb").write_text("not a database " * 1000)
    subject = duckdb_subject(root).with_settings(database=database)
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect()
    assert (caught.value.stage, caught.value.cause) == (Stage.DATABASE, cause)


def test_without_a_directory_no_file_opens() -> None:
    where = Target("duckdb", {"database": "shop.duckdb"}, {})
    with pytest.raises(DatabaseFailure) as caught:
        registry.get("duckdb").connect(where, EgressPolicy.build(), SessionOptions())
    assert caught.value.cause is Cause.PERMISSION_DENIED


def test_names_that_need_quoting(tmp_path: Path) -> None:
    duckdb_subject(tmp_path)
    odd = tmp_path / 'it\'s "odd".duckdb'
    (tmp_path / "shop.duckdb").rename(odd)
    subject = duckdb_subject(tmp_path).with_settings(database=odd.name)
    with subject.session() as session:
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_sessions_of_one_file_have_their_own_time_zones(duck: Subject) -> None:
    sql = "SELECT strftime(timestamptz '2024-07-01 12:00:00+00', '%H:%M') AS v"
    with (
        duck.session(timezone="Asia/Kolkata") as one,
        duck.session(timezone="America/New_York") as other,
    ):
        assert rows(one, sql) == [{"v": "17:30"}]
        assert rows(other, sql) == [{"v": "08:00"}]
        one.reset()
        assert rows(one, sql) == [{"v": "17:30"}]


def test_types(duck: Subject) -> None:
    with duck.session(timezone="Europe/Berlin") as session:
        schema = session.run(
            "SELECT 1::decimal(10,2) d, sum(1) h, uuid() u, '{}'::json j, now() z,"
            " timestamp '2024-01-01' t, 1::utinyint b, 'x'::blob x, [1] l"
        ).schema
    assert schema.types == [
        pa.decimal128(10, 2),
        pa.decimal128(38, 0),
        pa.string(),
        pa.string(),
        pa.timestamp("us", "Europe/Berlin"),
        pa.timestamp("us"),
        pa.uint8(),
        pa.binary(),
        pa.list_(pa.field("l", pa.int32())),
    ]


def test_python_variables_are_not_tables(duck: Subject) -> None:
    secret_table = pa.table({"a": [1]})
    assert secret_table.num_rows == 1
    with duck.session() as session, pytest.raises(DatabaseFailure) as caught:
        rows(session, "SELECT * FROM secret_table")
    assert caught.value.cause is Cause.OBJECT_NOT_FOUND


def test_a_file_held_by_a_writer_says_so(duck: Subject, tmp_path: Path) -> None:
    import subprocess
    import sys

    path = str(tmp_path / "shop.duckdb")
    script = (
        f"import duckdb, sys; held = duckdb.connect({path!r});"
        " print('on', flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout
        writer.stdout.readline()
        with pytest.raises(DatabaseFailure, match="open for writing"):
            duck.connect()
    finally:
        writer.communicate()
