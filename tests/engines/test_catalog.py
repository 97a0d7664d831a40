"""The catalog, read from real engines: what it says, what it leaves out, how it ends early."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Session, Target
from dragoman.dialects.catalog import CatalogFilter as Filter
from dragoman.dialects.catalog import Column, ForeignKey, Table, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, policy, rows, target
from tests.support import engines
from tests.support.engines import Engine

MANY = {"postgres": 2_000, "mariadb": 300, "duckdb": 2_000}  # MariaDB takes long to make them
HOSTILE = ['He said "no"', "a.b", "MiXed", "naïve 表", "it's", "per%cent_", "back`tick\\", "x" * 63]


@dataclass(frozen=True)
class Lab:
    """An engine with room of its own. `prefix` starts the names of all schemas made here."""

    subject: Subject
    execute: Callable[..., None]
    prefix: str = ""

    @property
    def kind(self) -> str:
        return self.subject.target.dialect

    def quote(self, name: str) -> str:
        return self.subject.dialect.quote(name)

    def named(self, name: str) -> str:
        return self.quote(self.prefix + name)

    def filter(self, include: str = "", away: str = "", *, offloaded: bool = False) -> Filter:
        settings = {"includeSchemas": include or f"{self.prefix}*", "offloadedSchemas": away}
        return Filter.of(settings, offloaded=offloaded)

    def tables(self, session: Session, **names: Any) -> list[Table]:
        return list(session.catalog(self.filter(**names)))

    def read(self, **names: Any) -> list[Table]:
        with self.subject.session() as session:
            return self.tables(session, **names)

    def names(self, **names: Any) -> list[tuple[str, str]]:
        return [
            (table.schema.removeprefix(self.prefix), table.name) for table in self.read(**names)
        ]

    def as_user(self, name: str) -> Lab:
        settings = {**self.subject.target.settings, "username": name}
        user = Target(self.kind, settings, {"passwordUnencrypted": SecretStr("pass-word-1")})
        return replace(self, subject=replace(self.subject, target=user))


@contextlib.contextmanager
def postgres_lab(engine: Engine) -> Iterator[Lab]:
    engine = replace(engine, database=f"catalog_{uuid.uuid4().hex}")
    engines.create_database(engine, engine.database)

    def execute(*statements: str) -> None:
        with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    dialect = registry.get("postgres")
    subject = Subject(dialect, target("postgres", engine), policy(engine))
    try:
        yield Lab(subject, execute)
    finally:
        engines.drop_database(replace(engine, database="app"), engine.database)


@contextlib.contextmanager
def mariadb_lab(engine: Engine) -> Iterator[Lab]:
    prefix = f"c{uuid.uuid4().hex[:8]}_"

    def ask(*statements: str) -> list[Any]:
        connection = pymysql.connect(
            host=engine.host,
            port=engine.port,
            user=engine.username,
            password=engine.password,
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    dialect = registry.get("mariadb")
    subject = Subject(dialect, target("mariadb", engine), policy(engine))
    try:
        yield Lab(subject, lambda *statements: ask(*statements) and None, prefix)
    finally:
        made = [str(row[0]) for row in ask("SHOW DATABASES") if str(row[0]).startswith(prefix)]
        ask("SET foreign_key_checks = 0", *[f"DROP DATABASE {dialect.quote(n)}" for n in made])


@contextlib.contextmanager
def duckdb_lab(directory: Path) -> Iterator[Lab]:
    def execute(*statements: str) -> None:
        with duckdb.connect(str(directory / "shop.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)

    execute()
    where = Target("duckdb", {"database": "shop.duckdb"}, {})
    dialect = registry.get("duckdb")
    yield Lab(Subject(dialect, where, EgressPolicy.build(), files=directory), execute)


def opened(kind: str, request: pytest.FixtureRequest) -> contextlib.AbstractContextManager[Lab]:
    if kind == "postgres":
        return postgres_lab(request.getfixturevalue("postgres_server"))
    if kind == "mariadb":
        return mariadb_lab(request.getfixturevalue("mariadb_server"))
    return duckdb_lab(request.getfixturevalue("tmp_path"))


@pytest.fixture(params=["postgres", "mariadb", "duckdb"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with opened(request.param, request) as made:
        yield made


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with opened("postgres", request) as made:
        yield made


@pytest.fixture
def mariadb(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with opened("mariadb", request) as made:
        yield made


@pytest.fixture
def duck(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with opened("duckdb", request) as made:
        yield made


def column(table: Table, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)


def fill(lab: Lab, count: int) -> None:
    lab.execute(f"CREATE SCHEMA {lab.named('many')}")
    fill_on(lab, range(count))


def fill_on(lab: Lab, numbers: range) -> None:
    space = lab.named("many")
    lab.execute(*(f"CREATE TABLE {space}.t{n:04} (id int PRIMARY KEY, a int)" for n in numbers))


def expect(cause: Cause, tables: Iterator[Table]) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        list(tables)
    assert caught.value.cause is cause


# What every engine says


def test_an_empty_database_has_no_tables(lab: Lab) -> None:
    lab.execute(f"CREATE SCHEMA {lab.named('empty')}")
    assert lab.read() == []


def test_keys_of_several_columns_keep_their_order(lab: Lab) -> None:
    space = lab.named("s")
    lab.execute(
        f"CREATE SCHEMA {space}",
        f"CREATE TABLE {space}.parent (a int, b int NOT NULL, c varchar(9), PRIMARY KEY (c, a))",
        f"CREATE TABLE {space}.child (z varchar(9), y int, boss int, id int PRIMARY KEY,"
        f" CONSTRAINT up FOREIGN KEY (z, y) REFERENCES {space}.parent (c, a),"
        f" CONSTRAINT self FOREIGN KEY (boss) REFERENCES {space}.child (id))",
    )
    child, parent = lab.read()
    assert parent.primary_key == ["c", "a"]
    places = [(c.name, c.position, c.primary_key_position) for c in parent.columns]
    assert places == [("a", 1, 2), ("b", 2, None), ("c", 3, 1)]
    assert [c.nullable for c in parent.columns] == [False, False, False]
    assert [c.nullable for c in child.columns] == [True, True, True, False]
    schema = f"{lab.prefix}s"
    found = sorted((k.columns, k.schema, k.table, k.referenced_columns) for k in child.foreign_keys)
    assert found == [
        (["boss"], schema, "child", ["id"]),
        (["z", "y"], schema, "parent", ["c", "a"]),
    ]


def test_hostile_names_and_defaults_arrive_as_they_are(lab: Lab) -> None:
    for name in HOSTILE:
        quoted, space = lab.quote(name), lab.named(name[: 63 - len(lab.prefix)])
        key = lab.quote(f"{name[:61]} 1")
        lab.execute(
            f"CREATE SCHEMA {space}",
            f"CREATE TABLE {space}.{quoted} ({quoted} int PRIMARY KEY, {key} int,"
            f" d varchar(9) DEFAULT 'it''s',"
            f" CONSTRAINT {key} FOREIGN KEY ({key}) REFERENCES {space}.{quoted} ({quoted}))",
        )
    tables = lab.read()
    assert sorted(t.name for t in tables) == sorted(HOSTILE)
    for table in tables:
        name = table.name
        assert table.schema == lab.prefix + name[: 63 - len(lab.prefix)]
        assert [c.name for c in table.columns] == [name, f"{name[:61]} 1", "d"]
        assert table.primary_key == [name]
        keys = [(k.table, k.columns, k.referenced_columns) for k in table.foreign_keys]
        assert keys == [(name, [f"{name[:61]} 1"], [name])]
        assert "'it''s'" in (table.columns[2].default or "") or "it\\'s" in str(table.columns[2])


def test_schemas_are_chosen_by_pattern(lab: Lab) -> None:
    for name in ("sales_eu", "sales_us", "Sales", "salesXeu", "other", "off_eu", "a.b"):
        space = lab.named(name)
        lab.execute(f"CREATE SCHEMA {space}", f"CREATE TABLE {space}.t (a int)")
    p = lab.prefix

    def schemas(include: str, away: str = "", *, offloaded: bool = False) -> list[str]:
        found = lab.names(include=include, away=away, offloaded=offloaded)
        return [schema for schema, _ in found]

    assert schemas(f"{p}sales_*") == ["sales_eu", "sales_us"]
    assert schemas(f"{p}sales_eu, {p}other") == ["other", "sales_eu"]
    assert schemas(f'"{p}Sales"') == ["Sales"]
    assert schemas(f'"{p}sales*"') == []
    assert schemas(f'"{p}a.b"') == ["a.b"]
    assert schemas(f"{p}nowhere") == []
    assert schemas("nowhere.*") == []
    assert schemas(f"{p}s*", f"{p}*_eu") == ["salesXeu", "sales_us"]
    assert schemas(f"{p}s*", f"{p}*_eu", offloaded=True) == ["salesXeu", "sales_eu", "sales_us"]


def test_thousands_of_tables_by_a_handful_of_statements(lab: Lab) -> None:
    fill(lab, 3)
    with lab.subject.session() as session, counted(session) as few:
        assert len(lab.tables(session)) == 3
    many_tables = MANY[lab.kind]
    fill_on(lab, range(3, many_tables))
    with lab.subject.session() as session:
        with counted(session) as many:
            tables = lab.tables(session)
        # The memory that it takes is not that of the list.
        tracemalloc.start()
        kept = list(session.catalog(lab.filter()))
        whole, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in session.catalog(lab.filter()):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (
        [t.name for t in tables]
        == [f"t{n:04}" for n in range(many_tables)]
        == [t.name for t in kept]
    )
    assert all(t.primary_key == ["id"] and len(t.columns) == 2 for t in tables)
    assert few() == many() <= 4
    assert peak - before < 0.75 * whole


@contextlib.contextmanager
def counted(session: Any) -> Iterator[Callable[[], int]]:
    """Counts the statements that reach the database, by what sees them pass."""
    found = 0
    if hasattr(session, "_control"):
        with tempfile.TemporaryFile("w+") as trace:
            session._control.pgconn.trace(trace.fileno())
            yield lambda: found
            session._control.pgconn.untrace()
            trace.seek(0)
            kinds = [line.split("\t")[2] for line in trace if line.count("\t") > 2]
            found = kinds.count("Query") + kinds.count("Parse")
    elif hasattr(session, "_timer"):
        real, calls = session._connection, list[str]()

        class Counting:
            def __getattr__(self, name: str) -> Any:
                calls.append(name)
                return getattr(real, name)

        session._connection = Counting()
        yield lambda: found
        session._connection = real
        found = calls.count("sql") + calls.count("execute")
    else:
        asked = "SHOW SESSION STATUS LIKE 'Questions'"
        before = int(session._ask(asked)[0][1])
        yield lambda: found
        # ROLLBACK at the end, and this question itself, are in the count.
        found = int(session._ask(asked)[0][1]) - before - 1


def test_the_next_statement_ends_the_reading(lab: Lab) -> None:
    fill(lab, 250)
    with lab.subject.session() as session:
        reading = session.catalog(lab.filter())
        assert next(reading).name == "t0000"
        assert rows(session, "SELECT 1 AS one") == [{"one": 1}]
        assert list(reading) == []
        assert len(lab.tables(session)) == 250
        session.ping()
        assert not session.broken


def test_cancelled_in_the_middle(lab: Lab) -> None:
    fill(lab, 250)
    with lab.subject.session() as session:
        reading = session.catalog(lab.filter())
        next(reading)
        stopper = threading.Thread(target=session.cancel)
        stopper.start()
        stopper.join()
        expect(Cause.CANCELLED, reading)
        session.ping()
        assert len(lab.tables(session)) == 250
        assert not session.broken


def test_cancelled_before_the_first_table(lab: Lab) -> None:
    fill(lab, 3)
    with lab.subject.session() as session:
        reading = session.catalog(lab.filter())
        session.cancel()
        expect(Cause.CANCELLED, reading)
        assert len(lab.tables(session)) == 3


# PostgreSQL


def test_all_that_postgres_has(postgres: Lab) -> None:
    postgres.execute(
        "CREATE SCHEMA sales; COMMENT ON SCHEMA sales IS 'Ventes d''été'",
        "CREATE TABLE public.place (x int, y int, UNIQUE (y, x))",
        "CREATE TABLE sales.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int,"
        " price numeric(10,2) DEFAULT 1.5 NOT NULL, twice numeric GENERATED ALWAYS AS (price * 2)"
        " STORED, tags text[], x int, y int,"
        " CONSTRAINT at FOREIGN KEY (y, x) REFERENCES public.place (y, x))",
        "ALTER TABLE sales.item DROP COLUMN gone",
        """COMMENT ON TABLE sales.item IS 'It''s "quoted"; 表'""",
        "COMMENT ON COLUMN sales.item.price IS E'two\\nlines'",
        "INSERT INTO sales.item (x) SELECT NULL FROM generate_series(1, 50); ANALYZE sales.item",
        "CREATE VIEW sales.cheap AS SELECT id, price FROM sales.item; "
        "COMMENT ON VIEW sales.cheap IS 'seen'",
        "CREATE MATERIALIZED VIEW sales.mat AS SELECT id FROM sales.item",
        "CREATE TABLE sales.parted (d date, n bigint REFERENCES sales.item) PARTITION BY RANGE (d)",
        "CREATE TABLE sales.parted_1 PARTITION OF sales.parted DEFAULT",
        "CREATE TABLE sales.nothing ()",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE FOREIGN TABLE sales.far (a int) SERVER s",
    )
    found = {table.name: table for table in postgres.read(include="*")}
    assert {name: table.kind for name, table in found.items()} == {
        "place": TableKind.TABLE,
        "cheap": TableKind.VIEW,
        "far": TableKind.FOREIGN_TABLE,
        "item": TableKind.TABLE,
        "mat": TableKind.MATERIALIZED_VIEW,
        "nothing": TableKind.TABLE,
        "parted": TableKind.PARTITIONED_TABLE,
    }
    item = found["item"]
    assert item.catalog == postgres.subject.target.database
    assert (item.schema, item.schema_comment) == ("sales", "Ventes d'été")
    assert item.comment == 'It\'s "quoted"; 表'
    assert [c.name for c in item.columns] == ["id", "price", "twice", "tags", "x", "y"]
    assert item.columns[0] == Column("id", 1, "bigint", False, None, None, 1)
    assert item.columns[1] == Column("price", 3, "numeric(10,2)", False, "1.5", "two\nlines", None)
    assert column(item, "twice").default is None
    assert column(item, "tags").type == "text[]"
    assert item.foreign_keys == [ForeignKey("at", ["y", "x"], "public", "place", ["y", "x"])]
    assert [k.table for k in found["parted"].foreign_keys] == ["item"]
    assert found["nothing"].columns == []
    assert found["cheap"].comment == "seen"
    estimates = {name: table.estimated_rows for name, table in found.items()}
    assert estimates["item"] == 50
    assert estimates["place"] is estimates["cheap"] is estimates["parted"] is None


def test_postgres_hides_what_may_not_be_read(postgres: Lab) -> None:
    user = f"user_{uuid.uuid4().hex}"
    postgres.execute(
        f"CREATE ROLE {user} LOGIN PASSWORD 'pass-word-1'",
        "CREATE SCHEMA closed; CREATE TABLE closed.t (a int); GRANT SELECT ON closed.t TO public",
        "CREATE TABLE public.all_of (a int); GRANT SELECT ON public.all_of TO public",
        "CREATE TABLE public.none_of (a int); GRANT INSERT ON public.none_of TO public",
        "CREATE TABLE public.part_of (a int, b int, c int, PRIMARY KEY (b, a));"
        "GRANT SELECT (a, c) ON public.part_of TO public",
    )
    all_of, part_of = postgres.as_user(user).read(include="*")
    assert (all_of.name, part_of.name) == ("all_of", "part_of")
    assert [(c.name, c.primary_key_position) for c in part_of.columns] == [("a", 2), ("c", None)]
    assert part_of.primary_key == ["a"]
    assert len(postgres.read(include="*")) == 4


def test_postgres_catalog_names_qualify_schemas(postgres: Lab) -> None:
    postgres.execute("CREATE TABLE public.t (a int)")
    here = postgres.subject.target.database
    assert postgres.names(include=f"{here}.pub*") == [("public", "t")]
    assert postgres.names(include="elsewhere.pub*") == []
    assert postgres.names(include="*", away=f"{here[:9]}*.public") == []


def test_names_in_any_case_where_the_filter_folds(postgres: Lab) -> None:
    from dragoman.dialects.names import compile_patterns

    postgres.execute(
        'CREATE SCHEMA "Été"; CREATE TABLE "Été".t (a int)',
        'CREATE SCHEMA "SALES"; CREATE TABLE "SALES".t (a int)',
        "CREATE TABLE public.t (a int)",
    )
    folding = Filter(
        compile_patterns("éTé,sales,PUBLIC", fold=True), compile_patterns("Sales", fold=True)
    )
    quoted = Filter(leave_out=compile_patterns('"sales",Public', fold=True))
    with postgres.subject.session() as session:
        assert [t.schema for t in session.catalog(folding)] == ["public", "Été"]
        assert [t.schema for t in session.catalog(quoted)] == ["SALES", "Été"]


@contextlib.contextmanager
def catalog_locked(lab: Lab) -> Iterator[None]:
    """Every reader of column defaults waits."""
    url = lab.subject.target
    with psycopg.connect(
        host="127.0.0.1",
        port=url.port,
        user=url.username,
        password=url.password.reveal(),
        dbname=url.database,
    ) as connection:
        connection.execute("LOCK TABLE pg_catalog.pg_attrdef IN ACCESS EXCLUSIVE MODE")
        yield


def test_postgres_stops_a_statement_that_waits(postgres: Lab) -> None:
    fill(postgres, 3)
    with postgres.subject.session(timeout_seconds=0.5) as session, catalog_locked(postgres):
        expect(Cause.QUERY_TIMEOUT, session.catalog())
    with postgres.subject.session() as session:
        with catalog_locked(postgres):
            timer = threading.Timer(0.5, session.cancel)
            timer.start()
            began = time.monotonic()
            expect(Cause.CANCELLED, session.catalog())
            assert time.monotonic() - began < 10
        assert len(list(session.catalog())) == 3


def test_a_lost_postgres_breaks_the_session(postgres: Lab) -> None:
    fill(postgres, 3)
    with postgres.subject.session() as session:
        with catalog_locked(postgres):
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            end += "current_database() AND application_name = 'dragoman'"
            threading.Timer(0.5, postgres.execute, [end]).start()
            expect(Cause.CONNECTION_LOST, session.catalog())
        assert session.broken


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_tables_that_come_and_go_meanwhile(kind: str, request: pytest.FixtureRequest) -> None:
    with opened(kind, request) as lab:
        fill(lab, 100)
        space, done = lab.named("many"), threading.Event()

        def churn() -> None:
            make = [f"CREATE TABLE {space}.n{n} (a int PRIMARY KEY, b int)" for n in range(10)]
            while not done.is_set():
                lab.execute(*make, *(f"DROP TABLE {space}.n{n}" for n in range(10)))

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            with lab.subject.session() as session:
                for _ in range(25):
                    tables = lab.tables(session)
                    assert sum(table.name.startswith("t") for table in tables) == 100
                    assert all(table.columns for table in tables)
        finally:
            done.set()
            thread.join()


# MariaDB


def test_all_that_mariadb_has(mariadb: Lab) -> None:
    a, b = mariadb.named("a"), mariadb.named("b")
    mariadb.execute(
        f"CREATE DATABASE {a} COMMENT 'Ventes d''été'",
        f"CREATE DATABASE {b}",
        f"CREATE TABLE {a}.place (x int, y varchar(4) DEFAULT 'NULL', PRIMARY KEY (y, x))"
        " COMMENT 'It''s \"quoted\"; 表'",
        f"CREATE TABLE {b}.item (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, gone int,"
        " y varchar(4) COMMENT 'here', x int, sum int AS (x + 1) STORED, n int NOT NULL DEFAULT 7,"
        f" CONSTRAINT put FOREIGN KEY (y, x) REFERENCES {a}.place (y, x))",
        f"ALTER TABLE {b}.item DROP COLUMN gone",
        f"CREATE VIEW {b}.cheap AS SELECT id, 0 AS zero FROM {b}.item",
        f"CREATE TABLE {b}.lost (a int)",
        f"CREATE VIEW {b}.invalid AS SELECT a FROM {b}.lost",
        f"DROP TABLE {b}.lost",
        f"CREATE SEQUENCE {b}.counter",
        f"CREATE TABLE {b}.parted (a int) PARTITION BY HASH (a) PARTITIONS 2",
    )
    found = {table.name: table for table in mariadb.read()}
    kinds = {name: table.kind for name, table in found.items() if name != "invalid"}
    assert kinds == {
        "place": TableKind.TABLE,
        "cheap": TableKind.VIEW,
        "item": TableKind.TABLE,
        "parted": TableKind.PARTITIONED_TABLE,
    }
    place, item, cheap = found["place"], found["item"], found["cheap"]
    assert (place.catalog, place.schema_comment) == (None, "Ventes d'été")
    assert place.comment == 'It\'s "quoted"; 表'
    assert (item.schema_comment, item.comment, cheap.comment) == (None, None, None)
    assert place.columns[1] == Column("y", 2, "varchar(4)", False, "'NULL'", None, 1)
    assert item.columns[0] == Column("id", 1, "bigint(20) unsigned", False, None, None, 1)
    assert item.columns[1] == Column("y", 2, "varchar(4)", True, None, "here", None)
    assert [column(item, name).default for name in ("x", "sum", "n")] == [None, None, "7"]
    put = ForeignKey("put", ["y", "x"], f"{mariadb.prefix}a", "place", ["y", "x"])
    assert item.foreign_keys == [put]
    assert [c.default for c in cheap.columns] == [None, None]
    assert (item.estimated_rows, cheap.estimated_rows) == (0, None)


def test_mariadb_hides_what_may_not_be_read(mariadb: Lab) -> None:
    user, space = f"u{uuid.uuid4().hex[:12]}", mariadb.named("s")
    mariadb.execute(
        f"CREATE USER {user} IDENTIFIED BY 'pass-word-1'",
        f"CREATE DATABASE {space}",
        f"CREATE TABLE {space}.all_of (a int, b int, PRIMARY KEY (b, a))",
        f"CREATE TABLE {space}.none_of (a int)",
        f"CREATE TABLE {space}.hidden (a int)",
        f"CREATE TABLE {space}.part_of (a int, b int, c int, PRIMARY KEY (b, a),"
        f" CONSTRAINT up FOREIGN KEY (c, a) REFERENCES {space}.all_of (b, a))",
        f"GRANT SELECT ON {space}.all_of TO {user}",
        f"GRANT INSERT ON {space}.none_of TO {user}",
        f"GRANT SELECT (a, c) ON {space}.part_of TO {user}",
    )
    subject = mariadb.as_user(user)
    settings = {**subject.subject.target.settings, "database": f"{mariadb.prefix}s"}
    moved = replace(subject.subject, target=replace(subject.subject.target, settings=settings))
    all_of, part_of = replace(subject, subject=moved).read()
    assert (all_of.name, all_of.primary_key) == ("all_of", ["b", "a"])
    # Of a table of which only columns are granted, MariaDB shows no keys.
    assert [(c.name, c.primary_key_position) for c in part_of.columns] == [("a", None), ("c", None)]
    assert (part_of.primary_key, part_of.foreign_keys) == ([], [])
    mariadb.execute(f"DROP USER {user}")


def test_mariadb_stops_at_the_time_limit(mariadb: Lab) -> None:
    fill(mariadb, 200)
    with mariadb.subject.session() as session:
        rows(session, "SELECT 1")
        private: Any = session
        private._ask("SET SESSION max_statement_time = 0.002")
        expect(Cause.QUERY_TIMEOUT, session.catalog())
        session.ping()


# DuckDB


def test_all_that_duckdb_has(duck: Lab) -> None:
    duck.execute(
        "CREATE SCHEMA s; CREATE TABLE s.place (a int PRIMARY KEY)",
        "CREATE TABLE place (a int PRIMARY KEY)",
        "CREATE TABLE s.item (id int PRIMARY KEY, price decimal(10,2) DEFAULT 1.5, nil int"
        " DEFAULT NULL, twice int AS (id * 2), place int REFERENCES s.place (a))",
        """COMMENT ON TABLE s.item IS 'It''s "quoted"; 表'""",
        "COMMENT ON COLUMN s.item.place IS 'é'",
        "CREATE VIEW s.cheap AS SELECT * FROM s.item; COMMENT ON VIEW s.cheap IS 'seen'",
        "CREATE TEMP TABLE passing (a int)",
        "INSERT INTO s.place SELECT * FROM range(5)",
        "CREATE TABLE lost (a int); CREATE VIEW unbound AS SELECT * FROM lost; DROP TABLE lost",
    )
    tables = duck.read(include="*")
    found = [(table.schema, table.name, str(table.kind)) for table in tables]
    assert found == [
        ("main", "place", "table"),
        ("main", "unbound", "view"),
        ("s", "cheap", "view"),
        ("s", "item", "table"),
        ("s", "place", "table"),
    ]
    cheap, item, place = tables[2:]
    assert (item.catalog, item.comment, cheap.comment) == ("shop", 'It\'s "quoted"; 表', "seen")
    assert [c.default for c in item.columns] == [None, "1.5", None, None, None]
    assert item.columns[4].comment == "é"
    assert [(k.schema, k.table) for k in item.foreign_keys] == [("s", "place")]
    assert (place.estimated_rows, cheap.estimated_rows) == (5, None)
    assert duck.names(include="shop.s*") == [("s", "cheap"), ("s", "item"), ("s", "place")]


def test_duckdb_stops_at_the_time_limit(duck: Lab) -> None:
    fill(duck, 500)
    with duck.subject.session(timeout_seconds=0.3) as session:

        def late() -> Iterator[Any]:
            reading = session.catalog()
            yield next(reading)
            time.sleep(0.5)
            yield from reading

        expect(Cause.QUERY_TIMEOUT, late())
        session.ping()
