"""The catalog's filter, and the readers on rows of their own: what needs no engine."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects import duckdb_catalog, mysql_catalog
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, TableKind
from dragoman.dialects.mysql_catalog import Server
from dragoman.dialects.names import BadNames, compile_patterns

MYSQL = Server("8.0.36", folds=False)
MARIADB = Server("5.5.5-10.11.6-MariaDB-log", folds=False)


def test_everything_is_wanted_by_default() -> None:
    assert EVERYTHING.wants("any")
    assert EVERYTHING.include_like("!") == EVERYTHING.leave_out_like("!") == []


def test_offloaded_schemas_are_left_out_unless_asked_for() -> None:
    settings = {"includeSchemas": "sales_*,other", "offloadedSchemas": "sales_old"}
    wanted = CatalogFilter.of(settings)
    seen = [n for n in ("sales_eu", "sales_old", "other", "more") if wanted.wants(n)]
    assert seen == ["sales_eu", "other"]
    assert CatalogFilter.of(settings, offloaded=True).wants("sales_old")
    assert CatalogFilter.of({"includeSchemas": None}).wants("any")


def test_the_schema_of_uploads_is_never_read() -> None:
    settings = {"scratchSchema": "Up.* loads", "offloadedSchemas": "old"}
    schemas = ("a", "old", "Up.* loads", "Up. my loads")
    read = [name for name in schemas if CatalogFilter.of(settings).wants(name)]
    assert read == ["a", "Up. my loads"]
    everything = CatalogFilter.of(settings, offloaded=True)
    assert [name for name in schemas if everything.wants(name)] == ["a", "old", "Up. my loads"]


def test_a_list_that_cannot_be_read_is_told() -> None:
    with pytest.raises(BadNames):
        CatalogFilter.of({"includeSchemas": 'a,"b'})


def test_patterns_for_the_server_let_through_too_much_rather_than_too_little() -> None:
    folding = compile_patterns("Été_*", fold=True)
    assert [p.schema for p in CatalogFilter(folding).include_like("!")] == ["%t%!_%"]
    assert CatalogFilter(leave_out=folding).leave_out_like("!") == []
    exact = compile_patterns("Été_*")
    assert [p.schema for p in CatalogFilter(exact).include_like("\\")] == ["Été\\_%"]
    assert [p.schema for p in CatalogFilter(leave_out=exact).leave_out_like("!")] == ["Été!_%"]


@pytest.mark.parametrize(
    ("version", "mariadb", "comments"),
    [
        ("8.0.36", False, False),
        ("8.4.0-cloud", False, False),
        ("5.5.5-10.11.6-MariaDB-log", True, True),
        ("11.4.2-MariaDB", True, True),
        ("10.4.1-MariaDB", True, False),
        ("MariaDB of some kind", True, False),
    ],
)
def test_what_the_greeting_tells(version: str, mariadb: bool, comments: bool) -> None:
    server = Server(version, folds=False)
    assert (server.mariadb, server.schema_comments) == (mariadb, comments)
    text, _ = mysql_catalog.statement(EVERYTHING, server)
    assert ("schemata" in text) == comments


def test_a_pattern_is_bound_for_each_part_of_the_union() -> None:
    wanted = CatalogFilter(compile_patterns("a_*,x.b"), compile_patterns("c"))
    text, values = mysql_catalog.statement(wanted, MYSQL)
    assert values == ["a!_%", "c"] * 3
    assert text.count("%s") == len(values)
    assert "LOWER" not in text
    folded, _ = mysql_catalog.statement(wanted, Server("8.0.36", folds=True))
    assert folded.count("LOWER(%s)") == len(values)


def test_only_catalogs_asked_of_a_server_without_any() -> None:
    text, values = mysql_catalog.statement(CatalogFilter(compile_patterns("x.b")), MYSQL)
    assert text.count("AND FALSE AND NOT FALSE") == 3
    assert values == []


def facts(*tables: str) -> list[tuple[Any, ...]]:
    """Rows of the statement, in its order."""
    every: list[tuple[Any, ...]] = []
    for name in tables:
        every += [
            ("S", name, "1", "", "0", "", "BASE TABLE", "", None, ""),
            ("S", name, "2", "", "1", "a", "int", "NO", "NULL", ""),
            ("S", name, "2", "", "2", "b", "int", "YES", None, "c"),
            ("S", name, "3", "PRIMARY", "1", "b", None, None, None, None),
            ("S", name, "3", "PRIMARY", "2", "a", None, None, None, None),
        ]
    return every


def test_the_word_null_is_a_default_in_mysql_only() -> None:
    (in_mysql,) = mysql_catalog.tables(facts("t"), EVERYTHING, MYSQL)
    (in_mariadb,) = mysql_catalog.tables(facts("t"), EVERYTHING, MARIADB)
    assert [t.columns[0].default for t in (in_mysql, in_mariadb)] == ["NULL", None]
    assert in_mysql.primary_key == ["b", "a"]
    assert [c.primary_key_position for c in in_mysql.columns] == [2, 1]
    assert (in_mysql.kind, in_mysql.estimated_rows) == (TableKind.TABLE, None)


def test_tables_half_seen_are_left_out() -> None:
    whole = facts("made", "steady", "zapped")
    torn = [row for row in whole if row[1:3] not in {("made", "1"), ("zapped", "2")}]
    assert [t.name for t in mysql_catalog.tables(torn, EVERYTHING, MYSQL)] == ["steady"]


def test_a_server_that_folds_names_has_the_last_word() -> None:
    wanted = CatalogFilter(compile_patterns("s"))
    assert list(mysql_catalog.tables(facts("t"), wanted, MYSQL)) == []
    folding = Server("8.0.36", folds=True)
    assert [t.schema for t in mysql_catalog.tables(facts("t"), wanted, folding)] == ["S"]


def test_a_schemas_comment_is_of_its_own_tables() -> None:
    comment = [("R", "", "0", "", "0", "", "about R", None, None, None)]
    (table,) = mysql_catalog.tables([*comment, *facts("t")], EVERYTHING, MARIADB)
    assert table.schema_comment is None
    (table,) = mysql_catalog.tables([("S", *comment[0][1:]), *facts("t")], EVERYTHING, MARIADB)
    assert table.schema_comment == "about R"


def test_duckdb_names_are_literals() -> None:
    wanted = CatalogFilter(compile_patterns('"it\'s",x.y'), compile_patterns("z"))
    text = duckdb_catalog.statement("da'ta", wanted)
    assert text.count("database_name = 'da''ta'") == 4
    assert "schema_name LIKE 'it''s' ESCAPE '!'" in text
    assert "('da''ta' LIKE 'x' ESCAPE '!' AND schema_name LIKE 'y' ESCAPE '!')" in text
    assert "AND NOT (schema_name LIKE 'z' ESCAPE '!')" in text
