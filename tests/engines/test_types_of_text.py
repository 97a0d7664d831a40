"""Types that people read as text and that the engine keeps as types of its own.

UUIDs, enumerations, addresses, domains: the catalog says what they are, and every filter of texts
works on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import psycopg
import pytest

from dragoman.dialects import registry
from dragoman.dialects.catalog import CatalogFilter
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.views import view_source
from tests.engines.conformance import Subject, policy, target
from tests.semantics.compiler.support import MemoryLayer, ask, asking
from tests.support.engines import Engine

ONE, TWO = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
COLUMNS = "id INTEGER, key UUID, mood mood"
ROWS = f"(1, '{ONE}', 'sad'), (2, '{TWO}', 'very glad'), (3, NULL, NULL)"
Run = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def in_duckdb() -> Iterator[Run]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'very glad')")
        connection.execute(f"CREATE TABLE people ({COLUMNS})")
        connection.execute(f"INSERT INTO people VALUES {ROWS}")
        yield lambda sql: connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def in_postgres(postgres_server: Engine) -> Iterator[Run]:
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA texts")
        connection.execute("SET search_path TO texts")
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'very glad')")
        connection.execute("CREATE DOMAIN email AS varchar(40)")
        connection.execute("CREATE DOMAIN cheer AS mood")
        connection.execute("CREATE DOMAIN share AS numeric(5, 2)")
        more = "address INET, mail email, cheer cheer, share share, moods mood[]"
        connection.execute(f"CREATE TABLE people ({COLUMNS}, {more})".encode())
        connection.execute(f"INSERT INTO people VALUES {ROWS}".encode())
        yield lambda sql: connection.execute(sql.encode()).fetchall()
        connection.execute("DROP SCHEMA texts CASCADE")


def string(kind: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "kind": kind, "values": list(values), **more}


VIEW = {
    "table_name": "people",
    "dimensions": {
        "id": {"primary_key": True},
        "key": {},
        "mood": {},
        "kind": {
            "sql": "${mood}",
            "groups": [{"filter": {"contains": "glad"}, "name": "Good"}],
            "else": "Rest",
        },
        "top": {"sql": "${key}", "dynamic_top_n": {"n": 2, "by": "people.most"}},
    },
    "measures": {
        "most": {"sql": "${id}", "aggregate_type": "max"},
        "keys": {"sql": "${key}", "aggregate_type": "list"},
    },
}
PEOPLE = MemoryLayer(
    {"people": VIEW}, types={"people": {"id": "NUMBER", "key": "STRING", "mood": "STRING"}}
)


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
@pytest.mark.parametrize(
    ("field", "given", "found"),
    [
        ("key", string("EQUALS", ONE), [1]),
        ("key", string("CONTAINS", "0000000a"), [1]),
        ("key", string("CONTAINS", "000A", case_insensitive=True), [1]),
        ("key", string("STARTS_WITH", "0000", is_negative=True), [3]),
        ("key", string("IS_EMPTY"), []),
        ("mood", string("EQUALS", "sad"), [1]),
        ("mood", string("EQUALS", "Sad", case_insensitive=True), [1]),
        ("mood", string("ENDS_WITH", "glad"), [2]),
        ("mood", string("SQL_LIKE", "v%d"), [2]),
        ("kind", string("EQUALS", "Good"), [2]),
    ],
)
def test_filters_of_texts(
    request: pytest.FixtureRequest, engine: str, field: str, given: Any, found: list[int]
) -> None:
    run: Run = request.getfixturevalue(f"in_{engine}")
    question = {
        "table": "people",
        "fields": ["people.id"],
        "filters": {f"people.{field}": given},
        "sorts": [{"column_name": "people.id"}],
    }
    assert run(ask(PEOPLE, question, asking(engine)).sql) == [(n,) for n in found]


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_the_greatest_and_the_rest(request: pytest.FixtureRequest, engine: str) -> None:
    run: Run = request.getfixturevalue(f"in_{engine}")
    question = {"table": "people", "fields": ["people.top", "people.most", "people.keys"]}
    rows = run(ask(PEOPLE, question, asking(engine)).sql)
    assert sorted(rows, key=repr) == sorted(
        [(None, 3, None), (TWO, 2, TWO), ("Other", 1, ONE)], key=repr
    )


@pytest.mark.usefixtures("in_postgres")
def test_postgres_says_what_its_own_types_stand_for(postgres_server: Engine) -> None:
    dialect = registry.get("postgres")
    subject = Subject(dialect, target("postgres", postgres_server), policy(postgres_server))
    with subject.session() as session:
        (table,) = session.catalog(CatalogFilter.of({"includeSchemas": "texts"}))
    assert [column.type for column in table.columns] == [
        *("integer", "uuid", "enum('sad','very glad')", "inet", "character varying(40)"),
        *("enum('sad','very glad')", "numeric(5,2)", "texts.mood[]"),
    ]
    found = view_source(table, "people", Conventions("postgres", dialect.quote))
    assert list(found.column_types.values()) == [
        *("NUMBER", "STRING", "STRING", "STRING", "STRING", "STRING", "NUMBER", "ARRAY"),
    ]
